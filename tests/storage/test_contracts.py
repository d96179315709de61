"""A program serves the contracts that its file names, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loyalty_service.application.sessions.start_anonymous_session import (
    StartAnonymousSession,
    start_anonymous_session,
)
from loyalty_service.domain.errors import ContractNotServedError
from loyalty_service.domain.prompt_catalogue import Prompts
from tests.support.orders import CLAIMED, Till, basket, item
from tests.support.programs import KEY, demo_program, enroll, put_program


async def test_program_without_sessions_takes_orders_all_the_same(till: Till) -> None:
    """Where `es` is not served a session is refused, and nothing needs its redemption."""
    session = StartAnonymousSession(KEY, "visit", None, None, "en-CA", None)
    await till.call(start_anonymous_session, session)
    bare = replace(demo_program(), contracts=frozenset(), redemption=None, prompts=Prompts({}, {}))
    await put_program(till.store, bare)
    with pytest.raises(ContractNotServedError):
        await till.call(start_anonymous_session, session)
    guest = await enroll(till.store)
    opened = await till.identify(guest)
    claimed = await till.update(opened, CLAIMED, basket(item(185)))
    assert claimed.result.earned_points == 18
