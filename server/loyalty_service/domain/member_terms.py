"""What members are found by: words of their names and e-mail addresses, folded to compare."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import IntEnum


class TermKind(IntEnum):
    """Where a term comes from; the numbers are stored."""

    NAME = 1
    EMAIL = 2
    PHONE = 3
    CARD = 4


FOUND_BY = ("name", "email", "phone", "card")
"""What of a member terms are made of."""

NATIONAL_DIGITS = 10
"""Digits at the end of a phone number that people tell without those of the country."""


_PLAIN = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "\u0131": "i",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "'": "",
        "\u2019": "",
        "\u02bc": "",
    }
)
"""Letters that are no other letter with a mark, and marks that stand within a name."""

_WORD = re.compile(r"[^\W_]+")


@dataclass(slots=True)
class MemberTerm:
    """Something by which a help desk finds a member."""

    member_number: int
    kind: int
    term: str
    program_id: str


@dataclass(slots=True)
class MemberEmail:
    """Who enrolled first with an e-mail address, which is folded to compare."""

    program_id: str
    email: str
    member_number: int


def folded(text: str) -> str:
    """Write a text so that neither case nor accents tell it from another."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(one for one in parts if not unicodedata.combining(one))
    return unicodedata.normalize("NFC", plain).translate(_PLAIN)


def words_of(text: str) -> tuple[str, ...]:
    """Give the words of a name, folded, each once."""
    return tuple(dict.fromkeys(words_in(text)))


def folded_address(email: str) -> str:
    """Write an e-mail address as it is looked for: case does not matter, blanks are left out."""
    return unicodedata.normalize("NFC", "".join(email.split()).casefold())


def joined(number: str) -> str:
    """Write the number of a phone or a card without what only makes it readable."""
    return "".join(words_in(number))


def words_in(text: str) -> list[str]:
    """Give the words of a text, folded."""
    return _WORD.findall(folded(text))


def terms_of(
    name: str, email: str | None, phone: str | None, card: str | None
) -> tuple[tuple[TermKind, str], ...]:
    """Give all that a member is found by, each once."""
    found = [(TermKind.NAME, word) for word in words_of(name)]
    if email:
        found.append((TermKind.EMAIL, folded_address(email)))
    if phone:
        digits = joined(phone)
        ways = dict.fromkeys((digits, digits[-NATIONAL_DIGITS:]))
        found += [(TermKind.PHONE, one) for one in ways if one]
    if card and joined(card):
        found.append((TermKind.CARD, joined(card)))
    return tuple(found)
