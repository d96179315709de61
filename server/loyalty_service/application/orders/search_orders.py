"""Find orders by where, when, by whom and for whom they were opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from loyalty_service.application.members.get_member import find_member
from loyalty_service.application.reading import FoundOrder, OrderFilter, Reader
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError, StoreNotAllowedError
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import TransactionStatus

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200

_FIRST_DAY = date(1970, 1, 2)
_LAST_DAY = date(9999, 12, 30)
"""Days that have a moment in every time zone."""


@dataclass(frozen=True, slots=True)
class SearchOrders:
    """
    What orders are looked for by, and the page; what is absent is not looked at.

    Attributes:
        first_day: Day in the program's time zone on which they were opened at the earliest, as
            YYYY-MM-DD.
        last_day: As above, at the latest.
        stores: Stores that the caller is limited to; empty for all.
    """

    loyalty_id: str | None = None
    store_id: int | None = None
    first_day: str | None = None
    last_day: str | None = None
    pos_transaction_id: str | None = None
    partner: str | None = None
    operator: str | None = None
    statuses: frozenset[TransactionStatus] = frozenset()
    stores: frozenset[int] = frozenset()
    page_size: int = 0
    page_token: str = ""


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page of orders, newest first; the token is empty on the last."""

    orders: Sequence[FoundOrder]
    next_page_token: str


async def search_orders(reader: Reader, program: Program, command: SearchOrders) -> OrderPage:
    """
    Find orders of a program.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: A day is none of the calendar, or the page token is not one of this
            search's.
        StoreNotAllowedError: The caller is limited to other stores.
    """
    wanted = await what_is_wanted(reader, program, command)
    size = min(command.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    listing = _listing(wanted)
    before = _place(reader, command.page_token, listing)
    found, reached = await reader.orders_found(wanted, before, size)
    token = "" if reached is None else reader.place_token(listing, reached)
    return OrderPage(found, token)


async def what_is_wanted(reader: Reader, program: Program, command: SearchOrders) -> OrderFilter:
    """
    Tell what orders are looked for by, in the words of the storage.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: A day is none of the calendar.
        StoreNotAllowedError: The caller is limited to other stores.
    """
    store_id = command.store_id
    if store_id is not None and command.stores and store_id not in command.stores:
        raise StoreNotAllowedError(store_id)
    zone = ZoneInfo(program.time_zone)
    first, last = _day("first_day", command.first_day), _day("last_day", command.last_day)
    member = None
    if command.loyalty_id is not None:
        member = await find_member(reader, program.program_id, command.loyalty_id)
    return OrderFilter(
        program_id=program.program_id,
        member_number=None if member is None else member.number,
        store_id=store_id,
        pos_transaction_id=command.pos_transaction_id,
        operator=command.operator,
        partner=command.partner,
        statuses=command.statuses,
        stores=command.stores,
        from_ms=None if first is None else _begins_ms(first, zone),
        until_ms=None if last is None else _begins_ms(last + timedelta(days=1), zone),
    )


def _day(name: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = _LAST_DAY
    if not _FIRST_DAY <= day < _LAST_DAY:
        words = "must be a day of the calendar since 1970-01-02, as YYYY-MM-DD"
        raise RequestInvalidError((FieldViolation(name, words),))
    return day


def _begins_ms(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time_of_day(), zone).timestamp() * 1000)


def _listing(wanted: OrderFilter) -> str:
    """Name the search, so that the token of a page is good for no other one."""
    told = json.dumps(astuple(wanted), default=sorted).encode()
    return f"orders/{hashlib.sha256(told).hexdigest()}"


def _place(reader: Reader, token: str, listing: str) -> str | None:
    if not token:
        return None
    place = reader.read_place_token(token, listing)
    if place is None:
        words = "must be the next_page_token of this search"
        raise RequestInvalidError((FieldViolation("page_token", words),))
    return place
