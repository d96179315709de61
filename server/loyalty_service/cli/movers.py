"""
How `loyalty adjust` moves points: in the database itself, or through a server with an API key.

Both do the same use case once for each idempotency key, and tell it in the same words.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from loyalty_service.application.operators.adjust_points import (
    Adjusted,
    AdjustPoints,
    adjust_points,
)
from loyalty_service.application.perform import Answer, Run, perform
from loyalty_service.bootstrap import database_of
from loyalty_service.cli.running import operator
from loyalty_service.cli.settings import read_settings
from loyalty_service.domain.errors import (
    AmountBeyondLimitError,
    DeadlinePassedError,
    LimitExceededError,
    LoyaltyError,
    StorageUnavailableError,
)
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.peppers import require_known
from loyalty_service.storage.store import Store
from loyalty_service.transport.errors.rendering import message_of
from loyalty_service.transport.persons import ADJUST, nameless

CALL_S = 10.0
"""More than a server takes for any call."""

MESSAGES = ("message", "errorMessage", "detail")


class RefusedError(Exception):
    """Raised when points were not moved, and will not be however often it is tried."""


class UnknownOutcomeError(Exception):
    """Raised when the points may have moved, or may still move."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What is told of an adjustment, and whether it was done before."""

    told: str
    repeated: bool


class Mover(Protocol):
    """Moves points."""

    async def move(self, command: AdjustPoints, key: str) -> Moved:
        """
        Move points once for a key, or where it is a dry run tell what would be.

        Raises:
            RefusedError: They can't be moved.
            UnknownOutcomeError: They may have been.
        """


class Here:
    """Moves points in the database that the settings name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        settings = read_settings()
        if (peppers := settings.known_peppers()) is None:
            raise OperatorError(
                "The outcome is kept encrypted: set LOYALTY_CODE_PEPPER to the servers' code "
                "pepper."
            )
        require_known(database_of(settings), peppers)

    async def move(self, command: AdjustPoints, key: str) -> Moved:
        """See `Mover.move`."""
        keyed = None if command.dry_run else command.keyed(key)
        work = Run(
            adjust_points,
            command,
            _adjusted,
            keyed=keyed,
            by=operator("adjust"),
            nameless=partial(nameless, ADJUST),
        )
        try:
            answer: Answer = await self._store.write(
                partial(perform, run=work), reads=command.reads()
            )
        except (AmountBeyondLimitError, LimitExceededError) as problem:
            raise RefusedError(
                f"{message_of(problem)}. Nothing was changed: --beyond-limits allows it."
            ) from None
        except (DeadlinePassedError, StorageUnavailableError):
            raise UnknownOutcomeError from None
        except LoyaltyError as problem:
            raise RefusedError(f"{message_of(problem)}.") from None
        if not answer.repeated:
            return Moved(answer.body.decode(), repeated=False)
        async with self._store.read() as reader:
            member = await reader.member(command.program_id, command.loyalty_id)
        name = command.loyalty_id if member is None else member.name
        return Moved(f"{name} {nameless(ADJUST, answer.body).decode()}", repeated=True)


class There:
    """
    Moves points through a server, with the key of an operator or of an admin.

    Args:
        server: Address of Envoy, for instance https://loyalty.example.com.
        secret: The API key.
        authority: File of the certificates that the server's is checked by; absent for the
            system's.
    """

    def __init__(self, server: str, secret: str, authority: Path | None) -> None:
        parts = urlsplit(server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise OperatorError("--server must be an address as https://loyalty.example.com.")
        self._server = server.rstrip("/")
        self._secret = secret
        self._tls = (
            ssl.create_default_context(cafile=authority) if parts.scheme == "https" else None
        )

    async def move(self, command: AdjustPoints, key: str) -> Moved:
        """See `Mover.move`."""
        request = Request(  # noqa: S310 - the scheme was checked.
            f"{self._server}/loyalty/members/{quote(command.loyalty_id, safe='')}/adjustments",
            data=json.dumps(
                {
                    "points": command.points,
                    "reason": command.note,
                    "allowDebt": command.allow_debt,
                    "validateOnly": command.dry_run,
                }
            ).encode(),
            headers={"content-type": "application/json", "x-api-key": self._secret},
            method="POST",
        )
        if not command.dry_run:
            request.add_header("idempotency-key", key)
        return await asyncio.to_thread(self._call, request)

    def _call(self, request: Request) -> Moved:
        try:
            with urlopen(request, timeout=CALL_S, context=self._tls) as answer:  # noqa: S310
                told = json.loads(answer.read())
                repeated = answer.headers.get("idempotent-replayed") == "true"
        except HTTPError as problem:
            raise _refusal(problem) from None
        except (URLError, OSError, ValueError) as problem:
            reason = problem.reason if isinstance(problem, URLError) else None
            if isinstance(reason, ConnectionRefusedError):
                raise OperatorError(f"Nothing answers at {self._server}.") from None
            if isinstance(reason, ssl.SSLError):
                # No key was shown and nothing was asked before the handshake had ended.
                raise OperatorError(
                    f"{self._server} could not be reached over TLS: {reason.reason or reason}. "
                    "Nothing was changed: check the address, and --ca."
                ) from None
            raise UnknownOutcomeError from None
        return Moved(_told(told), repeated)


def _refusal(problem: HTTPError) -> Exception:
    """Tell what a server's error means; one that may pass says nothing of the outcome."""
    body = problem.read()
    if problem.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnknownOutcomeError()
    try:
        said = json.loads(body)
        text = next(str(said[name]) for name in MESSAGES if said.get(name))
    except (ValueError, StopIteration, AttributeError):
        text = f"The server answered {problem.code}"
    return RefusedError(f"{text.rstrip('.')}.")


def _told(answer: dict[str, Any]) -> str:
    return sentence(
        str(answer["loyaltyId"]), int(answer["availablePoints"]), int(answer["owedPoints"])
    )


def _adjusted(adjusted: Adjusted) -> bytes:
    after = adjusted.after
    return sentence(adjusted.member.name, after.available, after.owed).encode()


def sentence(name: str, available: int, owed: int) -> str:
    """Say what a member has, and what it owes if it does."""
    owes = f" and owes {owed}" if owed else ""
    return f"{name} now has {available} points available{owes}."
