"""What a report that somebody made up, or made worse, can't do to who verifies it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from loyalty_service.certification.cases import all_cases, newest_revision
from loyalty_service.certification.program import read_program
from loyalty_service.certification.report import (
    SIZE_MAX,
    html,
    results_of,
    write_all,
    write_results,
)
from loyalty_service.certification.results import NOT_RUN, Result, totals
from loyalty_service.certification.signing import OPERATOR, SANDBOX, SIGNATURES, signed
from loyalty_service.certification.verify import verify
from loyalty_service.certification.watch import judge
from loyalty_service.domain.operator_error import OperatorError

KEY = Ed25519PrivateKey.generate()
CASE, NEEDY = "RBI-1.1b", "ES-S1"
TRANSACTION = "01a20044-b7ca-7529-a1ed-7abf543985d2"


def call(number: int, name: str, request: dict[str, Any], body: object) -> dict[str, Any]:
    """Build a call as the sandbox sees it."""
    return {
        "number": number, "at_ms": number, "done_ms": number, "call": name, "request": request,
        "headers": {}, "fault": "", "status": 200, "body": body,
    }  # fmt: skip


def calls(product: str = "700101", price: object = 0) -> list[dict[str, Any]]:
    """Build the calls of a till that takes a reward."""
    reward = read_program(None).products["reward"]
    line = {"productType": "reward", "productId": product, "incentiveId": reward.incentiveId}
    details = {"order": [line | {"price": price, "quantity": 1}]}
    claim = {"loyaltyTransactionId": TRANSACTION, "transactionDetails": details}
    return [
        call(1, "identify", {"identifier": "930003"}, {"transactionId": TRANSACTION}),
        call(2, "claim", claim, {}),
    ]


def told(*results: Result) -> dict[str, Any]:
    """Build the results of a till without sessions."""
    features = {feature for case in all_cases().values() for feature in case.needs}
    run = {
        "revision": newest_revision(),
        "began": "2026-11-29T10:00:00.000Z",
        "ended": "2026-11-29T10:01:00.000Z",
        "test_program": read_program(None).model_dump(mode="json"),
        "subject": {"name": "till", "has": sorted(features - {"sessions"})},
        "cases": [result.told() for result in results],
    }
    return results_of(run, "till", {})


def one(product: str = "700101") -> dict[str, Any]:
    """Build the results of a till that was tried with one case."""
    return told(judge(all_cases()[CASE], read_program(None), calls(product)))


def case_of(results: dict[str, Any], name: str) -> dict[str, Any]:
    """Find a case in results."""
    found: dict[str, Any] = next(case for case in results["cases"] if case["case"] == name)
    return found


def written(results: dict[str, Any], folder: Path, *, name: str = "vendor") -> Path:
    """Sign results, as whoever has a key can, and write them."""
    file = folder / "results.yaml"
    write_results(signed(results, KEY, SANDBOX, name), file)
    return file


def test_one_case_that_passed_is_no_whole_run(tmp_path: Path) -> None:
    """A report lists every case of its revision, and is incomplete where one was left out."""
    results = one()

    assert verify(written(results, tmp_path))[0]["verdict"] == "incomplete"
    assert results["totals"]["passed"] == 1
    assert case_of(results, "FC-lost")["note"] == "It was not asked for."
    assert case_of(results, NEEDY)["note"] == "The till does not have: sessions."


def _omit(results: dict[str, Any]) -> None:
    results["cases"] = [case for case in results["cases"] if case["verdict"] != NOT_RUN]


def _double(results: dict[str, Any]) -> None:
    results["cases"].append(case_of(results, CASE))


def _soften(results: dict[str, Any]) -> None:
    case_of(results, CASE)["requirement"]["level"] = "SHOULD"


def _retell(results: dict[str, Any]) -> None:
    case_of(results, CASE)["lines"][0]["seen"] = "claim: 200"


def _excuse(results: dict[str, Any]) -> None:
    for case in results["cases"]:
        if case["verdict"] == NOT_RUN:
            case["note"] = "The till does not have: sessions."
    results["verdict"] = "passed"


def _claim_more(results: dict[str, Any]) -> None:
    case_of(results, NEEDY)["verdict"] = "passed"


def _other_program(results: dict[str, Any]) -> None:
    products = results["test_program"]["products"]
    products["reward"] = products["item"]


def _nameless(results: dict[str, Any]) -> None:
    results["subject"] = None


def _odd_trace(results: dict[str, Any]) -> None:
    case_of(results, CASE)["trace"] = [1]


def _odd_cases(results: dict[str, Any]) -> None:
    results["cases"] = "passed"


def _odd_side(results: dict[str, Any]) -> None:
    results["side"] = "kiosk"


def _odd_revision(results: dict[str, Any]) -> None:
    results["revision"] = []


@pytest.mark.parametrize(
    "forge",
    [
        _omit, _double, _soften, _retell, _excuse, _claim_more, _other_program, _nameless,
        _odd_trace, _odd_cases, _odd_side, _odd_revision,
    ],
)  # fmt: skip
def test_signature_does_not_make_a_lie_true(
    forge: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    """Whatever is written into results and signed again is compared with what was seen."""
    results = one()
    forge(results)
    if isinstance(results["cases"], list):
        results["totals"] = totals(results["cases"])
    with pytest.raises(OperatorError):
        verify(written(results, tmp_path))


def test_failed_case_can_not_be_called_not_run() -> None:
    """A case that is left out because it fails makes the run incomplete, not passed."""
    passed = [
        Result(name, "passed") for name, case in all_cases().items() if case.watch and name != CASE
    ]

    assert told(*passed, Result(CASE, "passed"))["verdict"] == "passed"
    assert told(*passed, Result(CASE, NOT_RUN, "It was skipped."))["verdict"] == "incomplete"
    assert told(*passed)["verdict"] == "incomplete"


def _extra(entry: dict[str, str]) -> dict[str, str]:
    return entry | {"fingerprint": "trusted"}


def _roleless(entry: dict[str, str]) -> dict[str, str]:
    return {name: part for name, part in entry.items() if name != "role"}


@pytest.mark.parametrize("change", [_extra, _roleless])
def test_signature_has_nothing_that_is_not_signed(
    change: Callable[[dict[str, str]], dict[str, str]], tmp_path: Path
) -> None:
    """A field beside those that are signed, or without one of them, is refused."""
    results = signed(one(), KEY, SANDBOX, "vendor")
    results[SIGNATURES] = [change(results[SIGNATURES][0])]
    file = tmp_path / "results.yaml"
    write_results(results, file)
    with pytest.raises(OperatorError, match="not as it was signed"):
        verify(file)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (SANDBOX, "another"),
        (OPERATOR, "x\nSigned by operator Trusted: 01234567-89abcdef-01234567-89abcdef"),
        (OPERATOR, "\u202edetsurT"),
        (OPERATOR, "\x1b[2K\rTrusted"),
        (OPERATOR, "x" * 1000),
    ],
)
def test_signer_can_not_look_like_another(role: str, name: str, tmp_path: Path) -> None:
    """Who adds a signature is an operator, whose name reads as it is written."""
    results = signed(signed(one(), KEY, SANDBOX, "vendor"), KEY, role, name)
    file = tmp_path / "results.yaml"
    write_results(results, file)
    with pytest.raises(OperatorError):
        verify(file)


def test_page_is_compared_whatever_it_is_called(tmp_path: Path) -> None:
    """A changed page does not verify under another name, and YAML not as a page."""
    write_all(signed(one(), KEY, SANDBOX, "vendor"), tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    lie = page.replace("incomplete", "passed")
    assert lie != page
    for name in ("report.htm", "report", "results.yaml.html"):
        file = tmp_path / name
        file.write_text(page, "utf-8", newline="")
        verify(file)
        file.write_text(lie, "utf-8", newline="")
        with pytest.raises(OperatorError, match="page is not the one"):
            verify(file)
    shown = tmp_path / "report.html"
    yaml = (tmp_path / "results.yaml").read_text("utf-8")
    shown.write_text(f"# <h1>passed</h1>\n{yaml}", "utf-8")
    with pytest.raises(OperatorError, match="is no page"):
        verify(shown)


def test_page_verifies_where_zlib_packs_otherwise(tmp_path: Path) -> None:
    """Another machine's zlib gives other bytes for the same results."""
    results = signed(one(), KEY, SANDBOX, "vendor")
    packed = base64.b64encode(zlib.compress(json.dumps(results).encode(), 1)).decode()
    file = tmp_path / "report.html"
    file.write_text(html(results, packed), "utf-8", newline="")

    assert packed not in html(results)
    verify(file)


def test_page_with_odd_names_verifies(tmp_path: Path) -> None:
    """What a till sent may have ends of lines and marks of HTML: the page has them, unharmed."""
    product = "<script>alert(1)</script>'\"&\r\n\u2028"
    results = signed(one(product), KEY, SANDBOX, "vendor")
    write_all(results, tmp_path)

    for name in ("results.yaml", "report.html"):
        assert verify(tmp_path / name)[0] == results
    assert "<script" not in (tmp_path / "report.html").read_text("utf-8")


def _bomb() -> str:
    packed = base64.b64encode(zlib.compress(b"[" + b"1," * (SIZE_MAX >> 1) + b"1]")).decode()
    return f'<!doctype html><template id="signed-results">{packed}</template>'


def _laughs() -> str:
    lines = ["form: 1", "cases: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        _bomb,
        _laughs,
        lambda: "form: 1\ncases: &a [*a]\n",
        lambda: "form: 1\ncases: " + "[" * 5000 + "]" * 5000,
        lambda: "form: 1\ncases: []\ncases: []\n",
        lambda: "form: 1\ncases: []\nsignatures: [{role: 1}]\n",
        lambda: "form: 1\ncases: []\nsignatures: [x]\n",
        lambda: "form: 1\ncases: !!python/object/apply:os.system [ls]\n",
    ],
    ids=["zlib", "aliases", "circle", "depth", "twice", "role", "text", "tag"],
)
def test_verify_refuses_what_would_swamp_it(text: Callable[[], str], tmp_path: Path) -> None:
    """A file of others takes neither memory nor time, and ends in a plain refusal."""
    content = text()
    file = tmp_path / ("report.html" if content.startswith("<") else "results.yaml")
    file.write_text(content, "utf-8")
    with pytest.raises(OperatorError):
        verify(file)


@pytest.mark.parametrize("price", ["NaN", "Infinity", 1e308, None, [], {}])
def test_odd_order_fails_its_case(price: object) -> None:
    """A till can't end a run by an order that nobody can calculate."""
    for case in all_cases().values():
        if case.watch and any("payments_in_cents" in one.checks for one in case.must):
            found = judge(case, read_program(None), calls(price=price))
            assert found.verdict == "failed"


def test_more_calls_than_a_case_may_have_fail_it() -> None:
    """A till that never stops fails the case; its calls do not fill the report."""
    many = calls() * 300
    found = judge(all_cases()[CASE], read_program(None), many)

    assert found.verdict == "failed"
    assert "more than 500 calls" in found.note
