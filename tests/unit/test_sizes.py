"""How long a module and a function may be, and which may be longer for a good reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SERVER = Path(__file__).resolve().parents[2] / "server" / "loyalty_service"
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

LONG_MODULES = {
    "storage/migrations/versions/v0001_first_schema.py": "A migration is one step, never changed.",
}
LONG_FUNCTIONS = {
    "storage/migrations/versions/v0001_first_schema.py upgrade": (
        "A migration names its tables in the order in which they are made."
    ),
    "storage/migrations/versions/v0001_first_schema.py downgrade": "As above, backwards.",
}


def _modules() -> Iterator[tuple[str, str]]:
    for path in sorted(SERVER.rglob("*.py")):
        yield path.relative_to(SERVER).as_posix(), path.read_text(encoding="utf-8")


def _functions() -> Iterator[tuple[str, int]]:
    """Give each function, and the lines of its body without its docstring."""
    for name, text in _modules():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                told = ast.get_docstring(node) is not None
                first = node.body[1 if told and len(node.body) > 1 else 0]
                yield f"{name} {node.name}", (node.end_lineno or 0) - first.lineno + 1


def test_module_is_short_or_says_why_not() -> None:
    """A module that is too long is cut, and whatever may be long is."""
    long = {name for name, text in _modules() if len(text.splitlines()) > MODULE_LINES_MAX}
    assert long == set(LONG_MODULES)


def test_function_is_short_or_says_why_not() -> None:
    """A function that is too long is cut, and whatever may be long is."""
    long = {name for name, lines in _functions() if lines > FUNCTION_LINES_MAX}
    assert long == set(LONG_FUNCTIONS)
