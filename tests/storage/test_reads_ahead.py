"""Across a network a use case finds what it starts from read already, and asks for little more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from loyalty_service.application.codes.get_code import GetCode, get_code
from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.limits import Load
from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.perform import Keyed, Run, perform
from loyalty_service.application.sessions.start_anonymous_session import (
    StartAnonymousSession,
    start_anonymous_session,
)
from loyalty_service.domain.clock import now_ms
from loyalty_service.storage import prefetch as prefetch_module
from loyalty_service.storage import writer
from loyalty_service.storage.repositories.records import KeptStatements, LockOrder
from loyalty_service.storage.repositories.statements import Statement, Statements
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    PENDING,
    TWENTY_PERCENT,
    Till,
    Told,
    basket,
    item,
    offer,
    reward,
)
from tests.support.postgres import Postgres
from tests.support.programs import KEY, PROGRAM_ID, enroll, identify_command, issue_command
from tests.support.stores import demo_store

OF_ITS_SHARD = {"LedgerStatements.program_account", "IncentiveUsage.find"}
"""Rows of the unit's own shard: which ones is known only once the use case has decided."""

ASKED_LATE: Mapping[str, set[str]] = {
    "issue_code": {"Code.find", "CodeStatements.pending"},  # Of digits drawn; of the member.
    # A void is rare: what it gives back besides is looked for when it is sure to be done.
    "void_transaction": {"UseStatements.of_transaction", "GrantStatements.bought"},
    "claim_receipt": {"TransactionStatements.by_receipt"},
    "adjust_points": {"LimitStatements.sums"},  # An operator's, who need not hurry.
}
"""What use cases ask for although it could be read ahead, each a round trip."""


class _Asked:
    """A connection that notes which statements a use case sends, each for itself."""

    def __init__(self, connection: Any, names: Mapping[str, str], asked: list[str]) -> None:
        self._connection = connection
        self._names = names
        self._asked = asked

    def execute(self, sql: str, *values: Any) -> Any:
        """Run a statement, and note its name."""
        self._asked.append(self._names.get(sql, sql))
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _names_of(statements: Statements) -> dict[str, str]:
    """Name all statements by their SQL text."""
    names = {}
    for part in statements._parts.values():
        for group in part.values() if isinstance(part, dict) else [part]:
            kept = isinstance(group, KeptStatements)
            owner = group.kept.record.__name__ if kept else type(group).__name__
            for name, one in vars(group).items():
                if isinstance(one, Statement):
                    names[one.sql] = f"{owner}.{name}"
    return names


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What use cases ask for that was not read ahead; a lock against the order fails."""
    found: list[str] = []

    def prefetch(unit: Any, connection: Any, statements: Statements, batch: Any) -> None:
        prefetch_module.prefetch(unit, connection, statements, batch)
        unit.build(statements)
        unit._connection = _Asked(connection, _names_of(statements), found)

    monkeypatch.setattr(writer, "prefetch", prefetch)
    monkeypatch.setattr(LockOrder, "enforced", True)
    return found


@pytest.fixture
def own_url(postgres: Postgres) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@dataclass
class _HintingTill(Till):
    """A till that tells all that a call reads, as the transport does, and what was asked late."""

    asked: list[str] = field(default_factory=list)
    late: dict[str, set[str]] = field(default_factory=dict)

    async def call(
        self, use_case: Callable[[Any, Any, int], Any], command: Any, **_other: Any
    ) -> Told:
        keyed = Keyed("scope", f"{use_case.__name__} {len(self.late)}", "", b"")
        reads = Load(KEY, paid=True).reads(command.reads(), now_ms())
        reads = reads._replace(kept_answers=(*reads.kept_answers, (keyed.scope, keyed.key)))
        run = Run(use_case, command, self._render, keyed, KEY)
        work = partial(perform, run=run)
        answer = await self.run(use_case.__name__, work, reads)
        return Told(self.results[answer.body], answer.repeated)

    async def run(self, name: str, work: Callable[[Any, int], Any], reads: Any) -> Any:
        """Run the work of a use case, and keep what it asked for late."""
        self.asked.clear()
        outcome = await self.store.write(work, timeout_s=30, reads=reads)
        self.late.setdefault(name, set()).update(self.asked)
        return outcome


async def test_use_case_asks_late_only_for_what_is_listed(own_url: str, asked: list[str]) -> None:
    """A use case that reads without a hint is named, with the statement that it waits for."""
    async with demo_store(own_url) as store:
        till = _HintingTill(store, asked=asked)
        guest = await enroll(store, 100_000)
        content = basket(item(1000), reward(COFFEE), offer(TWENTY_PERCENT))
        transaction = await till.identify(guest)
        await till.validate(transaction, PENDING, content)
        await till.update(transaction, PENDING, content)
        await till.update(transaction, CLAIMED, content)
        await till.void(transaction)
        recorded = await till.unclaimed(basket(item(2000), offer(TWENTY_PERCENT)))
        await till.claim_receipt(guest, recorded.receipt_code)
        issued = await till.call(issue_code, issue_command(guest, COFFEE))
        watch = GetCode(KEY, issued.result.digits)
        await till.run("get_code", lambda unit, now: get_code(unit, watch, now), watch.reads())
        await till.call(identify_member, identify_command(issued.result.digits))
        visit = StartAnonymousSession(KEY, "visit", None, "WEB", "en", None)
        await till.call(start_anonymous_session, visit)
        gift = AdjustPoints(PROGRAM_ID, guest, 5, "sorry")
        await till.run("adjust_points", lambda *of: adjust_points(of[0], gift, of[1]), gift.reads())
    late = {name: found - OF_ITS_SHARD for name, found in till.late.items()}
    assert {name: found for name, found in late.items() if found} == ASKED_LATE
