"""What becomes of calls beyond each limit of their program, on one server and on two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from loyalty.v1 import code_service_pb2, member_service_pb2, order_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.limits import program_scope
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.unit import Unit
from loyalty_service.bootstrap import Running, serve
from loyalty_service.domain import clock
from loyalty_service.domain.errors import AmountBeyondLimitError, LimitExceededError
from loyalty_service.domain.limits import DAY_S, LIMITS, LimitName, Limits
from loyalty_service.sandbox.demo_data import put_demo_data
from loyalty_service.storage import writer
from loyalty_service.transport import call as call_module
from tests.support.databases import Backend
from tests.support.doing import adjust_points, apply_program
from tests.support.programs import PROGRAM_ID, demo_program
from tests.support.server import (
    ADMIN_KEY,
    Caller,
    Refusal,
    identify_request,
    open_channel,
    refusal_of,
    settings_in,
)
from tests.support.transactions import (
    line,
    open_transaction,
    transactions,
    unclaimed_request,
    update_request,
)

N = LimitName
DAY_MS = DAY_S * 1000
MORNING_MS = 20_000 * DAY_MS + DAY_MS // 4
_SMALLEST = order_pb2.OrderLine(product_id="1", product_type="item")


class Day:
    """The clock of the servers, which a test moves."""

    def __init__(self) -> None:
        self.now_ms = MORNING_MS

    def __call__(self) -> int:
        """Tell the time in milliseconds."""
        return self.now_ms


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch) -> Day:
    """Stop the clock in the morning of a day."""
    chosen = Day()
    for module in (writer, call_module):
        monkeypatch.setattr(module, "now_ms", chosen)
    assert clock.now_ms() > chosen.now_ms
    return chosen


@dataclass(frozen=True, slots=True)
class Two:
    """Two servers of one database, or one where the database has room for one, and callers."""

    running: tuple[Running, ...]
    callers: tuple[Caller, ...]

    @property
    def caller(self) -> Caller:
        """A caller of the first server, with the admin's key."""
        return self.callers[0]

    @property
    def other(self) -> Caller:
        """A caller of the last one."""
        return self.callers[-1]

    def flagged(self) -> Mapping[str, int]:
        """Count what was flagged, by limit, on all servers."""
        names = {name.value: 0 for name in LimitName}
        for running in self.running:
            for (flag, reason), count in running.store.stats().flags.items():
                if flag == "beyond_limit":
                    names[reason] += count
        return {name: count for name, count in names.items() if count}


@asynccontextmanager
async def servers(backend: Backend, folder: Path, **limits: int) -> AsyncIterator[Two]:
    """Run servers of a program with these limits: two where a database takes two."""
    url = backend.new_database()
    settings = settings_in(folder, database_url=url, writers=1)
    async with serve(settings, sandbox=True) as first:
        await first.store.write(put_demo_data)
        program = replace(demo_program(), limits=Limits.of(limits))
        await first.store.write(
            lambda unit, now_ms: apply_program(unit, ApplyProgram(program), now_ms)
        )
        await first.store.refresh_catalog()
        async with AsyncExitStack() as stack:
            both = [first]
            if not url.startswith("sqlite"):
                both.append(await stack.enter_async_context(serve(settings, sandbox=True)))
            one = await stack.enter_async_context(open_channel(f"127.0.0.1:{first.grpc_port}"))
            two = await stack.enter_async_context(open_channel(f"127.0.0.1:{both[-1].grpc_port}"))
            yield Two(tuple(both), (Caller(one, ADMIN_KEY), Caller(two, ADMIN_KEY)))
    backend.drop(url)


async def _claim(caller: Caller, loyalty_id: str, price: float) -> Any:
    order = await open_transaction(caller, loyalty_id)
    request = update_request(order, "CLAIMED", line(price))
    return await caller.call(transactions(caller).ReportOrder, request)


async def _receipt(caller: Caller, price: float) -> str:
    answer = await caller.call(
        transactions(caller).RecordUnclaimedOrder, unclaimed_request(line(price))
    )
    code: str = answer.receipt_code
    return code


async def _written(two: Two) -> tuple[int, int]:
    """Tell how many rows and bytes the program's keys are counted to have written today."""
    limits = LIMITS[N.ROWS_PER_PROGRAM_DAY], LIMITS[N.BYTES_PER_PROGRAM_DAY]

    def counted(unit: Unit, now_ms: int) -> tuple[int, int]:
        rows, size = (unit.counted(limit, program_scope(PROGRAM_ID), now_ms) for limit in limits)
        return rows, size

    return await two.running[0].store.write(counted)


async def _again(two: Two, method: Any, request: Any) -> Any:
    """Make a call, and again thrice under one fresh key, which is to count once."""
    name = type(request).__name__.removesuffix("Request")
    first = await two.caller.call(method, request, idempotency_key=f"first {name}")
    rows, size = await _written(two)
    for _ in range(3):
        answer = await two.caller.call(method, request, idempotency_key=f"again {name}")
        assert answer == first
    now = await _written(two)
    assert now[0] == rows + 1
    assert now[1] > size + first.ByteSize()
    return first


def _take(caller: Caller, loyalty_id: str, code: str) -> Any:
    request = pb.ClaimReceiptRequest(loyalty_id=loyalty_id, receipt_code=code)
    return transactions(caller).ClaimReceipt(request, metadata=caller.metadata())


def _requires(refused: Refusal, limit: LimitName, allowed: int) -> None:
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.reason == "LIMIT_EXCEEDED"
    assert (refused.metadata["limit"], refused.metadata["allowed"]) == (limit, str(allowed))
    assert refused.retry_s is not None
    assert 0 < refused.retry_s <= LIMITS[limit].period_s


async def test_points_of_an_order_are_flagged_and_those_of_a_receipt_refused(
    backend: Backend, tmp_path: Path
) -> None:
    """A claim beyond earns all the same, and is told of; a receipt beyond earns nothing."""
    async with servers(backend, tmp_path, points_per_order=100) as two:
        guest = await two.caller.enroll()
        with capture_logs() as lines:
            await _claim(two.caller, guest, 10.0)
            assert two.flagged() == {}
            await _claim(two.caller, guest, 10.1)
            code = await _receipt(two.caller, 10.1)
        assert two.flagged() == {N.POINTS_PER_ORDER: 2}
        told = [one for one in lines if one.get("flag") == "beyond_limit"]
        assert {(one["reason"], one["value"], one["allowed"]) for one in told} == {
            (N.POINTS_PER_ORDER.value, 101, 100)
        }
        assert all(one["key_id"] and one["partner"] == "sandbox" for one in told)
        refused = await refusal_of(_take(two.caller, guest, code))
        assert (refused.code, refused.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "AMOUNT_BEYOND_LIMIT",
        )
        assert refused.retry_s is None
        assert await two.caller.balances(guest) == (201, 0)


async def test_points_of_a_members_day_are_counted_by_all_servers(
    backend: Backend, tmp_path: Path, day: Day
) -> None:
    """What one server counted, another knows; the next day begins at nothing."""
    async with servers(backend, tmp_path, points_per_member_day=150) as two:
        guest = await two.caller.enroll()
        code = await _receipt(two.caller, 10.0)
        await _claim(two.caller, guest, 10.0)
        refused = await refusal_of(_take(two.other, guest, code))
        _requires(refused, N.POINTS_PER_MEMBER_DAY, 150)
        await _claim(two.other, guest, 10.0)
        assert two.flagged() == {N.POINTS_PER_MEMBER_DAY: 1}
        stranger = await two.caller.enroll()
        await _take(two.other, stranger, code)
        # A void gives nothing of the day back.
        more = await _receipt(two.caller, 10.0)
        refused = await refusal_of(_take(two.caller, stranger, more))
        _requires(refused, N.POINTS_PER_MEMBER_DAY, 150)
        day.now_ms += DAY_MS
        await _take(two.other, stranger, more)
        assert two.flagged() == {N.POINTS_PER_MEMBER_DAY: 1}


async def test_points_of_a_keys_day_outlive_a_restart(
    backend: Backend, tmp_path: Path, day: Day
) -> None:
    """A key's members together are bounded, whoever they are, also after a restart."""
    async with servers(backend, tmp_path, points_per_key_day=150) as two:
        code = await _receipt(two.caller, 10.0)
        await _claim(two.caller, await two.caller.enroll(), 10.0)
        # Another server believes what it read a moment ago; nobody has asked this one yet.
        refused = await refusal_of(_take(two.other, await two.other.enroll(), code))
        _requires(refused, N.POINTS_PER_KEY_DAY, 150)
        day.now_ms += DAY_MS
        await _take(two.other, await two.other.enroll(), code)


@pytest.mark.parametrize("limit", [N.ROWS_PER_KEY_DAY, N.ROWS_PER_PROGRAM_DAY])
async def test_rows_beyond_a_day_are_refused_and_paid_orders_are_not(
    backend: Backend, tmp_path: Path, day: Day, limit: LimitName
) -> None:
    """Who has written enough writes no more that day, but the orders of guests who have paid."""
    async with servers(backend, tmp_path, **{limit.value: 30}) as two:
        guest = await two.caller.enroll()
        order = await open_transaction(two.caller, guest)
        for _ in range(8):
            await two.caller.call(
                transactions(two.caller).RecordUnclaimedOrder, unclaimed_request(line(1.0))
            )
        assert limit not in two.flagged()
        request = code_service_pb2.IssueCodeRequest(loyalty_id=guest)
        refused = await two.caller.refused(two.caller.codes.IssueCode, request)
        _requires(refused, limit, 30)
        refused = await two.caller.refused(
            two.caller.members.EnrollMember, member_service_pb2.EnrollMemberRequest(name="Guest")
        )
        _requires(refused, limit, 30)
        claim = update_request(order, "CLAIMED", line(10.0))
        await two.caller.call(transactions(two.caller).ReportOrder, claim)
        # The same again is answered as the first time.
        await two.caller.call(transactions(two.caller).ReportOrder, claim)
        assert two.flagged()[limit] >= 1
        assert await two.caller.balances(guest) == (100, 0)
        day.now_ms += DAY_MS
        await two.caller.call(two.caller.codes.IssueCode, request)


@pytest.mark.parametrize("limit", [N.BYTES_PER_KEY_DAY, N.BYTES_PER_PROGRAM_DAY])
async def test_bytes_beyond_a_day_are_refused(
    backend: Backend, tmp_path: Path, day: Day, limit: LimitName
) -> None:
    """Calls are counted by what they write, until that is what a day allows."""
    async with servers(backend, tmp_path, **{limit.value: 5000}) as two:
        request = member_service_pb2.EnrollMemberRequest(name="G" * 100)
        calls = 0
        while (await _written(two))[1] < 5000:
            await two.caller.call(two.caller.members.EnrollMember, request)
            calls += 1
        assert 5 < calls <= 20
        refused = await two.caller.refused(two.caller.members.EnrollMember, request)
        _requires(refused, limit, 5000)
        assert day.now_ms == MORNING_MS


async def test_paid_orders_of_a_key_beyond_its_day_are_paced(
    backend: Backend, tmp_path: Path, day: Day
) -> None:
    """Beyond a key's bytes, paid orders come no faster than as many once more, over the day."""
    order = unclaimed_request(line(1.0))
    async with servers(backend, tmp_path / "one") as two:
        await two.caller.call(transactions(two.caller).RecordUnclaimedOrder, order)
        size = (await _written(two))[1]
    async with servers(backend, tmp_path, bytes_per_key_day=8 * size) as two:
        unclaimed = transactions(two.caller).RecordUnclaimedOrder
        for _ in range(8):
            await two.caller.call(unclaimed, order)
        assert two.flagged() == {}
        # A quarter of the day is over: a quarter of the eight.
        for _ in range(2):
            await two.caller.call(unclaimed, order)
        assert two.flagged() == {N.BYTES_PER_KEY_DAY: 2}
        refused = await two.caller.refused(unclaimed, order)
        _requires(refused, N.BYTES_PER_KEY_DAY, 8 * size)
        assert refused.retry_s is not None
        day.now_ms += round(refused.retry_s * 1000)
        await two.caller.call(unclaimed, order)


async def test_what_is_stored_is_counted(backend: Backend, tmp_path: Path, day: Day) -> None:
    """A basket is many times its request, and it is the basket that fills the disk."""
    async with servers(backend, tmp_path) as two:
        request = unclaimed_request(*[_SMALLEST] * 500)
        answer = await two.caller.call(transactions(two.caller).RecordUnclaimedOrder, request)

        def basket(unit: Unit, _now_ms: int) -> str:
            transaction = unit.transaction(answer.transaction_id)
            assert transaction is not None
            assert transaction.basket is not None
            return transaction.basket

        stored = len(await two.running[0].store.write(basket))
        assert stored > 10 * request.ByteSize()
        rows, size = await _written(two)
        # Beside the order there is what a repeated call is answered, and the event.
        assert (rows, stored < size < stored + 1000) == (3, True)
        assert day.now_ms == MORNING_MS


async def test_answers_kept_again_are_counted_and_replays_are_not(
    backend: Backend, tmp_path: Path, day: Day
) -> None:
    """Each fresh key of a repeated call keeps its answer; one that was used adds nothing, ever."""
    async with servers(backend, tmp_path, rows_per_key_day=40) as two:
        caller = two.caller
        about = code_service_pb2.IssueCodeRequest(loyalty_id=await caller.enroll())
        code = await caller.call(caller.codes.IssueCode, about)
        identify = identify_request(code.otp)

        shown = await _again(two, caller.identifies.IdentifyMember, identify)
        done = update_request(shown.transaction_id, "CLAIMED", line(10.0))
        update = transactions(caller).ReportOrder
        first = await _again(two, update, done)
        # The fresh keys of a till are flagged, then paced; those of other calls are refused.
        for number in range(40 - (await _written(two))[0] + 40 // 4):
            await caller.call(update, done, idempotency_key=f"more-{number}")
        assert two.flagged()[N.ROWS_PER_KEY_DAY] == 40 // 4
        refused = await caller.refused(update, done, idempotency_key="fresh")
        _requires(refused, N.ROWS_PER_KEY_DAY, 40)
        refused = await caller.refused(
            caller.identifies.IdentifyMember, identify, idempotency_key="fresh"
        )
        _requires(refused, N.ROWS_PER_KEY_DAY, 40)
        written = await _written(two)
        for key in ("first ReportOrder", "again ReportOrder", "more-1"):
            assert await caller.call(update, done, idempotency_key=key) == first
        assert await _written(two) == written
        assert day.now_ms == MORNING_MS


async def test_calls_a_second_are_refused_before_they_are_read(
    backend: Backend, tmp_path: Path
) -> None:
    """Beyond a key's calls a second nothing of its call is looked at; another key's is served."""
    async with servers(backend, tmp_path, calls_per_key_second=1) as two:
        caller = two.caller
        broken = caller.channel.unary_unary(
            "/loyalty.v1.MemberService/GetMember", request_serializer=None
        )
        outcomes = []
        for _ in range(4):
            with pytest.raises(grpc.aio.AioRpcError) as problem:
                await broken(b"\xff\xff", metadata=caller.metadata())
            outcomes.append(problem.value.code())
        assert outcomes[:2] == [grpc.StatusCode.INVALID_ARGUMENT] * 2
        assert outcomes[-1] is grpc.StatusCode.RESOURCE_EXHAUSTED
        till = caller.with_key("sandbox-app-key")
        request = member_service_pb2.EnrollMemberRequest(name="Guest")
        await till.call(till.members.EnrollMember, request)


async def test_refusal_of_a_greedy_key_waits_but_not_in_a_place_of_envoys(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever calls on and on is answered the later; Envoy hears at once, and so do all beyond."""
    monkeypatch.setattr("loyalty_service.transport.admission.HOLD_BACK_S", 3600.0)
    monkeypatch.setattr("loyalty_service.transport.admission.HELD_BACK_MAX", 2)
    monkeypatch.setattr("loyalty_service.transport.admission.perf_counter", lambda: 1e6)
    async with servers(backend, tmp_path, calls_per_key_second=1) as two:
        caller = two.caller
        request = member_service_pb2.GetMemberRequest(loyalty_id=await caller.enroll())

        async def refused(**metadata: str) -> None:
            refusal = await caller.refused(caller.members.GetMember, request, **metadata)
            assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED

        await caller.call(caller.members.GetMember, request)
        await refused(loyalty_caller="known")
        waiting = [asyncio.create_task(refused()) for _ in range(3)]
        # With two that wait there is no room for a third.
        done, held = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(held)) == (1, 2)
        for call in held:
            call.cancel()
        await asyncio.gather(*held, return_exceptions=True)


async def test_adjustment_beyond_limits_must_be_asked_for(backend: Backend, tmp_path: Path) -> None:
    """An operator gives more than the limits only on purpose, and is told of."""
    async with servers(backend, tmp_path, points_per_order=100, points_per_member_day=150) as two:
        guest = await two.caller.enroll()
        store = two.running[0].store

        async def adjust(points: int, *, beyond: bool = False) -> None:
            command = AdjustPoints(PROGRAM_ID, guest, points, "test", beyond_limits=beyond)
            await store.write(lambda unit, now_ms: adjust_points(unit, command, now_ms))

        with pytest.raises(AmountBeyondLimitError):
            await adjust(101)
        await adjust(100)
        with pytest.raises(LimitExceededError):
            await adjust(51)
        await adjust(-100)
        await adjust(101, beyond=True)
        assert two.flagged() == {N.POINTS_PER_MEMBER_DAY: 1}
        assert await two.caller.balances(guest) == (101, 0)


UNITS = {
    N.ENROLMENTS_PER_KEY_MINUTE: "members",
    N.ADJUSTED_PER_OPERATOR_DAY: "points",
    N.ADJUSTED_PER_ADMIN_DAY: "points",
}
"""What is counted, where the limit's name does not begin with it."""


def test_every_limit_is_in_the_document_with_its_default() -> None:
    """The program file's page lists all limits, in their order, with unit and default."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "program-file.md").read_text("utf-8")
    section = page.partition("## `limits`")[2].partition("\n## ")[0]
    rows = [row.split("|")[1:4] for row in section.splitlines() if row.startswith("| `")]
    listed = [(name.strip(" `"), words, default.strip()) for name, words, default in rows]
    assert [name for name, _, _ in listed] == [name.value for name in LIMITS]
    for (_, words, default), limit in zip(listed, LIMITS.values(), strict=True):
        assert default == f"{limit.default:,}"
        assert UNITS.get(limit.name, limit.name.partition("_")[0]) in words
        if "_per_program_" not in limit.name:
            assert f"1 to {limit.most:,}" in words
