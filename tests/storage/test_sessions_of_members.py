"""Sessions of members: who is found by what, what they may, and whose a session becomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.members.update_member import UpdateMember, update_member
from loyalty_service.application.sessions.open_session import read_session
from loyalty_service.application.sessions.start_anonymous_session import (
    StartAnonymousSession,
    start_anonymous_session,
)
from loyalty_service.application.sessions.start_session import StartSession, start_session
from loyalty_service.domain.errors import (
    ContractNotServedError,
    CorrelationIdInvalidError,
    IdentificationFailedError,
    LoyaltyError,
    MemberNotFoundError,
    StoreNotAllowedError,
    StoreNotFoundError,
    TooManyWrongCodesError,
)
from loyalty_service.domain.es_errors import (
    AccountNotFoundError,
    IdentifierTypeInvalidError,
    SessionClosedError,
)
from loyalty_service.domain.es_identifiers import EsIdentifier, es_identifier
from loyalty_service.domain.es_terms import EsTerms, SuppressedPrompts
from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.keys import Role
from loyalty_service.domain.prompt_catalogue import Prompt
from loyalty_service.domain.sessions import SessionStatus
from loyalty_service.sweeper import sweep
from tests.support.orders import Till
from tests.support.programs import KEY, PROGRAM_ID, demo_program, enroll, put_program

VISIT = "c0a7e4f2-9a35-4c1e-8f1b-3d7a52f0b6aa"
PHONE = "+14165550123"
CARD = "6006491234567890"
EMAIL = "Maya@example.com"
TILL = replace(KEY, key_id="till", role=Role.TILL)
NOBODY = "00000000-0000-4000-8000-000000000000"
ASKING = {locale: Prompt("REQUEST_EMAIL", locale, "") for locale in ("en-CA", "en-US", "fr-CA")}


@pytest_asyncio.fixture
async def counter(till: Till) -> AsyncIterator[Till]:
    """A till of a program that identifies by whatever it can."""
    program = demo_program()
    program = replace(
        program,
        identifier_kinds=frozenset(IdentifierKind),
        redeem_by_loyalty_id=False,
        phone_prefix="+1",
        prompts=replace(program.prompts, no_email=ASKING),
    )
    await put_program(till.store, program)
    till.key = TILL
    yield till


async def known(till: Till, **given: str) -> str:
    """Enroll a guest with points and what they are known by."""
    guest = await enroll(till.store, 62_000)
    if given:
        command = UpdateMember(PROGRAM_ID, guest, tuple(given.items()))
        await till.store.write(lambda unit, now: update_member(unit, command, now))
    return guest


async def start(
    till: Till, identifier: str, kind: EsIdentifier = EsIdentifier.LOYALTY_ID, **other: Any
) -> Any:
    """Start a session; return what the till is told."""
    command = StartSession(till.key, kind, identifier, VISIT, None, None, None, None)
    return (await till.call(start_session, replace(command, **other))).result


async def start_anonymous(till: Till) -> Any:
    """Start a session for a shopper without a card."""
    command = StartAnonymousSession(till.key, VISIT, None, None, "en-CA", "true")
    return await till.call(start_anonymous_session, command)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (EsIdentifier.PHONE_NUMBER, PHONE),
        (EsIdentifier.PHONE_NUMBER, "(416) 555-0123"),
        (EsIdentifier.EMAIL, "maya@EXAMPLE.com"),
        (EsIdentifier.LOYALTY_ID, CARD),
    ],
)
async def test_member_is_found_by_what_others_may_know_and_only_earns(
    counter: Till, kind: EsIdentifier, shown: str
) -> None:
    """However it is typed, the session is the member's, and says that it may not redeem."""
    guest = await known(counter, phone=PHONE, card=CARD, email=EMAIL)
    started = await start(counter, shown, kind)
    assert (started.member.loyalty_id, started.session.earn_only) == (guest, 1)


async def test_loyalty_id_redeems_where_the_program_lets_tills_do_so(counter: Till) -> None:
    """A till redeems by it only then; the app's server, which has asked the guest, always does."""
    guest = await known(counter, phone=PHONE)
    assert (await start(counter, guest.upper())).session.earn_only == 1
    counter.key = replace(KEY, key_id="app", role=Role.APP)
    app = await start(counter, guest, EsIdentifier.ACCOUNT_ID, correlation_id="app")
    assert app.session.earn_only is None
    await put_program(counter.store, replace(demo_program(), redeem_by_loyalty_id=True))
    counter.key = TILL
    assert (await start(counter, guest, correlation_id="till")).session.earn_only is None


@pytest.mark.parametrize(
    ("kind", "shown", "error"),
    [
        (EsIdentifier.LOYALTY_ID, NOBODY, MemberNotFoundError),
        (EsIdentifier.LOYALTY_ID, "6006490000000000", IdentificationFailedError),
        (EsIdentifier.LOYALTY_ID, "?", IdentificationFailedError),
        (EsIdentifier.ACCOUNT_ID, NOBODY, AccountNotFoundError),
        (EsIdentifier.ACCOUNT_ID, CARD, AccountNotFoundError),
        (EsIdentifier.PHONE_NUMBER, "4165550000", AccountNotFoundError),
        (EsIdentifier.PHONE_NUMBER, "no number", AccountNotFoundError),
        (EsIdentifier.EMAIL, "nobody@example.com", AccountNotFoundError),
    ],
)
async def test_what_nobody_has_opens_no_session(
    counter: Till, kind: EsIdentifier, shown: str, error: type[LoyaltyError]
) -> None:
    """The call is refused, and the correlation ID is free for the next try."""
    guest = await known(counter, card=CARD)
    with pytest.raises(error):
        await start(counter, shown, kind)
    assert (await start(counter, guest)).session.created_ms == counter.now_ms


async def test_what_two_members_have_is_nobodys(counter: Till) -> None:
    """It can't be told whose the visit is."""
    for _ in range(2):
        await known(counter, email=EMAIL)
    with pytest.raises(AccountNotFoundError):
        await start(counter, EMAIL, EsIdentifier.EMAIL)


async def test_who_tries_numbers_must_wait(counter: Till) -> None:
    """A right one is not looked at then, and loyalty IDs are all the same."""
    guest = await known(counter, phone=PHONE)
    for number in range(200):
        with pytest.raises((AccountNotFoundError, TooManyWrongCodesError)) as refused:
            await start(counter, f"nobody{number}@example.com", EsIdentifier.EMAIL)
        if isinstance(refused.value, TooManyWrongCodesError):
            break
    with pytest.raises(TooManyWrongCodesError):
        await start(counter, PHONE, EsIdentifier.PHONE_NUMBER)
    assert (await start(counter, guest)).member.loyalty_id == guest


async def test_anonymous_session_becomes_a_members_once(counter: Till) -> None:
    """It is never another's, and never nobody's again."""
    guest, other = await known(counter, phone=PHONE), await known(counter)
    await start_anonymous(counter)
    counter.now_ms += 5_000
    bound = await start(counter, PHONE, EsIdentifier.PHONE_NUMBER)
    assert (bound.member.loyalty_id, bound.session.anonymous_flag) == (guest, "true")
    with pytest.raises(CorrelationIdInvalidError):
        await start(counter, other)
    with pytest.raises(CorrelationIdInvalidError):
        await start_anonymous(counter)
    again = await start(counter, guest, channel="KIOSK", locale="fr-CA")
    assert (again.session.channel, again.session.locale) == ("KIOSK", "fr-CA")


async def test_who_has_shown_a_card_may_redeem_whatever_is_typed_later(counter: Till) -> None:
    """A phone number that is typed for the same member takes nothing away; and the other way."""
    guest = await known(counter, phone=PHONE)
    app = replace(KEY, key_id="app", role=Role.APP)
    for strong_first in (True, False):
        visit = f"strong first: {strong_first}"
        for strong in (strong_first, not strong_first):
            counter.key = app if strong else TILL
            kind = EsIdentifier.ACCOUNT_ID if strong else EsIdentifier.PHONE_NUMBER
            shown = guest if strong else PHONE
            last = await start(counter, shown, kind, correlation_id=visit)
        assert last.session.earn_only is None


async def test_store_is_what_the_till_or_its_key_says(counter: Till) -> None:
    """Then what the program says, and the lowest number at last."""
    guest = await known(counter)
    assert (await start(counter, guest)).session.store_id == min(demo_program().stores)
    assert (await start(counter, guest, store_id=9999)).session.store_id == 9999
    with pytest.raises(StoreNotFoundError):
        await start(counter, guest, store_id=5)
    counter.key = replace(TILL, stores=frozenset({1002, 1003}))
    assert (await start(counter, guest, correlation_id="first")).session.store_id == 1002
    with pytest.raises(StoreNotAllowedError):
        await start(counter, guest, store_id=9999)
    await put_program(counter.store, replace(demo_program(), es=EsTerms(store_id=1003)))
    assert (await start(counter, guest, correlation_id="next")).session.store_id == 1003


async def test_member_without_an_address_is_asked_for_it(counter: Till) -> None:
    """In the language of the session, unless the program suppresses it for these tills."""
    guest = await known(counter)
    for locale in ("fr-CA", "en-US", "en-CA"):
        assert (await start(counter, guest, locale=locale)).prompt == ASKING[locale]
    terms = EsTerms(suppress_prompts=SuppressedPrompts(pos_types=("KIOSK",)))
    program = counter.store.catalog.programs[PROGRAM_ID]
    await put_program(counter.store, replace(program, es=terms))
    assert (await start(counter, guest, channel="kiosk")).prompt == Prompt()
    assert (await start(counter, guest)).prompt == ASKING["en-CA"]
    silent = EsTerms(suppress_prompts=SuppressedPrompts(partners=(TILL.partner,)))
    await put_program(counter.store, replace(program, es=silent))
    assert (await start(counter, guest)).prompt == Prompt()
    anonymous = StartAnonymousSession(TILL, "another", None, None, "en-CA", None)
    assert (await counter.call(start_anonymous_session, anonymous)).result.prompt == Prompt()


@pytest.mark.parametrize(("kept", "spoken"), [("FR", "fr-CA"), ("fr-CA", "fr-CA"), ("EN", "en-CA")])
async def test_session_speaks_the_language_of_its_member(
    counter: Till, kept: str, spoken: str
) -> None:
    """Unless the till asks for another one."""
    guest = await known(counter, locale=kept)
    assert (await start(counter, guest)).session.locale == spoken
    assert (await start(counter, guest, locale="xx")).session.locale == spoken
    assert (await start(counter, guest, locale="en-US")).session.locale == "en-US"


async def test_erased_member_is_found_by_nothing(counter: Till) -> None:
    """And what named the person in a session is gone."""
    guest = await known(counter, email=EMAIL)
    await start(counter, guest, external_identifier="Maya's visit")
    command = EraseMember(PROGRAM_ID, guest, "asked for")
    await counter.store.write(lambda unit, now: erase_member(unit, command, now))
    with pytest.raises(MemberNotFoundError):
        await start(counter, guest)
    with pytest.raises(AccountNotFoundError):
        await start(counter, EMAIL, EsIdentifier.EMAIL)
    async with counter.store.read() as reader:
        session = await reader.session_named(PROGRAM_ID, VISIT)
    assert session is not None
    assert session.external_identifier is None


async def test_idle_session_of_a_member_is_swept(counter: Till) -> None:
    """Only theirs: nothing waits for the end of an anonymous one."""
    guest = await known(counter)
    await start(counter, guest)
    await start(counter, guest, correlation_id="in use")
    anonymous = StartAnonymousSession(TILL, "anonymous", None, None, "en-CA", None)
    await counter.call(start_anonymous_session, anonymous)

    class _Clock:
        may_end = True

        def time_ms(self) -> int:
            return counter.now_ms

    counter.now_ms += 86_400_000
    await start(counter, guest, correlation_id="in use")
    counter.now_ms += 1
    assert (await sweep(counter.store, _Clock())).sessions == 1
    assert (await sweep(counter.store, _Clock())).sessions == 0
    async with counter.store.read() as reader:
        found = {
            name: await reader.session_named(PROGRAM_ID, name)
            for name in (VISIT, "in use", "anonymous")
        }
        assert {name: one.status for name, one in found.items() if one} == {
            VISIT: SessionStatus.EXPIRED,
            "in use": SessionStatus.OPEN,
            "anonymous": SessionStatus.OPEN,
        }
        with pytest.raises(SessionClosedError):
            await read_session(reader, demo_program(), counter.key, VISIT, counter.now_ms)
    assert (await start(counter, guest)).session.status is SessionStatus.OPEN


async def test_program_without_sessions_opens_none(counter: Till) -> None:
    """A call of a contract that is not served finds nobody."""
    guest = await known(counter)
    await put_program(counter.store, replace(demo_program(), contracts=frozenset()))
    with pytest.raises(ContractNotServedError):
        await start(counter, guest)


def test_kind_of_identifier_is_what_the_caller_says_or_what_its_role_has() -> None:
    """What our members do not have, and what the program does not take, is refused by the list."""
    kinds = demo_program().identifier_kinds
    assert es_identifier("", Role.TILL, kinds) is EsIdentifier.LOYALTY_ID
    assert es_identifier(" ", Role.APP, kinds) is EsIdentifier.ACCOUNT_ID
    assert es_identifier("loyalty_id ", Role.APP, kinds) is EsIdentifier.LOYALTY_ID
    for told in ("EXTERNAL_ID", "PARTNER_LINK_ID", "EXTERNAL_AGENT_ID", "PHONE_NUMBER", "x"):
        with pytest.raises(IdentifierTypeInvalidError) as refused:
            es_identifier(told, Role.TILL, kinds)
        assert refused.value.kinds == "ACCOUNT_ID, LOYALTY_ID"
