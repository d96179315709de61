"""The commands that find members and orders, for help desks and operators."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.box import SIMPLE
from rich.table import Table

from loyalty_service.application.members import search_members
from loyalty_service.application.members.search_members import SearchMembers
from loyalty_service.application.operators.create_key import ProgramUnknownError
from loyalty_service.application.orders import search_orders
from loyalty_service.application.orders.search_orders import SearchOrders
from loyalty_service.application.reading import FoundMember, FoundOrder
from loyalty_service.cli.promo_codes import ProgramId, day_from
from loyalty_service.cli.running import run, with_store
from loyalty_service.cli.terminal import err, out, print_table
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.errors import MemberNotFoundError, RequestInvalidError
from loyalty_service.domain.member_terms import TermKind
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.reads import SqlReader
from loyalty_service.storage.store import Store

T = TypeVar("T")

FOUND_DEFAULT = 20
PAGES_MAX = 400
"""Pages that a command reads before it says that it goes no further: each looks at thousands."""

find = typer.Typer(help="Find members and orders.", no_args_is_help=True)

Limit = Annotated[int, typer.Option(help="How many to print at most.", min=1, max=1000)]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")]


class State(Enum):
    """States of orders, as the command line names them."""

    PENDING = "pending"
    CLAIMED = "claimed"
    VOID = "void"
    UNCLAIMED = "unclaimed"


class By(Enum):
    """What members are found by."""

    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    LOYALTY_ID = "loyalty-id"


_KINDS: dict[By, tuple[TermKind, ...]] = {
    By.NAME: (TermKind.NAME,),
    By.EMAIL: (TermKind.EMAIL,),
    By.PHONE: (TermKind.PHONE,),
    By.CARD: (TermKind.CARD,),
    By.LOYALTY_ID: (),
}


@find.command("member")
def member_command(
    program_id: ProgramId,
    query: Annotated[
        list[str],
        typer.Argument(
            help="Beginnings of words of the name, of an address, a phone or a card; a loyalty ID."
        ),
    ],
    *,
    by: Annotated[By | None, typer.Option(help="Where to look; everywhere if absent.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Look for whole words.")] = False,
    limit: Limit = FOUND_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Find members by name, address, phone, card or loyalty ID: case and accents do not matter."""
    kinds = frozenset(_KINDS[by] if by else ())
    command = SearchMembers(program_id, " ".join(query), kinds, by is By.LOYALTY_ID, exact)

    async def look(reader: SqlReader, _: Program) -> tuple[list[FoundMember], bool]:
        wanted = search_members.what_is_wanted(command)
        if isinstance(wanted, str):
            return [*await search_members.by_loyalty_id(reader, program_id, wanted)], False
        return await _up_to(limit, partial(reader.members_found, wanted))

    found, more, _ = _looked(program_id, look)
    if as_json:
        for one in found:
            _print_json(_member_told(one))
    else:
        table = Table(
            "Loyalty ID", "Name", "E-mail", "Phone", "Card", "Enrolled", "Points", box=SIMPLE
        )
        for one in found:
            told = (one.loyalty_id, one.name, one.email or "", one.phone or "", one.card or "")
            table.add_row(*told, rfc3339(one.created_ms)[:10], f"{one.balance:,}")
        print_table(table, "No member was found.")
    _tell_more(more)


@find.command("order")
def order_command(
    program_id: ProgramId,
    *,
    member: Annotated[str | None, typer.Option(help="Loyalty ID of the guest.")] = None,
    store: Annotated[int | None, typer.Option(help="Store where it was opened.", min=1)] = None,
    day: Annotated[
        str | None, typer.Option(help="Day on which it was opened, as YYYY-MM-DD.")
    ] = None,
    first_day: Annotated[str | None, typer.Option("--from", help="First of several days.")] = None,
    last_day: Annotated[str | None, typer.Option("--until", help="Last of them.")] = None,
    number: Annotated[str | None, typer.Option(help="The till's number for it.")] = None,
    partner: Annotated[str | None, typer.Option(help="Partner whose key opened it.")] = None,
    operator: Annotated[str | None, typer.Option(help="Person at the till.")] = None,
    state: Annotated[
        list[State] | None, typer.Option(help="State of it; may be given again.")
    ] = None,
    limit: Limit = FOUND_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Find orders by store, day, number, guest, partner, person at the till or state."""
    if day is not None and (first_day or last_day):
        raise typer.BadParameter("can't be given with --from or --until", param_hint="--day")
    for option, text in (("--day", day), ("--from", first_day), ("--until", last_day)):
        day_from(text, option)
    command = SearchOrders(
        loyalty_id=member,
        store_id=store,
        first_day=day or first_day,
        last_day=day or last_day,
        pos_transaction_id=number,
        partner=partner,
        operator=operator,
        statuses=frozenset(TransactionStatus[one.name] for one in state or ()),
    )

    async def look(reader: SqlReader, program: Program) -> tuple[list[FoundOrder], bool]:
        wanted = await search_orders.what_is_wanted(reader, program, command)
        return await _up_to(limit, partial(reader.orders_found, wanted))

    found, more, program = _looked(program_id, look)
    if as_json:
        for one in found:
            _print_json(_order_told(one))
    else:
        print_table(_order_table(found, ZoneInfo(program.time_zone)), "No order was found.")
    _tell_more(more)


Page = Callable[[Any, int], Coroutine[Any, Any, tuple[Sequence[T], Any]]]
Look = Callable[[SqlReader, Program], Coroutine[Any, Any, tuple[list[T], bool]]]


def _looked(program_id: str, look: Look[T]) -> tuple[list[T], bool, Program]:
    """Look into the store; word what keeps it from being done."""

    async def use(store: Store) -> tuple[list[T], bool, Program]:
        program = store.catalog.programs.get(program_id)
        if program is None:
            raise ProgramUnknownError(program_id)
        async with store.read() as reader:
            return (*await look(reader, program), program)

    try:
        return run(partial(with_store, use))
    except MemberNotFoundError as problem:
        raise OperatorError(f"{program_id} has no member {problem.loyalty_id}.") from None
    except RequestInvalidError as problem:
        (violation,) = problem.violations
        raise OperatorError(f"{violation.field} {violation.message}.") from None


async def _up_to(limit: int, page: Page[T]) -> tuple[list[T], bool]:
    """Read page after page until there are enough; tell whether there may be more."""
    found: list[T] = []
    reached = None
    for _ in range(PAGES_MAX):
        some, reached = await page(reached, limit - len(found))
        found += some
        if reached is None or len(found) == limit:
            break
    return found, reached is not None


def _tell_more(more: bool) -> None:
    if more:
        err.print("There may be more: ask for something narrower, or raise --limit.")


def _print_json(told: dict[str, Any]) -> None:
    out.print(json.dumps({name: value for name, value in told.items() if value is not None}))


def _member_told(one: FoundMember) -> dict[str, Any]:
    return {
        "loyaltyId": one.loyalty_id,
        "name": one.name,
        "email": one.email,
        "phone": one.phone,
        "card": one.card,
        "createTime": rfc3339(one.created_ms),
        "availablePoints": one.balance,
    }


def _order_told(one: FoundOrder) -> dict[str, Any]:
    order = one.transaction
    return {
        "transactionId": order.transaction_id,
        "loyaltyId": one.loyalty_id,
        "status": order.status.name,
        "storeId": order.store_id,
        "posTransactionId": order.pos_transaction_id,
        "terminal": order.terminal,
        "operator": order.operator,
        "partner": order.partner,
        "businessDay": order.business_day,
        "createTime": rfc3339(order.created_ms),
        "claimTime": None if order.claimed_ms is None else rfc3339(order.claimed_ms),
        "pointsEarned": order.points_left,
        "pointsRedeemed": order.points_redeemed,
    }


def _order_table(found: Sequence[FoundOrder], zone: ZoneInfo) -> Table:
    table = Table(
        "Opened",
        "Store",
        "Number",
        "State",
        "Earned",
        "Burned",
        "Partner",
        "Terminal",
        "Operator",
        "Member",
        "Transaction",
        box=SIMPLE,
    )
    for one in found:
        order = one.transaction
        opened = datetime.fromtimestamp(order.created_ms / 1000, zone)
        table.add_row(
            f"{opened:%Y-%m-%d %H:%M}",
            str(order.store_id),
            order.pos_transaction_id,
            order.status.name,
            f"{order.points_left:,}",
            f"{order.points_redeemed:,}",
            order.partner,
            order.terminal or "",
            order.operator or "",
            one.loyalty_id or "",
            order.transaction_id,
        )
    return table
