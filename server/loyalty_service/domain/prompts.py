"""Which language a session speaks and what its till says."""

from __future__ import annotations

from loyalty_service.domain.program import DEFAULT_LOCALE, LOCALES, Program
from loyalty_service.domain.prompt_catalogue import Prompt
from loyalty_service.domain.records import Member

_OFF = frozenset({"", "false", "0", "n", "no"})


def flag_is_on(flag: str | None) -> bool:
    """Read the contract's text flag: on unless absent, blank or a word for no."""
    return flag is not None and flag.strip().lower() not in _OFF


_OF_ACCOUNTS = {"EN": "en-CA", "FR": "fr-CA"}
"""What members may have besides, in the words of ES."""


def session_locale(requested: str | None, program: Program, of_member: str | None = None) -> str:
    """Choose the first of request, member, program and en-CA that is a known locale (ES)."""
    if requested in LOCALES:
        return requested
    own = _OF_ACCOUNTS.get(of_member or "", of_member)
    if own in LOCALES:
        return own
    if program.locale in LOCALES:
        return program.locale
    return DEFAULT_LOCALE


def anonymous_prompt(program: Program, locale: str, *, flagged: bool) -> Prompt:
    """Choose what the till says to a shopper without a card."""
    prompts = program.prompts
    if flagged and locale in prompts.anonymous_flagged:
        return prompts.anonymous_flagged[locale]
    return prompts.anonymous.get(locale, Prompt())


def member_prompt(program: Program, member: Member, locale: str) -> Prompt:
    """Choose what the till says to a member: it asks for an e-mail address that is not known."""
    return Prompt() if member.email else program.prompts.no_email.get(locale, Prompt())
