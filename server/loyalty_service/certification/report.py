"""Writes what came out of a run: results.yaml, junit.xml, and report.html for people."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from mako.template import Template
from ruamel.yaml import YAML

from loyalty_service.certification.cases import Case, Side, all_cases, cases_of, read_yaml
from loyalty_service.certification.program import FileError, TestProgram
from loyalty_service.certification.results import FAILED, NOT_RUN, PASSED, Result, totals
from loyalty_service.certification.signing import fingerprint
from loyalty_service.certification.untried import not_in_profile, why_not

TEMPLATE = Path(__file__).with_name("report.html.mako")
RESULTS, JUNIT, REPORT = "results.yaml", "junit.xml", "report.html"
FORM = 1
KIT = f"loyalty-service {version('loyalty-service')}"
_MARK, _PAGE = "signed-results", "<!doctype html>"
_XML_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SIZE_MAX = 1 << 25
"""Bytes of a report, packed or not: a whole run has a hundredth of it."""

INCOMPLETE = "incomplete"
NOT_ASKED = "It was not asked for."


def results_of(
    run: Mapping[str, Any], side: Side, known_failures: Mapping[str, str]
) -> dict[str, Any]:
    """
    Build the results of a run as they are signed.

    Args:
        side: Who was tried.
        run: revision, began, ended, subject and cases, as a run tells them.
        known_failures: Cases that may fail, with the reason of each.
    """
    found = {told["case"]: told for told in run["cases"]}
    program = TestProgram.model_validate(run["test_program"])
    cases: list[dict[str, Any]] = []
    for case in cases_of(run["revision"], side):
        lacks = why_not(case, side, run["subject"], program)
        told = found.get(case.id) or Result(case.id, NOT_RUN, lacks or NOT_ASKED).told()
        known = known_failures.get(case.id, "")
        cases.append({**told, **sentences(case), "known_failure": known})
    return {
        "form": FORM,
        "kit": KIT,
        "revision": run["revision"],
        "side": side,
        "subject": dict(run["subject"]),
        "program": run["test_program"]["name"],
        "test_program": run["test_program"],
        "began": run["began"],
        "ended": run["ended"],
        "totals": totals(cases),
        "unjudged": run.get("unjudged", 0),
        "refused": run.get("refused", 0),
        "verdict": verdict_of_run(cases, side, run["subject"], program),
        "cases": cases,
    }


def sentences(case: Case) -> dict[str, Any]:
    """Give what a report says of a case, whatever came out."""
    return {
        "title": case.title,
        "requirement": case.requirement.model_dump(),
        "cashier": case.cashier,
        "host": case.host,
    }


def verdict_of_run(
    cases: Sequence[Mapping[str, Any]],
    side: Side,
    subject: Mapping[str, Any],
    program: TestProgram,
) -> str:
    """
    Sum cases up.

    A failure that is not known fails them, and so does a known one that passes. They are incomplete
    where one was not run although the subject has what it needs, or has it as its calls show.
    """
    if any(case["verdict"] == FAILED and not case["known_failure"] for case in cases):
        return FAILED
    if any(case["verdict"] == PASSED and case["known_failure"] for case in cases):
        return FAILED
    if not any(case["verdict"] == PASSED for case in cases):
        return FAILED
    if not_in_profile({"side": side, "subject": subject, "cases": cases}):
        return INCOMPLETE
    not_run = [all_cases()[case["case"]] for case in cases if case["verdict"] == NOT_RUN]
    left_out = [case for case in not_run if not why_not(case, side, subject, program)]
    return INCOMPLETE if left_out else PASSED


def passes(results: Mapping[str, Any], only: Collection[str] = ()) -> bool:
    """Tell whether results passed, or those cases of them that alone were asked for."""
    cases = [case for case in results["cases"] if not only or case["case"] in only]
    program = TestProgram.model_validate(results["test_program"])
    return verdict_of_run(cases, results["side"], results["subject"], program) == PASSED


def summed_up(results: Mapping[str, Any]) -> str:
    """Word the sums of results; failures that are known are told as such, and calls left out."""
    counts = results["totals"]
    known = sum(
        case["verdict"] == FAILED and bool(case["known_failure"]) for case in results["cases"]
    )
    of_them = f" ({known} of them known)" if known else ""
    said = f"{counts[PASSED]} passed, {counts[FAILED]} failed{of_them}, {counts[NOT_RUN]} not run"
    if late := results.get("unjudged", 0):
        said += f"; {late} calls came after their case was judged"
    if refused := results.get("refused", 0):
        said += f"; {refused} calls were refused before they were read"
    if more := not_in_profile(results):
        said += f"; the till has {', '.join(more)}, which its profile does not say"
    return said


def stale(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the known failures that passed: their entries are to be removed."""
    return [case["case"] for case in cases if case["verdict"] == "passed" and case["known_failure"]]


def files_of(results: Mapping[str, Any]) -> dict[str, bytes]:
    """Give the three files of a report by their names."""
    return {
        REPORT: html(results).encode(),
        RESULTS: _yaml(results).encode(),
        JUNIT: junit(results).encode(),
    }


def write_all(results: Mapping[str, Any], folder: Path) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files_of(results).items():
        (folder / name).write_bytes(content)


def write_results(results: Mapping[str, Any], path: Path) -> None:
    """Write results as YAML."""
    path.write_bytes(_yaml(results).encode())


def _yaml(results: Mapping[str, Any]) -> str:
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 4096
    out = io.StringIO()
    # Through JSON, so that what is written is what is signed.
    writer.dump(json.loads(json.dumps(results)), out)
    return out.getvalue()


def read_results(path: Path) -> dict[str, Any]:
    """
    Read results from their file, or from the report that has them in it.

    Raises:
        FileError: The file can't be read, or has none.
    """
    return read_file(path)[0]


def read_file(path: Path) -> tuple[dict[str, Any], bool]:
    """
    Read results; tell as well whether their page is the one that shows them.

    Raises:
        FileError: The file can't be read, or has none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise FileError(f"{path} can't be read: {problem}.") from None
    if len(data) > SIZE_MAX:
        raise FileError(f"{path} is larger than any report.")
    packed = ""
    page = text.startswith(_PAGE)
    if not page and path.suffix not in {".yaml", ".yml"}:
        # A browser would show comments of YAML that is called a page.
        raise FileError(f"{path} is no page of a report; results in YAML end in .yaml.")
    try:
        if page:
            packed = text.rpartition(f'<template id="{_MARK}">')[2].partition("<")[0]
            told = json.loads(_unpacked(base64.b64decode(packed, validate=True)))
        else:
            told = read_yaml(text)
    except Exception:  # noqa: BLE001 - Whatever is wrong with it.
        raise FileError(f"{path} has no results.") from None
    if not isinstance(told, dict) or told.get("form") != FORM or "cases" not in told:
        raise FileError(f"{path} has no results.")
    return told, not page or _shows(text, told, packed)


def _unpacked(data: bytes) -> bytes:
    """
    Unpack results, as many as a report may have.

    Raises:
        ValueError: There are more, or they end early.
    """
    reader = zlib.decompressobj()
    told = reader.decompress(data, SIZE_MAX)
    if not reader.eof:
        raise ValueError
    return told


def _shows(text: str, results: Mapping[str, Any], packed: str) -> bool:
    """Tell whether a page is the one of its results, in whichever way these are packed."""
    try:
        return text == html(results, packed)
    except Exception:  # noqa: BLE001 - Signed or not, these are no results.
        return False


def junit(results: Mapping[str, Any]) -> str:
    """Write results in the form that build servers read."""
    told = [_junit_outcome(case) for case in results["cases"]]
    kinds = [kind for kind, _ in told]
    suite = ET.Element(
        "testsuite",
        {
            "name": f"certification {results['side']} {results['revision']}",
            "tests": str(len(kinds)),
            "failures": str(kinds.count("failure")),
            "skipped": str(kinds.count("skipped")),
            "timestamp": results["began"],
        },
    )
    for case, (kind, message) in zip(results["cases"], told, strict=True):
        name = f"{case['case']} {case['title']}"
        entry = ET.SubElement(suite, "testcase", {"classname": results["side"], "name": name})
        if kind:
            ET.SubElement(entry, kind, {"message": _XML_UNFIT.sub("", message)})
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _junit_outcome(case: Mapping[str, Any]) -> tuple[str, str]:
    """Give the kind of a case's entry, which a case that passed has not, and its message."""
    verdict, known = case["verdict"], case["known_failure"]
    if verdict == NOT_RUN:
        return "skipped", case["note"]
    if verdict == FAILED:
        return ("skipped", f"known: {known}") if known else ("failure", case["note"])
    return ("failure", "It passes: remove it from the known failures.") if known else ("", "")


def html(results: Mapping[str, Any], packed: str = "") -> str:
    """
    Write results for people: one file, with the signed results in it.

    Args:
        results: As they are signed, with their signatures.
        packed: The results as a page has them; not every machine packs them alike.
    """
    if not packed:
        packed = base64.b64encode(zlib.compress(json.dumps(results).encode(), 9)).decode()
    signers = [
        {**one, "fingerprint": fingerprint(base64.b64decode(one["key"]))}
        for one in results.get("signatures", [])
    ]
    template = Template(  # noqa: S702 - every value is escaped by the filter.
        TEMPLATE.read_text(encoding="utf-8"), default_filters=["h"], strict_undefined=True
    )
    page = template.render(
        results=results, signers=signers, packed=packed, mark=_MARK, sums=summed_up(results)
    )
    return str(page)
