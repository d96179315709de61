"""
The commands that certify tills and hosts.

What they run is imported when they run: a command that serves never loads it.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

import typer
from rich.table import Table

from loyalty_service.cli.settings import read_settings
from loyalty_service.cli.terminal import out, print_table, shown
from loyalty_service.cli.texts import kept_text
from loyalty_service.domain.operator_error import OperatorError

if TYPE_CHECKING:
    from loyalty_service.certification.cases import Case, Side
    from loyalty_service.certification.results import Result

certify = typer.Typer(
    help="Certify a till or a host, and check the report of such a run.", no_args_is_help=True
)

SIDES = ("till", "host")
LOOK_S = 0.2
MARKS = {"passed": "ok  ", "failed": "FAIL", "not run": "-   "}

Only = Annotated[list[str] | None, typer.Option(help="A case to try; may be given several times.")]
Folder = Annotated[Path, typer.Option("--out", help="Folder of the report.")]
Baseline = Annotated[
    Path | None, typer.Option(help="Known failures: a case and its reason on each line.")
]
Revision = Annotated[str, typer.Option(help="Set of requirements; the newest unless given.")]


@certify.command("till")
def till_command(
    profile: Annotated[Path, typer.Option(help="What the till has; see docs/certification.md.")],
    *,
    only: Only = None,
    folder: Folder = Path("certification"),
    baseline: Baseline = None,
    revision: Revision = "",
    settle: Annotated[
        float, typer.Option(help="Quiet seconds after which a case is judged.", min=0.0)
    ] = 3.0,
    limit: Annotated[float, typer.Option(help="Seconds for one case.", min=1.0)] = 300.0,
) -> None:
    """Try a till on the sandbox that runs: it shows what to type, watches the calls and judges."""
    from loyalty_service.certification.baseline import read_baseline
    from loyalty_service.certification.program import read_profile
    from loyalty_service.sandbox.remote import control

    settings = read_settings()
    known = read_baseline(baseline, "till")
    asked = {
        "profile": read_profile(profile).model_dump(mode="json"),
        "revision": revision,
        "only": only or [],
        "settle_s": settle,
        "limit_s": limit,
        "known_failures": known,
    }
    told = control(settings, "POST", "/certification", asked)
    out.print(
        f"{len(told['cases'])} cases of revision {told['revision']}. Each is judged when the till "
        "is quiet, or at once with Enter; s and Enter leaves it out; Ctrl-C ends the run."
    )

    def end(case: str, *, skipped: bool) -> None:
        control(settings, "POST", "/certification/done", {"case": case, "skipped": skipped})

    try:
        _follow(lambda: control(settings, "GET", "/certification"), told, end)
    except KeyboardInterrupt:
        with suppress(OperatorError):
            control(settings, "POST", "/certification/stop")

    def show(report: Path) -> None:
        ended = control(settings, "GET", "/certification")
        control(settings, "PUT", "/certification", ended | {"report": str(report)})

    made = control(settings, "GET", "/certification/results")
    _finish(made, _Wanted("till", known, tuple(only or ())), folder, show)


class End(Protocol):
    """Ends a case."""

    def __call__(self, case: str, *, skipped: bool) -> None:
        """Judge it now, or leave it out."""


def _follow(ask: Callable[[], Mapping[str, Any]], told: Mapping[str, Any], end: End) -> None:
    """Print what to do next, and how each case came out, until the run is over."""
    asked, judged, hinted = "", set[str](), set[tuple[str, str]]()
    typed: SimpleQueue[str] = SimpleQueue()
    if sys.stdin.isatty():
        threading.Thread(target=lambda: _read(typed), daemon=True).start()
    while True:
        for case in told["cases"]:
            if case["verdict"] in MARKS and case["id"] not in judged:
                judged.add(case["id"])
                _print_case(case["id"], case["title"], case["verdict"], case["note"])
        now = told.get("now")
        if now and now["id"] != asked:
            asked = now["id"]
            out.print(f"     {asked}: {now['do']}")
        for hint in now.get("hints", ()) if now else ():
            if (asked, hint) not in hinted:
                hinted.add((asked, hint))
                out.print(f"     {hint}")
        if told["state"] != "running":
            return
        while not typed.empty():
            skipped = typed.get().strip().lower() == "s"
            with suppress(OperatorError):  # It was judged at the same moment.
                end(asked, skipped=skipped)
        time.sleep(LOOK_S)
        told = ask()


def _read(typed: SimpleQueue[str]) -> None:
    """Pass on what a person types, line by line."""
    for line in sys.stdin:
        typed.put(line)


def _print_case(name: str, title: str, verdict: str, note: str) -> None:
    out.print(f"{MARKS[verdict]} {name:16} {title}{f': {note}' if note else ''}")


@certify.command("host")
def host_command(
    url: Annotated[str, typer.Option(help="Where the host is: http://127.0.0.1:8080")],
    key: Annotated[str, typer.Option(help="API key of a till.", envvar="LOYALTY_CERTIFY_KEY")],
    *,
    app_key: Annotated[
        str, typer.Option(help="API key of an app.", envvar="LOYALTY_CERTIFY_APP_KEY")
    ] = "",
    points_key: Annotated[
        str,
        typer.Option(help="API key of a points partner.", envvar="LOYALTY_CERTIFY_POINTS_KEY"),
    ] = "",
    single_key: Annotated[
        str,
        typer.Option(
            help="API key of a till in a program with one offer and one reward an order.",
            envvar="LOYALTY_CERTIFY_SINGLE_KEY",
        ),
    ] = "",
    program: Annotated[
        Path | None, typer.Option(help="Test program of the host; the sandbox's unless given.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the report calls it.")] = "host",
    region: Annotated[str, typer.Option(help="x-region of every call.")] = "",
    control_url: Annotated[
        str, typer.Option("--control", help="Control port of a sandbox, for its clock.")
    ] = "",
    writes: Annotated[
        bool, typer.Option("--writes", help="Make the calls; without it they are only listed.")
    ] = False,
    only: Only = None,
    folder: Folder = Path("certification"),
    baseline: Baseline = None,
    revision: Revision = "",
) -> None:
    """Try any host that speaks the contracts: it writes real orders into a test program."""
    from loyalty_service.certification.baseline import read_baseline
    from loyalty_service.certification.host import HttpHost
    from loyalty_service.certification.host_run import HostRun, HostSubject, plan
    from loyalty_service.certification.program import read_program

    tested = read_program(program)
    # What the caller gave no way to is not there.
    ways = {
        **dict.fromkeys(("app", "users"), app_key),
        "points": points_key,
        "single": single_key,
        "clock": control_url,
    }
    missing = {name for name, given in ways.items() if not given}
    tested = tested.model_copy(
        update={"can": tuple(one for one in tested.can if one not in missing)}
    )
    known = read_baseline(baseline, "host")
    keys = {"till": key, "app": app_key, "points": points_key, "single": single_key}
    host = HttpHost(url, keys, region=region, control=control_url)
    run = HostRun(HostSubject(kept_text(name), url), tested, host, revision, tuple(only or ()))
    planned = plan(run.cases, tested)
    out.print(
        f"{planned['cases']} cases write into program {planned['program']} at {url}, stores "
        f"{', '.join(map(str, planned['stores']))}: "
        + ", ".join(f"{count} {call}" for call, count in planned["calls"].items())
        + "."
    )
    if planned["single"]:
        out.print(f"{planned['single']} of them write into the program of --single-key.")
    if left := len(run.cases) - planned["cases"]:
        out.print(f"{left} more need what the host does not have, and are not run.")
    if not writes:
        out.print("Nothing was sent. With --writes these calls are made.")
        return

    host.require_answer()

    def tell(case: Case, result: Result | None) -> None:
        _show_board(control_url, run.progress())
        if result is not None:
            _print_case(case.id, case.title, result.verdict, result.note)

    def show(report: Path) -> None:
        _show_board(control_url, {**run.progress(), "report": str(report)})

    _finish(run.run(tell), _Wanted("host", known, tuple(only or ())), folder, show)


def _show_board(control_url: str, progress: Mapping[str, Any]) -> None:
    """Let the sandbox's board show the run, where the host is a sandbox."""
    import json
    from urllib.request import Request, urlopen

    if not control_url.startswith("http://"):
        return
    body = json.dumps(progress).encode()
    request = Request(control_url.rstrip("/") + "/certification", body, method="PUT")  # noqa: S310
    with suppress(OSError), urlopen(request, timeout=5):  # noqa: S310 - it is http, see above.
        pass


class _Wanted(NamedTuple):
    """Who was tried, with which known failures and, unless with all, with which cases."""

    side: Side
    known: Mapping[str, str]
    only: tuple[str, ...]


def _finish(
    made: Mapping[str, Any], wanted: _Wanted, folder: Path, show: Callable[[Path], None]
) -> None:
    """Sign and write what came out, show where, and end with 1 unless what was asked for passed."""
    from loyalty_service.certification.finish import finished
    from loyalty_service.certification.report import REPORT, passes, stale, summed_up, write_all

    results = finished(made, wanted.side, wanted.known, read_settings().data_dir)
    write_all(results, folder)
    show((folder / REPORT).resolve())
    for name in stale(results["cases"]):
        out.print(f"{name} passes: remove it from the known failures.")
    out.print(f"{summed_up(results)}: {results['verdict']}. Report: {folder / REPORT}")
    if not passes(results, wanted.only):
        raise typer.Exit(1)


@certify.command("verify")
def verify_command(
    file: Annotated[Path, typer.Argument(help="results.yaml or report.html.")],
    key: Annotated[str, typer.Option(help="Fingerprint that the sandbox's key must have.")] = "",
    countersigned: Annotated[
        str, typer.Option(help="Fingerprint of an operator's key that must have signed.")
    ] = "",
) -> None:
    """Check a report from its file alone: signatures, and each verdict judged again."""
    from loyalty_service.certification.report import summed_up
    from loyalty_service.certification.verify import verify

    results, signers = verify(file)
    for signer in signers:
        out.print(f"Signed by {signer['role']} {signer['name']}: {signer['fingerprint']}")
    if key and signers[0]["fingerprint"] != key:
        raise OperatorError(f"The sandbox's key is {signers[0]['fingerprint']}, not {key}.")
    if countersigned and countersigned not in {one["fingerprint"] for one in signers[1:]}:
        raise OperatorError(f"No operator's key {countersigned} has signed it.")
    out.print(
        shown(
            f"{results['subject']['name']}, {results['side']}, revision {results['revision']}, "
            f"{results['ended']}: {results['verdict']}. {summed_up(results)}."
        )
    )


@certify.command("countersign")
def countersign_command(
    file: Annotated[Path, typer.Argument(help="results.yaml, in the folder of its report.")],
    name: Annotated[str, typer.Option(help="Who countersigns.")],
    key_file: Annotated[Path, typer.Option(help="Key to sign with; made where there is none.")],
) -> None:
    """Check a report, add an operator's signature to it, and write it again."""
    from loyalty_service.certification.report import write_all
    from loyalty_service.certification.signing import OPERATOR, signed, signing_key
    from loyalty_service.certification.verify import verify

    results, _ = verify(file)
    name = kept_text(name)
    write_all(signed(results, signing_key(key_file), OPERATOR, name), file.parent)
    out.print(f"{name} has signed the report in {file.parent}.")


@certify.command("cases")
def cases_command(
    side: Annotated[str, typer.Option(help="Only the cases of a till or of a host.")] = "",
) -> None:
    """List the cases: what each requires, and who can be tried with it."""
    from loyalty_service.certification.cases import all_cases

    if side not in {"", *SIDES}:
        raise typer.BadParameter("it is till or host", param_hint="--side")
    table = Table("case", "level", "sides", "needs", "requirement", "source")
    for case in all_cases().values():
        if not side or side in case.sides:
            said = case.requirement
            table.add_row(
                case.id,
                said.level,
                ", ".join(case.sides),
                ", ".join(case.needs),
                said.says,
                said.source,
            )
    print_table(table, "There are no cases.")
