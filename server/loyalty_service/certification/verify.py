"""Checks results from their file alone: signatures, sums, and every verdict judged again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loyalty_service.certification.cases import Case, cases_of
from loyalty_service.certification.drive import Visit
from loyalty_service.certification.host import Recorded
from loyalty_service.certification.program import TestProgram, read_program
from loyalty_service.certification.report import KIT, read_file, sentences, verdict_of_run
from loyalty_service.certification.results import FAILED, NOT_RUN, totals
from loyalty_service.certification.signing import require_signatures
from loyalty_service.certification.untried import why_not
from loyalty_service.certification.watch import judge
from loyalty_service.domain.operator_error import OperatorError

_LATE = re.compile(r"After [0-9.e+]+ s: ")


class VerifyError(OperatorError):
    """Raised when a file does not hold; the message says where."""


def verify(path: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """
    Check a file; return its results and who signed them.

    Raises:
        FileError: It can't be read, or has no results.
        SignatureError: It is not as it was signed.
        VerifyError: What it says does not follow from what was seen.
    """
    results, shown = read_file(path)
    signers = require_signatures(results)
    if not shown:
        raise VerifyError(_page_problem(results))
    try:
        _require_results(results)
    except OperatorError:
        raise
    except Exception as problem:  # noqa: BLE001 - Whoever signed it may have written anything.
        raise VerifyError(f"These are no results of a run: {type(problem).__name__}.") from None
    return results, signers


def _require_results(results: Mapping[str, Any]) -> None:
    """
    Look whether all that is told follows from what was seen.

    Raises:
        VerifyError: Something does not.
    """
    side, subject, revision = results["side"], results["subject"], results["revision"]
    program = TestProgram.model_validate(results["test_program"])
    if side == "till" and program != read_program(None):
        raise VerifyError("The test program is not the one of the sandbox.")
    if results["program"] != program.name:
        raise VerifyError("The test program has another name.")
    cases = cases_of(revision, side)
    if [told["case"] for told in results["cases"]] != [case.id for case in cases]:
        raise VerifyError(f"The cases are not those of a {side} in revision {revision}.")
    for case, told in zip(cases, results["cases"], strict=True):
        if any(told[name] != text for name, text in sentences(case).items()):
            raise VerifyError(f"{case.id}: it is told otherwise than in revision {revision}.")
        lacks = why_not(case, side, subject, program)
        if lacks and (told["verdict"], told["note"]) != (NOT_RUN, lacks):
            raise VerifyError(f"{case.id}: {lacks}")
        if told["verdict"] != NOT_RUN:
            _require_same(case, program, side, told)
    if results["totals"] != totals(results["cases"]):
        raise VerifyError("The sums are not those of the cases.")
    if results["verdict"] != verdict_of_run(results["cases"], side, subject, program):
        raise VerifyError("The verdict is not the one of the cases.")


def _page_problem(results: Mapping[str, Any]) -> str:
    """Word why a page may be another one than ours: a kit of another version makes other pages."""
    said = "The page is not the one of the signed results in it."
    made_by = str(results.get("kit", ""))
    if made_by == KIT:
        return said
    return f"{said} It was made by {made_by}, and this is {KIT}: check results.yaml, or use that."


def _require_same(case: Case, program: TestProgram, side: str, told: Mapping[str, Any]) -> None:
    """
    Judge a case again.

    Raises:
        VerifyError: It comes out otherwise.
    """
    trace = list(told["trace"])
    if side == "till":
        result = judge(case, program, trace)
    else:
        result = Visit(case, program, Recorded(trace)).run()
    verdicts = [line["verdict"] for line in told["lines"]]
    if result.verdict != told["verdict"] or [line.verdict for line in result.lines] != verdicts:
        raise VerifyError(f"{case.id}: what was seen makes it {result.verdict}.")
    note = told["note"]
    if result.verdict == FAILED:
        note = _LATE.sub("", note, count=1)
        # After it may stand what came and was not counted, which no judge can know again.
        note = result.note if note.startswith(f"{result.note} ") else note
    if note != result.note or [line.told() for line in result.lines] != told["lines"]:
        raise VerifyError(f"{case.id}: what was seen is told otherwise than this kit tells it.")
