"""Every small change of a module's functions, one at a time: what its tests ought to notice."""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tests.fault.planted import recompiled, source_of

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
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
    """A module with one change."""

    module: str
    line: int
    what: str
    tree: ast.Module

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Let the module run with the change."""
        module = import_module(self.module)
        with recompiled(module, compile(self.tree, inspect.getfile(module), "exec")):
            yield


def mutants(module_name: str) -> list[Mutant]:
    """Make every mutant of a module's functions; what errors say in words is left as it is."""
    tree = ast.parse(source_of(import_module(module_name)))
    places = [
        node for node in _bodies(tree) if not isinstance(node, ast.Constant | ast.expr_context)
    ]
    found = []
    for number, node in enumerate(ast.walk(tree)):
        if node not in places:
            continue
        for choice, (what, _) in enumerate(_changes(node)):
            changed = copy.deepcopy(tree)
            twin = next(n for place, n in enumerate(ast.walk(changed)) if place == number)
            _, change = list(_changes(twin))[choice]
            change()
            ast.fix_missing_locations(changed)
            line = getattr(node, "lineno", 0)
            found.append(Mutant(module_name, line, f"{ast.unparse(node)[:60]!r}: {what}", changed))
    return found


def _bodies(tree: ast.Module) -> Iterator[ast.AST]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                yield from _but_words(statement)


def _but_words(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over everything but docstrings and the arguments of what is raised."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    yield node
    if not isinstance(node, ast.Raise):
        for child in ast.iter_child_nodes(node):
            yield from _but_words(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, Any]]:  # noqa: C901, PLR0912 - a table.
    """Give the changes of one node, each with what makes it."""
    if isinstance(node, ast.Compare):
        for other in _COMPARISONS[type(node.ops[0])]:
            yield other.__name__, lambda other=other: node.ops.__setitem__(0, other())
    elif isinstance(node, ast.BoolOp):
        other_op = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield other_op.__name__, lambda: setattr(node, "op", other_op())
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _ARITHMETIC:
        yield "other sign", lambda: setattr(node, "op", _ARITHMETIC[type(node.op)]())
        if isinstance(node, ast.AugAssign):
            yield "by one more", lambda: setattr(node, "value", _plus_one(node.value))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "no minus", lambda: setattr(node, "op", ast.UAdd())
    elif isinstance(node, ast.If | ast.IfExp):
        yield "never", lambda: setattr(node, "test", ast.Constant(value=False))
        yield "always", lambda: setattr(node, "test", ast.Constant(value=True))
    elif isinstance(node, ast.Return) and not isinstance(node.value, ast.Constant | type(None)):
        yield "answers nothing", lambda: setattr(node, "value", ast.Constant(value=None))
    elif isinstance(node, ast.Name) and node.id in _TWINS and isinstance(node.ctx, ast.Load):
        yield _TWINS[node.id], lambda: setattr(node, "id", _TWINS[node.id])
    elif isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
        yield "other", lambda: setattr(node, "value", ast.Constant(value=not node.value.value))  # type: ignore[attr-defined]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "left out", lambda: setattr(node, "value", ast.Constant(value=None))
    elif isinstance(node, ast.JoinedStr):
        for place, part in enumerate(node.values):
            if isinstance(part, ast.FormattedValue):
                yield f"without {place}", lambda place=place: node.values.pop(place)


def _plus_one(value: ast.expr) -> ast.expr:
    return ast.BinOp(left=value, op=ast.Add(), right=ast.Constant(value=1))
