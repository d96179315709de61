"""
Places in a function that look like a piece of Python, and what is put there.

Code is compared as a tree: its layout and comments do not matter. In a pattern `_` stands for any
expression, `_1` to `_9` for one that the replacement may use, and `...` for all further arguments
of a call, for a whole body where it is one, or, alone, for the whole function. In the replacement
`_0` stands for what was found.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef

_ANYTHING = re.compile(r"_\d?")
_NOT_COMPARED = {"ctx", "kind", "type_comment"}
_BODY = "..."


@dataclass(frozen=True, slots=True)
class Hit:
    """
    Nodes that a pattern has found.

    Attributes:
        bound: What the pattern's wildcards stand for there, by name.
    """

    holder: ast.AST
    field: str
    index: int | None
    nodes: Sequence[ast.AST]
    bound: dict[str, Any]

    def put(self, nodes: list[ast.AST]) -> None:
        """Put other nodes there."""
        if self.index is None:
            (node,) = nodes
            setattr(self.holder, self.field, node)
        else:
            getattr(self.holder, self.field)[self.index : self.index + len(self.nodes)] = nodes


class Change:
    """
    A change of code, as Python before and after.

    An expression takes the place of an expression, wherever it stands; all else is statements.
    """

    def __init__(self, old: str, new: str) -> None:
        self.old = old
        self._old: Sequence[ast.AST] = ast.parse(old).body
        self._new: Sequence[ast.AST] = ast.parse(new).body
        self.whole = [_is_rest(node) for node in self._old] == [True]
        match (self._old, self._new):
            case [ast.Expr(value=before)], [ast.Expr(value=after)] if not self.whole:
                self._old, self._new = [before], [after]

    def hits(self, function: Function) -> Iterator[Hit]:
        """Find all places in a function."""
        if self.whole:
            yield Hit(function, "body", 0, function.body, {})
            return
        count = len(self._old)
        for holder, field, index, nodes in _runs(function, count):
            bound: dict[str, Any] = {}
            if all(_looks_like(*pair, bound) for pair in zip(self._old, nodes, strict=True)):
                yield Hit(holder, field, index, nodes, bound | {"_0": nodes[0]})

    def make(self, hit: Hit) -> None:
        """Make the change at a place that was found."""
        hit.put([_Filling(hit.bound).visit(copy.deepcopy(node)) for node in self._new])


def _is_rest(node: Any) -> bool:
    value = node.value if isinstance(node, ast.Expr | ast.keyword) else node
    return isinstance(value, ast.Constant) and value.value is ...


def _runs(
    function: Function, count: int
) -> Iterator[tuple[ast.AST, str, int | None, Sequence[ast.AST]]]:
    """Give every node of a function's body, or as many neighbours, with what holds them."""
    for holder in (function, *(node for part in function.body for node in ast.walk(part))):
        for field, value in ast.iter_fields(holder):
            if holder is function and field != "body":
                continue
            if isinstance(value, ast.AST) and count == 1:
                yield holder, field, None, [value]
            elif isinstance(value, list) and all(isinstance(one, ast.AST) for one in value):
                for index in range(len(value) - count + 1):
                    yield holder, field, index, value[index : index + count]


def _looks_like(pattern: Any, node: Any, bound: dict[str, Any]) -> bool:
    if isinstance(pattern, ast.Name) and _ANYTHING.fullmatch(pattern.id):
        known = node if pattern.id == "_" else bound.setdefault(pattern.id, node)
        return isinstance(node, ast.expr) and ast.unparse(known) == ast.unparse(node)
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, ast.Call):
        return _looks_like(pattern.func, node.func, bound) and _arguments(pattern, node, bound)
    if isinstance(pattern, list):
        return _bodies(pattern, node, bound)
    if not isinstance(pattern, ast.AST):
        return bool(pattern == node)
    return all(
        _looks_like(value, getattr(node, field), bound)
        for field, value in ast.iter_fields(pattern)
        if field not in _NOT_COMPARED
    )


def _bodies(pattern: list[Any], nodes: list[Any], bound: dict[str, Any]) -> bool:
    if len(pattern) == 1 and isinstance(pattern[0], ast.stmt) and _is_rest(pattern[0]):
        bound[_BODY] = nodes
        return True
    return len(pattern) == len(nodes) and all(
        _looks_like(one, other, bound) for one, other in zip(pattern, nodes, strict=True)
    )


def _arguments(pattern: ast.Call, node: ast.Call, bound: dict[str, Any]) -> bool:
    """Compare arguments, those with names in any order."""
    given = [one for one in pattern.args if not _is_rest(one)]
    named = {one.arg: one.value for one in node.keywords}
    more = len(node.args) > len(given) or len(named) > len(pattern.keywords)
    if len(node.args) < len(given) or (more and len(given) == len(pattern.args)):
        return False
    return all(
        _looks_like(one, other, bound) for one, other in zip(given, node.args, strict=False)
    ) and all(
        one.arg in named and _looks_like(one.value, named[one.arg], bound)
        for one in pattern.keywords
    )


class _Filling(ast.NodeTransformer):
    """Puts what was found in the place of wildcards."""

    def __init__(self, bound: dict[str, Any]) -> None:
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.AST:
        found = copy.deepcopy(self._bound.get(node.id, node))
        if hasattr(found, "ctx"):
            found.ctx = node.ctx
        return found  # type: ignore[no-any-return]

    def visit_Expr(self, node: ast.Expr) -> Any:
        return self._bound[_BODY] if _is_rest(node) else self.generic_visit(node)
