"""Calls and answers are found in bytes, however the network cuts them."""

from __future__ import annotations

import pytest

from loyalty_service.sandbox.framing import Answers, Calls, Frames, Piece

REQUESTS = (
    b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
    b"GET /b HTTP/1.1\r\nhost: x\r\n\r\n"
    b"POST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n"
    b"HEAD /d HTTP/1.1\r\n\r\n"
)
ANSWERS = (
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHT"
    b"HTTP/1.1 204 No Content\r\n\r\n"
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nHTTP\r\n0\r\n\r\n"
    b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"
)


def number(call: int) -> tuple[bytes, bytes]:
    """Name a call."""
    return b"sandbox-call", b"%d" % call


def cut(data: bytes, size: int) -> list[bytes]:
    """Cut bytes as a network may."""
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_each_call_gets_its_number_and_nothing_else_changes(size: int) -> None:
    """Whatever is in a body, only a request line is followed by the header."""
    calls = Calls(number)
    sent = b"".join(map(calls.feed, cut(REQUESTS, size)))

    for call, line in enumerate((b"POST /a", b"GET /b", b"POST /c", b"HEAD /d"), 1):
        assert line + b" HTTP/1.1\r\nsandbox-call: %d\r\n" % call in sent
        sent = sent.replace(b"sandbox-call: %d\r\n" % call, b"")
    assert sent == REQUESTS
    assert calls.methods == [b"POST", b"GET", b"POST", b"HEAD"]


def test_lengths_that_nobody_means_are_passed_on() -> None:
    """A length of any number of digits, or of zeros, neither ends a connection nor hides a call."""
    long = b"POST /a HTTP/1.1\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\nabc"
    assert Calls(number).feed(long).replace(b"sandbox-call: 1\r\n", b"") == long
    zeros = b"0" * 40
    first = (
        b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + zeros + b"3\r\nGET\r\n0\r\n\r\n"
    )
    calls = Calls(number)
    calls.feed(first + b"GET /b HTTP/1.1\r\n\r\n")
    assert calls.methods == [b"POST", b"GET"]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_each_answer_begins_once(size: int) -> None:
    """Answers without a body, in chunks and to HEAD are told apart."""
    answers = Answers(number, [b"POST", b"GET", b"POST", b"HEAD"])
    pieces = [piece for part in cut(ANSWERS, size) for piece in answers.feed(part)]

    assert [piece.call for piece in pieces if piece.begins] == [1, 2, 3, 4]
    assert [piece.length for piece in pieces if piece.begins] == [2, 0, None, 0]
    sent = b"".join(piece.data for piece in pieces)
    assert sent.count(b"sandbox-call") == 4
    for call in range(1, 5):
        sent = sent.replace(b"sandbox-call: %d\r\n" % call, b"")
    assert sent == ANSWERS


@pytest.mark.parametrize("wrong", [b"nonsense\r\nmore\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_call_stays_as_it_is(wrong: bytes) -> None:
    """What Envoy would refuse reaches it unchanged."""
    assert b"".join(map(Calls(number).feed, cut(wrong, 3))) == wrong


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Build a frame of HTTP/2."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_first_headers_of_a_stream_get_one_more(size: int) -> None:
    """Padding stays behind the header, continued headers get it at their end, trailers do not."""
    literal = b"\x00\x0csandbox-call\x01"
    data = (
        frame(4, 0, 0, b"")
        + frame(1, 0x4 | 0x8, 1, b"\x02abc\0\0")
        + frame(0, 0, 1, b"body")
        + frame(1, 0x4 | 0x1, 1, b"end")
        + frame(1, 0x1, 3, b"ab")
        + frame(9, 0x4, 3, b"cd")
    )
    expected = (
        frame(4, 0, 0, b"")
        + frame(1, 0x4 | 0x8, 1, b"\x02abc" + literal + b"1\0\0")
        + frame(0, 0, 1, b"body")
        + frame(1, 0x4 | 0x1, 1, b"end")
        + frame(1, 0x1, 3, b"ab")
        + frame(9, 0x4, 3, b"cd" + literal + b"3")
    )
    frames = Frames(number)
    pieces: list[Piece] = [piece for part in cut(data, size) for piece in frames.feed(part)]

    assert b"".join(piece.data for piece in pieces) == expected
    assert [piece.call for piece in pieces if piece.begins] == [1, 3]


def test_nothing_is_held_back_that_has_no_end() -> None:
    """A chunk's line without an end, and a frame beyond all bounds, are passed on as they come."""
    calls = Calls(number)
    calls.feed(b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;")
    parts = [b"a" * 1000 for _ in range(100)]
    assert [calls.feed(part) for part in parts] == parts
    assert calls._body is not None
    assert len(calls._body._line) < 5000

    frames = Frames(number)
    huge = (1 << 23).to_bytes(3) + b"\x00\x00" + bytes(4)
    sent = [b"".join(piece.data for piece in frames.feed(part)) for part in (huge, *parts)]
    assert sent == [huge, *parts]
