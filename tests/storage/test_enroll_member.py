"""Whom a program takes: e-mail addresses that are shared, guests who are not born yet."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.application.members.enroll_member import EnrollMember
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.domain.errors import (
    EmailTakenError,
    IdentifierTakenError,
    LimitExceededError,
    RequestInvalidError,
)
from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.limits import LimitName, Limits
from loyalty_service.domain.receipts import ReceiptBlocks, Receipts, ReceiptTexts
from loyalty_service.domain.records import Member
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import downgrade, migrate
from loyalty_service.storage.store import Store
from tests.support.doing import apply_program, enroll_member
from tests.support.ledger import audit, count_rows, rows
from tests.support.orders import DAY_MS
from tests.support.programs import KEY, demo_program, other_program
from tests.support.stores import demo_store, open_store

NOON_MS = 1_700_067_600_000
"""12:00 on 15 November 2023 in the program's place."""


def guest(email: str | None = None, birth_date: str | None = None, **other: Any) -> EnrollMember:
    """Describe a guest."""
    return EnrollMember(replace(KEY, **other), "Guest", email, None, birth_date)


async def enroll(store: Store, command: EnrollMember, now_ms: int = NOON_MS) -> Member:
    """Enroll a guest at an instant."""
    done = await store.write(
        lambda unit, _: enroll_member(unit, command, now_ms), reads=command.reads()
    )
    return done.result


def number(kind: str, count: int) -> str:
    """Give a phone number or a card."""
    return f"+1416555{count:04}" if kind == "phone" else f"CARD{count}"


async def apply(store: Store, **words: Any) -> None:
    """Let an operator change words of the program."""
    program = replace(demo_program(), **words)
    await store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))


async def test_locale_is_one_that_the_program_writes(database_url: str) -> None:
    """A member prefers a locale that receipts are written in, and no other."""
    croatian = replace(guest(), locale="hr-HR")
    async with demo_store(database_url) as store:
        with pytest.raises(RequestInvalidError) as refused:
            await enroll(store, croatian)
        assert [one.field for one in refused.value.violations] == ["locale"]
        await apply(
            store, receipts=Receipts(ReceiptBlocks({"hr-HR": ReceiptTexts(footer="Hvala")}))
        )
        assert (await enroll(store, croatian)).locale == "hr-HR"
        assert (await enroll(store, replace(guest(), locale="FR"))).locale == "FR"


async def test_address_may_be_shared_unless_the_program_says_no(database_url: str) -> None:
    """Refused is whoever comes second, in any case of letters, and also after it was allowed."""
    async with demo_store(database_url) as store:
        for email in ("zoe@example.com", "ZOE@example.com", "", ""):
            await enroll(store, guest(email))
        assert count_rows(database_url, "member") == 4
        await apply(store, shared_email="refuse")
        for email in ("Zoe@Example.COM", " zoe@example.com "):
            with pytest.raises(EmailTakenError):
                await enroll(store, guest(email))
        for email in ("noor@example.com", None, None, "", ""):
            await enroll(store, guest(email))
        with pytest.raises(EmailTakenError):
            await enroll(store, guest("NOOR@example.com"))
    assert count_rows(database_url, "member") == 9
    assert count_rows(database_url, "member_email") == 2
    audit(database_url)


async def test_refused_addresses_count_against_the_limit(database_url: str) -> None:
    """A key can't ask of one address after the other who is a member."""
    name = LimitName.ENROLMENTS_PER_KEY_MINUTE
    async with demo_store(database_url) as store:
        await apply(store, shared_email="refuse", limits=Limits.of({name.value: 3}))
        await enroll(store, guest("zoe@example.com"))
        for _ in range(2):
            with pytest.raises(EmailTakenError):
                await enroll(store, guest("zoe@example.com"))
        for email in ("zoe@example.com", "noor@example.com"):
            with pytest.raises(LimitExceededError):
                await enroll(store, guest(email))
    assert count_rows(database_url, "member") == 1


async def test_address_is_taken_within_a_program_alone(database_url: str) -> None:
    """Who is a member of another program is nothing that an enrolment tells."""
    async with demo_store(database_url) as store:
        for program in (demo_program(), other_program()):
            strict = replace(program, shared_email="refuse")
            command = ApplyProgram(strict)
            await store.write(lambda unit, now, command=command: apply_program(unit, command, now))
            await enroll(store, guest("zoe@example.com", program_id=program.program_id))
    assert count_rows(database_url, "member_email") == 2


async def test_one_of_two_that_enroll_at_once_is_taken(database_url: str) -> None:
    """Whatever servers they come to, and also where both are of one batch."""
    async with demo_store(database_url) as store, open_store(database_url) as other:
        await apply(store, shared_email="refuse")
        await other.refresh_catalog()
        for number in range(6):
            email = f"guest{number}@example.com"
            found = await asyncio.gather(
                *(enroll(one, guest(email)) for one in (store, other, store, other)),
                return_exceptions=True,
            )
            assert sorted(type(one).__name__ for one in found) == [
                *["EmailTakenError"] * 3,
                "Member",
            ]
    assert count_rows(database_url, "member") == count_rows(database_url, "member_email") == 6
    audit(database_url)


@pytest.mark.parametrize("kind", ["phone", "card"])
async def test_phone_or_card_is_one_members_where_the_program_says_so(
    database_url: str, kind: str
) -> None:
    """Of those who enroll at once one is taken, at whatever server and also of one batch."""
    async with demo_store(database_url) as store, open_store(database_url) as other:
        for _ in range(2):
            await enroll(store, replace(guest(), **{kind: number(kind, 99)}))
        await apply(store, **{f"shared_{kind}": "refuse"})
        await other.refresh_catalog()
        for count in range(6):
            asked = replace(guest(), **{kind: number(kind, count)})
            found = await asyncio.gather(
                *(enroll(one, asked) for one in (store, other, store, other)),
                return_exceptions=True,
            )
            assert sorted(type(one).__name__ for one in found) == [
                *["IdentifierTakenError"] * 3,
                "Member",
            ]
        with pytest.raises(IdentifierTakenError) as refused:
            await enroll(store, replace(guest(), **{kind: number(kind, 99).lower()}))
        assert refused.value.kind == kind
        free = {"card": number("card", 0), "phone": number("phone", 0)}
        await enroll(store, replace(guest(), **{name: free[name] for name in free if name != kind}))
    assert count_rows(database_url, "member") == 9
    audit(database_url)


async def test_card_that_identifies_is_nobody_elses(database_url: str) -> None:
    """What tills know a guest by is kept apart, however its letters are written."""
    seen = demo_program().identifier_kinds | {IdentifierKind.CARD}
    async with demo_store(database_url) as store:
        await apply(store, identifier_kinds=seen, redeem_by_loyalty_id=False)
        await enroll(store, replace(guest(), card="ab12"))
        with pytest.raises(IdentifierTakenError):
            await enroll(store, replace(guest(), card="AB12"))
        member = await enroll(store, replace(guest(), card="cd34", phone="+14165550123"))
    assert (member.card, member.phone) == ("CD34", "+14165550123")


async def test_refused_phones_count_against_the_limit(database_url: str) -> None:
    """A key can't ask of one number after the other whose it is."""
    name = LimitName.ENROLMENTS_PER_KEY_MINUTE
    asked = replace(guest(), phone="+14165550123")
    async with demo_store(database_url) as store:
        await apply(store, shared_phone="refuse", limits=Limits.of({name.value: 2}))
        await enroll(store, asked)
        with pytest.raises(IdentifierTakenError):
            await enroll(store, asked)
        with pytest.raises(LimitExceededError):
            await enroll(store, asked)


async def test_shared_address_that_meets_itself_is_kept_once(database_url: str) -> None:
    """Two guests of one address who enroll at once are both taken where it may be shared."""
    async with demo_store(database_url) as store, open_store(database_url) as other:
        for number in range(4):
            email = f"guest{number}@example.com"
            await asyncio.gather(*(enroll(one, guest(email)) for one in (store, other) * 2))
    assert count_rows(database_url, "member") == 16
    assert count_rows(database_url, "member_email") == 4


async def test_guest_of_tomorrow_is_refused_where_the_program_says_so(database_url: str) -> None:
    """Today is the day in the program's place."""
    async with demo_store(database_url) as store:
        await enroll(store, guest(birth_date="2999-01-01"))
        await apply(store, future_birth_date="refuse")
        late_ms = NOON_MS + DAY_MS // 2 - 1
        for born_on, now_ms in (("2023-11-16", late_ms), ("2023-11-17", late_ms + 1)):
            with pytest.raises(RequestInvalidError) as refused:
                await enroll(store, guest(birth_date=born_on), now_ms)
            (violation,) = refused.value.violations
            assert (violation.field, violation.message) == (
                "birth_date",
                "must not be a day to come",
            )
        await enroll(store, guest(birth_date="2023-11-15"), late_ms)
        await enroll(store, guest(birth_date="2023-11-16"), late_ms + 1)
    assert count_rows(database_url, "member") == 3


async def test_addresses_of_an_older_schema_are_taken_as_well(database_url: str) -> None:
    """The first member of each is found again, in members of any number, whatever their case."""
    database = Database.from_text(database_url)
    async with demo_store(database_url) as store:
        for email in ("zoe@example.com", "ZOE@example.com", None, "", "noor@example.com"):
            await enroll(store, guest(email))
    before = _kept(database_url)
    assert len(before) == 2
    downgrade(database, "0003", lose_data=True)

    migrate(database)

    assert _kept(database_url) == before


def _kept(database_url: str) -> set[tuple[str, str]]:
    found = rows(
        database_url,
        "SELECT member_email.email, loyalty_id FROM member_email "
        "JOIN member ON number = member_number",
    )
    return {(row.email, row.loyalty_id) for row in found}
