"""
The target that atheris guides: one input is one call of a handler.

`python -m tests.fault.guided URL CORPUS [libFuzzer options]` ends with 0 when nothing was found.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import atheris
import structlog

with atheris.instrument_imports(
    include=["loyalty_service.transport", "loyalty_service.domain", "loyalty_service.application"]
):
    from loyalty_service.transport.servicers import code, identify, member, session, transaction

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.unit import Unit
from loyalty_service.domain.keys import Role
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from tests.fault.doors import Rpc, all_rpcs
from tests.fault.headers import VALUES, headers_read
from tests.fault.inside import Inside
from tests.fault.worlds import identify as identified
from tests.fault.worlds import issue, report, unclaimed, void
from tests.fault.worlds import session as opened
from tests.support.doing import apply_program, create_key
from tests.support.programs import PROGRAM_ID, add_member, tireless_program
from tests.support.stores import PEPPER

SECRET = "lk_guided"
PATIENCE_S = 15
HEADERS_MAX = 3
LENGTH_MAX = 256
SEED_VALUES = 2
GUIDED = (code, identify, member, session, transaction)
"""Imported first, so that they and all they import are followed line by line."""


class HandlerError(Exception):
    """Raised when a call fails inside: atheris keeps the input that did it."""


class Target:
    """A server's handlers on a loop of their own, beside the thread that atheris calls from."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._loop = asyncio.new_event_loop()
        self._inside: Inside | None = None
        self.guest = ""
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._wait(self._open())

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _open(self) -> None:
        store = await Store(Database.from_text(self._url), PEPPER, 1).__aenter__()

        def fill(unit: Unit, now_ms: int) -> str:
            apply_program(unit, ApplyProgram(tireless_program()), now_ms)
            return add_member(unit, now_ms, 1000)

        def put_key(unit: Unit, now_ms: int) -> None:
            create_key(unit, CreateKey(PROGRAM_ID, "guide", Role.ADMIN, secret=SECRET), now_ms)

        self.guest = await store.write(fill)
        await store.write(put_key)
        await store.refresh_catalog()
        self._inside = Inside(store)

    def __call__(self, data: bytes) -> None:
        """
        Read an input as call, headers and request, and make the call.

        Raises:
            HandlerError: It failed inside.
        """
        if self._inside is None:
            return
        rpc, headers, body = read(data)
        outcome = self._wait(self._inside.call(rpc, body, {"x-api-key": SECRET, **headers}))
        if outcome in {"INTERNAL", "UNKNOWN"}:
            raise HandlerError(f"{rpc.name} {body.hex()} {headers}")


def read(data: bytes) -> tuple[Rpc, dict[str, str], bytes]:
    """Split an input into a call, up to 3 headers, each by number and length, and a request."""
    rpcs, names = all_rpcs(), headers_read()
    start = data[:2].ljust(2, b"\0")
    headers, at = {}, 2
    for _ in range(start[1] % (HEADERS_MAX + 1)):
        number, length = data[at : at + 2].ljust(2, b"\0")
        headers[names[number % len(names)]] = _as_grpc_reads(data[at + 2 : at + 2 + length])
        at += 2 + length
    return rpcs[start[0] % len(rpcs)], headers, data[at:]


def write(name: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Write an input that is read as this."""
    numbers = {rpc.name: number for number, rpc in enumerate(all_rpcs())}
    parts = [bytes([numbers[name], len(headers)])]
    for header, value in headers.items():
        sent = value.encode()
        parts.append(bytes([headers_read().index(header), len(sent)]) + sent)
    return b"".join([*parts, body])


def _as_grpc_reads(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def seeds(guest: str) -> list[bytes]:
    """Give good requests to begin with."""
    from loyalty.v1 import transaction_service_pb2 as pb  # noqa: PLC0415

    good = {
        "SessionService/StartAnonymousSession": opened("a session"),
        "IdentifyService/IdentifyMember": identified(guest),
        "CodeService/IssueCode": issue(guest),
        "TransactionService/ValidateOrder": report(pb.ValidateOrderRequest, guest),
        "TransactionService/ReportOrder": report(pb.ReportOrderRequest, guest),
        "TransactionService/VoidTransaction": void(guest),
        "TransactionService/RecordUnclaimedOrder": unclaimed(),
    }
    lines: list[dict[str, str]] = [{}]
    lines += [
        {name: value}
        for name in headers_read()
        for value in VALUES[name][:SEED_VALUES]
        if len(value) < LENGTH_MAX
    ]
    return [
        write(name, headers, request.SerializeToString())
        for name, request in good.items()
        for headers in lines
    ]


def main() -> None:
    """Guide atheris through the handlers."""
    url, corpus, *options = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    target = Target(url)
    for number, seed in enumerate(seeds(target.guest)):
        (Path(corpus) / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *options, corpus], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
