"""Bugs that are planted in the server's own functions, for the trials to find."""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import loyalty_service
from tests.fault.pattern import Change, Function


class LostBugError(Exception):
    """Raised when no function of the server has the place that a bug changes."""


@dataclass(frozen=True, slots=True)
class Bug:
    """
    A place in a function of the server, and what stands there once the bug is planted.

    Attributes:
        function: Name of the function, or of class and method, in whatever module. What it has
            not itself may be in a private function that it calls, in the same module.
        old: What stands there, as `tests.fault.pattern` reads it.
        soon: Whether it shows in nearly every world, so that a few are enough to find it.
        also: Another place that goes with it, before and after.
    """

    name: str
    function: str
    old: str
    new: str
    soon: bool = False
    also: tuple[str, str] | None = None


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """
    Let the server run with a bug, for as long as the context lasts.

    Functions get other code in place, so that whoever imported them by name runs it as well.

    Raises:
        LostBugError: The place is not there, or not only once.
    """
    code = _Code()
    changed = {_make(bug, Change(bug.old, bug.new), code)}
    if bug.also is not None:
        changed.add(_make(bug, Change(*bug.also), code))
    with ExitStack() as stack:
        for name in changed:
            module, tree = import_module(name), ast.fix_missing_locations(code.tree(name))
            stack.enter_context(recompiled(module, compile(tree, inspect.getfile(module), "exec")))
        yield


@dataclass(frozen=True, slots=True)
class _Place:
    """A function of a module, by its qualified name."""

    module: str
    name: str
    function: Function

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class _Code:
    """The server's code as trees of its own, which may be changed."""

    def __init__(self) -> None:
        self._trees: dict[str, ast.Module] = {}

    def tree(self, module: str) -> ast.Module:
        """Give the tree of a module."""
        return self._trees.setdefault(module, ast.parse(_sources()[module]))

    def functions(self, module: str) -> Iterator[_Place]:
        """Give the functions and methods of a module."""
        for one in self.tree(module).body:
            if isinstance(one, Function):
                yield _Place(module, one.name, one)
            elif isinstance(one, ast.ClassDef):
                for part in one.body:
                    if isinstance(part, Function):
                        yield _Place(module, f"{one.name}.{part.name}", part)

    def named(self, name: str) -> Iterator[_Place]:
        """Find functions wherever they stand."""
        defined = re.compile(rf"\bdef {name.rpartition('.')[2]}\(")
        for module, source in _sources().items():
            if defined.search(source):
                for place in self.functions(module):
                    if f".{place.name}".endswith(f".{name}"):
                        yield place

    def called_by(self, places: Iterable[_Place]) -> dict[str, _Place]:
        """Find the private functions that functions name, beside them."""
        found = {}
        for place in places:
            named = {
                node.id if isinstance(node, ast.Name) else node.attr
                for node in ast.walk(place.function)
                if isinstance(node, ast.Name | ast.Attribute)
            }
            for one in self.functions(place.module):
                if one.function.name.startswith("_") and one.function.name in named:
                    found[str(one)] = one
        return found


@cache
def _sources() -> dict[str, str]:
    """Read the server's modules, by name."""
    (folder,) = map(Path, loyalty_service.__path__)
    return {
        ".".join((folder.name, *path.relative_to(folder).with_suffix("").parts)): (
            path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob("*.py"))
        if path.name != "__init__.py"
    }


def source_of(module: ModuleType) -> str:
    """Read a module's source."""
    return Path(inspect.getfile(module)).read_text(encoding="utf-8")


def _make(bug: Bug, change: Change, code: _Code) -> str:
    """Make a change in the one place that it is for; return the module."""
    seen: dict[str, _Place] = {}
    level = {str(place): place for place in code.named(bug.function)}
    while level:
        found = [(place, hit) for place in level.values() for hit in change.hits(place.function)]
        if len(found) > 1:
            told = ", ".join(str(place) for place, _ in found)
            raise LostBugError(f"{bug.name}: more than one {change.old!r}, in {told}")
        for place, hit in found:
            change.make(hit)
            return place.module
        seen |= level
        called = code.called_by(level.values())
        level = {name: called[name] for name in called.keys() - seen.keys()}
    elsewhere = [
        str(place)
        for module in _sources()
        for place in code.functions(module)
        if not change.whole and any(change.hits(place.function))
    ]
    told = f"{bug.function} has no {change.old!r}" if seen else f"there is no {bug.function}"
    raise LostBugError(f"{bug.name}: {told}; others that have it: {elsewhere[:5]}")


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
