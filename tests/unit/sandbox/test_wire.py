"""What the board reads off a connection, however the bytes are cut."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import hpack
import pytest

from loyalty.v1 import identify_service_pb2, member_service_pb2
from loyalty_service.sandbox.board.exchange import BODY_MAX, CALLS_MAX, Calls
from loyalty_service.sandbox.board.telling import masked, told
from loyalty_service.sandbox.board.wire import PREFACE, Watch

KEY = "sandbox-app-key"
POST = (
    b"POST /loyalty/identify HTTP/1.1\r\nhost: a\r\nx-api-key: sandbox-pos-key\r\n"
    b'content-length: 23\r\n\r\n{"identifier":"123456"}'
)
GET = b"GET /loyalty/members/7?api_key=an-own-secret HTTP/1.1\r\nhost: a\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ONE = b'HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{"points": 1.50}'
TWO = (
    b'HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"cod\r\n7\r\ne":"X"}\r\n0\r\n\r\n'
)


def pieces(data: bytes, size: int) -> list[bytes]:
    """Cut bytes into parts of one size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def watch() -> tuple[Calls, Watch]:
    """Begin to look on at a connection."""
    calls = Calls()
    return calls, Watch(calls, "http", lambda number: f"1.{number}")


def shown(calls: Calls) -> list[Any]:
    """Give what the board's page gets."""
    return [json.loads(json.dumps(told(call))) for call in calls.after(0)]


@pytest.mark.parametrize("size", [1, 2, 7, 4096])
def test_calls_of_http_1_are_read_however_they_are_cut(size: int) -> None:
    """Both calls of a connection have their own answer, each number as it was written."""
    calls, line = watch()
    for piece in pieces(POST + GET, size):
        line.up(piece)
    for piece in pieces(CONTINUE + ONE + TWO, size):
        line.down(piece)

    first, second = shown(calls)
    assert (first["name"], first["status"], first["ok"]) == ("IdentifyMember", "200", True)
    assert first["request"]["body"] == '{"identifier":"123456"}'
    assert first["answer"]["body"] == '{"points": 1.50}'
    assert first["caller"] == "till"
    assert (second["name"], second["status"], second["ok"]) == ("GetMember", "404", False)
    assert second["answer"]["body"] == '{"code":"X"}'
    assert second["gist"] == "X"


def test_no_key_is_shown_whole() -> None:
    """A key is hidden in headers, misspelt ones too, in the path, in bodies and in answers."""
    calls, line = watch()
    secret = b"lk_a-real-one/0123456789"
    body = b'{"note": "' + secret + b'", "apiKey": "another-secret-1", "ccToken": "card-secret"}'
    line.up(
        b"POST /otp?token=a-third-secret HTTP/1.1\r\nAuthorization: Bearer " + secret + b"\r\n"
        b"x_api_key: a-fourth-secret\r\ncookie: a-fifth-secret\r\nidempotency-key: an-order-1\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )
    line.down(b"HTTP/1.1 400 No\r\ncontent-length: %d\r\n\r\n%s" % (len(secret), secret))

    text = json.dumps(shown(calls))
    for whole in (
        secret.decode(),
        "another-secret-1",
        "third-secret",
        "fourth-s",
        "fifth-s",
        "card-secret",
    ):
        assert whole not in text
    assert "an-order-1" in text
    assert masked("sandbox-pos-key") == "sand…"
    assert masked("abc") == "a…"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Build a frame of HTTP/2."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def grpc(message: bytes) -> bytes:
    """Put a message into the frame of gRPC."""
    return b"\0" + len(message).to_bytes(4) + message


@pytest.mark.parametrize("size", [1, 3, 11, 4096])
def test_calls_of_grpc_are_read_as_json_however_they_are_cut(size: int) -> None:
    """Headers over several frames, padding and early settings of the server are read."""
    calls, line = watch()
    up, down = hpack.Encoder(), hpack.Encoder()
    request = member_service_pb2.GetMemberRequest(loyalty_id="7").SerializeToString()
    answer = member_service_pb2.GetMemberResponse()
    answer.member.name = "Amira"
    head = up.encode(
        [
            (":method", "POST"),
            (":path", "/loyalty.v1.MemberService/GetMember"),
            ("content-type", "application/grpc"),
            ("x-api-key", KEY),
        ]
    )
    asked = (
        PREFACE
        + frame(4, 0, 0, b"")
        + frame(1, 0, 1, head[:9])
        + frame(9, 4, 1, head[9:])
        + frame(0, 9, 1, b"\3" + grpc(request) + b"\0\0\0")
    )
    answered = (
        frame(1, 4, 1, down.encode([(":status", "200"), ("content-type", "application/grpc")]))
        + frame(0, 0, 1, grpc(answer.SerializeToString()))
        + frame(1, 5, 1, down.encode([("grpc-status", "0")]))
    )
    line.down(frame(4, 0, 0, (1).to_bytes(2) + (65536).to_bytes(4)))
    for piece in pieces(asked, size):
        line.up(piece)
    for piece in pieces(answered, size):
        line.down(piece)

    (call,) = shown(calls)
    assert (call["protocol"], call["name"], call["status"]) == ("grpc", "GetMember", "OK")
    assert json.loads(call["request"]["body"]) == {"loyaltyId": "7"}
    assert json.loads(call["answer"]["body"])["member"]["name"] == "Amira"
    assert KEY not in json.dumps(call)


@pytest.mark.parametrize("text", [False, True])
def test_calls_of_grpc_web_are_read(text: bool) -> None:  # noqa: FBT001 - a parameter of the test.
    """A page's call is told as JSON, and its status comes from the last frame of the body."""
    calls, line = watch()
    request = identify_service_pb2.IdentifyMemberRequest(identifier="234567")
    body = grpc(request.SerializeToString())
    trailers = b"grpc-status: 5\r\ngrpc-message: no%20such\r\n"
    answer = b"\x80" + len(trailers).to_bytes(4) + trailers
    kind = b"application/grpc-web" + (b"-text" if text else b"")
    if text:
        body, answer = base64.b64encode(body), base64.b64encode(answer)
    head = b"content-type: %s\r\ncontent-length: %d\r\n\r\n%s"
    path = b"/loyalty.v1.IdentifyService/IdentifyMember"
    line.up(b"POST " + path + b" HTTP/1.1\r\n" + head % (kind, len(body), body))
    line.down(b"HTTP/1.1 200 OK\r\n" + head % (kind, len(answer), answer))

    (call,) = shown(calls)
    assert (call["protocol"], call["status"], call["ok"]) == ("grpc-web", "NOT_FOUND", False)
    assert call["gist"] == "234567"
    assert json.loads(call["answer"]["body"]) == {"message": "no such"}


def test_what_is_no_http_is_left_alone() -> None:
    """Any bytes at all raise nothing, and no call stays open."""
    chance = random.Random(7)  # noqa: S311 - it only has to be the same each time.
    for begin in (b"", POST[:60], PREFACE, PREFACE + frame(1, 4, 1, b"\xff\xff\xff")):
        for _ in range(200):
            calls, line = watch()
            line.up(begin + chance.randbytes(chance.randrange(200)))
            line.down(chance.randbytes(chance.randrange(200)))
            line.up(chance.randbytes(60))
            line.closed()
            assert all(call["tookMs"] is not None for call in shown(calls))


def test_what_is_kept_is_bounded() -> None:
    """The newest calls are kept, of each body the beginning, and the page is told what is gone."""
    calls, line = watch()
    long = b"x" * (3 * BODY_MAX)
    for number in range(CALLS_MAX + 50):
        line.up(b"PUT /%d HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (number, len(long), long))
        line.down(ONE)

    kept = shown(calls)
    assert len(kept) == CALLS_MAX
    assert calls.oldest == kept[0]["number"] == 51
    assert len(kept[-1]["request"]["body"]) < BODY_MAX + 100
    assert kept[-1]["request"]["body"].endswith(f"… {2 * BODY_MAX} more bytes")
    calls.clear()
    assert shown(calls) == []
    assert calls.oldest == CALLS_MAX + 51


def test_call_whose_connection_breaks_is_told_as_broken() -> None:
    """Without an answer a call is broken when its connection ends; a fault says why."""
    calls, line = watch()
    line.up(POST)
    calls.play("1.1", "lost")
    line.closed()

    (call,) = shown(calls)
    assert (call["broken"], call["status"], call["fault"]) == (True, "", "lost")
