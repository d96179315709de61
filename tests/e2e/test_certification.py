"""The commands that certify, and their reports, with a sandbox that runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from loyalty_service.certification import report
from loyalty_service.certification.report import (
    read_results,
    results_of,
    summed_up,
    write_results,
)
from loyalty_service.certification.results import outcome
from loyalty_service.certification.signing import signed, signing_key
from loyalty_service.cli import app
from tests.support.broken_tills import BROKEN, Till, make, till
from tests.support.certifying import PROFILE, WAIT_S, failed, profile, try_host, try_till
from tests.support.roots import ROOT
from tests.support.sandbox_box import Box

SOME = ("RBI-1.1b", "RBI-1.4a", "FC-lost")
KEYS = ("--key", "sandbox-pos-key", "--app-key", "sandbox-app-key")


@pytest.fixture(autouse=True)
def settings(running: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find the sandbox, and its key, by its data folder."""
    monkeypatch.setenv("LOYALTY_DATA_DIR", running.environment["LOYALTY_DATA_DIR"])


def certify(*words: str) -> tuple[int, str]:
    """Run a command in this process; return its exit code and what it printed or refused."""
    ran = CliRunner().invoke(app, ["certify", *words])
    said = "" if ran.exception is None or isinstance(ran.exception, SystemExit) else ran.exception
    return ran.exit_code, f"{ran.output}{said}"


def only(*cases: str) -> list[str]:
    """Ask for some cases."""
    return [word for case in cases for word in ("--only", case)]


def host(running: Box, folder: Path, *more: str) -> tuple[int, str]:
    """Try the sandbox as a host."""
    url = f"http://127.0.0.1:{running.http}"
    return certify("host", "--url", url, *KEYS, "--out", str(folder), *more)


def test_two_runs_come_out_alike(running: Box) -> None:
    """A till and a host that are tried again come out as the first time."""
    for attempt in (try_till, try_host):
        first, second = attempt(running, only=SOME), attempt(running, only=SOME)
        assert failed(first) == []
        assert outcome(first) == outcome(second)


def test_command_follows_a_till_to_its_report(running: Box, tmp_path: Path) -> None:
    """It shows what to type, turns green by itself, and writes a report that verifies."""
    machine = make(Till, f"127.0.0.1:{running.http}", wait_s=WAIT_S)
    bench = till.Bench(f"http://127.0.0.1:{running.control_port}", machine)
    # The cashier: goes to work when the command has asked for something.
    cashier = threading.Thread(target=lambda: _when_asked(running, bench))
    cashier.start()
    code, said = certify(
        "till", "--profile", str(PROFILE), "--settle", "0.3", "--out", str(tmp_path), *only(*SOME)
    )
    cashier.join()

    assert code == 0, said
    assert "RBI-1.4a: Type the code 930001. Ring up Breakfast sandwich (2001)" in said
    assert re.search(r"3 passed, 0 failed, \d\d not run: incomplete", said)
    told = running.control("GET", "/certification").body
    assert told["state"] == "passed"
    assert told["report"] == str((tmp_path / "report.html").resolve())
    for name in ("results.yaml", "report.html"):
        code, said = certify("verify", str(tmp_path / name))
        assert code == 0, said
        assert "till-python, till, revision" in said
    assert told["files"] == ["report.html", "results.yaml", "junit.xml"]
    for name in told["files"]:
        assert got(running, name) == (tmp_path / name).read_bytes()
    suite = ET.fromstring((tmp_path / "junit.xml").read_text("utf-8"))  # noqa: S314 - our own.
    assert [case.get("classname") for case in suite if not len(case)] == ["till"] * 3


def got(running: Box, name: str) -> bytes:
    """Get a file of the report as a browser does."""
    with urlopen(f"http://127.0.0.1:{running.control_port}/certification/{name}") as answer:
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        return bytes(answer.read())


def _when_asked(running: Box, bench: till.Bench) -> None:  # type: ignore[name-defined]
    """Act on each case when it is asked for, and tell the kit nothing: it watches."""
    acted: set[str] = set()
    while len(acted) < len(SOME):
        now = running.control("GET", "/certification").body.get("now")
        if now and now["id"] not in acted:
            acted.add(now["id"])
            bench.act(now["actions"])


def test_run_of_a_host_sends_nothing_unless_it_may(running: Box, tmp_path: Path) -> None:
    """Without --writes it lists what it would write, and writes nothing."""
    code, said = host(running, tmp_path / "none", *only("RBI-1.3a"))

    assert code == 0
    assert "1 cases write into program demo-ca" in said
    assert "1 identify, 1 claim, 1 void" in said
    assert "Nothing was sent." in said
    assert not (tmp_path / "none").exists()


def test_host_without_the_sandbox_s_means_is_not_run_there(running: Box, tmp_path: Path) -> None:
    """What needs a fault, a clock or an app of the host is not run where it has none."""
    program = (ROOT / "server/loyalty_service/certification/sandbox.yaml").read_text("utf-8")
    other = tmp_path / "program.yaml"
    other.write_text(re.sub(r"can: \[.*\]", "can: []", program), encoding="utf-8")
    asked = only("RBI-1.3a", "FC-lost", "CLK-hold", "OT-1.app")
    code, said = host(running, tmp_path, "--writes", "--program", str(other), *asked)

    assert code == 0, said
    assert "1 passed, 0 failed" in said
    assert "can't play the fault" in said
    assert "clock can't be moved" in said


def test_address_where_nothing_listens_is_told_at_once(tmp_path: Path) -> None:
    """A wrong address is one sentence, and no report of failures."""
    folder = tmp_path / "none"
    code, said = certify(
        "host", "--url", "http://127.0.0.1:1", *KEYS, "--writes", "--out", str(folder)
    )

    assert code == 1
    assert "Nothing answers at 127.0.0.1:1" in said
    assert not folder.exists()


def test_till_with_a_wrong_api_key_learns_why(running: Box) -> None:
    """Calls that are refused before they are read are named in the case's note, and counted."""
    asked = {"profile": profile().model_dump(mode="json"), "only": ["RBI-1.1a"], "settle_s": 0}
    assert running.control("POST", "/certification", asked).status == 200
    wrong = make(Till, f"127.0.0.1:{running.http}")
    wrong.loyalty.key = "sandbox-pos-kye"
    till.Bench(f"http://127.0.0.1:{running.control_port}", wrong).run()
    results = running.control("GET", "/certification/results").body
    told = results["cases"][0]

    assert results["refused"] >= 1
    assert f"; {results['refused']} calls were refused before they were read" in summed_up(
        results_of(results, "till", {})
    )
    assert told["verdict"] == "failed"
    assert "No call reached the host." in told["note"]
    assert "POST /loyalty/identify got 401 Unauthorized" in told["note"]


class NamesItsOwnChannel(Till):
    """Says a word that the contract does not have."""

    def body(self, status: str, payment: str = "") -> dict[str, object]:
        """Change the channel of what is paid: an open order would be refused for it."""
        made = super().body(status, payment)
        return made | ({"channel": "COUNTER"} if status == "CLAIMED" else {})


def test_till_learns_what_the_host_put_right(running: Box) -> None:
    """A field that is accepted in a paid order alone is named to the till's vendor."""
    told = try_till(running, NamesItsOwnChannel, ["AGAIN-clean"])

    assert failed(told) == ["AGAIN-clean"]
    assert "the host had to put right: channel is of a wrong kind" in told["cases"][0]["note"]


def test_changed_file_does_not_verify(running: Box, tmp_path: Path) -> None:
    """One changed letter of the results or of the page is told."""
    assert host(running, tmp_path, "--writes", *only("RBI-1.3a"))[0] == 0
    for name, before, after in (
        ("results.yaml", "verdict: passed", "verdict: failed"),
        ("report.html", "0 failed", "1 failed"),
    ):
        file = tmp_path / name
        text = file.read_text("utf-8")
        assert before in text
        file.write_text(text.replace(before, after, 1), "utf-8")
        code, said = certify("verify", str(file))
        assert code == 1
        assert "not as it was signed" in said or "not the one of the signed results" in said


def test_page_of_another_kit_names_it(
    running: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that another version made is not called changed without a word of that."""
    monkeypatch.setattr(report, "KIT", "loyalty-service 0.0.1")
    assert host(running, tmp_path, "--writes", *only("RBI-1.3a"))[0] == 0
    page = tmp_path / "report.html"
    page.write_text(page.read_text("utf-8").replace("</main>", "</main >"), "utf-8")
    code, said = certify("verify", str(page))

    assert code == 1
    assert "It was made by loyalty-service 0.0.1, and this is" in said
    assert certify("verify", str(tmp_path / "results.yaml"))[0] == 0


def test_lie_that_is_signed_does_not_verify(running: Box, tmp_path: Path) -> None:
    """Results whose verdict does not follow from what was seen are refused although signed."""
    bad = try_till(running, BROKEN["RBI-1.1b"], ["RBI-1.1b"])
    assert failed(bad) == ["RBI-1.1b"]
    results = results_of(bad, "till", {})
    lie = next(case for case in results["cases"] if case["case"] == "RBI-1.1b")
    lie["verdict"] = results["verdict"] = "passed"
    for line in lie["lines"]:
        line["verdict"] = "passed"
    results["totals"] |= {"passed": 1, "failed": 0}
    file = tmp_path / "results.yaml"
    write_results(signed(results, signing_key(tmp_path / "key"), "sandbox", "liar"), file)
    assert read_results(file)["verdict"] == "passed"
    code, said = certify("verify", str(file))

    assert code == 1
    assert "RBI-1.1b: what was seen makes it failed" in said


def test_operator_countersigns(running: Box, tmp_path: Path) -> None:
    """An operator's signature is added and told; the sandbox's stays, and can be asked for."""
    assert host(running, tmp_path, "--writes", *only("RBI-1.3a"))[0] == 0
    file = tmp_path / "results.yaml"
    key = str(tmp_path / "operator-key")
    code, said = certify("countersign", str(file), "--name", "Ops", "--key-file", key)
    assert code == 0, said
    code, said = certify("verify", str(file))
    assert code == 0
    assert "Signed by operator Ops:" in said
    mark = said.split("\n")[0].rpartition(": ")[2]

    assert certify("verify", str(file), "--key", mark)[0] == 0
    assert certify("verify", str(file), "--key", "another")[0] == 1
    operator = said.split("\n")[1].rpartition(": ")[2]
    assert certify("verify", str(file), "--countersigned", operator)[0] == 0
    # The sandbox's own signature is no operator's, whoever asks for it.
    assert certify("verify", str(file), "--countersigned", mark)[0] == 1


def test_known_failure_that_passes_fails_the_run(running: Box, tmp_path: Path) -> None:
    """The list of known failures may not have what passes by now."""
    known = tmp_path / "known.yaml"
    known.write_text("RBI-1.3a: we wait for our vendor\n", encoding="utf-8")
    asked = ("--writes", "--baseline", str(known), *only("RBI-1.3a"))
    code, said = host(running, tmp_path, *asked)

    assert code == 1
    assert "RBI-1.3a passes: remove it from the known failures." in said


def test_known_failures_are_counted_as_such(running: Box, tmp_path: Path) -> None:
    """Whoever verifies a report is told how many failures of it somebody has called known."""
    known = {"RBI-1.1b": "ticket 4711"}
    try_till(running, BROKEN["RBI-1.1b"], ["RBI-1.1b", "OT-2"], known)
    file = tmp_path / "results.yaml"
    file.write_bytes(got(running, "results.yaml"))
    code, said = certify("verify", str(file))

    assert code == 0, said
    assert "incomplete. 1 passed, 1 failed (1 of them known)" in said


def test_board_takes_no_run_that_it_can_not_show(running: Box) -> None:
    """Whatever is not the state of a run is refused, so that the page goes on."""
    for body in ({"cases": [None]}, {"cases": [{"id": 1}]}, {"cases": 1}, []):
        assert running.control("PUT", "/certification", body).status == 400
    case = {"id": "X-1", "verdict": "passed", "more": 1}
    assert running.control("PUT", "/certification", {"cases": [case]}).status == 200
    told = running.control("GET", "/certification").body
    assert told == {"cases": [{"id": "X-1", "verdict": "passed"}]}


def test_report_needs_no_network(running: Box, tmp_path: Path) -> None:
    """The page loads nothing: no address of a script, style, font or picture is in it."""
    assert host(running, tmp_path, "--writes", *only("RBI-1.3a"))[0] == 0
    page = (tmp_path / "report.html").read_text("utf-8")

    assert "<script" not in page
    assert "src=" not in page
    assert "Points" in page or "points" in page
    assert "sandbox-pos-key" not in (tmp_path / "results.yaml").read_text("utf-8")


def test_control_port_says_what_is_wrong(running: Box) -> None:
    """A run that can't be had is refused with the reason."""
    assert running.control("POST", "/certification", {"profile": {}}).status == 400
    asked = {"profile": {"name": "x"}, "only": ["NO-SUCH"]}
    refused = running.control("POST", "/certification", asked)
    assert refused.status == 400
    assert "NO-SUCH" in refused.body["error"]
    known = {"profile": {"name": "x"}, "known_failures": {"NO-SUCH": "ticket 4711"}}
    assert running.control("POST", "/certification", known).status == 400
    assert running.control("POST", "/certification/done", {"case": "x"}).status == 400


def test_run_can_be_stopped(running: Box) -> None:
    """A stopped run tells what was not tried."""
    asked = {"profile": {"name": "x", "has": ["rewards"]}, "only": ["RBI-1.1b", "FC-lost"]}
    began = running.control("POST", "/certification", asked).body
    assert began["state"] == "running"
    assert began["now"]["id"] == "RBI-1.1b"
    assert running.control("GET", "/certification/report.html").status == 409
    assert running.control("POST", "/certification", asked).status == 409
    assert running.control("POST", "/certification/stop").body["state"] == "stopped"
    told = running.control("GET", "/certification/results").body
    assert [case["verdict"] for case in told["cases"]] == ["not run", "not run"]


def test_example_buys_a_breakfast(running: Box) -> None:
    """The till of the example works from its own folder, with the standard library alone."""
    command = [sys.executable, "-I", "till.py", "--address", f"127.0.0.1:{running.http}"]
    ran = subprocess.run(
        command,
        cwd=ROOT / "examples" / "till-python",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(ran.stdout)["pointsEarned"] == 84
