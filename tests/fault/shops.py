"""Stores that do honest business, and people who play at their kiosks, at simulated times."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from loyalty_service.application.codes.wrong_codes import (
    count_right_code,
    count_wrong_code,
    require_no_wait,
)
from loyalty_service.application.members.enroll_member import new_member
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.codes import CODE_COUNT
from loyalty_service.domain.errors import CodeNotFoundError, TooManyWrongCodesError
from loyalty_service.domain.guessing import HOUR_MS, MONTH_MS, ScopeKind, counts_widely, scopes_of
from loyalty_service.domain.records import Member, TransactionStatus
from loyalty_service.storage.store import Store
from tests.support.ledger import execute
from tests.support.programs import PROGRAM_ID

SECOND_MS = 1000
OPENS_MS, CLOSES_MS = 10 * HOUR_MS, 22 * HOUR_MS
VISITS = 4
"""Times a month that a guest comes."""

AT_ONCE = 500
FIRST_MEMBER = 1_000_000

_MEMBERS = """
    WITH RECURSIVE numbers (n) AS (
        SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last
    )
    INSERT INTO member (number, program_id, loyalty_id, name, created_ms)
    SELECT n, :program, 'guest-' || n, 'Guest', :created FROM numbers
"""
_PAID = """
    INSERT INTO loyalty_transaction (
        transaction_id, program_id, member_number, status, store_id, pos_transaction_id, pos_type,
        partner, created_ms, updated_ms, expires_ms, points_earned, points_redeemed
    )
    SELECT 'paid-' || number, program_id, number, :claimed, 9999, 'paid', 'Partner', 'partner',
        created_ms, created_ms, created_ms, 0, 0
    FROM member WHERE number BETWEEN :first AND :last
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """
    A store with so many guests a day, of whom some mistype.

    Attributes:
        first: Number of its first member; guests come `VISITS` times a month.
        regular: Share of its guests who are regulars.
        tills: Terminals at which nobody plays.
        kiosks: Terminals at which somebody plays, at each of them.
        weekly: Whether they play once a week, for as long as 30 codes take, rather than all day.
    """

    store_id: int
    key_id: str
    guests: int
    mistyped: float
    first: int
    tills: int
    kiosks: int = 0
    regular: float = 0.6
    weekly: bool = False

    @property
    def members(self) -> int:
        """Count its guests."""
        return max(1, self.guests * 30 // VISITS)

    @property
    def last_regular(self) -> int:
        """Number its last member who is a regular; those before are too."""
        return self.first + round(self.members * self.regular) - 1


@dataclass(frozen=True, slots=True)
class Shown:
    """A code shown at a terminal: a member's right one, or the digits of a wrong one."""

    at_ms: int
    shop: Shop
    terminal: str
    member: int = 0
    wrong: int | None = None
    plays: bool = False


@dataclass
class Seen:
    """
    What became of what was shown.

    Attributes:
        refused: Honest guests, by who had to wait and whether it was at a kiosk of a player.
        tried: Players' codes that were looked at, by key and day.
        unearned: Wrong codes that no regular had earned, players' and others', by key and day.
    """

    shown: int = 0
    wrong: int = 0
    refused: Counter[tuple[str, bool]] = field(default_factory=Counter)
    tried: Counter[tuple[str, int]] = field(default_factory=Counter)
    unearned: Counter[tuple[str, int]] = field(default_factory=Counter)

    def refused_at(self, *kinds: str, kiosks: bool) -> int:
        """Count the honest guests who were refused because one of these waited."""
        return sum(self.refused[kind, kiosks] for kind in kinds)


def shops_of(
    sizes: Sequence[int], keys: Sequence[str], *, kiosks: Sequence[int], regular: float = 0.6
) -> list[Shop]:
    """Give stores of these numbers of guests a day, with players at so many kiosks of each."""
    shops: list[Shop] = []
    first = FIRST_MEMBER
    for n, (guests, key_id, played) in enumerate(zip(sizes, keys, kiosks, strict=True)):
        shop = Shop(
            store_id=7000 + n,
            key_id=key_id,
            guests=guests,
            mistyped=(0.01, 0.03, 0.05)[n % 3],
            first=first,
            tills=max(2, guests // 100),
            kiosks=played,
            regular=regular,
        )
        shops.append(shop)
        first += shop.members
    return shops


def put_guests(database_url: str, shops: Sequence[Shop], now_ms: int) -> None:
    """Enroll the guests of stores: regulars two months ago, the others now."""
    for shop in shops:
        last = shop.first + shop.members - 1
        parts = (
            (shop.first, shop.last_regular, now_ms - 2 * MONTH_MS),
            (shop.last_regular + 1, last, now_ms),
        )
        for first, end, created_ms in parts:
            if first <= end:
                execute(
                    database_url,
                    _MEMBERS,
                    first=first,
                    last=end,
                    program=PROGRAM_ID,
                    created=created_ms,
                )
        if shop.first <= shop.last_regular:
            execute(
                database_url,
                _PAID,
                first=shop.first,
                last=shop.last_regular,
                claimed=int(TransactionStatus.CLAIMED),
            )


async def trade(
    store: Store,
    shops: Sequence[Shop],
    days: int,
    start_ms: int,
    chance: random.Random,
    *,
    players_from: int = 0,
) -> Seen:
    """Let stores do business for so many days; players come from a day on."""
    seen = Seen()
    for day in range(days):
        begins_ms = start_ms + day * DAY_MS
        events = sorted(
            (
                event
                for shop in shops
                for event in _day(shop, begins_ms, chance, plays=day >= players_from)
            ),
            key=lambda event: event.at_ms,
        )
        for first in range(0, len(events), AT_ONCE):
            part = events[first : first + AT_ONCE]
            await store.write(
                lambda unit, _now, part=part: _business(unit, part, start_ms, seen), timeout_s=120
            )
        ends_ms = begins_ms + DAY_MS - 1
        await store.write(lambda unit, _now, now=ends_ms: _note_unearned(unit, shops, now, seen))
        await store.write(lambda unit, _now, now=ends_ms: unit.forget_counts(now, 10_000))
    return seen


def _day(shop: Shop, begins_ms: int, chance: random.Random, *, plays: bool) -> Iterator[Shown]:
    """Give what is shown in a store on a day, between ten in the morning and ten at night."""
    terminals = [f"till-{n}" for n in range(shop.tills)]
    terminals += [f"kiosk-{n}" for n in range(shop.kiosks)]
    for _ in range(shop.guests):
        at = begins_ms + chance.randrange(OPENS_MS, CLOSES_MS)
        terminal = chance.choice(terminals)
        if chance.random() < shop.mistyped:
            # Most mistype once, some thrice in a row, and some insist on what they typed.
            for n in range(chance.choices((1, 2, 3), (7, 2, 1))[0]):
                digits = chance.randrange(CODE_COUNT)
                for again in range(1 + (chance.random() < 0.2)):
                    later = (8 * n + 3 * again) * SECOND_MS
                    yield Shown(at + later, shop, terminal, wrong=digits)
        member = shop.first + chance.randrange(shop.members)
        yield Shown(at + 30 * SECOND_MS, shop, terminal, member)
    if plays:
        for n in range(shop.kiosks):
            yield from _play(shop, f"kiosk-{n}", begins_ms, chance)


def _play(shop: Shop, kiosk: str, begins_ms: int, chance: random.Random) -> Iterator[Shown]:
    """Play at a kiosk: all day, a code every two minutes, or once a week."""
    every_ms, times = 120 * SECOND_MS, (CLOSES_MS - OPENS_MS) // (120 * SECOND_MS)
    at = begins_ms + OPENS_MS
    if shop.weekly:
        if chance.random() >= 1 / 7:
            return
        every_ms, times = 5 * SECOND_MS, 30
        at = begins_ms + chance.randrange(OPENS_MS, CLOSES_MS)
    for n in range(times):
        yield Shown(at + n * every_ms, shop, kiosk, wrong=chance.randrange(CODE_COUNT), plays=True)


def _business(unit: Unit, events: Sequence[Shown], start_ms: int, seen: Seen) -> None:
    """Show codes one after the other, and take note of who had to wait."""
    for event in events:
        shop = event.shop
        scopes = scopes_of(PROGRAM_ID, shop.key_id, shop.store_id, event.terminal)
        try:
            require_no_wait(unit, scopes, event.at_ms)
            if event.plays:
                _note_try(unit, event, seen)
            else:
                seen.shown += 1
                seen.wrong += event.wrong is not None
            if event.wrong is None:
                guest = _guest(shop, event.member, start_ms)
                count_right_code(unit, scopes, guest, event.at_ms)
                continue
            digest = unit.code_digest(PROGRAM_ID, f"{event.wrong:06d}")
            count_wrong_code(unit, scopes, digest, event.at_ms, CodeNotFoundError())
        except TooManyWrongCodesError as error:
            if not event.plays:
                seen.refused[error.scope, event.terminal.startswith("kiosk")] += 1


def _note_try(unit: Unit, event: Shown, seen: Seen) -> None:
    """Take note of a player's code that is looked at, and of one that counts at its kiosk alone."""
    scopes = scopes_of(PROGRAM_ID, event.shop.key_id, event.shop.store_id, event.terminal)
    place = (event.shop.key_id, event.at_ms // DAY_MS)
    seen.tried[place] += 1
    kiosk = unit.tallies(scopes[-1:], event.at_ms)[scopes[-1]]
    if kiosk.unspent <= 0 and not counts_widely(kiosk.with_wrong()):
        seen.unearned[place] += 1


def _note_unearned(unit: Unit, shops: Sequence[Shop], at_ms: int, seen: Seen) -> None:
    """Add, at the end of a day, what was shown with each key beyond what its regulars earned."""
    for key_id in {shop.key_id for shop in shops if shop.kiosks}:
        key = scopes_of(PROGRAM_ID, key_id)[-1]
        beyond = unit.tallies((key,), at_ms)[key].excess(ScopeKind.KEY, attacked=True)
        seen.unearned[key_id, at_ms // DAY_MS] += max(0, beyond)


def _guest(shop: Shop, number: int, start_ms: int) -> Member:
    """Give a member as the counts see them: by number and day of enrolment."""
    created_ms = start_ms - 2 * MONTH_MS if number <= shop.last_regular else start_ms
    guest = new_member(PROGRAM_ID, f"guest-{number}", "Guest", created_ms)
    guest.number = number
    return guest
