"""How many codes a member and a key may have, and members a key may enroll, in a minute."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.application.members.enroll_member import EnrollMember
from loyalty_service.application.unit import Unit
from loyalty_service.domain import clock
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.errors import LimitExceededError
from loyalty_service.domain.limits import LIMITS, LimitName, Limits
from loyalty_service.domain.program import Program
from loyalty_service.storage.repositories.limit_counts import LimitCounts
from loyalty_service.storage.store import Store
from tests.support.databases import Postgres, fresh_database
from tests.support.doing import enroll_member, identify_member, issue_code
from tests.support.programs import (
    KEY,
    demo_program,
    enroll,
    identify_command,
    issue_command,
    put_program,
)
from tests.support.stores import demo_store, open_store

MINUTE_MS = 60_000


def _allowing(name: LimitName, figure: int) -> Program:
    return replace(demo_program(), limits=Limits.of({name.value: figure}))


async def _issue(store: Store, loyalty_id: str, at_ms: int, partner: str = KEY.partner) -> Any:
    """Issue a code by an app of a partner; return why it was refused."""
    command = replace(issue_command(loyalty_id), key=replace(KEY, partner=partner))
    try:
        return await store.write(lambda unit, _now: issue_code(unit, command, at_ms))
    except LimitExceededError as error:
        return error


async def _enroll(store: Store, at_ms: int) -> Any:
    command = EnrollMember(KEY, "Guest", None, None, None)
    try:
        return await store.write(lambda unit, _now: enroll_member(unit, command, at_ms))
    except LimitExceededError as error:
        return error


def _minute() -> int:
    return now_ms() // MINUTE_MS * MINUTE_MS


async def test_member_whose_digits_another_member_got_has_no_code(database_url: str) -> None:
    """Within one batch: a code's row that is used again is not its first member's any more."""
    async with demo_store(database_url) as store:
        names = [await enroll(store) for _ in range(2)]
        await store.write(lambda unit, now: issue_code(unit, issue_command(names[0]), now))

        def give_on(unit: Unit, _now: int) -> list[list[str]]:
            found = [unit.member(KEY.program_id, name) for name in names]
            first, second = (member for member in found if member is not None)
            (code,) = unit.pending_codes(first)
            taken = replace(code, member_number=second.number, loyalty_id=second.loyalty_id)
            unit.put_code(taken, code)
            pending = [unit.pending_codes(member) for member in (first, second)]
            return [[code.loyalty_id for code in codes] for codes in pending]

        assert await store.write(give_on) == [[], [names[1]]]


async def test_member_has_so_many_codes_a_minute(database_url: str) -> None:
    """The eleventh code of a minute is refused, until the minute ends; others are not concerned."""
    name = LimitName.CODES_PER_MEMBER_MINUTE
    allowed = LIMITS[name].default
    async with demo_store(database_url) as store:
        loyalty_id, other = await enroll(store), await enroll(store)
        start = _minute()
        for n in range(allowed):
            assert not isinstance(await _issue(store, loyalty_id, start + n), LimitExceededError)
        refused = await _issue(store, loyalty_id, start + 1000)
        assert refused == LimitExceededError(name.value, allowed, MINUTE_MS - 1000)
        assert not isinstance(await _issue(store, other, start + 1000), LimitExceededError)
        later = start + MINUTE_MS
        assert not isinstance(await _issue(store, loyalty_id, later), LimitExceededError)


async def test_partner_uses_up_no_codes_of_anothers_app(database_url: str) -> None:
    """A guest's own app issues codes, however many another partner's key asks for."""
    async with demo_store(database_url) as store:
        loyalty_id, start = await enroll(store), _minute()
        allowed = LIMITS[LimitName.CODES_PER_MEMBER_MINUTE].default
        for n in range(allowed + 1):
            refused = await _issue(store, loyalty_id, start + n, "another")
        assert isinstance(refused, LimitExceededError)
        assert not isinstance(await _issue(store, loyalty_id, start + 100), LimitExceededError)


async def test_partner_has_so_many_live_codes(database_url: str) -> None:
    """A guest who mistypes meets few of them; a code that is used or replaced makes room."""
    name = LimitName.CODES_LIVE_PER_PARTNER
    async with demo_store(database_url) as store:
        await put_program(store, _allowing(name, 2))
        guests = [await enroll(store) for _ in range(3)]
        start = now_ms() // (10 * MINUTE_MS) * 10 * MINUTE_MS
        await _issue(store, guests[0], start)
        first = await _issue(store, guests[0], start)
        assert not isinstance(await _issue(store, guests[1], start), LimitExceededError)
        refused = await _issue(store, guests[2], start + 1)
        assert refused == LimitExceededError(name.value, 2, 10 * MINUTE_MS - 1)
        # Who has one may have another in its place.
        first = await _issue(store, guests[0], start + 1)
        assert not isinstance(first, LimitExceededError)
        # Another partner's codes are counted apart.
        other = await _issue(store, guests[2], start, "another")
        assert not isinstance(other, LimitExceededError)
        shown = identify_command(first.result.digits)
        await store.write(lambda unit, _now: identify_member(unit, shown, start + 2))
        assert not isinstance(await _issue(store, guests[2], start + 3), LimitExceededError)


async def test_counts_of_codes_are_read_with_the_rest_of_a_batch(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across a network, the counts of member, key and partner cost no round trip of their own."""
    asked: list[list[Any]] = []
    take = LimitCounts.take_sums

    def spied(self: LimitCounts, places: Any, rows: Any) -> None:
        asked.append(list(places))
        take(self, places, rows)

    with fresh_database(postgres) as url:
        async with demo_store(url) as store:
            command = issue_command(await enroll(store))
            monkeypatch.setattr(LimitCounts, "take_sums", spied)
            start = _minute()
            monkeypatch.setattr(clock, "now_ms", lambda: start)
            reads = command.reads()
            await store.write(lambda unit, _now: issue_code(unit, command, start), reads=reads)
    assert [len(places) for places in asked] == [3]


async def test_member_has_so_many_codes_on_all_servers(database_url: str) -> None:
    """Codes issued for a member at once, by two servers, are counted exactly."""
    allowed = LIMITS[LimitName.CODES_PER_MEMBER_MINUTE].default
    async with demo_store(database_url) as one, open_store(database_url) as two:
        loyalty_id = await enroll(one)
        start = _minute()
        outcomes = await asyncio.gather(
            *(_issue(store, loyalty_id, start) for store in (one, two) * allowed)
        )
    refused = [outcome for outcome in outcomes if isinstance(outcome, LimitExceededError)]
    assert len(refused) == allowed


async def test_key_issues_so_many_codes_a_minute(database_url: str) -> None:
    """Codes of all members of a key are counted together."""
    name = LimitName.CODES_PER_KEY_MINUTE
    async with demo_store(database_url, _allowing(name, 3)) as store:
        guests = [await enroll(store) for _ in range(4)]
        start = _minute()
        outcomes = [await _issue(store, guest, start) for guest in guests]
        assert outcomes[3] == LimitExceededError(name.value, 3, MINUTE_MS)
        assert not any(isinstance(outcome, LimitExceededError) for outcome in outcomes[:3])
        assert not isinstance(await _issue(store, guests[3], start + MINUTE_MS), LimitExceededError)


async def test_key_enrolls_so_many_members_a_minute(database_url: str) -> None:
    """Who steals an app's key can't fill the program with members of their own at will."""
    name = LimitName.ENROLMENTS_PER_KEY_MINUTE
    async with demo_store(database_url, _allowing(name, 3)) as store:
        start = _minute()
        outcomes = [await _enroll(store, start) for _ in range(4)]
        assert outcomes[3] == LimitExceededError(name.value, 3, MINUTE_MS)
        assert not any(isinstance(outcome, LimitExceededError) for outcome in outcomes[:3])
        assert not isinstance(await _enroll(store, start + MINUTE_MS), LimitExceededError)
