"""Envoy's Lua takes a time in proportion to what it reads, whatever stands there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lua_filters import ROOT, LuaFilter
from tests.support.lua_patterns import patterns_asked_for, why_not_linear

SOURCES = sorted((ROOT / "envoy").rglob("*.lua"))
ORDERS = "/loyalty/transaction/pos"
ORDER = f"{ORDERS}/01a20044-b7ca-7529-a1ed-7abf543985d2"
KEYS = ("^", "^[Bb][Ee][Aa][Rr][Ee][Rr] ")
"""What stands before a key, as gate/keys.lua has it."""

SECONDS_MAX = 0.25
SIZES = (2_000, 100_000)
"""What is cubic takes too long at the first, what is quadratic at the second."""

UNITS = (
    " ",
    "\t",
    "a",
    "e",
    "1",
    "-",
    ".",
    "+",
    '"',
    '" ',
    "\\",
    "\\u",
    "{",
    "{ ",
    ":",
    "'",
    "\xe9",
)
BEFORE = (
    '{"status":"CLAIMED","tax":"',
    '{"status":"CLAIMED","tax":" ',
    '{"status":"CLAIMED","tax":',
    '{"status":"CLAIMED","channel":" ',
    '{"status":"CLAIMED","amount":"1',
    '{"status":"CLAIMED","details":{"type":" ',
    '{"status":"CLAIMED","name" ',
    '{"status":',
    '{"status":"',
    '{"terminal":',
    '{"',
    "",
)
AFTER = ('\\"x"}', 'x"}', '!"', "")

NAMED = {
    "start": KEYS,
    "size": (2, 3, 4),
}
"""What may stand where a pattern is made of a name, besides constants of its module."""


@pytest.fixture(scope="module")
def door() -> LuaFilter:
    """The JSON door as one worker of Envoy loads it."""
    return LuaFilter('require("json_door")')


def _values(door: LuaFilter, source: str, asked: str) -> Iterator[Any]:
    """Give all that an argument may be."""
    if asked == "route.pattern":
        yield from (route.pattern for route in door.load("json_requests").routes.values())
    elif asked == "pattern":
        yield from door.run(f"return {_constant(source, 'ALONE')}").values()
    elif asked == "blank":
        yield from door.run(f"return {_constant(source, 'BLANKS')}").keys()
    elif asked == "character":
        yield from door.run(f"return {_constant(source, 'WHOLE')}").values()
    elif re.fullmatch("[A-Z]+", asked):
        yield door.run(f"return {_constant(source, asked)}")
    else:
        name = next((name for name in NAMED if re.search(rf"\b{name}\b", asked)), "")
        for value in NAMED.get(name, ("",)):
            told = f"[[{value}]]" if isinstance(value, str) else value
            yield door.run(f"local {name or '_'} = {told}; return {asked}")


def _constant(source: str, name: str) -> str:
    """Give what a module's constant is, as it stands there."""
    found = re.search(
        rf"^local {name} = (\{{.*?^\}}|.*?)(?: --.*)?$", source, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"{name} is no constant"
    return found[1]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_patterns_take_a_linear_time(door: LuaFilter, source: Path) -> None:
    """No two repeats beside one another share what they take."""
    text = source.read_text(encoding="latin-1")
    for asked in patterns_asked_for(text):
        for pattern in _values(door, text, asked):
            assert isinstance(pattern, str), f"{asked}: name what it may be"
            assert why_not_linear(pattern) is None, (asked, pattern, why_not_linear(pattern))


@pytest.mark.parametrize(
    ("pattern", "linear"),
    [
        ('^" *([^"\\]-) *"', False),
        ('^" *[%w_]* *"', False),
        ("^[ \t]*([^ \t].-)[ \t]*$", False),
        ("^ *(.*[^ ])", False),
        (" *$", False),
        ("%s*x", False),
        ("^%d*%d*x", False),
        ("^(.*):(.*):x", False),
        ("a(.*)b", False),
        ("^%d*%.?%d*x", False),
        ("%d+$", False),
        ("%bxy", False),
        ("^.*[^ ]", True),
        ("^%d*%.%d*x", True),
        ("{%s*}", True),
        ('"([%w_]+)"%s*:%s*', True),
        ('[^"]+', True),
        ("%?(.*)$", True),
        ("^(.*):%d+$", True),
        ("[%]-]x", True),
    ],
)
def test_pattern_is_judged_by_what_its_repeats_share(pattern: str, *, linear: bool) -> None:
    """What fails late and begins again at each place is told from what does not."""
    assert (why_not_linear(pattern) is None) is linear


def _seconds(door: LuaFilter, method: str, path: str, body: bytes) -> float:
    """Measure a call and its answer, where it is refused."""
    headers = {":method": method, ":path": path, "content-length": str(len(body))}
    began = time.thread_time()
    call = door.request(headers, body)
    door.response(call, {":status": "400", "content-type": "text/plain"}, b"bad")
    return time.thread_time() - began


@pytest.mark.parametrize("before", BEFORE)
def test_no_body_takes_long(door: LuaFilter, before: str) -> None:
    """What is read a hundred thousand times over takes as long as any other body of its length."""
    for size in SIZES:
        for unit in UNITS:
            filled = unit * (size // len(unit))
            for after in AFTER:
                body = (before + filled + after).encode("latin-1")
                seconds = _seconds(door, "PUT", ORDER, body)
                assert seconds < SECONDS_MAX, (size, unit, after)


@pytest.mark.parametrize(
    ("path", "method"),
    [(ORDERS, "POST"), (f"{ORDER}/void", "PUT"), ("/client/users/anonymous/sessions", "POST")],
)
def test_no_body_of_another_route_takes_long(door: LuaFilter, path: str, method: str) -> None:
    """An unclaimed order, a void and a session are read as leniently."""
    for size in SIZES:
        for unit in UNITS:
            for before in (BEFORE[1], '{"correlationId":" '):
                body = (before + unit * (size // len(unit)) + AFTER[0]).encode("latin-1")
                assert _seconds(door, method, path, body) < SECONDS_MAX, (size, unit, before)


@pytest.mark.parametrize(
    "value",
    [
        f'"1{chr(92)}n' + f"{chr(92)}n" * 61 + '"',
        '"' + f"{chr(92)}t" * 61 + '1"',
        '"' + f"{chr(92)}u00a0" * 20 + '"',
        '" ' + "\t" * 120 + '1"',
        '"' + "\xc2\xa0" * 60 + 'x"',
    ],
    ids=["lines", "tabs", "spaces of six bytes", "blanks", "spaces of two bytes"],
)
def test_no_body_of_many_values_takes_long(door: LuaFilter, value: str) -> None:
    """As many numbers as fit, each with as many blanks around it as are taken off."""
    member = f'"amount":{value},'
    body = f'{{"status":"CLAIMED",{member * (500_000 // len(member))}"x":1}}'
    assert _seconds(door, "PUT", ORDER, body.encode("latin-1")) < SECONDS_MAX
