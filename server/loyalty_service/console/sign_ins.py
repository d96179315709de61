"""Who is signed in. It is kept in memory alone: a console that ends signs everybody out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

IDLE_S = 30 * 60.0
LONGEST_S = 12 * 3600.0
SIGN_INS_MAX = 1000
SIGN_INS_OF_ONE_MAX = 20
"""Of one key and name, so that nobody throws the others out."""
TOKEN_BYTES = 32


@dataclass(slots=True)
class SignIn:
    """
    Somebody who is signed in.

    Attributes:
        secret: The API key, which leaves the console only in calls to the server.
        form_token: What every form of theirs carries: no other site's form can.
        name: Who it is, as a proxy says; else the partner of the key.
        role: What the key is for, as the contract names it.
        program_id: Program of the key.
        time_zone: Of the program.
        began_s: When it began, by this process's clock.
        seen_s: When they last asked for a page.
    """

    secret: str
    form_token: str
    name: str
    role: str
    program_id: str
    time_zone: str
    began_s: float
    seen_s: float

    def owns_form(self, token: str) -> bool:
        """Tell whether a form was one of theirs."""
        return hmac.compare_digest(token.encode(), self.form_token.encode())

    @property
    def may_adjust(self) -> bool:
        """Whether the key may move points."""
        return self.role in {"ROLE_ADMIN", "ROLE_OPERATOR"}

    @property
    def is_admin(self) -> bool:
        """Whether the key may see what is owed."""
        return self.role == "ROLE_ADMIN"


class SignIns:
    """Those who are signed in, by a token that only their browser has."""

    def __init__(self, clock_s: Callable[[], float] = monotonic) -> None:
        self._clock_s = clock_s
        self._kept: OrderedDict[bytes, SignIn] = OrderedDict()

    def open(
        self, *, secret: str, name: str, role: str, program_id: str, time_zone: str
    ) -> tuple[str, SignIn]:
        """
        Sign somebody in; return the token for their browser.

        Beyond 20 of one key and name their oldest goes, beyond 1,000 the oldest of all.
        """
        now = self._clock_s()
        token = secrets.token_urlsafe(TOKEN_BYTES)
        found = SignIn(
            secret=secret,
            form_token=secrets.token_urlsafe(TOKEN_BYTES),
            name=name,
            role=role,
            program_id=program_id,
            time_zone=time_zone,
            began_s=now,
            seen_s=now,
        )
        same = [of for of, one in self._kept.items() if (one.secret, one.name) == (secret, name)]
        if len(same) >= SIGN_INS_OF_ONE_MAX:
            del self._kept[same[0]]
        self._kept[_digest(token)] = found
        while len(self._kept) > SIGN_INS_MAX:
            self._kept.popitem(last=False)
        return token, found

    def find(self, token: str) -> SignIn | None:
        """Find who has a token; nobody after half an hour without a page, or after 12 hours."""
        found = self._kept.get(_digest(token))
        if found is None:
            return None
        now = self._clock_s()
        if now - found.seen_s > IDLE_S or now - found.began_s > LONGEST_S:
            self.close(token)
            return None
        found.seen_s = now
        return found

    def close(self, token: str) -> None:
        """Sign somebody out."""
        self._kept.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
