"""
Calls of legacy tills, word for word: each folder of transcripts/ is one.

`request.http` is what a till sends; blocks parted by a line of `###` are sent one after the other,
and only the answer to the last is held against `response.http`. Placeholders in both:

- `{{member}}` is the loyalty ID of a new member, `{{points:N}}` of one with N points;
- `{{code:INCENTIVE}}` is a code that a new member with 1000 points has for an incentive;
- `{{answer:N.PATH}}` is a value from the answer to the Nth block, for instance
  `{{answer:1.transactionId}}`;
- `{{new}}` is a text nobody has sent before, the same within a transcript;
- `{{length}}` is the length of the body as it is sent;
- `{{uuid}}`, `{{time}}` (RFC 3339 with milliseconds), `{{timestamp}}` (without them on the full
  second, as protobuf writes it), `{{code}}` (6 digits), `{{request_id}}` and `{{text}}` stand in
  responses for any value of that form.

A response lists the headers it must have; others may be there. Its body is compared to the byte
when it stands in one line, as JSON otherwise.
"""

from __future__ import annotations

import json
import re
import uuid
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest

from kit.transcripts import PLACEHOLDER, TRANSCRIPTS, read
from loyalty.v1 import code_service_pb2
from tests.support.http import Response
from tests.support.server import Front, give_points

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.parent.name for path in TRANSCRIPTS.glob("*/request.http"))
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FORMS = {
    "uuid": UUID,
    "request_id": UUID,
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z",
    "code": r"\d{6}",
    "text": r"(?s:.+)",
}


class Filler:
    """Gives placeholders of a request their values, the same for the same words."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self.values: dict[str, str] = {}
        self.answers: list[Any] = []

    async def fill(self, text: str) -> str:
        """Replace every placeholder but the length, which is known last."""
        for match in PLACEHOLDER.finditer(text):
            words, name, argument = match[0], match[1], match[2] or ""
            if name != "length" and words not in self.values:
                self.values[words] = await self._value(name, argument)
        return self.replace(text)

    def replace(self, text: str) -> str:
        """Put the known values in."""
        for words, value in self.values.items():
            text = text.replace(words, value)
        return text

    async def _value(self, name: str, argument: str) -> str:
        if name == "new":
            return str(uuid.uuid4())
        if name == "answer":
            number, *path = argument.split(".")
            return str(reduce(getitem, path, self.answers[int(number) - 1]))
        server = self._front.server
        loyalty_id = await server.admin.enroll()
        if name == "member":
            return loyalty_id
        await give_points(server.store, loyalty_id, int(argument) if name == "points" else 1000)
        if name == "points":
            return loyalty_id
        assert name == "code", f"unknown placeholder {name}"
        line = code_service_pb2.SelectedIncentive(incentive_id=argument)
        request = code_service_pb2.IssueCodeRequest(loyalty_id=loyalty_id, order=[line])
        issued = await server.app.call(server.app.codes.IssueCode, request)
        digits: str = issued.otp
        return digits


async def _send(front: Front, block: str) -> Response:
    head, _, body = block.partition("\n\n")
    content = body.rstrip("\n").encode()
    head = head.replace("{{length}}", str(len(content)))
    data = head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + content
    return await front.http.send(data)


def _pattern(text: str) -> re.Pattern[str]:
    """Turn text with placeholders into what it allows."""
    pieces = []
    end = 0
    for match in PLACEHOLDER.finditer(text):
        pieces += [re.escape(text[end : match.start()]), FORMS[match[1]]]
        end = match.end()
    return re.compile("".join([*pieces, re.escape(text[end:])]))


def _compare(expected: Any, found: Any, place: str) -> None:
    """Hold JSON against JSON with placeholders in its texts."""
    if isinstance(expected, dict) and isinstance(found, dict):
        assert found.keys() == expected.keys(), place
        for key, value in expected.items():
            _compare(value, found[key], f"{place}.{key}")
    elif isinstance(expected, list) and isinstance(found, list):
        assert len(found) == len(expected), place
        for index, value in enumerate(expected):
            _compare(value, found[index], f"{place}[{index}]")
    elif isinstance(expected, str) and PLACEHOLDER.search(expected):
        assert isinstance(found, str), place
        assert _pattern(expected).fullmatch(found), f"{place}: {found}"
    else:
        # 0 is not false, and 1 is not "1"; 10 and 10.0 are one JSON number.
        assert isinstance(found, bool) == isinstance(expected, bool), place
        assert found == expected, place


def _compare_body(expected: str, found: bytes) -> None:
    if "\n" in expected.strip("\n"):
        _compare(json.loads(expected), json.loads(found), "body")
    else:
        assert _pattern(expected.strip("\n")).fullmatch(found.decode())


@pytest.mark.parametrize("name", NAMES)
async def test_till_reads_what_the_contract_shows(front: Front, name: str) -> None:
    """The answer to a till's call is the one on file: status, headers and body."""
    await _play(front, name)


async def _play(front: Front, name: str, end: str = "") -> None:
    """Make the calls of a transcript, the last one with another *end* of its path."""
    filler = Filler(front)
    blocks, shown = read(TRANSCRIPTS / name)
    blocks[-1] = REQUEST_LINE.sub(rf"\1{end}\2", blocks[-1], count=1)
    for block in blocks:
        answer = await _send(front, await filler.fill(block))
        filler.answers.append(json.loads(answer.body))
    expected = filler.replace(shown)
    head, _, body = expected.partition("\n\n")
    status_line, *headers = head.split("\n")
    assert f"{answer.version} {answer.status}" == status_line
    for line in headers:
        key, _, value = line.partition(": ")
        found = answer.header(key)
        assert found is not None, f"{key} is missing"
        assert _pattern(value).fullmatch(found), f"{key}: {found}"
    _compare_body(body, answer.body)


REQUEST_LINE = re.compile(r"\A([A-Z]+ [^ ?]+)(\S* HTTP/)")


def _first_of_each_route() -> list[str]:
    """
    Give, for each route, a transcript whose last call is one to it that succeeds.

    A path of ES for a call of our own is served only where a program says so.
    """
    found = []
    told = (ROOT / "generated" / "routes.txt").read_text(encoding="utf-8").splitlines()
    routes = [route.split() for route in told]
    own = {rpc for _, path, rpc in routes if not path.startswith("/client/")}
    for method, path, rpc in routes:
        if path.startswith("/client/") and rpc in own:
            continue
        form = re.escape(f"{method} {path}")
        line = re.compile(re.sub(r"\\\{\w+\\\}", "[^/ ?]+", form) + "[? ]")
        found.append(
            next(
                name
                for name in NAMES
                for sent, shown in (read(TRANSCRIPTS / name),)
                if line.match(sent[-1]) and shown.startswith("HTTP/1.1 200")
            )
        )
    return found


@pytest.mark.parametrize("name", _first_of_each_route())
async def test_slash_at_the_end_changes_no_answer(front: Front, name: str) -> None:
    """On every route a call that succeeds gets what it gets without it."""
    await _play(front, name, "/")


def test_every_transcript_is_a_pair() -> None:
    """No request is without its response, nor a response without its request."""
    assert NAMES
    for folder in TRANSCRIPTS.iterdir():
        assert {path.name for path in folder.iterdir()} == {"request.http", "response.http"}


def test_every_route_has_a_transcript() -> None:
    """Whatever JSON callers can call stands here once."""
    called = [
        (match[1], match[2])
        for name in NAMES
        for match in re.finditer(
            r"^([A-Z]+) ([^ ?]+)", "\n".join(read(TRANSCRIPTS / name)[0]), flags=re.MULTILINE
        )
    ]
    for route in (ROOT / "generated" / "routes.txt").read_text(encoding="utf-8").splitlines():
        method, path, rpc = route.split()
        form = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
        found = any(verb == method and form.fullmatch(place) for verb, place in called)
        assert found, f"no transcript calls {method} {path}, {rpc}"
