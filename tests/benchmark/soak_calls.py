"""What a soak asks: each kind of call as ready bytes, and what a right answer to it is."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from loyalty.v1 import identify_service_pb2, member_service_pb2, order_pb2, session_service_pb2
from loyalty.v1 import transaction_service_pb2 as transaction_pb2
from tests.benchmark.names import loyalty_id
from tests.benchmark.population import KEY, STORE_ID
from tests.support.raw_grpc import headers, message

READ, IDENTIFY, CLAIM, AGAIN = "read", "identify", "claim", "claim again"
SESSION, STRANGER, FOUL, NOBODY = "session", "wrong key", "bad message", "unknown member"
HUNG_UP, LATE = "hung up", "deadline of 1 ms"

OK, CANCELLED, INVALID, LATE_CODE, NOT_FOUND, BUSY, UNKNOWN_CALLER = 0, 1, 3, 4, 5, 8, 16

MIX: Mapping[str, int] = {
    READ: 560,
    IDENTIFY: 260,
    SESSION: 40,
    CLAIM: 40,
    AGAIN: 10,
    STRANGER: 40,
    FOUL: 20,
    NOBODY: 10,
    HUNG_UP: 10,
    LATE: 10,
}
"""How many of a thousand calls are of each kind."""

CLAIMS_WAITING = 2_000
"""Identified orders that are kept to be claimed, and claims to be repeated, at most."""

_MEMBER, _NUMBER = loyalty_id(0), "9" * 12
"""What stands in ready bytes where each call has its own."""

_ORDER = "01900000-0000-7000-8000-000000000000"


@dataclass(slots=True)
class Sent:
    """
    A call, and what becomes of it.

    Attributes:
        block: The headers, as HTTP/2 writes them.
        data: The message, as gRPC frames it.
        marker: What a right answer contains.
        right: The statuses that are right.
        hang_up: Whether its caller resets it at once.
        member: Whom it is about, where the answer is needed for a later call.
    """

    kind: str
    block: bytes
    data: bytes
    marker: bytes = b""
    right: tuple[int, ...] = (OK,)
    hang_up: bool = False
    member: bytes = b""
    answer: bytes = b""


def _path(service: str, rpc: str, key: str = KEY, **extra: str) -> bytes:
    return headers(f"/loyalty.v1.{service}/{rpc}", x_api_key=key, grpc_timeout="20S", **extra)


def _pos_vendor() -> order_pb2.PosVendor:
    return order_pb2.PosVendor(
        transaction_id=_NUMBER, store_id=STORE_ID, pos_type="Partner", terminal="0", operator="300"
    )


def _claim_message() -> bytes:
    line = order_pb2.OrderLine
    request = transaction_pb2.ReportOrderRequest(
        loyalty_transaction_id=_ORDER,
        loyalty_id=_MEMBER,
        channel=order_pb2.TransactionDetails.RESTAURANT,
        service_mode=order_pb2.TransactionDetails.TAKEOUT,
        status=transaction_pb2.Transaction.CLAIMED,
        transaction_details=order_pb2.TransactionDetails(
            currency="CAD",
            order=(line(product_id="1001", price=6.49, product_type=line.item, reference_id="1"),),
            payments=(order_pb2.Payment(amount=733, type="CASH"),),
            pos_vendor=_pos_vendor(),
        ),
    )
    return message(request.SerializeToString())


class Calls:
    """
    Gives one call after another, each of its own, in a mix that follows from the seed.

    Attributes:
        made: Calls given so far, by kind.
    """

    def __init__(self, seed: int, members: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - not a secret.
        self._members = [loyalty_id(number).encode() for number in range(members)]
        self._number = 0
        self._kinds: Iterator[str] = iter(())
        self._open: deque[tuple[bytes, bytes]] = deque(maxlen=CLAIMS_WAITING)
        self._claimed: deque[Sent] = deque(maxlen=CLAIMS_WAITING)
        self.made = dict.fromkeys(MIX, 0)
        member = member_service_pb2.GetMemberRequest(loyalty_id=_MEMBER).SerializeToString()
        identify = identify_service_pb2.IdentifyMemberRequest(
            identifier=_MEMBER, pos_vendor=_pos_vendor()
        ).SerializeToString()
        session = session_service_pb2.StartAnonymousSessionRequest(
            correlation_id=f"soak-{_NUMBER}", channel="STORE", locale="fr-CA"
        ).SerializeToString()
        self._read = message(member)
        self._identify = message(identify)
        self._session = message(session)
        self._claim = _claim_message()
        self._read_path = _path("MemberService", "GetMember")
        self._identify_path = _path("IdentifyService", "IdentifyMember")
        self._stranger_path = _path("IdentifyService", "IdentifyMember", "lk_nobody_knows_this_key")
        self._late_path = self._read_path.replace(b"\x0320S", b"\x021m")
        self._session_path = _path("SessionService", "StartAnonymousSession")
        self._claim_path = _path(
            "TransactionService", "ReportOrder", idempotency_key=f"soak-{_NUMBER}"
        )
        self._makers: Mapping[str, Callable[[bytes, bytes], Sent]] = {
            READ: lambda who, _: Sent(READ, self._read_path, self._about(who), who),
            IDENTIFY: self._make_identify,
            SESSION: self._make_session,
            CLAIM: self._make_claim,
            AGAIN: self._make_again,
            STRANGER: lambda who, number: Sent(
                STRANGER,
                self._stranger_path,
                self._identified(who, number),
                right=(UNKNOWN_CALLER,),
            ),
            FOUL: lambda _who, number: Sent(
                FOUL, self._identify_path, message(b"\x0a\x24" + number), right=(INVALID,)
            ),
            NOBODY: lambda _, number: Sent(
                NOBODY,
                self._read_path,
                self._about(b"00000000-0000-4000-8000-" + number),
                right=(NOT_FOUND,),
            ),
            HUNG_UP: lambda who, _: Sent(
                HUNG_UP, self._read_path, self._about(who), right=(), hang_up=True
            ),
            # Whether the answer or the deadline comes first, nobody can say.
            LATE: lambda who, _: Sent(
                LATE, self._late_path, self._about(who), right=(OK, CANCELLED, LATE_CODE)
            ),
        }

    def next(self) -> Sent:
        """Give a call that has not been made yet."""
        kind = next(self._kinds, None)
        if kind is None:
            kinds = self._chance.choices(list(MIX), list(MIX.values()), k=10_000)
            self._kinds = iter(kinds)
            kind = next(self._kinds)
        self._number += 1
        who = self._members[self._chance.randrange(len(self._members))]
        sent = self._makers[kind](who, b"%012d" % self._number)
        self.made[sent.kind] += 1
        return sent

    def ended(self, sent: Sent) -> None:
        """Take note of a call that was answered right: another may follow from its answer."""
        if sent.kind == IDENTIFY and len(self._open) < CLAIMS_WAITING:
            answer = identify_service_pb2.IdentifyMemberResponse.FromString(sent.answer[5:])
            self._open.append((answer.transaction_id.encode(), sent.member))
        elif sent.kind == CLAIM:
            self._claimed.append(sent)

    def _about(self, who: bytes) -> bytes:
        return self._read.replace(_MEMBER.encode(), who)

    def _identified(self, who: bytes, number: bytes) -> bytes:
        data = self._identify.replace(_NUMBER.encode(), number)
        return data.replace(_MEMBER.encode(), who)

    def _make_identify(self, who: bytes, number: bytes) -> Sent:
        data = self._identified(who, number)
        return Sent(IDENTIFY, self._identify_path, data, who, member=who)

    def _make_session(self, _who: bytes, number: bytes) -> Sent:
        data = self._session.replace(_NUMBER.encode(), number)
        return Sent(SESSION, self._session_path, data, b"soak-" + number)

    def _make_claim(self, who: bytes, number: bytes) -> Sent:
        if not self._open:
            return self._make_identify(who, number)
        order, member = self._open.popleft()
        data = self._claim.replace(_NUMBER.encode(), number).replace(_MEMBER.encode(), member)
        block = self._claim_path.replace(_NUMBER.encode(), number)
        return Sent(CLAIM, block, data.replace(_ORDER.encode(), order), order)

    def _make_again(self, who: bytes, number: bytes) -> Sent:
        if not self._claimed:
            return self._make_identify(who, number)
        first = self._claimed.popleft()
        return Sent(AGAIN, first.block, first.data, first.marker)
