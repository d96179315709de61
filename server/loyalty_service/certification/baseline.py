"""Known failures: cases that may fail, each with a reason, until they pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from loyalty_service.certification.cases import Side, all_cases, read_yaml
from loyalty_service.certification.program import FileError


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
    told = told or {}
    if not isinstance(told, dict) or not all(
        isinstance(reason, str) and reason.strip() for reason in told.values()
    ):
        raise FileError(f"{path}: write a case and its reason on each line.")
    cases = all_cases()
    unknown = [name for name in told if name not in cases or side not in cases[name].sides]
    if unknown:
        raise FileError(f"{path}: there is no case {', '.join(unknown)} of a {side}.")
    return told
