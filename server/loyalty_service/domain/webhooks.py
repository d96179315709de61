"""Webhooks: who is told of what, what has not arrived yet, and how a message is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.feed import TYPES, Wanted

SECRET_PREFIX = "whsec_"  # noqa: S105 - it says what a secret is.
SECRET_BYTES = 32
OLD_SECRET_MS = DAY_MS
"""For how long a secret that was replaced signs as well."""

WAITS_S = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 43_200, 72_000, 86_400)
"""Seconds before each further attempt: after the last one, three days, a message is dead."""

JITTER = 0.2
"""Part of a wait by which it is longer or shorter, by chance."""

URL_MAX = 2000
_PRIVATE_NAMES = (".localhost", ".local", ".internal")
_INWARDS = tuple(
    map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "fec0::/10", "192.0.0.0/24"))
)
"""Addresses that Python calls global, which lead through a translator, or to this site alone."""


class DeliveryStatus(IntEnum):
    """What became of a message that did not arrive at once; the numbers are stored."""

    WAITING = 1
    DELIVERED = 2
    DEAD = 3


@dataclass(slots=True)
class Webhook:
    """
    An address that is told of what happens in a program.

    Attributes:
        types: Names of the events that are told, as JSON; an empty list for all.
        secret: What messages are signed with.
        old_secret: What it was before, which signs as well until *old_until_ms*.
        position: How far the feed was read; see `FeedPosition.to_bytes`.
        placed: How many messages had to wait so far.
        disabled_ms: When it was switched off; absent while it is on.
        disabled_reason: Why.
        removed_ms: When it was removed; absent while it is there.
        held_by: The server that delivers to it.
        held_until_ms: Until when no other server does.
    """

    webhook_id: str
    program_id: str
    url: str
    types: str
    secret: bytes
    old_secret: bytes | None
    old_until_ms: int | None
    position: bytes
    placed: int
    created_ms: int
    disabled_ms: int | None = None
    disabled_reason: str | None = None
    removed_ms: int | None = None
    held_by: str | None = None
    held_until_ms: int | None = None

    @property
    def wanted(self) -> Wanted:
        """Tell which events it is told of."""
        names = json.loads(self.types)
        return Wanted(self.program_id, frozenset(TYPES[name] for name in names))

    def secrets_at(self, now_ms: int) -> tuple[bytes, ...]:
        """Give the secrets that sign at a moment, the newest first."""
        if self.old_secret and self.old_until_ms and now_ms < self.old_until_ms:
            return self.secret, self.old_secret
        return (self.secret,)


@dataclass(slots=True)
class Delivery:
    """
    A message that did not arrive at once, or waits behind one of the same member.

    Attributes:
        event_id: The event that it tells of.
        member_number: Whose events stay in order; absent where it is about no member.
        place: Where it stands among those of its webhook.
        attempts: How often it was sent.
        begun_ms: When it was to be sent first.
        next_ms: When it is sent again.
        answered: Status of the last answer; absent where there was none.
        problem: What was wrong the last time.
        ended_ms: When it arrived or was given up.
    """

    webhook_id: str
    event_id: int
    member_number: int | None
    status: DeliveryStatus
    place: int
    attempts: int
    begun_ms: int
    next_ms: int
    answered: int | None = None
    problem: str | None = None
    ended_ms: int | None = None


def new_secret() -> bytes:
    """Make what messages are signed with."""
    return secrets.token_bytes(SECRET_BYTES)


def shown_secret(secret: bytes) -> str:
    """Write a secret as those who check signatures take it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signatures(keys: Iterable[bytes], name: str, second: int, body: bytes) -> str:
    """Sign a message as Standard Webhooks say: the value of its header webhook-signature."""
    signed = f"{name}.{second}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys
    )


def wait_ms(attempts: int, chance: float, waits_s: Sequence[float] = WAITS_S) -> int | None:
    """
    Tell how long to wait after so many attempts; absent where the message is given up.

    *chance* is from 0 to 1.
    """
    if attempts > len(waits_s):
        return None
    return round(waits_s[max(attempts, 1) - 1] * 1000 * (1 + JITTER * (2 * chance - 1)))


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the internet's, and not of a network of ours."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is not None:
            return is_public(str(inner))
    if any(found in network for network in _INWARDS):
        return False
    return found.is_global and not found.is_multicast


def url_problem(url: str, *, allow_private: bool) -> str | None:
    """Say what is wrong with the address of a webhook; nothing where it may be used."""
    if len(url) > URL_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return f"must be at most {URL_MAX} printable ASCII characters without blanks"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no URL"
    wrong = (
        (
            parts.scheme != "https" and not (allow_private and parts.scheme == "http"),
            "must begin with https://, unless LOYALTY_WEBHOOK_PRIVATE_ADDRESSES is true",
        ),
        (not host, "must name a host"),
        (parts.username is not None, "must have no name and no password"),
        (bool(parts.fragment), "must have no #"),
        (
            not allow_private and not _may_be_public(host),
            "must not be an address of a private network",
        ),
    )
    return next((words for holds, words in wrong if holds), None)


def _may_be_public(host: str) -> bool:
    """Tell whether a host may be public; what a name stands for is seen when it is used."""
    try:
        return is_public(host)
    except ValueError:
        return host != "localhost" and not host.endswith(_PRIVATE_NAMES)
