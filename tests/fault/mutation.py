"""Every small change of a module's functions, one at a time: what its tests ought to notice."""

from __future__ import annotations

import ast
import copy
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import CodeType, ModuleType
from typing import Any

import pytest

from tests.fault.planted import recompiled, source_of

_BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}
_TWINS = {"source": "destination", "destination": "source"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    A module with one change.

    Attributes:
        number: Its place among the mutants of the module.
        constant: Name of the module's constant that has another value; empty when it is a
            function that was changed.
    """

    module: str
    number: int
    line: int
    what: str
    tree: ast.Module
    constant: str

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Let the module run with the change, and with it whoever imported what was changed."""
        module = import_module(self.module)
        changed = compile(self.tree, inspect.getfile(module), "exec")
        if self.constant:
            with _revalued(module, changed, self.constant):
                yield
        else:
            with recompiled(module, changed):
                yield


@contextmanager
def _revalued(module: ModuleType, changed: CodeType, name: str) -> Iterator[None]:
    fresh = ModuleType(module.__name__)
    exec(changed, vars(fresh))  # noqa: S102 - the project's own source, but for a number.
    value = getattr(module, name)
    with pytest.MonkeyPatch.context() as patch:
        for path, other in list(sys.modules.items()):
            if path.startswith("loyalty_service.") and getattr(other, name, None) is value:
                patch.setattr(other, name, getattr(fresh, name))
        yield


def mutants(module_name: str) -> list[Mutant]:
    """
    Make every mutant of a module that differs from all others in what would notice it.

    A condition is taken for false, for true, and without each of its parts: whoever notices these
    notices a condition turned around, or an *and* for an *or*, as well. What errors say in words
    is left as it is, and so are the numbers of enumerations, which a test of their own holds.
    """
    module = import_module(module_name)
    tree = ast.parse(source_of(module))
    places = list(_places(tree, module))
    found = []
    for number, node in enumerate(ast.walk(tree)):
        constant = next((name for place, name in places if place is node), None)
        if constant is None:
            continue
        for choice, (what, _) in enumerate(_changes(node)):
            changed = copy.deepcopy(tree)
            twin = next(n for place, n in enumerate(ast.walk(changed)) if place == number)
            _, change = list(_changes(twin))[choice]
            change()
            ast.fix_missing_locations(changed)
            line = getattr(node, "lineno", 0)
            told = f"{ast.unparse(node)[:60]!r}: {what}"
            found.append(Mutant(module_name, len(found), line, told, changed, constant))
    return found


def _places(tree: ast.Module, module: ModuleType) -> Iterator[tuple[ast.AST, str]]:
    """Give all that may be changed; what is in no function with the constant that it makes."""
    for statement in tree.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(target, ast.Name) and isinstance(getattr(module, target.id), int | bytes):
            for node in _but_words(statement.value):
                yield node, target.id
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                for node in _but_words(statement):
                    yield node, ""


def _but_words(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over everything but docstrings, formats and the arguments of what is raised."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    yield node
    if isinstance(node, ast.FormattedValue):
        yield from _but_words(node.value)
    elif not isinstance(node, ast.Raise):
        for child in ast.iter_child_nodes(node):
            yield from _but_words(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, Any]]:  # noqa: C901, PLR0912 - a table.
    """Give the changes of one node, each with what makes it."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _BOUNDARIES:
        other = _BOUNDARIES[type(node.ops[0])]
        yield other.__name__, lambda: node.ops.__setitem__(0, other())
    elif isinstance(node, ast.BoolOp):
        neutral = ast.Constant(value=isinstance(node.op, ast.And))
        for place, part in enumerate(node.values):
            told = f"without {ast.unparse(part)}"
            yield told, lambda place=place: node.values.__setitem__(place, neutral)
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _ARITHMETIC:
        yield "other sign", lambda: setattr(node, "op", _ARITHMETIC[type(node.op)]())
        if isinstance(node, ast.AugAssign) and not isinstance(node.value, ast.Constant):
            yield "by one more", lambda: setattr(node, "value", _plus_one(node.value))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "no minus", lambda: setattr(node, "op", ast.UAdd())
    elif isinstance(node, ast.If | ast.IfExp):
        for value in _whole(node.test):
            told = "always" if value else "never"
            yield told, lambda value=value: setattr(node, "test", ast.Constant(value=value))
    elif isinstance(node, ast.Return) and not isinstance(node.value, ast.Constant | type(None)):
        yield "answers nothing", lambda: setattr(node, "value", ast.Constant(value=None))
    elif isinstance(node, ast.Name) and node.id in _TWINS and isinstance(node.ctx, ast.Load):
        yield _TWINS[node.id], lambda: setattr(node, "id", _TWINS[node.id])
    elif isinstance(node, ast.Constant) and node.value is not None:
        yield f"not {node.value!r}", lambda: setattr(node, "value", _other(node.value))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "left out", lambda: setattr(node, "value", ast.Constant(value=None))
    elif isinstance(node, ast.JoinedStr):
        for place, part in enumerate(node.values):
            if isinstance(part, ast.FormattedValue):
                yield f"without {place}", lambda place=place: node.values.pop(place)


def _whole(test: ast.expr) -> tuple[bool, ...]:
    """Give what a condition is to be taken for; where parts are left out, one of two says more."""
    if isinstance(test, ast.BoolOp):
        return (isinstance(test.op, ast.Or),)
    return (False, True)


def _plus_one(value: ast.expr) -> ast.expr:
    return ast.BinOp(left=value, op=ast.Add(), right=ast.Constant(value=1))


def _other(value: Any) -> Any:
    """Give a constant's neighbour."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, bytes):
        return value + b"x"
    return value + ("x" if isinstance(value, str) else 1)
