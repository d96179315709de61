"""Random histories of a few members side by side, held against the model of the simulation."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty.v1 import code_service_pb2, identify_service_pb2, transaction_service_pb2
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.keys import Role
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.storage.store import Store
from loyalty_service.transport.errors.catalogue import CATALOGUE
from tests.fault.handlers import FakeContext, Handler, Refused, handlers
from tests.fault.simulation.books import Asked, Guest
from tests.fault.simulation.comparison import agree_on_orders, agree_on_points
from tests.fault.simulation.model import Model
from tests.fault.simulation.program import first_scheme, program_of
from tests.support.databases import Backend, fresh_database
from tests.support.doing import adjust_points, create_key
from tests.support.ledger import audit, rows
from tests.support.orders import COFFEE, SANDWICH
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.server import identify_request
from tests.support.stores import demo_store

MEMBERS = 3
SECRET = "lk_histories"

points = st.integers(-3000, 3000) | st.sampled_from([POINTS_MAX, 1 - POINTS_MAX])
steps = st.one_of(
    st.tuples(st.just("adjust"), points),
    st.tuples(st.just("issue"), st.lists(st.sampled_from([COFFEE, SANDWICH]), unique=True)),
    st.tuples(st.sampled_from(["identify", "identify_old", "void"]), st.none()),
)


@dataclass
class _Shopper:
    """A member who takes one step after the other, each of which the model must know."""

    store: Store
    handlers: dict[str, Handler]
    model: Model
    loyalty_id: str
    codes: list[str] = field(default_factory=list)
    replaced: str = ""
    orders: list[str] = field(default_factory=list)

    async def take(self, step: str, value: Any) -> None:
        """Take a step, if it is possible."""
        match step:
            case "adjust":
                await self._adjust(value)
            case "issue":
                await self._issue(value)
            case "identify" if self.codes:
                body = await self._identify(self.codes.pop())
                opened = identify_service_pb2.IdentifyMemberResponse.FromString(body)
                self.orders.append(opened.transaction_id)
            case "identify_old" if self.replaced:
                await self._identify(self.replaced)
            case "void" if self.orders:
                name = self.orders.pop(0)
                request = transaction_service_pb2.VoidTransactionRequest(
                    loyalty_transaction_id=name
                )
                asked = Asked("void", {"transaction_id": name})
                await self._call("TransactionService/VoidTransaction", asked, request)

    async def _adjust(self, number: int) -> None:
        command = AdjustPoints(PROGRAM_ID, self.loyalty_id, number, "step", beyond_limits=True)
        reason = ""
        try:
            await self.store.write(lambda unit, now: adjust_points(unit, command, now))
        except LoyaltyError as refusal:
            reason = CATALOGUE[type(refusal)].reason
        self._settle(Asked("adjust", {"loyalty_id": self.loyalty_id, "points": number}), reason)

    async def _issue(self, selection: list[str]) -> None:
        selected = [code_service_pb2.SelectedIncentive(incentive_id=name) for name in selection]
        request = code_service_pb2.IssueCodeRequest(loyalty_id=self.loyalty_id, order=selected)
        values = {"loyalty_id": self.loyalty_id, "selection": tuple(selection)}
        body = await self._call("CodeService/IssueCode", Asked("issue", values), request)
        if self.codes:
            self.replaced = self.codes.pop()
        self.codes.append(code_service_pb2.IssueCodeResponse.FromString(body).otp)

    async def _identify(self, digits: str) -> bytes:
        request = identify_request(digits)
        values = {"identifier": digits, "till": "", "order": request.pos_vendor.transaction_id}
        asked = Asked("identify", values)
        return await self._call("IdentifyService/IdentifyMember", asked, request)

    async def _call(self, method: str, asked: Asked, request: Message) -> bytes:
        context = FakeContext({"x-api-key": SECRET}, 60.0)
        body, reason = b"", ""
        try:
            body = await self.handlers[method](request.SerializeToString(), context)
        except Refused as refused:
            reason = refused.reason
        self._settle(asked, reason, body)
        return body

    def _settle(self, asked: Asked, reason: str, body: bytes = b"") -> None:
        now_ms, flags = time.time_ns() // 1_000_000, Counter[tuple[str, str]]()
        self.model.settle(asked, now_ms, body, reason, repeated=False, flags=flags)


@settings(max_examples=8, deadline=None)
@given(histories=st.lists(st.lists(steps, max_size=12), min_size=MEMBERS, max_size=MEMBERS))
def test_balances_follow_the_model_side_by_side(
    backend: Backend, histories: list[list[Any]]
) -> None:
    """Members whose histories run at the same time, in shared batches, each follow the model."""

    async def live(shopper: _Shopper, history: list[Any]) -> None:
        for step, value in history:
            await shopper.take(step, value)

    async def run(url: str) -> None:
        scheme = first_scheme()
        async with demo_store(url, program_of(scheme)) as store:
            key = CreateKey(PROGRAM_ID, "partner", Role.ADMIN, secret=SECRET)
            await store.write(lambda unit, now_ms: create_key(unit, key, now_ms))
            await store.refresh_catalog()
            model = Model(scheme, {await enroll(store): Guest() for _ in range(MEMBERS)})
            shared = handlers(store)
            shoppers = [_Shopper(store, shared, model, name) for name in model.guests]
            await asyncio.gather(*(live(*pair) for pair in zip(shoppers, histories, strict=True)))
        agree_on_points(partial(rows, url), model)
        agree_on_orders(partial(rows, url), model)
        audit(url)

    with fresh_database(backend) as url:
        asyncio.run(run(url))
