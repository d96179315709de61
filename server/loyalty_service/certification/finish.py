"""Ends a run: what came out, as the sandbox signs it, whoever began the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loyalty_service.certification.cases import Side
from loyalty_service.certification.report import results_of
from loyalty_service.certification.signing import KEY_FILE, SANDBOX, signed, signing_key


def finished(
    made: Mapping[str, Any], side: Side, known_failures: Mapping[str, str], data_dir: Path
) -> dict[str, Any]:
    """
    Build the signed results of a run that has ended.

    Args:
        made: The run, as it tells itself.
        side: Who was tried.
        known_failures: Cases that may fail, with the reason of each.
        data_dir: The sandbox's data folder, which has its key.

    Raises:
        OperatorError: The key can't be read.
    """
    results = results_of(made, side, known_failures)
    return signed(results, signing_key(data_dir / KEY_FILE), SANDBOX, str(results["kit"]))
