"""What the pages say of the log is what the server writes to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from loyalty_service.domain.flags import NEVER_LEFT_OUT, REASONS, FlagKind

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "operations").glob("*.md"))
OPERATIONS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
TROUBLE = {"warning", "error", "exception", "critical"}
LEVELS = TROUBLE | {"debug", "info"}
COMMANDS = ("loyalty ", "keys ", "make ", "chronyc ", "timedatectl ")


def lines_of(source: str) -> Iterator[tuple[str, str]]:
    """Give the level and the text of every line that a module writes."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and ast.unparse(node.func.value).endswith("log")
        ):
            text = node.args[0]
            assert isinstance(text, ast.Constant), "a line of the log has one text, for searching"
            yield node.func.attr, text.value


WRITTEN = {
    line
    for path in (ROOT / "server" / "loyalty_service").rglob("*.py")
    for line in lines_of(path.read_text(encoding="utf-8"))
}


def documented() -> set[str]:
    """List the lines in the tables of log lines."""
    pages = "\n\n".join(OPERATIONS.values())
    tables = pages.split("| log line | meaning and what to do |")[1:]
    rows = (row for table in tables for row in table.split("\n\n")[0].splitlines())
    return {match[1] for row in rows if (match := re.match(r"\| `([^`]+)` \|", row))}


def test_every_line_of_trouble_is_explained() -> None:
    """Whoever reads a warning or an error finds what it means and what to do."""
    assert {text for level, text in WRITTEN if level in TROUBLE} <= documented()


def test_explained_lines_are_written() -> None:
    """No page explains a line that nothing writes."""
    assert documented() <= {text for _, text in WRITTEN}


def test_runbooks_name_lines_that_are_written() -> None:
    """A line that a runbook sends its reader looking for is one that the server writes."""
    todo = re.findall(r"\*\*Do:\*\*(.*?)(?=\n## |\Z)", OPERATIONS["alerts.md"], re.DOTALL)
    named = {text for part in todo for text in re.findall(r"`([a-z][a-z', ]+ [a-z', ]+)`", part)}
    lines = {text for text in named if not text.startswith(COMMANDS)}

    assert len(lines) > 5
    assert lines <= {text for _, text in WRITTEN} | {"call ended"}


def test_each_order_that_an_alert_has_undone_is_logged() -> None:
    """What PointsBeyondLimit counts has a line for each order, however many there are."""
    alerts = (ROOT / "docs" / "alerts.yaml").read_text(encoding="utf-8")
    rule = alerts.partition("alert: PointsBeyondLimit")[2].partition("- alert:")[0]
    asked = re.search(r'flag=~"([^"]+)", reason=~"([^"]+)"', rule)
    assert asked is not None
    counted = {
        (kind, reason)
        for kind in asked[1].split("|")
        for reason in REASONS[FlagKind(kind)]
        if reason in asked[2].split("|")
    }

    assert len(counted) == 7
    assert counted <= NEVER_LEFT_OUT
