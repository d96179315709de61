"""Guests who are identified by a phone number or a card: they earn and never redeem."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.members.update_member import UpdateMember, update_member
from loyalty_service.application.operators.forgive_codes import ForgiveCodes, forgive_codes
from loyalty_service.application.orders.identify_again import IdentifyAgain, identify_again
from loyalty_service.domain.contracts import RBI_V2
from loyalty_service.domain.errors import (
    CodeRequiredError,
    IdentificationFailedError,
    IdentifierInvalidError,
    IdentifierTakenError,
    TooManyWrongCodesError,
)
from loyalty_service.domain.identifiers import IdentifierKind, card_of, phone_of
from tests.support.orders import CLAIMED, COFFEE, PENDING, Till, basket, item, reward
from tests.support.programs import PROGRAM_ID, demo_program, enroll, issue_command, put_program

PHONE = "+14165550123"
CARD = "6006491234567890"


@pytest_asyncio.fixture
async def counter(till: Till) -> AsyncIterator[Till]:
    """A till of a program that takes phone numbers and cards."""
    program = replace(
        demo_program(),
        identifier_kinds=frozenset(IdentifierKind),
        redeem_by_loyalty_id=False,
        phone_prefix="+1",
        contracts=demo_program().contracts | {RBI_V2},
    )
    await put_program(till.store, program)
    yield till


async def known(till: Till, **given: str) -> str:
    """Enroll a guest with points and a phone number or card."""
    guest = await enroll(till.store, 2000)
    command = UpdateMember(PROGRAM_ID, guest, tuple(given.items()))
    await till.store.write(lambda unit, now: update_member(unit, command, now))
    return guest


@pytest.mark.parametrize(
    "shown", [PHONE, "4165550123", "(416) 555-0123", "0014165550123", CARD, CARD.lower()]
)
async def test_guest_is_found_and_earns(counter: Till, shown: str) -> None:
    """However the cashier types the number, the order is the guest's."""
    guest = await known(counter, phone=PHONE, card=CARD)
    transaction = await counter.identify(shown)
    done = await counter.update(transaction, CLAIMED, basket(item(1000)))
    assert (done.result.loyalty_id, done.result.earned_points) == (guest, 100)


@pytest.mark.parametrize("status", [PENDING, CLAIMED])
async def test_phone_never_redeems(counter: Till, status: object) -> None:
    """Not in that order, and not with the loyalty ID that its answer tells."""
    guest = await known(counter, phone=PHONE)
    for shown in (PHONE, guest):
        transaction = await counter.identify(shown)
        with pytest.raises(CodeRequiredError):
            await counter.update(transaction, status, basket(item(1000), reward(COFFEE)))  # type: ignore[arg-type]


async def test_code_redeems_in_the_same_order(counter: Till) -> None:
    """The guest opens the app after all: a code of theirs lets the open order redeem."""
    guest = await known(counter, phone=PHONE)
    transaction = await counter.identify(PHONE)
    digits = (await counter.call(issue_code, issue_command(guest))).result.digits
    await counter.call(identify_again, IdentifyAgain(counter.key, digits, transaction))
    done = await counter.update(transaction, CLAIMED, basket(item(1000), reward(COFFEE)))
    assert done.result.redeemed_points == 800


async def test_unknown_numbers_are_counted_apart_from_codes(counter: Till) -> None:
    """Who tries numbers must wait, and shows codes and loyalty IDs all the same."""
    guest = await known(counter, phone=PHONE)
    for number in range(7):
        with pytest.raises(IdentificationFailedError):
            await counter.identify(f"+1416555100{number}")
    with pytest.raises(TooManyWrongCodesError):
        await counter.identify("+14165551009")
    with pytest.raises(TooManyWrongCodesError):
        await counter.identify(PHONE)
    assert await counter.identify(guest)
    assert await counter.identify(guest, COFFEE)
    forgive = ForgiveCodes(counter.key.key_id)
    await counter.store.write(lambda unit, now: forgive_codes(unit, forgive, now))
    assert await counter.identify(PHONE)


async def test_number_of_two_members_is_nobodys(till: Till, counter: Till) -> None:
    """Two had it before it identified anybody: it can't be told whose order it is."""
    await put_program(till.store, demo_program())
    for _ in range(2):
        await known(till, phone=PHONE)
    await put_program(
        till.store,
        replace(
            demo_program(),
            identifier_kinds=frozenset(IdentifierKind),
            redeem_by_loyalty_id=False,
        ),
    )
    with pytest.raises(IdentificationFailedError):
        await counter.identify(PHONE)
    with pytest.raises(IdentifierTakenError):
        await known(counter, phone=PHONE)


async def test_number_identifies_nobody_unless_the_program_says_so(till: Till) -> None:
    """Programs as they were take codes and loyalty IDs alone."""
    await known(till, phone=PHONE)
    with pytest.raises(IdentifierInvalidError):
        await till.identify(PHONE)


@pytest.mark.parametrize(
    ("shown", "prefix", "kept"),
    [
        ("+44 20 7946 0018", "", "+442079460018"),
        ("020 7946 0018", "+44", "+442079460018"),
        ("020 7946 0018", "", None),
        ("not a number", "+44", None),
        ("+0123456789", "+44", None),
        ("123456", "+1", None),
    ],
)
def test_phone_is_written_as_it_is_kept(shown: str, prefix: str, kept: str | None) -> None:
    """With its country, and without what people write between digits."""
    assert phone_of(shown, prefix) == kept


def test_code_is_never_a_card() -> None:
    """Six digits are a code."""
    assert card_of("123456") is None
    assert card_of("ab12345") == "AB12345"
