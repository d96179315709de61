"""Calls a host over HTTP, and gives the answers of an earlier run again."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
)
from typing import Any
from urllib.parse import urlsplit

from loyalty_service.certification.drive import Answer
from loyalty_service.certification.requests import Request
from loyalty_service.domain.operator_error import OperatorError

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NOON_UTC = 17
"""When it is about noon from St. John's to Vancouver."""


class _Whole(HTTPConnection):
    """
    Sends a request at once.

    Otherwise its body goes out after its head, and a host that does not wait for a body refuses the
    call when the machine of the kit is busy in between.
    """

    _parts: list[bytes] | None = None

    def request(self, *asked: Any, **more: Any) -> None:
        """Send a request."""
        parts: list[bytes] = []
        self._parts = parts
        super().request(*asked, **more)
        self._parts = None
        self.send(b"".join(parts))

    def send(self, data: Any) -> None:
        """Send bytes, or keep them until the request is whole."""
        if self._parts is None:
            super().send(data)
        else:
            self._parts.append(data)


class _WholeSecure(_Whole, HTTPSConnection):
    """The same over TLS."""


DROPPED = ("date", "server", "x-envoy-upstream-service-time")


BODY_MAX = 1 << 20
DEPTH_MAX = 32
HIDDEN_MIN = 6
"""Keys that are shorter are in any text."""


class HttpHost:
    """
    A host at an address.

    Args:
        url: Where it is: `http://127.0.0.1:8080`.
        keys: API keys by role: `till` and, where there is one, `app`.
        region: `x-region` of every call, where the host needs one.
        control: Address of a sandbox's control port, where it has one.
    """

    live = True

    def __init__(
        self, url: str, keys: Mapping[str, str], *, region: str = "", control: str = ""
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise OperatorError(f"{url} is no address: write http://host:port")
        if parts.username is not None or parts.query or parts.fragment:
            # The report has the address, and others read it.
            raise OperatorError("The address may have no user, password, ? or #.")
        self._secure = parts.scheme == "https"
        self._address = parts.netloc
        self._base = parts.path.rstrip("/")
        self._keys = keys
        self._region = {"x-region": region} if region else {}
        self._control = control
        self._run = secrets.token_hex(4)
        self._count = 0

    def require_answer(self) -> None:
        """
        Look whether anything listens at the address.

        Raises:
            OperatorError: Nothing does.
        """
        kind = HTTPSConnection if self._secure else HTTPConnection
        connection = kind(self._address, timeout=10)
        try:
            connection.connect()
        except OSError as problem:
            raise OperatorError(f"Nothing answers at {self._address}: {problem}.") from None
        finally:
            connection.close()

    def number(self) -> str:
        """Give a number that no order has had."""
        self._count += 1
        return f"cert-{self._run}-{self._count}"

    def call(self, request: Request, *, wait_s: float) -> Answer:
        """Make a call; whatever keeps its answer from coming whole is an answer without status."""
        headers = {
            "x-api-key": self._keys.get(request.role, request.role),
            "content-type": "application/json",
            **self._region,
            **request.headers,
        }
        if request.role == "none":
            del headers["x-api-key"]
        kind = _WholeSecure if self._secure else _Whole
        connection = kind(self._address, timeout=wait_s)
        content = None if request.body is None else json.dumps(request.body)
        until = time.monotonic() + wait_s
        try:
            connection.request(request.method, self._base + request.path, content, headers)
            response = connection.getresponse()
            data = _whole(response, until)
        except TimeoutError:
            return Answer(0, problem="nothing came in time")
        except (OSError, HTTPException):
            return Answer(0, problem="the connection ended")
        finally:
            connection.close()
        told = {name.lower(): self._hidden(value) for name, value in response.getheaders()}
        for name in DROPPED:
            told.pop(name, None)
        return Answer(response.status, self._body(data), told)

    def _body(self, data: bytes) -> Any:
        """
        Read a body, as JSON or else as text, as far as a report can hold it.

        No key is in it, half characters are question marks, and what is too deep stays a text.
        """
        text = self._hidden(data.decode(errors="replace"))
        try:
            body = json.loads(text) if text else None
            shallow = _depth(body) <= DEPTH_MAX
        except (ValueError, RecursionError):
            shallow = False
        return _written(body) if shallow else text

    def _hidden(self, text: str) -> str:
        """Leave the API keys out of what a host says: reports are passed on."""
        for key in self._keys.values():
            if len(key) >= HIDDEN_MIN:
                for form in {key, json.dumps(key)[1:-1]}:
                    text = text.replace(form, "(API key)")
        return text

    def together(self, requests: Sequence[Request], *, wait_s: float) -> list[Answer]:
        """Make calls at the same time."""
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(lambda one: self.call(one, wait_s=wait_s), requests))

    def advance(self, by: str) -> None:
        """
        Move the host's clock by its control port; `until sunday` is to the middle of that day.

        Raises:
            OperatorError: It does not move.
        """
        if by.startswith("until "):
            now = datetime.fromisoformat(self._clock("GET")["now"])
            days = (DAYS.index(by.removeprefix("until ")) - now.weekday() - 1) % 7 + 1
            then = now.replace(hour=NOON_UTC, minute=0) + timedelta(days=days)
            by = f"{int((then - now) / timedelta(minutes=1))}m"
        self._clock("POST", {"advance": by})

    def _clock(self, method: str, body: object = None) -> Any:
        connection = HTTPConnection(urlsplit(self._control).netloc, timeout=30)
        try:
            connection.request(method, "/clock", None if body is None else json.dumps(body))
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, HTTPException, ValueError):
            raise OperatorError(f"Nothing answers at {self._control}.") from None
        finally:
            connection.close()
        if answer.status != HTTPStatus.OK:
            raise OperatorError(f"The host's clock can't be moved: {told.get('error')}.")
        return told


def _whole(response: HTTPResponse, until: float) -> bytes:
    """
    Read a body that may come little by little.

    Raises:
        TimeoutError: It is not there in time.
        HTTPException: It is larger than any answer, or the connection ends before it.
    """
    parts, size = [], 0
    while part := response.read1():
        parts.append(part)
        size += len(part)
        if size > BODY_MAX:
            raise HTTPException
        if time.monotonic() > until:
            raise TimeoutError
    data = b"".join(parts)
    if response.length:
        raise IncompleteRead(data, response.length)
    return data


def _depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, parts), default=0)


def _written(value: Any) -> Any:
    """Give a value as a file can hold it: half a character can't be written."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_written(name): _written(part) for name, part in value.items()}
    return [_written(part) for part in value] if isinstance(value, list) else value


class Recorded:
    """The answers that a host gave in an earlier run, in the order of the calls."""

    live = False

    def __init__(self, trace: list[Mapping[str, Any]]) -> None:
        self._calls = [one for one in trace if "call" in one]
        self._answers: Iterator[Mapping[str, Any]] = iter(self._calls)
        self._numbers = 0

    def number(self) -> str:
        """Give a number; no host sees it."""
        self._numbers += 1
        return f"again-{self._numbers}"

    def call(self, request: Request, *, wait_s: float) -> Answer:  # noqa: ARG002 - nothing waits.
        """
        Give the next answer.

        Raises:
            OperatorError: The record ends, or is of another call.
        """
        told = next(self._answers, None)
        if told is None or told["call"]["call"] != request.call:
            raise OperatorError("The record is not of this case.")
        answer = told["answer"]
        return Answer(
            answer["status"], answer["body"], answer["headers"], answer.get("problem", "")
        )

    def together(self, requests: Sequence[Request], *, wait_s: float) -> list[Answer]:
        """Give their answers in the order in which they were written down."""
        return [self.call(one, wait_s=wait_s) for one in requests]

    def advance(self, by: str) -> None:
        """Do nothing: the clock was moved then."""
