"""Programs side by side in one store, each with everything that can be named in a call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import grpc

from loyalty.v1 import code_service_pb2 as codes
from loyalty.v1 import discount_pb2, order_pb2
from loyalty.v1 import identify_service_pb2 as identifying
from loyalty.v1 import member_service_pb2 as members
from loyalty.v1 import session_service_pb2 as sessions
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.unit import Unit
from loyalty_service.bootstrap import serve
from loyalty_service.domain.contracts import ES_DRAFTS
from loyalty_service.domain.keys import Role
from loyalty_service.domain.program import Program
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.storage.store import Store
from tests.book.pages import pages_of
from tests.fault.doors import Doors, Rpc, all_rpcs
from tests.support.doing import adjust_points, apply_program, create_key
from tests.support.http import HttpClient
from tests.support.ledger import execute
from tests.support.logs import only_errors_logged
from tests.support.orders import TWENTY_PERCENT
from tests.support.programs import add_promo_code, demo_program, tireless_program
from tests.support.server import settings_in

POINTS = 1_000_000
STORE = 9999
LIFETIME_S = 3600
"""Codes live as long as the trial."""

UNCHANGING = 3600.0
"""Seconds between sweeps: nothing may change but by a call."""


def key_of(program_id: str, partner: str, role: Role, *stores: int) -> str:
    """Name the secret of a key; it is as long whatever it names."""
    return f"lk_{program_id}-{partner}-{role}-{'-'.join(map(str, stores))}".ljust(48, "x")


def foreign_program(program_id: str, brand: str, region: str, number: int) -> Program:
    """Describe a program that has a store and incentives which no other has."""
    program = demo_program()
    own = program.stores[STORE]
    incentives = {
        name: replace(incentive, engine_id=None) for name, incentive in program.incentives.items()
    }
    gift = replace(
        program.incentives[TWENTY_PERCENT],
        incentive_id=f"{number:08d}-8b52-4b4a-97b7-50923ceb3ffd",
        engine_id=f"{number:08d}-9d0c-4c0a-8a52-5f6f2f0d1c11",
    )
    return replace(
        program,
        code_lifetime_s=LIFETIME_S,
        program_id=program_id,
        brand=brand,
        region=region,
        stores={STORE: own, number: replace(own, store_id=number)},
        incentives={**incentives, gift.incentive_id: gift},
    )


@dataclass
class World:
    """
    One program with its keys, and what was made in it, by name.

    Attributes:
        number: Store that no other program has.
        things: For instance `pending` for an open transaction, or `live_code`.
    """

    program: Program
    number: int
    doors: Doors
    partner: str = "acme"
    things: dict[str, str] = field(default_factory=dict)
    incentive_id: str = TWENTY_PERCENT

    def key(self, role: Role = Role.ADMIN, partner: str = "", *stores: int) -> str:
        """Give the secret of a key."""
        return key_of(self.program.program_id, partner or self.partner, role, *stores)

    async def call(self, name: str, request: Any, **headers: str) -> Any:
        """Make a call that must succeed, with the admin key."""
        seen = await self.doors.grpc(rpc_named(name), request, self.headers(**headers))
        assert seen.outcome == "OK", (name, seen.reason, seen.text)
        return seen.answer

    def headers(self, key: str = "", **other: str) -> Mapping[str, str]:
        """Give the headers of a call; underscores in names stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in other.items()}
        return {"x-api-key": key or self.key(), **named}

    async def fill(self, store: Store, database_url: str) -> None:
        """Make one of everything, in every state it can have."""
        things = self.things
        for name in ("member", "other_member"):
            email = f"{name}{self.number}@example.org"
            request = members.EnrollMemberRequest(name="Guest", email=email)
            enrolled = await self.call("MemberService/EnrollMember", request)
            things[name] = enrolled.member.loyalty_id
        things["email"] = f"member{self.number}@example.org"
        command = AdjustPoints(
            self.program.program_id, things["member"], POINTS, "welcome", beyond_limits=True
        )
        await store.write(lambda unit, now_ms: adjust_points(unit, command, now_ms))
        await store.write(lambda unit, now_ms: adjust_points(unit, command, now_ms))
        for name in ("claimed_code", "live_code"):
            issued = await self.call("CodeService/IssueCode", issue(things["member"]))
            things[name] = issued.otp
            if name == "claimed_code":
                request = identify(issued.otp, f"order-{self.number}")
                await self.call("IdentifyService/IdentifyMember", request)
        for name in ("pending", "claimed", "void"):
            things[name] = await self.open()
        await self.call(
            "TransactionService/ReportOrder", report(pb.ReportOrderRequest, things["claimed"])
        )
        await self.call("TransactionService/VoidTransaction", void(things["void"]))
        for name in ("claimed_receipt", "receipt"):
            answer = await self.call("TransactionService/RecordUnclaimedOrder", unclaimed())
            things[name], things["unclaimed"] = answer.receipt_code, answer.transaction_id
            if name == "claimed_receipt":
                request = pb.ClaimReceiptRequest(
                    loyalty_id=things["other_member"], receipt_code=answer.receipt_code
                )
                await self.call("TransactionService/ClaimReceipt", request)
        for name in ("session", "closed_session"):
            things[name] = f"{name}-{self.number}"
            await self.call("SessionService/StartAnonymousSession", session(things[name]))
        execute(
            database_url,
            "UPDATE session SET status = 2 WHERE correlation_id = :name",
            name=things["closed_session"],
        )
        request = members.ListTransfersRequest(loyalty_id=things["member"], page_size=1)
        page = await self.call("MemberService/ListTransfers", request)
        things["page_token"] = page.next_page_token

    async def guest(self) -> str:
        """Enroll a member, of whom nothing else is known to a trial."""
        request = members.EnrollMemberRequest(name="Guest")
        enrolled = await self.ask("MemberService/EnrollMember", request)
        return str(enrolled.member.loyalty_id)

    async def ask(self, name: str, request: Any) -> Any:
        """Make a call that must succeed, with the admin key."""
        return await self.call(name, request)

    def order(self, *, another: bool = False) -> order_pb2.TransactionDetails:
        """Give an order that fills every field, or another one; each has a number of its own."""
        given = order()
        given.pos_vendor.transaction_id = f"order-{next(_numbers)}"
        if another:
            given.order[-1].price += 1
        return given

    async def open(self) -> str:
        """Open a transaction for the member; return it."""
        answer = await self.call("IdentifyService/IdentifyMember", identify(self.things["member"]))
        return str(answer.transaction_id)


def rpc_named(name: str) -> Rpc:
    """Find a call by `Service/Method`."""
    return next(rpc for rpc in all_rpcs() if rpc.name == name)


def vendor(order: str = "1") -> order_pb2.PosVendor:
    """Be a till of the store that every program has."""
    return order_pb2.PosVendor(
        transaction_id=order,
        store_id=STORE,
        pos_type="Partner",
        terminal="1",
        operator="2",
        supporting_pos="Partner",
    )


def order() -> order_pb2.TransactionDetails:
    """Sell an item with an offer, which stands among the discounts as well."""
    lines = [
        order_pb2.OrderLine(
            product_id="702",
            product_type="offer",
            reference_id="2",
            incentive_id=TWENTY_PERCENT,
            quantity=1,
            price=0,
            tax=0,
            name="20% off",
        ),
        order_pb2.OrderLine(
            product_id="1", product_type="item", reference_id="1", price=8.49, tax=1.1
        ),
    ]
    details = discount_pb2.DiscountDetails(
        display_name="20% off", discount_value=20, subtype="PERCENTAGE_DISCOUNT", type="offer"
    )
    return order_pb2.TransactionDetails(
        currency="CAD",
        order=lines,
        payments=[order_pb2.Payment(amount=959, type="VISA", cc_token="card")],
        applied_discounts=[
            discount_pb2.Discount(incentive_id=TWENTY_PERCENT, product_id="702", details=details)
        ],
        pos_vendor=vendor(),
    )


def report(kind: Any, transaction_id: str, status: str = "CLAIMED") -> Any:
    """Report the order of a transaction."""
    return kind(
        loyalty_transaction_id=transaction_id,
        channel="RESTAURANT",
        created="2026-11-22T12:00:00Z",
        service_mode="EAT_IN",
        status=status,
        transaction_details=order(),
    )


def void(transaction_id: str) -> pb.VoidTransactionRequest:
    """Cancel a transaction."""
    return pb.VoidTransactionRequest(loyalty_transaction_id=transaction_id)


def unclaimed() -> pb.RecordUnclaimedOrderRequest:
    """Record an order without a guest; each has a number of its own, or it would be a repeat."""
    details = order()
    details.pos_vendor.transaction_id = f"unclaimed-{next(_numbers)}"
    return pb.RecordUnclaimedOrderRequest(
        channel="RESTAURANT", service_mode="EAT_IN", transaction_details=details
    )


_numbers = count(1_000_000)
"""Numbers of orders: trials leave out of what they compare what has six digits or more."""


def identify(identifier: str, number: str = "1") -> identifying.IdentifyMemberRequest:
    """Show an identifier."""
    return identifying.IdentifyMemberRequest(identifier=identifier, pos_vendor=vendor(number))


def issue(loyalty_id: str) -> codes.IssueCodeRequest:
    """Ask for a code with an offer selected."""
    chosen = codes.SelectedIncentive(incentive_id=TWENTY_PERCENT, quantity=1)
    return codes.IssueCodeRequest(loyalty_id=loyalty_id, order=[chosen])


def session(correlation_id: str) -> sessions.StartAnonymousSessionRequest:
    """Open a session."""
    return sessions.StartAnonymousSessionRequest(
        correlation_id=correlation_id, channel="STORE", locale="en-CA"
    )


async def template(world: World, rpc: Rpc) -> Any:
    """
    Make a request that would succeed.

    Raises:
        IndexError: The request book has no page for the call yet.
    """
    return await pages_of(rpc.name)[0].good(world)


@dataclass
class Worlds:
    """Programs side by side: one's own, and those of others."""

    store: Store
    database_url: str
    envoy: EnvoyProcess
    own: World
    foreign: list[World]


def _with_drafts(program: Program) -> Program:
    """Let a program serve calls of our own by the paths of ES as well: trials take those, too."""
    return replace(program, contracts=program.contracts | {ES_DRAFTS})


async def open_worlds(cleanup: AsyncExitStack, database_url: str, folder: Path) -> Worlds:
    """Serve three programs on both doors: one's own, another region's and another brand's."""
    cleanup.enter_context(only_errors_logged())
    own = _with_drafts(replace(tireless_program(), code_lifetime_s=LIFETIME_S))
    others = [
        (_with_drafts(foreign_program("demo-us", "demo", "US", 7777)), 7777),
        (_with_drafts(foreign_program("other-ca", "other", "CA", 7776)), 7776),
    ]
    settings = settings_in(folder, database_url=database_url, sweep_interval_s=UNCHANGING)
    running = await cleanup.enter_async_context(serve(settings))

    def put(unit: Unit, now_ms: int) -> None:
        for program in (own, *(other for other, _ in others)):
            apply_program(unit, ApplyProgram(program), now_ms)

    def put_keys(unit: Unit, now_ms: int) -> None:
        for program in (own, *(other for other, _ in others)):
            for partner, role, stores in [
                *(("acme", role, ()) for role in Role),
                ("umbrella", Role.ADMIN, ()),
                ("acme", Role.ADMIN, (1001,)),
            ]:
                if not set(stores) <= set(program.stores):
                    continue
                secret = key_of(program.program_id, partner, role, *stores)
                command = CreateKey(
                    program.program_id, partner, role, frozenset(stores), secret=secret
                )
                create_key(unit, command, now_ms)

    await running.store.write(put)
    await running.store.write(put_keys)
    for program in (own, *(other for other, _ in others)):
        name = program.program_id
        await running.store.write(partial(add_promo_code, program_id=name))
    await running.store.refresh_catalog()
    envoy = EnvoyProcess(folder=folder / "envoy", grpc_port=running.grpc_port)
    await cleanup.enter_async_context(envoy)
    channel = await cleanup.enter_async_context(
        grpc.aio.insecure_channel(f"127.0.0.1:{running.grpc_port}")
    )
    doors = Doors(channel, HttpClient("127.0.0.1", envoy.http_port))
    worlds = [World(program, number, doors) for program, number in [(own, 1001), *others]]
    for world in worlds:
        await world.fill(running.store, database_url)
    return Worlds(running.store, database_url, envoy, worlds[0], worlds[1:])
