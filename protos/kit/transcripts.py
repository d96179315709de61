"""Reads the transcripts, which are the one source of examples and of the collection."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TRANSCRIPTS = Path(__file__).resolve().parents[2] / "tests" / "e2e" / "transcripts"

PLACEHOLDER = re.compile(r"\{\{([a-z_]+)(?::([^}]+))?\}\}")

# What stands in place of values that differ each time: members and codes of the sandbox, whose
# calls can be sent as they are.
SHOWN = {
    "answer": "01a20044-ba79-765e-b6e2-fbc731343c91",
    "code": "123456",
    "length": "0",
    "member": "5e2c8a17-3f94-4d6b-8b0e-91c7d4a6f321",
    "new": "7d4c2f0e-3b1a-4c58-9e36-0f5a1d2b9c77",
    "points": "5e2c8a17-3f94-4d6b-8b0e-91c7d4a6f321",
    "request_id": "6f0a2c7e-6f0e-4f7b-9d0a-53a4f8f0f6c1",
    "text": "...",
    "time": "2026-11-22T12:00:00.000Z",
    "timestamp": "2026-11-22T12:00:00Z",
    "uuid": "01a20044-ba79-765e-b6e2-fbc731343c91",
}
RECEIPT_CODE = "7K3M9QX2H4TD"


def shown(text: str) -> str:
    """Put a value in place of every placeholder."""
    return PLACEHOLDER.sub(
        lambda match: RECEIPT_CODE if "receiptCode" in match[0] else SHOWN[match[1]], text
    )


@dataclass(frozen=True)
class Request:
    """
    One call of a transcript, placeholders included.

    Attributes:
        method: Of HTTP.
        target: The path, with its query.
        headers: By their names as they were sent.
        body: As it was sent.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: str

    @property
    def path(self) -> str:
        """The path without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """What the query says."""
        return dict(parse_qsl(urlsplit(shown(self.target)).query))

    @property
    def is_form(self) -> bool:
        """Whether the body is a form, and no JSON."""
        return "www-form-urlencoded" in self.headers.get("Content-Type", "")

    @property
    def fields(self) -> Any:
        """The body, with values."""
        text = shown(self.body)
        return dict(parse_qsl(text)) if self.is_form else json.loads(text)

    @classmethod
    def parse(cls, text: str) -> Request:
        """Read a block of `request.http`."""
        head, _, body = text.partition("\n\n")
        first, *lines = head.split("\n")
        method, target, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines if line)
        return cls(method, target, headers, body.strip("\n"))


@dataclass(frozen=True)
class Transcript:
    """
    A few calls, and the answer to the last.

    Attributes:
        name: Of its folder.
        requests: In the order in which they are sent.
        status: Of the answer.
        answer: The body of the answer, as text with placeholders.
    """

    name: str
    requests: tuple[Request, ...]
    status: int
    answer: str

    @property
    def last(self) -> Request:
        """The call that the answer is to."""
        return self.requests[-1]

    @property
    def words(self) -> str:
        """What happens, as a sentence without its full stop."""
        return self.name.replace("_", " ").capitalize()

    @cached_property
    def shown_answer(self) -> Any:
        """The body of the answer, with values."""
        return json.loads(shown(self.answer))

    @property
    def reason(self) -> str:
        """The reason of a refusal; empty where there is none, or where its contract has none."""
        if self.status < HTTPStatus.BAD_REQUEST:
            return ""
        return str(self.shown_answer.get("details", {}).get("reason", ""))

    def calls(self, method: str, path: str) -> bool:
        """Tell whether its last call is of a route."""
        # A shopper without a card has a route of its own.
        form = re.sub(r"\\\{\w+\\\}", "(?!anonymous/)[^/]+", re.escape(path))
        return self.last.method == method and re.fullmatch(form, self.last.path) is not None


def read(folder: Path) -> tuple[list[str], str]:
    """Read what is sent, a text for each call, and the answer to the last."""
    sent = (folder / "request.http").read_text(encoding="utf-8")
    return sent.split("\n###\n"), (folder / "response.http").read_text(encoding="utf-8")


def transcripts() -> Iterator[Transcript]:
    """Read all transcripts, by their names."""
    for folder in sorted(path.parent for path in TRANSCRIPTS.glob("*/request.http")):
        blocks, answer = read(folder)
        head, _, body = answer.partition("\n\n")
        requests = tuple(map(Request.parse, blocks))
        yield Transcript(folder.name, requests, int(head.split()[1]), body)
