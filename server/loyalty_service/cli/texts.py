"""Which texts of an operator may be kept."""

from __future__ import annotations

import re
from typing import Annotated

import typer

KEPT_TEXT_MAX = 256

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def kept_text(text: str) -> str:
    """Refuse a text that nobody could read later."""
    if not text.strip() or len(text) > KEPT_TEXT_MAX or _UNPRINTABLE.search(text):
        raise typer.BadParameter(
            f"must be 1 to {KEPT_TEXT_MAX} characters, not blank and without control characters"
        )
    return text


def text_or_none(text: str | None) -> str | None:
    """Refuse such a text where one is given."""
    return None if text is None else kept_text(text)


def text_or_empty(text: str) -> str:
    """Refuse such a text, but for an empty one, which says nothing."""
    return kept_text(text) if text else text


def require_kept_reason(text: str) -> None:
    """Refuse such a reason, where only the command knows that one is needed."""
    try:
        kept_text(text)
    except typer.BadParameter as problem:
        raise typer.BadParameter(problem.message, param_hint="--reason") from None


Why = Annotated[str, typer.Option("--reason", help="Why, for the events.", callback=text_or_empty)]
"""The reason of a change, which may be left out."""
