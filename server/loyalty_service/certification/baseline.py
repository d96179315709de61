"""Known failures: cases that may fail, each with a reason, until they pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loyalty_service.certification.cases import Side, all_cases, read_yaml
from loyalty_service.certification.program import FileError
from loyalty_service.domain.operator_error import OperatorError


class BaselineError(OperatorError):
    """Raised when known failures can't be used; the message says why."""


def read_baseline(path: Path | None, side: Side) -> Mapping[str, str]:
    """
    Read the known failures: a case and its reason on each line.

    Raises:
        FileError: It can't be read, or names a case that there is not.
    """
    if path is None:
        return {}
    try:
        told = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise FileError(f"{path} can't be read: {problem.strerror}.") from None
    except Exception as problem:  # noqa: BLE001 - Whatever YAML finds wrong.
        raise FileError(f"{path} is not YAML: {problem}") from None
    try:
        return checked(told or {}, side)
    except BaselineError as problem:
        raise FileError(f"{path}: {problem}") from None


def checked(told: Any, side: Side) -> Mapping[str, str]:
    """
    Give known failures that are some.

    Raises:
        BaselineError: They are not reasons by case, or name a case that there is not.
    """
    if not isinstance(told, dict) or not all(
        isinstance(reason, str) and reason.strip() for reason in told.values()
    ):
        raise BaselineError("write a case and its reason on each line.")
    cases = all_cases()
    unknown = [name for name in told if name not in cases or side not in cases[name].sides]
    if unknown:
        raise BaselineError(f"there is no case {', '.join(map(str, unknown))} of a {side}.")
    return told
