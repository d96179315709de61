"""Reads Lua's patterns, and tells which of them may take more than a linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CALL = re.compile(r"(?:\bstring\.|:)(?:find|match|gmatch|gsub)\(")
_ALL = frozenset(range(256))
_CLASSES = {
    "a": frozenset(b for b in range(128) if chr(b).isalpha()),
    "c": frozenset((*range(32), 127)),
    "d": frozenset(range(48, 58)),
    "l": frozenset(range(97, 123)),
    "p": frozenset(b for b in range(33, 127) if not chr(b).isalnum()),
    "s": frozenset((9, 10, 11, 12, 13, 32)),
    "u": frozenset(range(65, 91)),
    "w": frozenset(b for b in range(128) if chr(b).isalnum()),
    "x": frozenset(b"0123456789abcdefABCDEF"),
    "z": frozenset((0,)),
}


@dataclass(frozen=True, slots=True)
class _Item:
    """What one place of a text may hold, and how often: once, or ?, * or -; + is once and *."""

    taken: frozenset[int]
    times: str = ""

    @property
    def repeats(self) -> bool:
        return self.times in {"*", "-"}

    @property
    def optional(self) -> bool:
        return self.times in {"?", "*", "-"}


def patterns_asked_for(source: str) -> Iterator[str]:
    """Give, as Lua wrote it, each first argument of find, match, gmatch and gsub."""
    for call in _CALL.finditer(source):
        argument, rest = _argument(source, call.end())
        if call[0].endswith("find(") and re.match(r", [^,()]+, true\)", rest):
            continue  # Plain text.
        yield argument


def _argument(source: str, start: int) -> tuple[str, str]:
    """Split what begins here at the end of the first argument."""
    at, depth = start, 0
    while True:
        character = source[at]
        if character in "\"'":
            at = _end_of_text(source, at)
        elif character in "([{":
            depth += 1
        elif (depth == 0 and character == ",") or character in ")]}":
            if depth == 0:
                return source[start:at], source[at:]
            depth -= 1
        at += 1


def _end_of_text(source: str, at: int) -> int:
    """Give where a quoted text ends that begins here."""
    quote = source[at]
    at += 1
    while source[at] != quote:
        at += 2 if source[at] == "\\" else 1
    return at


def why_not_linear(pattern: str) -> str | None:
    """
    Tell why a pattern may take longer than in proportion to its text; None where it never does.

    Lua goes back into what a repeat has taken as long as something after it may fail. That is
    linear where the next thing can't begin inside of what was taken, or where each try ends at
    once.
    """
    if re.search(r"%[bf1-9]", pattern):
        return "asks for balance, a frontier or what was found before"
    items, begins, ends = _parsed(pattern)
    if not begins:
        items.insert(0, _Item(_ALL, "-"))  # It is tried at each place.
    for index, item in enumerate(items):
        if item.repeats and not _is_linear(item, items[index + 1 :], ends=ends):
            place = "its start" if index == 0 and not begins else f"repeat {index}"
            return f"may go back over {place} for each place in it"
    return None


def _is_linear(item: _Item, rest: list[_Item], *, ends: bool) -> bool:
    if _never_fails(item, rest, ends=ends):
        return True
    following: set[int] = set()
    for each in rest:
        following |= each.taken
        if not each.optional:
            break
    if following.isdisjoint(item.taken):
        return True
    if not rest or rest[0].optional:
        return False
    # Each try ends soon, succeeds, or goes over what no other one begins in.
    return _never_fails(rest[0], rest[1:], ends=ends) or all(
        each.taken.isdisjoint(rest[0].taken) for each in rest if each.repeats
    )


def _never_fails(item: _Item, rest: list[_Item], *, ends: bool) -> bool:
    last = rest[-1] if rest else item
    takes_all = last.taken == _ALL and last.times == "*"
    return all(each.optional for each in rest) and (not ends or takes_all)


def _parsed(pattern: str) -> tuple[list[_Item], bool, bool]:
    """Read a pattern: its items, and whether it is bound to the text's start and to its end."""
    begins = pattern.startswith("^")
    at = 1 if begins else 0
    ends = pattern.endswith("$") and not pattern.endswith("%$")
    stop = len(pattern) - ends
    items: list[_Item] = []
    while at < stop:
        if pattern[at] in "()":
            at += 1
            continue
        taken, at = _single(pattern, at)
        times = pattern[at] if at < stop and pattern[at] in "?*+-" else ""
        at += len(times)
        if times == "+":
            items.append(_Item(taken))
        items.append(_Item(taken, "*" if times == "+" else times))
    return items, begins, ends


def _single(pattern: str, at: int) -> tuple[frozenset[int], int]:
    """Read what one place may hold, and where that ends."""
    if pattern[at] == "[":
        return _set(pattern, at + 1)
    if pattern[at] == "%":
        return _escaped(pattern[at + 1]), at + 2
    return (_ALL if pattern[at] == "." else frozenset((ord(pattern[at]),))), at + 1


def _set(pattern: str, at: int) -> tuple[frozenset[int], int]:
    negated = pattern[at] == "^"
    at += negated
    taken: set[int] = set()
    first = True
    while first or pattern[at] != "]":
        first = False
        if pattern[at] == "%":
            taken |= _escaped(pattern[at + 1])
            at += 2
        elif pattern[at + 1] == "-" and pattern[at + 2] != "]":
            taken |= set(range(ord(pattern[at]), ord(pattern[at + 2]) + 1))
            at += 3
        else:
            taken.add(ord(pattern[at]))
            at += 1
    return (_ALL - taken if negated else frozenset(taken)), at + 1


def _escaped(character: str) -> frozenset[int]:
    taken = _CLASSES.get(character.lower(), frozenset((ord(character),)))
    return _ALL - taken if character.isupper() and character.lower() in _CLASSES else taken
