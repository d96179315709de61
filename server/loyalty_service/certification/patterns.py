"""Compares what was seen with what a case expects: shapes, meanings, and figures exactly."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Known = Mapping[str, Any]
"""What a case knows by now: the program's figures, and earlier answers by their label."""

MISSING = object()

_NUMBERS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_REFERENCE = re.compile(r"\{([a-z_]+(?:\.[A-Za-z_]+)*)\}")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


SHAPES: Mapping[str, Callable[[Any], bool]] = {
    "absent": lambda value: value is MISSING,
    "present": lambda value: value is not MISSING and value is not None,
    "uuid": lambda value: isinstance(value, str) and _UUID.fullmatch(value) is not None,
    "time": lambda value: isinstance(value, str) and _TIME.fullmatch(value) is not None,
    "text": lambda value: isinstance(value, str) and bool(value.strip()),
    "string": lambda value: isinstance(value, str),
    "whole": _whole,
    "natural": lambda value: _whole(value) and value >= 0,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, Mapping),
    "list": lambda value: isinstance(value, list),
}
"""What `~name` stands for in a pattern."""


class CaseError(Exception):
    """Raised when a case is written wrongly; the message says where."""


def value_of(known: Known, path: str) -> Any:
    """
    Look up a dotted name such as `t.points`.

    Raises:
        CaseError: Nothing has that name.
    """
    value: Any = known
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise CaseError(f"{path} is not known")
        value = value[part]
    return value


def filled(value: Any, known: Known) -> Any:
    """Put what is known into a value: `{t.user}` in a text, and `=a + b` for a figure."""
    if isinstance(value, str):
        if value.startswith("="):
            return figure(value[1:], known)
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return value_of(known, whole[1])
        return _REFERENCE.sub(lambda found: str(value_of(known, found[1])), value)
    if isinstance(value, Mapping):
        return {name: filled(part, known) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [filled(part, known) for part in value]
    return value


def _expression(pattern: str, known: Known) -> str:
    """Put what is known into a pattern; what a host answered stands there for itself alone."""
    return _REFERENCE.sub(lambda found: re.escape(str(value_of(known, found[1]))), pattern[1:-1])


def figure(text: str, known: Known) -> int:
    """
    Calculate a figure of points, such as `t.points - reward.cost + earn(item)`.

    Raises:
        CaseError: It is not one.
    """
    try:
        return int(_calculated(ast.parse(text.strip(), mode="eval").body, known))
    except SyntaxError:
        raise CaseError(f"{text!r} is not a calculation") from None


def _calculated(node: ast.expr, known: Known) -> Any:
    match node:
        case ast.BinOp(left, sign, right) if type(sign) in _NUMBERS:
            return _NUMBERS[type(sign)](_calculated(left, known), _calculated(right, known))
        case ast.Constant(int() as number):
            return number
        case ast.Name() | ast.Attribute():
            return value_of(known, ast.unparse(node))
        case ast.Call(ast.Name("earn"), lines):
            return earned([value_of(known, ast.unparse(line)) for line in lines], known)
        case _:
            raise CaseError(f"{ast.unparse(node)!r} is not a calculation")


def earned(lines: Sequence[Mapping[str, Any]], known: Known) -> int:
    """Calculate what lines earn: their price times the rate, rounded down over the whole order."""
    cents = sum(
        round(line["price"] * 100) * line.get("quantity", 1)
        for line in lines
        if line.get("earns", True)
    )
    return int(cents * known["points_per_unit"] // 100)


def differences(pattern: Any, value: Any, known: Known, at: str = "") -> list[str]:
    """
    Say how a value differs from a pattern; empty where it does not.

    An object may have more than its pattern says. A list has as many elements as its pattern. With
    `{has: ...}` one element at least fits, with `{lacks: ...}` none.
    """
    if isinstance(pattern, str) and pattern.startswith("~"):
        if SHAPES[pattern[1:]](value):
            return []
        return [f"{at or 'it'} should be {pattern[1:]}, and is {shown(value)}"]
    if isinstance(pattern, str) and len(pattern) > 1 and pattern[0] == pattern[-1] == "/":
        fits = isinstance(value, str) and re.fullmatch(_expression(pattern, known), value)
        form = filled(pattern, known)
        return [] if fits else [f"{at or 'it'} should be like {form}, and is {shown(value)}"]
    if isinstance(pattern, Mapping):
        return _object_differences(pattern, value, known, at)
    if isinstance(pattern, list | tuple):
        return _list_differences(pattern, value, known, at)
    wanted = filled(pattern, known)
    same = value == wanted and isinstance(value, bool) is isinstance(wanted, bool)
    return [] if same else [f"{at or 'it'} should be {shown(wanted)}, and is {shown(value)}"]


def _object_differences(pattern: Mapping[str, Any], value: Any, known: Known, at: str) -> list[str]:
    if pattern.keys() <= {"has", "lacks"} and pattern:
        return _element_differences(pattern, value, known, at)
    if not isinstance(value, Mapping):
        return [f"{at or 'it'} should be an object, and is {shown(value)}"]
    return [
        said
        for name, part in pattern.items()
        for said in differences(part, value.get(name, MISSING), known, f"{at}.{name}".lstrip("."))
    ]


def _element_differences(
    pattern: Mapping[str, Any], value: Any, known: Known, at: str
) -> list[str]:
    elements = value if isinstance(value, list) else []
    said = []
    for word, part in pattern.items():
        found = any(not differences(part, element, known) for element in elements)
        if found is not (word == "has"):
            wanted = shown(filled(part, known))
            verb = "should have" if word == "has" else "should not have"
            said.append(f"{at} {verb} {wanted}, and is {shown(value)}")
    return said


def _list_differences(pattern: Sequence[Any], value: Any, known: Known, at: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{at or 'it'} should be a list, and is {shown(value)}"]
    if len(value) != len(pattern):
        return [f"{at} should have {len(pattern)} elements, and has {len(value)}: {shown(value)}"]
    return [
        said
        for number, (part, element) in enumerate(zip(pattern, value, strict=True))
        for said in differences(part, element, known, f"{at}[{number}]")
    ]


def shown(value: Any) -> str:
    """Word a value for a report."""
    if value is MISSING:
        return "absent"
    text = str(value)
    return repr(value) if isinstance(value, str) else text
