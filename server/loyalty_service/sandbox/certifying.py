"""The certification of a till in the sandbox, and the routes of the control port for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, TypeAdapter, ValidationError

from loyalty_service.certification import cases
from loyalty_service.certification.baseline import checked
from loyalty_service.certification.finish import finished
from loyalty_service.certification.program import FEATURES, read_program
from loyalty_service.certification.report import JUNIT, REPORT, RESULTS, files_of
from loyalty_service.certification.till_run import RunError, TillRun, Wishes
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.sandbox.board.exchange import Exchange
from loyalty_service.sandbox.call_watch import CallWatch
from loyalty_service.sandbox.control import Action, ConflictError, Page
from loyalty_service.sandbox.faults import Faults
from loyalty_service.sandbox.kinds import Fault, Kind, Step


class _Case(BaseModel):
    id: str
    title: str = ""
    level: str = ""
    verdict: str
    note: str = ""


class _Told(BaseModel):
    """What the board's page shows of a run; anything else could stop the page."""

    cases: list[_Case]
    state: str = ""
    side: str = ""
    profile: str = ""
    revision: str = ""
    started: str = ""
    totals: dict[str, int] = {}
    report: str = ""


_WISHES = TypeAdapter(Wishes)
NOTHING = {"state": "none", "cases": []}
REASON_MAX = 300

FILES = {REPORT: "text/html", RESULTS: "application/yaml", JUNIT: "application/xml"}
"""The files of a report, with their types."""


class Certifying:
    """
    Runs a till through its cases, one run at a time.

    Args:
        advance: Moves the sandbox's clock.
        data_dir: Has the key with which reports are signed.
    """

    def __init__(
        self,
        watch: CallWatch,
        faults: Faults,
        advance: Callable[[str], Awaitable[object]],
        data_dir: Path,
    ) -> None:
        self._watch = watch
        self._faults = faults
        self._advance = advance
        self._data_dir = data_dir
        self._program = read_program(None)
        self._run: TillRun | None = None
        self._task: asyncio.Task[None] | None = None
        self._files: asyncio.Task[dict[str, bytes]] | None = None
        """The report of the run, once somebody has asked for it."""
        self._command: Mapping[str, Any] | None = None
        """What a command tells of its run: of a host's, or of a till's that has ended."""

    def routes(self) -> dict[tuple[str, str], Action]:
        """Give the routes."""
        return {
            ("GET", "/certification"): self._tell,
            ("POST", "/certification"): self._start,
            ("PUT", "/certification"): self._take,
            ("POST", "/certification/done"): self._done,
            ("POST", "/certification/stop"): self._stop,
            ("GET", "/certification/results"): self._results,
            ("GET", "/certification/choices"): self._choices,
            **{("GET", f"/certification/{name}"): self._file(name) for name in FILES},
        }

    def ended(self, call: Exchange) -> None:
        """Tell the run of a call that was refused before it was read."""
        run = self._run
        if run is None or run.ended or call.name in self._watch.read:
            return
        told = _refusal(call)
        if told:
            path = call.request.field(":path").partition("?")[0]
            run.turned_away(f"{call.request.field(':method')} {path} got {told}"[:REASON_MAX])

    def bind_case(self, faults: Mapping[str, cases.Fault]) -> None:
        """Play these faults."""
        self._faults.bind_case({code: _fault(one) for code, one in faults.items()})

    async def advance(self, by: str) -> None:
        """Move the clock."""
        await self._advance(by)

    async def _tell(self, _body: object) -> object:
        if self._run is None:
            return self._command or NOTHING
        told = self._command or self._run.told()
        # A command that tells of a host has its report elsewhere.
        ended = self._run.ended and told.get("side") == "till"
        return {**told, "files": list(FILES)} if ended else told

    async def _choices(self, _body: object) -> object:
        """Tell what a form offers: the revisions, and what a till may have."""
        return {"revisions": cases.usable_revisions(), "has": FEATURES}

    async def _start(self, body: object) -> object:
        """Begin a run; the one before must have ended."""
        if self._run is not None and not self._run.ended:
            raise ConflictError("A certification is running: stop it first.")
        try:
            wishes = _WISHES.validate_python(body)
            checked(wishes.known_failures, "till")
        except ValidationError as problem:
            first = problem.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the body"
            raise RunError(f"{place}: {first['msg']}") from None
        run = self._run = TillRun(wishes, self._program, self)
        self._command = self._files = None
        self._watch.watcher = run
        self._task = asyncio.create_task(run.run())
        await asyncio.sleep(0)  # Its first case is there when this is told.
        return run.told()

    async def _take(self, body: object) -> object:
        if self._run is not None and not self._run.ended:
            raise ConflictError("A certification is running: stop it first.")
        try:
            told = _Told.model_validate(body)
        except ValidationError:
            raise RunError("send how a run stands") from None
        self._command = told.model_dump(exclude_unset=True)
        return {}

    async def _done(self, body: object) -> object:
        run = self._running()
        case = body.get("case") if isinstance(body, dict) else None
        skipped = isinstance(body, dict) and body.get("skipped") is True
        run.done(str(case), skipped=skipped)
        return run.told()

    async def _stop(self, _body: object) -> object:
        run = self._running()
        run.stop()
        if self._task is not None:
            await self._task
        return run.told()

    async def _results(self, _body: object) -> object:
        return self._made(self._ended())

    def _file(self, name: str) -> Action:
        """Serve a file of the report: the same as the command writes."""
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        }

        async def serve(_asked: object) -> Page:
            run = self._ended()
            if self._files is None:
                # It takes a moment, in which calls go on.
                work = asyncio.to_thread(
                    _report, self._made(run), run.wishes.known_failures, self._data_dir
                )
                self._files = asyncio.create_task(work)
            try:
                files = await asyncio.shield(self._files)
            except OperatorError:
                self._files = None  # A key that can't be read may be mended.
                raise
            return Page(f"{FILES[name]}; charset=utf-8", files[name], headers)

        return serve

    def _ended(self) -> TillRun:
        if self._run is None or not self._run.ended:
            raise ConflictError("No certification has ended.")
        return self._run

    def _made(self, run: TillRun) -> dict[str, Any]:
        """Tell a run as its results are built from it."""
        return {
            "revision": run.revision,
            "began": run.began,
            "ended": run.ended,
            "state": run.state,
            "test_program": self._program.model_dump(mode="json"),
            "subject": run.wishes.profile.model_dump(mode="json"),
            "unjudged": run.unjudged,
            "refused": run.refused,
            "cases": [result.told() for result in run.results],
        }

    def _running(self) -> TillRun:
        if self._run is None or self._run.ended:
            raise RunError("No certification is running.")
        return self._run


def _report(
    made: Mapping[str, Any], known_failures: Mapping[str, str], data_dir: Path
) -> dict[str, bytes]:
    """Give the files of a report; of a run as a command reads it, so that they are the same."""
    read = json.loads(json.dumps(made))
    return files_of(finished(read, "till", known_failures, data_dir))


def _refusal(call: Exchange) -> str:
    """Word the error of a call; empty where it is none of the caller's."""
    ends = dict([*call.answer.fields, *call.trailers])
    if ends.get("grpc-status", "0") != "0":
        return f"gRPC status {ends['grpc-status']} {unquote(ends.get('grpc-message', ''))}".strip()
    status = ends.get(":status", "")
    if not status.startswith("4"):
        return ""
    try:
        told = json.loads(call.answer.body)
    except ValueError:
        told = None
    body = told if isinstance(told, dict) else {}
    return " ".join([status, *(str(body[name]) for name in ("code", "message") if name in body)])


def _fault(told: cases.Fault) -> Fault:
    """Give a fault as it is played: a kind, or the reason of an error."""
    known = {kind.value: kind for kind in Kind}
    return Fault(known.get(told.kind, told.kind), Step(told.on), told.times)
