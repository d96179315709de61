"""Renders pages from the templates in pages/, in which every value is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from mako.lookup import TemplateLookup

from loyalty_service.domain.clock import rfc3339

FOLDER = files("loyalty_service.console").joinpath("pages")
BAR_WIDTH = 600.0


@cache
def _templates() -> TemplateLookup:
    return TemplateLookup(directories=[str(FOLDER)], default_filters=["h"], strict_undefined=True)


def render(name: str, **values: Any) -> str:
    """Render a page."""
    text: str = (
        _templates().get_template(f"{name}.html").render(points=points, words=words, **values)
    )
    return text


@cache
def style_sheet() -> str:
    """Give the style sheet of all pages."""
    return FOLDER.joinpath("console.css").read_text(encoding="utf-8")


def points(count: int) -> str:
    """Write a count as people do."""
    return f"{count:,}".replace(",", " ").replace("-", "\N{MINUS SIGN}")


def words(name: str) -> str:
    """Write the name of a value of the contract as words."""
    return name.removeprefix("ROLE_").replace("_", " ").lower()


class Local:
    """Writes times as they were in the place of a program."""

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)

    def time(self, timestamp: Any) -> str:
        """Write a time to the second, without its zone."""
        return f"{self._of(timestamp):%Y-%m-%d %H:%M:%S}"

    def read(self, text: str) -> str:
        """Write a time that the contract carries as text, as `time` does."""
        return f"{datetime.fromisoformat(text).astimezone(self._zone):%Y-%m-%d %H:%M:%S}"

    def exact(self, timestamp: Any) -> str:
        """Write a time for machines."""
        return rfc3339(timestamp.ToMilliseconds())

    def _of(self, timestamp: Any) -> datetime:
        return datetime.fromtimestamp(timestamp.ToMilliseconds() / 1000, self._zone)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: its name, its value, and how long it is of 600."""

    name: str
    value: int
    length: float


def bars(values: Sequence[tuple[str, int]]) -> list[Bar]:
    """Make bars, the longest as wide as the chart."""
    most = max((value for _, value in values), default=0) or 1
    return [Bar(name, value, max(1.0, BAR_WIDTH * value / most)) for name, value in values]
