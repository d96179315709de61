"""Bugs that are planted in the server's own source, for the trials to find."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any


class LostBugError(Exception):
    """Raised when the source no longer has the text that a bug replaces."""


def source_of(module: ModuleType) -> str:
    """Read a module's source."""
    return Path(inspect.getfile(module)).read_text(encoding="utf-8")


@contextmanager
def planted(module_name: str, old: str, new: str) -> Iterator[None]:
    """
    Let a module run with a text of its source replaced, for as long as the context lasts.

    Functions get other code in place, so that whoever imported them by name runs it as well.

    Raises:
        LostBugError: The text is not there, or not only once, or is in no function.
    """
    module = import_module(module_name)
    source = source_of(module)
    if source.count(old) != 1:
        raise LostBugError(f"{module_name} has {source.count(old)} times: {old}")
    with recompiled(module, compile(source.replace(old, new), inspect.getfile(module), "exec")):
        yield


@contextmanager
def recompiled(module: ModuleType, changed: CodeType) -> Iterator[None]:
    """
    Let the functions of a module have the code that they have in another compilation of it.

    Raises:
        LostBugError: No function differs.
    """
    original = compile(source_of(module), inspect.getfile(module), "exec")
    before = _functions(original)
    replaced: list[tuple[FunctionType, CodeType]] = []
    for name, code in _functions(changed).items():
        if name in before and _same(before[name], code):
            continue
        function = _find(module, name)
        if function is not None:
            replaced.append((function, function.__code__))
            function.__code__ = code
    if not replaced:
        raise LostBugError(f"no function of {module.__name__} differs")
    try:
        yield
    finally:
        for function, code in replaced:
            function.__code__ = code


def _functions(code: CodeType) -> dict[str, CodeType]:
    """Give the functions and methods of a module, by qualified name; not those within them."""
    found = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & inspect.CO_NEWLOCALS:
                found[constant.co_qualname] = constant
            else:
                found |= _functions(constant)
    return found


def _same(one: CodeType, other: CodeType) -> bool:
    """Compare what two functions do, wherever they stand."""
    if (one.co_code, one.co_names, one.co_varnames) != (
        other.co_code,
        other.co_names,
        other.co_varnames,
    ):
        return False
    if len(one.co_consts) != len(other.co_consts):
        return False
    return all(
        _same(a, b)
        if isinstance(a, CodeType) and isinstance(b, CodeType)
        else type(a) is type(b) and a == b
        for a, b in zip(one.co_consts, other.co_consts, strict=True)
    )


def _find(module: ModuleType, qualified_name: str) -> FunctionType | None:
    found: Any = module
    for part in qualified_name.split("."):
        found = vars(found).get(part)
        if found is None:
            return None
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, classmethod | staticmethod):
        found = found.__func__
    found = inspect.unwrap(found)
    return found if isinstance(found, types.FunctionType) else None
