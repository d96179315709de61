"""Requests that nobody would send: bred from good ones, by meaning and by byte."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as F
from google.protobuf.message import Message

from tests.fault.doors import Fields, Rpc, holder, leaves
from tests.fault.headers import ODD_VALUES, VALUES, headers_read

TEXTS = (
    "",
    " ",
    "\x00",
    "\x7f\x9f",
    "a" * 129,
    "x" * 4000,
    "\U0001f36a" * 128,
    "\u202e\u0000\ufeff",
    "é́" * 40,
    "123456",
    "000000",
    "-1",
    "1e999",
    "NaN",
    "null",
    "%00%2e%2e%2f",
    "../../etc",
    "' OR 1=1 --",
    "{}",
    "0" * 36,
    "00000000-0000-0000-0000-000000000000",
    "2026-02-30",
    "0000-00-00",
    "9999-99-99",
    "\u017fs",
    "\uff11\uff12\uff13\uff14\uff15\uff16",
    "CAD",
    "en-CA",
)
OFTEN = {"idempotency-key": 0.4, "x-api-key": 0.02, "x-region": 0.02}
"""How likely a header is, where it is not as likely as most: few calls may be turned away."""
NUMBERS = (-(2**31), -1, 0, 1, 2, 99, 100, 9999, 10000, 2**31 - 2, 2**31 - 1)
DOUBLES = (
    float("nan"),
    float("inf"),
    -float("inf"),
    -0.0,
    0.001,
    0.01,
    1e-320,
    1e7,
    10000000.01,
    1e308,
    -1.0,
    8.49,
)
JSON_VALUES: tuple[Any, ...] = (
    None,
    True,
    [],
    {},
    [[]],
    {"": None},
    "",
    0,
    -1,
    1.5,
    10**400,
    1e308,
    "\ud800",
    "\x00",
    *TEXTS,
)


class Breeder:
    """
    Breeds requests from good ones; the same chance breeds the same.

    Args:
        chance: Decides.
        known: Texts that name something, so that what is bred meets what exists.
    """

    def __init__(self, chance: random.Random, known: Sequence[str]) -> None:
        self._chance = chance
        self._texts = (*TEXTS, *known)
        self._leaves: dict[str, tuple[Fields, ...]] = {}

    def message(self, rpc: Rpc, good: Message) -> Message:
        """Change some fields of a request."""
        bred = copy.deepcopy(good)
        paths = self._leaves.get(rpc.name)
        if paths is None:
            paths = self._leaves[rpc.name] = tuple(leaves(rpc.request.DESCRIPTOR))
        for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3, 6))):
            self._change(bred, self._chance.choice(paths))
        return bred

    def data(self, rpc: Rpc, good: Message) -> bytes:
        """Encode a changed request, and often change its bytes as well."""
        data = self.message(rpc, good).SerializeToString()
        return self.bytes(data) if self._chance.random() < 0.5 else data

    def bytes(self, data: bytes) -> bytes:
        """Flip, cut, repeat and insert bytes."""
        chance, bred = self._chance, bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            at = chance.randrange(len(bred) + 1)
            match chance.randrange(6):
                case 0 if at < len(bred):
                    bred[at] ^= 1 << chance.randrange(8)
                case 1 if at < len(bred):
                    bred[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
                case 2:
                    del bred[at : at + chance.randrange(1, 9)]
                case 3:
                    bred[at:at] = chance.randbytes(chance.randrange(1, 9))
                case 4:
                    bred[at:at] = bred[max(0, at - chance.randrange(1, 64)) : at]
                case _:
                    # A number of ten bytes, or a length beyond the end.
                    bred[at:at] = b"\xff" * chance.randrange(1, 10) + b"\x01"
        return bytes(bred)

    def headers(self, key: str) -> dict[str, str]:
        """Give headers, some of them odd."""
        chance, headers = self._chance, {"x-api-key": key}
        for name in headers_read():
            if chance.random() < OFTEN.get(name, 0.05):
                headers[name] = chance.choice((*VALUES[name], *ODD_VALUES))
        if chance.random() < 0.02:
            headers["authorization"] = f"Bearer {headers.pop('x-api-key')}"
        return headers

    def json(self, content: Any) -> bytes:
        """Change values anywhere in JSON, then often its text."""
        bred = self._json_value(copy.deepcopy(content))
        text = json.dumps(bred, ensure_ascii=self._chance.random() < 0.5)
        data = text.encode("utf-8", "surrogatepass")
        return self.bytes(data) if self._chance.random() < 0.4 else data

    def _json_value(self, value: Any) -> Any:
        chance = self._chance
        if chance.random() < 0.08:
            return chance.choice(JSON_VALUES)
        if isinstance(value, dict):
            changed = {name: self._json_value(held) for name, held in value.items()}
            if changed and chance.random() < 0.1:
                name = chance.choice(list(changed))
                changed[chance.choice((name.upper(), f"{name}x", "", "\x00"))] = changed.pop(name)
            return changed
        if isinstance(value, list):
            return [self._json_value(held) for held in value] * chance.choice((0, 1, 1, 1, 2))
        return value

    def url(self, url: str) -> str:
        """Change a path or query, keeping it one that HTTP can carry."""
        chance = self._chance
        if chance.random() < 0.6:
            return url
        signs = "/?&=%#;:@+.~-_0aZ"
        odd = ("%00", "%zz", "%2F", "%5c", "%ff", "%c3%28", "//", "/..", "?", "&", "é", "[]")
        at = chance.randrange(1, len(url) + 1)
        inserted = chance.choice((chance.choice(odd), chance.choice(signs)))
        end = at + chance.randrange(3)
        changed = url[:at] + inserted + url[end:]
        return "".join(sign for sign in changed if sign.isprintable() and sign != " ")

    def _change(self, request: Message, path: Fields) -> None:
        message, part = holder(request, path), path[-1]
        if part.is_repeated:
            listed = getattr(message, part.name)
            if len(listed) and self._chance.random() < 0.7:
                listed.extend([listed[0]] * self._chance.randrange(3))
            else:
                message.ClearField(part.name)
        elif part.message_type is not None or self._chance.random() < 0.1:
            message.ClearField(part.name)
        else:
            setattr(message, part.name, self._value(part))

    def _value(self, part: F) -> Any:
        if part.cpp_type == F.CPPTYPE_STRING:
            return self._chance.choice(self._texts)
        if part.cpp_type in {F.CPPTYPE_DOUBLE, F.CPPTYPE_FLOAT}:
            return self._chance.choice(DOUBLES)
        if part.cpp_type == F.CPPTYPE_BOOL:
            return self._chance.random() < 0.5
        if part.cpp_type == F.CPPTYPE_ENUM:
            return self._chance.choice((*part.enum_type.values_by_number, -1, 99))
        return self._chance.choice(NUMBERS)
