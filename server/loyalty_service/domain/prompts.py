"""Which language a session speaks and what its till says."""

from __future__ import annotations

from loyalty_service.domain.program import DEFAULT_LOCALE, LOCALES, Program
from loyalty_service.domain.prompt_catalogue import Prompt

_OFF = frozenset({"", "false", "0", "n", "no"})


def flag_is_on(flag: str | None) -> bool:
    """Read the contract's text flag: on unless absent, blank or a word for no."""
    return flag is not None and flag.strip().lower() not in _OFF


def session_locale(requested: str | None, program: Program) -> str:
    """Choose the first of request, program and en-CA that is a known locale (ES contract)."""
    if requested in LOCALES:
        return requested
    if program.locale in LOCALES:
        return program.locale
    return DEFAULT_LOCALE


def anonymous_prompt(program: Program, locale: str, *, flagged: bool) -> Prompt:
    """Choose what the till says to a shopper without a card."""
    prompts = program.prompts
    if flagged and locale in prompts.anonymous_flagged:
        return prompts.anonymous_flagged[locale]
    return prompts.anonymous.get(locale, Prompt())
