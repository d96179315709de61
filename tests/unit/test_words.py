"""Slips of English that were frequent here, in docstrings and on pages, with the usual words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SLIPS = {
    r"[;,] answers (?:a|how|it|its|nothing|of|the|their|what|whether|which|why)\b": "; return ...",
    r"\AAnswers? (?:how|nothing|what|whether|which|why)\b": "Return ...",
    r"\banew\b": "again",
    r"\bcompany\b": "the other calls, the batch",
    r"\b(?:what|that|which) is no (?!longer|more)\w+": "... is not a ...",
    r"\band is none\b": "but is not one",
}
"""What not to write, and what to write instead."""

LISTED_AS_SLIPS = {"CONTRIBUTING.md"}
"""Pages that name some of these words in order to forbid them."""


def _docstrings() -> Iterator[tuple[str, str]]:
    """Give each docstring of a module, class, function or attribute, and where it is."""
    for folder in ("server", "tests", "protos"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    text = node.value.value
                    if isinstance(text, str):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", " ".join(text.split())


def _pages() -> Iterator[tuple[str, str]]:
    """Give each line of the pages that people read, and where it is."""
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        if path.name not in LISTED_AS_SLIPS:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                yield f"{path.relative_to(ROOT)}:{number}", line


def test_no_frequent_slip_is_written_again() -> None:
    """A docstring or a page with a frequent slip is named, with the usual words."""
    found = [
        f"{place}: {slip[0]!r}: write {usual!r}"
        for place, text in (*_docstrings(), *_pages())
        for pattern, usual in SLIPS.items()
        if (slip := re.search(pattern, text))
    ]

    assert found == []
