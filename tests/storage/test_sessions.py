"""Sessions: what every call does with one, how they end, and what becomes of repeated calls."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.reads import Reads
from loyalty_service.application.sessions.open_session import (
    answer_of_close,
    close_session,
    closing_key,
    open_session,
    read_session,
)
from loyalty_service.application.sessions.start_anonymous_session import (
    StartAnonymousSession,
    start_anonymous_session,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import CorrelationIdInvalidError
from loyalty_service.domain.es_errors import SessionClosedError, SessionNotFoundError
from loyalty_service.domain.es_terms import EsTerms
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.sessions import SessionStatus
from tests.support.orders import Till
from tests.support.programs import KEY, demo_program, put_program

VISIT = "c0a7e4f2-9a35-4c1e-8f1b-3d7a52f0b6aa"
DAY_MS = 86_400_000
METHOD = "Test/Close"


@dataclass(frozen=True, slots=True)
class _Use:
    key: ApiKey
    correlation_id: str = VISIT
    points: int = 1

    def reads(self) -> Reads:
        return Reads(sessions=((self.key.program_id, self.correlation_id),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        del read
        return self.correlation_id, self.points


def _use(unit: Unit, command: _Use, now_ms: int) -> Done[str]:
    program = unit.catalog.programs[command.key.program_id]
    session = open_session(unit, program, command.key, command.correlation_id, now_ms)
    return Done(str(session.updated_ms))


def _close(unit: Unit, command: _Use, now_ms: int) -> Done[str] | Repeated:
    program = unit.catalog.programs[command.key.program_id]
    earlier = answer_of_close(unit, program, command.correlation_id, METHOD, command)
    if earlier is not None:
        return earlier
    session = open_session(unit, program, command.key, command.correlation_id, now_ms)
    close_session(unit, session, "order", now_ms)
    kept_as = closing_key(program, command.correlation_id, METHOD, command)
    return Done(json.dumps(now_ms), kept_as=kept_as)


async def _start(till: Till, correlation_id: str = VISIT) -> Any:
    command = StartAnonymousSession(KEY, correlation_id, None, None, "en-CA", None)
    return await till.call(start_anonymous_session, command)


async def test_session_that_was_never_started_is_not_found(till: Till) -> None:
    """Neither a call that writes nor one that reads makes a session."""
    with pytest.raises(SessionNotFoundError):
        await till.call(_use, _Use(KEY))
    async with till.store.read() as reader:
        with pytest.raises(SessionNotFoundError):
            await read_session(reader, demo_program(), KEY, VISIT, till.now_ms)


async def test_session_of_another_program_is_not_found(till: Till) -> None:
    """A correlation ID is looked for in the caller's own program."""
    other = replace(demo_program(), program_id="demo-us", region="US")
    await put_program(till.store, other)
    await _start(till)
    with pytest.raises(SessionNotFoundError):
        await till.call(_use, _Use(replace(KEY, program_id="demo-us", region="US")))


async def test_session_that_is_used_does_not_expire(till: Till) -> None:
    """Each use counts, and yet it is written at most once a minute."""
    await _start(till)
    began_ms = till.now_ms
    till.now_ms += 30_000
    assert (await till.call(_use, _Use(KEY))).result == str(began_ms)
    till.now_ms = began_ms + DAY_MS - 1
    assert (await till.call(_use, _Use(KEY))).result == str(till.now_ms)
    till.now_ms += DAY_MS - 1
    assert (await till.call(_use, _Use(KEY))).result == str(till.now_ms)


async def test_idle_session_expires_by_the_terms_of_its_program(till: Till) -> None:
    """Calls are told that it is closed; an anonymous one that is started again goes on."""
    await put_program(till.store, replace(demo_program(), es=EsTerms(session_lifetime_s=300)))
    await _start(till)
    till.now_ms += 300_000
    async with till.store.read() as reader:
        program = till.store.catalog.programs[KEY.program_id]
        found = await read_session(reader, program, KEY, VISIT, till.now_ms)
        assert found.status is SessionStatus.OPEN
        with pytest.raises(SessionClosedError):
            await read_session(reader, program, KEY, VISIT, till.now_ms + 1)
    till.now_ms += 1
    with pytest.raises(SessionClosedError):
        await till.call(_use, _Use(KEY))
    await _start(till)
    await till.call(_use, _Use(KEY))


async def test_call_that_closes_a_session_comes_again_to_the_same_answer(till: Till) -> None:
    """The same call is answered as the first one was, for good; another one is refused."""
    await _start(till)
    first = await till.call(_close, _Use(KEY))
    till.now_ms += 400 * DAY_MS
    again = await till.call(_close, _Use(KEY))
    assert (again.repeated, again.result) == (True, first.result)
    for use_case, command in ((_close, _Use(KEY, points=2)), (_use, _Use(KEY))):
        with pytest.raises(SessionClosedError):
            await till.call(use_case, command)
    with pytest.raises(CorrelationIdInvalidError):
        await _start(till)
    async with till.store.read() as reader:
        session = await reader.session_named(KEY.program_id, VISIT)
    assert session is not None
    assert (session.status, session.transaction_id) == (SessionStatus.CLOSED, "order")
