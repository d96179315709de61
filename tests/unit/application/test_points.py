"""Points move through the verbs alone, and reach members past no debt."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from loyalty_service import application

FOLDER = Path(application.__file__).parent
POINTS = FOLDER / "points.py"
MERGED = FOLDER / "members" / "merged_points.py"
"""Moves all that one member has to another; no verb knows of two members."""


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Give the calls of a method of this name."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == name
        ):
            yield node


def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def test_verbs_alone_move_points() -> None:
    """No use case posts a transfer or opens an account by itself, but a merge of members."""
    for name in ("post", "open_account"):
        found = {module for module in FOLDER.rglob("*.py") if any(_calls(_tree(module), name))}

        assert found == {POINTS, MERGED}


def test_points_become_available_in_one_place() -> None:
    """No verb moves points to a member's account past what the member owes."""
    tree = _tree(POINTS)
    past = [
        function.name
        for function in tree.body
        for call in _calls(function, "post")
        if "AVAILABLE" in ast.unparse(call.args[1]).upper()
    ]
    renamed = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "AVAILABLE" in ast.unparse(node.value).upper()
    ]

    assert past == ["_give"]
    # Nor is the account known by another name: what is assigned of it is its balance.
    assert [text for text in renamed if ".available.balance" not in text] == []
