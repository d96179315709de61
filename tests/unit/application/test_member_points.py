"""Points reach members through one function, which pays what is owed first."""

from __future__ import annotations

import ast
from pathlib import Path

from loyalty_service import application

FOLDER = Path(application.__file__).parent


def _other_mentions(module: Path) -> list[str]:
    """Give the lines where a module gives points to spend to what may move points to them."""
    text = module.read_text(encoding="utf-8")
    tree = ast.parse(text)
    harmless = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }  # What is read of the account, as its balance.
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".post"):
            harmless |= {id(call.args[0])}  # Points leave it.
    return [
        text.splitlines()[node.lineno - 1].strip()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "available" and id(node) not in harmless
    ]


def _posts(module: Path) -> list[str]:
    """Give the destination of every transfer that a module posts."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return [
        ast.unparse(call.args[1])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "post"
    ]


def test_points_become_available_in_one_place() -> None:
    """No use case moves points to a member's account past what the member owes."""
    found = {module.stem: _posts(module) for module in sorted(FOLDER.rglob("*.py"))}
    past = [name for name, posts in found.items() for post in posts if post.endswith("available")]

    assert past == ["member_points"]
    assert sum(map(len, found.values())) > 5
    others = {module.stem: _other_mentions(module) for module in sorted(FOLDER.rglob("*.py"))}
    assert {name: lines for name, lines in others.items() if lines} == {
        "list_transfers": ["for account in (member.available, member.held, debt)"],
        "member_points": ["unit.post(source, member.available, points - paid, origin)"],
    }
