"""G24: every field of every request at its limit, one beyond it, and ten times it."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as F
from google.protobuf.message import Message

from buf.validate import validate_pb2
from loyalty.v1 import order_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.amounts import AMOUNT_MINOR_MAX
from loyalty_service.domain.errors import RequestInvalidError
from loyalty_service.transport.call import USER_DATETIME_MAX
from loyalty_service.transport.parsing import parse
from loyalty_service.transport.rpcs import RPCS, Effect
from loyalty_service.transport.server import MESSAGE_BYTES_MAX, METADATA_BYTES_MAX
from tests.fault.doors import (
    Fields,
    Rpc,
    Seen,
    all_rpcs,
    holder,
    json_place_of,
    leaves,
    place_of,
)
from tests.fault.foul_texts import FOUL, Foul, by_grpc, by_json, let_in, places, stand_in
from tests.fault.goal import Goal, Trial
from tests.fault.headers import headers_read
from tests.fault.worlds import Worlds, open_worlds, order, rpc_named, template, vendor

TEN = 10
LARGEST = {F.CPPTYPE_INT32: 2**31 - 1, F.CPPTYPE_INT64: 2**63 - 1}
AMOUNTS = {"OrderLine.price": AMOUNT_MINOR_MAX}
"""Limits that hang on the program's currency, in its minor units, and so are not in the proto."""

UNUSED = {
    "AdjustWithoutReceiptRequest.channel",
    "ReportOfflineOrderRequest.loyalty_id",
    "ReportOfflineOrderRequest.order_time",
    "AdjustPurchaseRequest.correlation_id",
    "AdjustPurchaseRequest.transaction_date",
    "AwardPurchaseRequest.external_transaction_id",
    "ConfirmPurchaseRequest.mode",
    "ReportOfflinePurchaseRequest.action",
    "ReportOfflinePurchaseRequest.call_id",
    "ReportOfflinePurchaseRequest.channel",
    "ReportOfflinePurchaseRequest.locale",
    "ReportOfflinePurchaseRequest.loyalty_id",
    "ReportOfflinePurchaseRequest.reservation_token",
    "ReportOfflinePurchaseRequest.transaction_date",
    "Confirmation.mode",
    "FinalizePurchaseRequest.action",
    "FinalizePurchaseRequest.call_id",
    "FinalizePurchaseRequest.channel",
    "FinalizePurchaseRequest.locale",
    "FinalizePurchaseRequest.reservation_token",
    "FinalizePurchaseRequest.transaction_date",
    "TryPurchaseRequest.action",
    "TryPurchaseRequest.call_id",
    "TryPurchaseRequest.channel",
    "TryPurchaseRequest.locale",
    "TryPurchaseRequest.reservation_token",
    "TryPurchaseRequest.transaction_date",
    "SaleLineItem.item_discount",
    "SaleLineItem.item_tax",
    "SaleLineItem.original_sale_amount",
    "SaleLineItem.quantity",
    "SaleLineItem.sale_amount",
    "SaleLineItem.sku",
    "SaleLineItem.sub_category",
    "Discount.applies_to",
    "DiscountDetails.display_name",
    "OrderLine.applies_to",
    "OrderLine.category",
    "OrderLine.name",
    "OrderLine.parent_reference_id",
    "OrderLine.tax",
    "Payment.cc_token",
    "PosVendor.operator",
    "PosVendor.supporting_pos",
    "PosVendor.terminal",
    "StartSessionRequest.external_identifier",
    "StartSessionRequest.locale",
    "StartAnonymousSessionRequest.anonymous_session_id",
    "StartAnonymousSessionRequest.channel",
    "StartAnonymousSessionRequest.external_identifier",
    "StartAnonymousSessionRequest.locale",
    "RecordUnclaimedOrderRequest.created",
    "ReportOrderRequest.created",
    "ReturnLinesRequest.created",
    "ValidateOrderRequest.created",
    "VoidTransactionRequest.channel",
    "VoidTransactionRequest.created",
    "VoidTransactionRequest.service_mode",
    "VoidTransactionRequest.status",
    "VoidTransactionRequest.transaction_id",
}
"""Fields of which any value is taken: nobody needs them, so that none is refused for them."""

PAID = {"TransactionService/RecordUnclaimedOrder", "PurchaseService/ReportOfflineOrder"}
"""Calls whose template is an order that is paid; a ReportOrder's is still open."""

PAID_IN_SESSIONS = {"PurchaseService/FinalizePurchase", "PurchaseService/ReportOfflinePurchase"}
"""Calls of an order that is paid whose texts are repaired in JSON alone, and still limited."""

PUT_RIGHT = {
    "Discount.amount_off",
    "DiscountDetails.discount_value",
    "DiscountDetails.subtype",
    "DiscountDetails.type",
    "OrderLine.amount_off",
    "Payment.amount",
    "RecordUnclaimedOrderRequest.channel",
    "RecordUnclaimedOrderRequest.service_mode",
    "RecordUnclaimedOrderRequest.status",
    "ReportOfflineOrderRequest.channel",
    "ReportOfflineOrderRequest.service_mode",
}
"""
Fields of which any value is taken in a paid order, though the contract limits them; besides these
all texts but `IDENTIFYING`.
"""

IDENTIFYING = {"loyalty_id", "loyalty_transaction_id", "transaction_id"}
"""Texts of a paid order that are not put right, since it would be another one."""

OF_NO_USE = {"operator", "supporting_pos", "terminal"}
"""Texts of a guest who is identified that are repaired in JSON."""

ANY: Mapping[int, Any] = {F.CPPTYPE_STRING: "x" * 9_999, F.CPPTYPE_DOUBLE: 1e99}
"""What nobody would send in such a field; of another kind it is 99."""

NEEDED = {"StartAnonymousSession": "correlation_id", "VoidTransaction": "loyalty_transaction_id"}
"""What alone may refuse these calls, whatever the rest of a JSON body holds."""

WORDS: Mapping[str, str] = {
    "^[0-9]{6}$": "123456",
    r"^[ \t\r\n]*([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?[ \t\r\n]*$": (
        "a" * 8 + "-aaaa" * 3 + "-" + "a" * 12
    ),
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "1990-02-03",
    "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$": "1990-02-03",
    r"^(\+[1-9][0-9]{6,14})?$": f"+{'4' * 15}",
    r"^([^@\x00-\x20\x7f-\x9f]+@[^@\x00-\x20\x7f-\x9f]+)?$": f"x@{'x' * 252}",
    "^[A-Za-z]{3}$": "CAD",
    "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$": f"en{'-abcde' * 4}{'-abcdefgh'}",
    "^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$": f"en{'-abcde' * 4}{'-abcdefgh'}",
}
"""The longest text that a pattern of fixed length lets in."""

REFERENCES = {
    "incentive_id",
    "loyalty_engine_id",
    "parent_reference_id",
    "page_token",
    "idempotency_key",
    "loyalty_id",
    "transaction_id",
    "reference_id",
    "currency",
    "birth_date",
    "correlation_id",
    "current_correlation_id",
    "user_date_time",
    "query",
    "grant",
    "version",
    "locale",
    "types",
    "order",
    "lines[0].quantity",
}
"""Fields whose value, of whatever length, must name something too, or be no more than it has."""

TOO_LARGE = {"RESOURCE_EXHAUSTED", "413", "431"}
TOO_LARGE_ON_NATIVE = {"UNKNOWN", "UNAVAILABLE"}
"""What its library makes of long headers: HTTP's 431, or the end of the connection."""

BROKEN = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"}
WIDE = "\U0001f36a"


@dataclass(frozen=True, slots=True)
class Size:
    """A value for a field, and whether it is within the limit."""

    name: str
    value: Any
    fits: bool


class UnlimitedError(Exception):
    """Raised when nothing limits a field."""


def sizes(part: F) -> list[Size]:
    """
    Give values at the limit of a field, one beyond it, and ten times it.

    Raises:
        UnlimitedError: The field has no limit, though it is used.
    """
    # A message within another one may have the name of one that is used everywhere.
    if part.full_name.removeprefix("loyalty.v1.") in UNUSED:
        return [Size("any", ANY.get(part.cpp_type, 99), fits=True)]
    return _sizes_by_rules(part)


def _sizes_by_rules(part: F) -> list[Size]:
    rules = part.GetOptions().Extensions[validate_pb2.field]
    name = f"{part.containing_type.name}.{part.name}"
    if part.is_repeated:
        return _numbers(rules.repeated.max_items)
    if part.cpp_type in LARGEST:
        kind = {F.CPPTYPE_INT32: "int32", F.CPPTYPE_INT64: "int64"}[part.cpp_type]
        rule = getattr(rules, kind)
        return _numbers(rule.lte or (rule.lt and rule.lt - 1) or LARGEST[part.cpp_type])
    if part.cpp_type == F.CPPTYPE_ENUM:
        most = rules.enum.defined_only and max(part.enum_type.values_by_number)
        return _numbers(most or max(getattr(rules.enum, "in"), default=0))
    if part.cpp_type in {F.CPPTYPE_DOUBLE, F.CPPTYPE_FLOAT}:
        minor = AMOUNTS.get(name, 0)
        return [replace(size, value=size.value / 100) for size in _numbers(minor)]
    if part.cpp_type == F.CPPTYPE_STRING:
        return list(_texts(rules))
    if part.cpp_type in {F.CPPTYPE_MESSAGE, F.CPPTYPE_BOOL}:
        return []
    raise UnlimitedError


def _numbers(most: int) -> list[Size]:
    if not most:
        raise UnlimitedError
    tried = (("max", most), ("max+1", most + 1), ("10x", TEN * (most + 1)))
    return [Size(name, value, value <= most) for name, value in tried]


def _texts(rules: Any) -> Iterator[Size]:
    rule = rules.string
    fixed = WORDS.get(rule.pattern) or ("a" * 8 + "-aaaa" * 3 + "-" + "a" * 12) * rule.uuid
    fixed = fixed or max(getattr(rule, "in"), key=len, default="")
    if fixed:
        yield Size("max", fixed, fits=True)
        yield Size("max+1", fixed + fixed[-1], fits=False)
        yield Size("10x", fixed * TEN, fits=False)
        return
    most = rule.max_len or rule.len
    if not most:
        raise UnlimitedError
    for name, count in (("max", most), ("max+1", most + 1), ("10x", TEN * most)):
        yield Size(name, _text(count, rule, "x"), count <= most)
    wide = _text(most, rule, WIDE)
    if not rule.pattern or re.fullmatch(rule.pattern.replace(r"\\", "\\"), wide):
        yield Size("max of wide characters", wide, not rule.email)


def _text(count: int, rule: Any, sign: str) -> str:
    if not rule.email:
        return sign * count
    # The part before the sign may have 64 characters, and each label after it 63.
    local, rest = sign * 64, count - 65
    labels = []
    while rest > 0:
        labels.append("x" * min(rest, 60))
        rest -= 61
    return f"{local}@{'.'.join(labels)}"


def _ignored(path: Fields) -> bool:
    """Whether the contract says that nobody looks at the field."""
    return any(
        part.GetOptions().Extensions[validate_pb2.field].ignore == validate_pb2.IGNORE_ALWAYS
        for part in path[:-1]
    )


def _lenient(rpc: Rpc, path: Fields) -> bool:
    """Whether a value in a JSON body that no message can hold is passed over."""
    needed = NEEDED.get(rpc.name.partition("/")[2])
    return needed is not None and path[0].name != needed


def _put_right(rpc: Rpc, path: Fields) -> bool:
    """Whether any value is taken because the order is paid."""
    part = path[-1]
    is_text = part.cpp_type == F.CPPTYPE_STRING and part.name not in IDENTIFYING
    return rpc.name in PAID and (is_text or f"{part.containing_type.name}.{part.name}" in PUT_RIGHT)


def _put(request: Message, path: Fields, value: Any) -> None:
    message, part = holder(request, path), path[-1]
    if not part.is_repeated:
        setattr(message, part.name, value)
        return
    listed = getattr(message, part.name)
    if part.message_type is None:
        one = "x" if part.cpp_type == F.CPPTYPE_STRING else 1
        listed.extend([listed[0] if len(listed) else one] * (value - len(listed)))
        return
    item = copy.deepcopy(listed[0]) if len(listed) else listed.add()
    message.ClearField(part.name)
    for number in range(value):
        if "incentive_id" in item.DESCRIPTOR.fields_by_name and part.name == "order":
            item.incentive_id = f"{number:08d}-0000-4000-8000-000000000000"
        getattr(message, part.name).append(item)


def _json_with(content: dict[str, Any], path: Fields, value: Any) -> None:
    """Write a number into JSON that no message can hold."""
    place: Any = content
    for part in path[:-1]:
        if part.is_repeated:
            place = place.setdefault(part.json_name, [{}])[0]
        else:
            place = place.setdefault(part.json_name, {})
    place[path[-1].json_name] = value


class Sizes:
    """Tries one size of one field after the other, on both doors."""

    def __init__(self, trial: Trial, worlds: Worlds) -> None:
        self._trial = trial
        self._own = worlds.own
        self._templates: dict[str, Message] = {}
        self.calls = 0

    async def template(self, rpc: Rpc) -> Message:
        """Give a request of a call that would succeed."""
        if rpc.name not in self._templates:
            self._templates[rpc.name] = await template(self._own, rpc)
        return copy.deepcopy(self._templates[rpc.name])

    async def try_size(self, rpc: Rpc, path: Fields, size: Size) -> None:
        """Send a value on both doors, and look at what it is answered."""
        place, doors, headers = place_of(path), self._own.doors, self._own.headers()
        where = f"{rpc.name} {place} {size.name}"
        request = await self.template(rpc)
        if path[-1].name == "idempotency_key":
            request.Clear()
        ignored = _ignored(path)
        mended = _put_right(rpc, path)
        largest = None if path[-1].is_repeated else LARGEST.get(path[-1].cpp_type)
        beyond_type = largest is not None and size.value > largest
        # What no message can hold is put in its place in the JSON, so that it is there to replace.
        _put(request, path, largest if beyond_type else size.value)
        if not beyond_type:
            data = request.SerializeToString()
            self._require_rule(rpc, path, size, data, where, ignored=ignored)
            seen = await doors.grpc(rpc, data, headers)
            large = len(data) > MESSAGE_BYTES_MAX
            self._judge(
                f"{where} by gRPC", seen, place, size.fits or ignored or mended, large=large
            )
        for route in rpc.routes:
            if not all(getattr(request, name) for name in route.variables):
                continue
            url, content = rpc.call_of(request, route)
            if beyond_type:
                if content is None:
                    name = path[-1].json_name
                    url = re.sub(rf"{name}=\d+", f"{name}={size.value}", url)
                else:
                    _json_with(content, path, size.value)
            body = None if content is None else json.dumps(content, ensure_ascii=False).encode()
            seen = await doors.send(route.method, url, body, headers)
            large = body is not None and len(body) > MESSAGE_BYTES_MAX
            # A number that no message can hold is refused even where nobody looks at it.
            fits = size.fits or mended or (ignored and (not beyond_type or _lenient(rpc, path)))
            # OAuth's words name no field.
            named = not rpc.name.startswith("TokenService/")
            told = f"{where} by JSON"
            self._judge(told, seen, json_place_of(path), fits, large=large, named=named)

    def _require_rule(
        self, rpc: Rpc, path: Fields, size: Size, data: bytes, where: str, *, ignored: bool
    ) -> None:
        """See that it is the contract's rule that refuses, and not whatever comes after it."""
        if f"{path[-1].containing_type.name}.{path[-1].name}" in AMOUNTS:
            return
        try:
            parse(rpc.request, data)
        except RequestInvalidError as refusal:
            named = {broken.field for broken in refusal.violations}
            holds = not (size.fits or ignored) and place_of(path) in named
        else:
            holds = size.fits or ignored
        self._trial.require(holds, f"{where}: the rule of the contract does not hold")

    def _judge(
        self,
        where: str,
        seen: Seen,
        place: str,
        fits: bool,  # noqa: FBT001
        *,
        large: bool,
        named: bool = True,
        too_large: Collection[str] = TOO_LARGE,
    ) -> None:
        self.calls += 1
        told = f"{where}: {seen.outcome} {seen.reason} {list(seen.fields)[:5]}"
        if large:
            self._trial.require(seen.outcome in too_large, f"{told}, not too large")
        elif fits:
            names = {place, place.rpartition(".")[2].removesuffix("[0]")}
            blamed = place in seen.fields and names.isdisjoint(REFERENCES_JSON)
            crashed = seen.outcome in BROKEN | TOO_LARGE or seen.outcome.startswith("5")
            self._trial.require(not blamed and not crashed, f"{told}, though it fits")
        else:
            refused = seen.outcome in {"INVALID_ARGUMENT", "400"}
            told_where = place in seen.fields or not named
            self._trial.require(refused and told_where, f"{told}, does not name {place}")

    async def try_text(self, rpc: Rpc, path: Fields, foul: Foul) -> None:
        """Send text that not every database takes in every way there is into a field."""
        doors, headers = self._own.doors, self._own.headers()
        item = "[0]" if path[-1].is_repeated else ""
        where = f"{rpc.name} {place_of(path)} {foul.name}"
        request = stand_in(await self.template(rpc), path)
        taken = let_in(path, foul)
        taken |= bool(foul.sign and (_ignored(path) or _put_right(rpc, path)))
        repaired = (
            path[-1].name in OF_NO_USE
            if rpc.name == "IdentifyService/IdentifyMember"
            else rpc.name in PAID | PAID_IN_SESSIONS and path[-1].name not in IDENTIFYING
        )
        seen = await doors.grpc(rpc, by_grpc(request, foul), headers)
        self._judge(f"{where} by gRPC", seen, f"{place_of(path)}{item}", taken, large=False)
        for sent in by_json(rpc, request, path, foul):
            seen = await doors.send(sent.method, sent.url, sent.body, headers)
            told, place = f"{where} by JSON, {sent.way}", f"{json_place_of(path)}{item}"
            passed = (_lenient(rpc, path) or repaired) and sent.way in {"escaped", "raw"}
            passed &= not foul.sign
            self._judge(told, seen, place, taken or passed, large=False, named=sent.named)

    async def try_foul_header(self, name: str, foul: Foul) -> None:
        """Send such text in a header, which Envoy passes on unless it holds a NUL."""
        for rpc in all_rpcs():
            headers = {**self._own.headers(), name: foul.data.decode("latin-1")}
            seen = await self._own.doors.json(rpc, await self.template(rpc), headers)
            self.calls += 1
            refused = seen.outcome == "400"
            holds = refused if "\0" in foul.sign else seen.outcome[0] in "24"
            self._trial.require(holds, f"{rpc.name} {name} {foul.name}: {seen}")

    async def try_header(self, name: str, length: int) -> None:
        """Send a header of a length with every call, by both doors."""
        limit = HEADERS[name]
        for rpc in all_rpcs():
            headers = {**self._own.headers(), name: limit.value(length)}
            if name == "authorization":
                del headers["x-api-key"]
            for door, room in ROOM.items():
                if door == "gRPC" and name == "content-type":
                    continue
                doors = self._own.doors
                call = doors.grpc if door == "gRPC" else doors.json
                seen = await call(rpc, await self.template(rpc), headers)
                where = f"{rpc.name} {name} of {length} by {door}"
                if name in SHOWN and length < room:
                    self.calls += 1
                    unknown = seen.outcome in {"UNAUTHENTICATED", "401"}
                    self._trial.require(unknown, f"{where}: {seen}")
                    continue
                fits = rpc.name not in limit.read_by or length <= limit.most
                native = os.environ.get("LOYALTY_TRANSPORT") == "native"
                too_large = TOO_LARGE | (TOO_LARGE_ON_NATIVE if native else set())
                self._judge(where, seen, name, fits, large=length > room, too_large=too_large)

    async def try_body(self, length: int, *, fits: bool) -> None:
        """Send a request of exactly so many bytes to every call that takes a body."""
        for rpc in all_rpcs():
            request = await self.template(rpc)
            headers = self._own.headers()
            data = request.SerializeToString()
            # A field that nobody knows: key, length in three bytes at least, and filling.
            filling = length - len(data) - 2 - 3
            head = b"\xc2\x3e" + _varint(filling)
            data += head + b"x" * (length - len(data) - len(head))
            seen = await self._own.doors.grpc(rpc, data, headers)
            self.calls += 1
            large = seen.outcome in TOO_LARGE
            self._trial.require(
                large != fits and seen.outcome not in BROKEN,
                f"{rpc.name} of {length} bytes by gRPC: {seen}",
            )
            route = rpc.route_for(request)
            if not route.has_body:
                continue
            url, content = rpc.call_of(request, route)
            body = json.dumps(content).encode().ljust(length)
            seen = await self._own.doors.send(route.method, url, body, headers)
            self.calls += 1
            self._trial.require(
                (seen.outcome == "413") != fits and not seen.outcome.startswith("5"),
                f"{rpc.name} of {length} bytes by JSON: {seen}",
            )


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


REFERENCES_JSON = REFERENCES | {
    name
    for rpc in all_rpcs()
    for path in leaves(rpc.request.DESCRIPTOR)
    if path[-1].name in REFERENCES
    for name in (path[-1].json_name,)
}
LOCAL_TIMES = {
    "IdentifyService/IdentifyMember",
    "CodeService/IssueCode",
    "TransactionService/ValidateOrder",
    "TransactionService/ReportOrder",
}
WRITES = {rpc.name for rpc in RPCS.values() if rpc.effect is Effect.WRITES}

ROOM = {"gRPC": METADATA_BYTES_MAX, "JSON": 8 * 1024}
"""Bytes that all headers of a call may have together at each door; Envoy's are in envoy.yaml."""

OTHERS = 1024
"""More than all other headers take of that."""

SHOWN = {"authorization", "x-api-key", "x-region"}
"""What tells who calls; one that is made up is nobody's, of whatever length."""


@dataclass(frozen=True, slots=True)
class HeaderLimit:
    """
    How long a header may be, whatever room there is.

    Attributes:
        value: Writes one of any length that is good but for its length.
        most: Characters it may have; longer ones of no limit are read as if absent.
        read_by: Calls that refuse a longer one by name.
    """

    value: Callable[[int], str]
    most: int = 0
    read_by: Collection[str] = ()


def _letters(length: int) -> str:
    return "k" * length


HEADERS: Mapping[str, HeaderLimit] = {
    "access-control-request-method": HeaderLimit(_letters),
    "authorization": HeaderLimit(lambda length: "Bearer ".ljust(length, "k")),
    "content-encoding": HeaderLimit(lambda length: "identity".ljust(length, ",")),
    "content-type": HeaderLimit(lambda length: "x/".ljust(length, "k")),
    "idempotency-key": HeaderLimit(_letters, 255, WRITES),
    "loyalty-caller": HeaderLimit(_letters),
    "loyalty-alias": HeaderLimit(_letters),
    "loyalty-client": HeaderLimit(_letters),
    "loyalty-dialect": HeaderLimit(_letters),
    "loyalty-mended": HeaderLimit(_letters),
    "loyalty-query-key": HeaderLimit(_letters),
    "loyalty-stranger": HeaderLimit(_letters),
    "origin": HeaderLimit(lambda length: "https://".ljust(length, "k")),
    "traceparent": HeaderLimit(
        lambda length: f"cc-{'1' * 32}-{'2' * 16}-01-".ljust(length, "x")[:length], 55
    ),
    "tracestate": HeaderLimit(lambda length: "a=".ljust(length, "1")),
    "x-amzn-trace-id": HeaderLimit(lambda length: "Root=".ljust(length, "1")),
    "x-api-key": HeaderLimit(_letters),
    "x-identifier-type": HeaderLimit(_letters),
    "x-region": HeaderLimit(_letters),
    "x-request-id": HeaderLimit(_letters, 128),
    "x-user-datetime": HeaderLimit(
        lambda length: "2026-11-22T12:00:00.".ljust(length, "0"), USER_DATETIME_MAX, LOCAL_TIMES
    ),
}


def header_sizes() -> Iterator[tuple[str, int]]:
    """
    Give lengths at the limits of every header, one beyond them, and ten times them.

    Raises:
        UnlimitedError: Nobody wrote down what limits a header.
    """
    for name in headers_read():
        if name not in HEADERS:
            raise UnlimitedError(name)
        most = HEADERS[name].most
        lengths = {most, most + 1, TEN * most} if most else set()
        for room in ROOM.values():
            lengths |= {room - OTHERS, room + 1, TEN * room}
        yield from ((name, length) for length in sorted(lengths))


def wide_order(lines: int) -> order_pb2.TransactionDetails:
    """Sell *lines* lines with every text as long as it may be."""
    details = order()
    first = "0".rjust(64, "r")
    line = {
        "product_id": "p" * 64,
        "incentive_id": "i" * 128,
        "loyalty_engine_id": "e" * 128,
        "quantity": 9999,
        "price": 0.01,
        "product_type": "item",
        "name": "n" * 255,
        "tax": 99.99,
        "parent_reference_id": first,
    }
    del details.order[:], details.applied_discounts[:], details.payments[:]
    for number in range(lines):
        details.order.append(order_pb2.OrderLine(**line, reference_id=f"{number}".rjust(64, "r")))
    for _ in range(50):
        details.payments.add(amount=10**9, type="t" * 32, cc_token="c" * 512)
    widest = vendor("o" * 128)
    widest.pos_type = widest.terminal = widest.operator = widest.supporting_pos = "v" * 64
    details.pos_vendor.CopyFrom(widest)
    return details


async def _try_baskets(trial: Trial, worlds: Worlds) -> None:
    """Send the largest order there is through both doors, and one with a line too many."""
    own, rpc = worlds.own, rpc_named("TransactionService/RecordUnclaimedOrder")
    for lines, grpc_code, status in ((500, "OK", "200"), (501, "INVALID_ARGUMENT", "400")):
        request = pb.RecordUnclaimedOrderRequest(
            channel="RESTAURANT",
            created="c" * 64,
            service_mode="EAT_IN",
            transaction_details=wide_order(lines),
        )
        seen = await own.doors.grpc(rpc, request, own.headers())
        spoken = await own.doors.json(rpc, request, own.headers())
        trial.require(seen.outcome == grpc_code, f"{lines} full lines by gRPC: {seen}")
        trial.require(spoken.outcome == status, f"{lines} full lines by JSON: {spoken}")
        if lines == 500:
            size = len(json.dumps(rpc.call_of(request, rpc.routes[0])[1], separators=(",", ":")))
            trial.figure("bytes of 500 full lines as JSON", size)


async def _try_headers(trial: Trial, runner: Sizes) -> None:
    tried = list(header_sizes())
    if not trial.full:
        tried = trial.chance("headers").sample(tried, 2)
    for name, length in tried:
        await runner.try_header(name, length)
    trial.figure("sizes of headers", len(tried))


async def _try_texts(trial: Trial, runner: Sizes) -> None:
    """Put what not every database takes into every field and header."""
    chance, fields, headers = trial.chance("texts"), places(), list(headers_read())
    if not trial.full:
        fields, headers = chance.sample(fields, 8), chance.sample(headers, 1)
    for foul in FOUL:
        for rpc, path in fields:
            await runner.try_text(rpc, path, foul)
        for name in headers:
            await runner.try_foul_header(name, foul)
    trial.figure("places of foul text", len(fields) + len(headers))


def _limited(trial: Trial) -> list[tuple[Rpc, Fields, Size]]:
    found = []
    for rpc in all_rpcs():
        for path in leaves(rpc.request.DESCRIPTOR):
            try:
                found += [(rpc, path, size) for size in sizes(path[-1])]
            except UnlimitedError:
                trial.require(holds=False, problem=f"{rpc.name} {place_of(path)} has no limit")
    return found


async def run(trial: Trial) -> None:
    """Try every size of fields, headers and the whole, and foul texts; then count the living."""
    tried = _limited(trial)
    if trial.problems:
        return
    everything = len({(rpc.name, place_of(path)) for rpc, path, _ in tried})
    if not trial.full:
        tried = trial.chance().sample(tried, 40)
    async with AsyncExitStack() as cleanup:
        worlds = await open_worlds(cleanup, trial.new_database(), trial.folder)
        runner = Sizes(trial, worlds)
        for rpc, path, size in tried:
            await runner.try_size(rpc, path, size)
        await _try_headers(trial, runner)
        await _try_texts(trial, runner)
        if trial.full:
            for length in (MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX + 1, TEN * MESSAGE_BYTES_MAX):
                await runner.try_body(length, fits=length <= MESSAGE_BYTES_MAX)
        await _try_baskets(trial, worlds)
        process = worlds.envoy._process
        trial.require(process is not None and process.poll() is None, "Envoy ended")
        still = await worlds.own.doors.json(
            rpc_named("MemberService/GetMember"),
            await template(worlds.own, rpc_named("MemberService/GetMember")),
            worlds.own.headers(),
        )
        trial.require(still.outcome == "200", f"afterwards: {still}")
    trial.figure("fields", everything)
    trial.figure("sizes tried", len(tried))
    trial.figure("calls", runner.calls)


GOALS = (
    Goal(
        "G24",
        "Limits",
        "Every field is accepted at its limit and refused by name beyond it, over gRPC and over "
        "JSON.",
        run,
    ),
)
