"""What the certification makes of hosts that answer oddly."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from loyalty_service.certification.drive import Answer
from loyalty_service.certification.host import HttpHost
from loyalty_service.certification.host_run import HostRun, HostSubject
from loyalty_service.certification.program import read_program
from loyalty_service.certification.report import read_results, results_of, write_all
from loyalty_service.certification.requests import Request
from loyalty_service.certification.signing import signed, signing_key
from loyalty_service.certification.verify import verify
from loyalty_service.domain.operator_error import OperatorError

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CALL = Request("code", "GET", "/otp/1", None, "app", "")


@contextmanager
def host(*parts: bytes, pause_s: float = 0.0) -> Iterator[HttpHost]:
    """Run a host that sends these bytes to each caller, with a pause before each part."""
    stopped = threading.Event()

    def serve(listener: socket.socket) -> None:
        while True:
            caller, _ = listener.accept()
            with caller, suppress(OSError):  # Who has heard enough hangs up.
                if stopped.is_set():
                    return
                caller.recv(65536)
                for part in parts:
                    stopped.wait(pause_s)
                    caller.sendall(part)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield HttpHost(f"http://127.0.0.1:{port}", {"till": "k", "app": "k"})
        finally:
            stopped.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


def asked(running: HttpHost, wait_s: float = 5.0) -> Answer:
    """Call it once."""
    return running.call(CALL, wait_s=wait_s)


def test_body_that_dribbles_is_late() -> None:
    """An answer is late when its end is, however often a little of it comes."""
    with host(HEAD + b"content-length: 60\r\n\r\n", *[b" "] * 20, pause_s=0.05) as running:
        assert asked(running, 0.3) == Answer(0, problem="nothing came in time")


@pytest.mark.parametrize(
    "body", [b"content-length: 9\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n9\r\n{"]
)
def test_half_an_answer_is_none(body: bytes) -> None:
    """A connection that ends within a body ends the answer."""
    with host(HEAD + body) as running:
        assert asked(running) == Answer(0, problem="the connection ended")


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"a": "\\ud800b"}', {"a": "?b"}),
        (b"not json", "not json"),
        (b"\xff", "\ufffd"),
        (b"[" * 100_000, "[" * 100_000),
        (b"", None),
    ],
)
def test_odd_bodies_are_read(body: bytes, read: object) -> None:
    """Whatever a body is, it is something that a report can hold."""
    head = HEAD + b"content-length: %d\r\n\r\n" % len(body)
    with host(head + body) as running:
        assert asked(running).body == read


def test_key_that_a_host_repeats_is_in_no_report() -> None:
    """A host that says the API key again, in a header or a body, does not put it into a report."""
    body = b'{"message": "a-key-of-ours is unknown", "a": "other"}'
    head = HEAD + b"x-echo: a-key-of-ours\r\ncontent-length: %d\r\n\r\n" % len(body)
    with host(head + body) as running:
        ours = HttpHost(f"http://{running._address}", {"app": "a-key-of-ours"})
        told = str(asked(ours).told())
    assert "a-key-of-ours" not in told
    assert "other" in told


def test_answer_without_an_end_is_none() -> None:
    """A host that sends and sends fills no memory."""
    with host(HEAD + b"\r\n", b"a" * (1 << 21)) as running:
        assert asked(running) == Answer(0, problem="the connection ended")


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1", "http://127.0.0.1/?key=secret"])
def test_address_with_a_secret_is_refused(url: str) -> None:
    """The address is in the report."""
    with pytest.raises(OperatorError, match="no user, password"):
        HttpHost(url, {})


def test_answer_of_another_kind_fails_its_case() -> None:
    """A body whose parts are of other kinds ends its case, not the run."""
    body = (
        b'{"otp": 1, "details": "x", "balances": [1], "loyaltyUser": [], "order": {}, "code": []}'
    )
    for status in (b"200 OK", b"422 X", b"404 X"):
        answer = b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)
        with host(answer) as running:
            subject = HostSubject("odd", "http://x")
            program = read_program(None).model_copy(update={"can": ("app",)})
            told = HostRun(subject, program, running).run(lambda *_: None)
        assert "passed" not in {case["verdict"] for case in told["cases"]}


def test_odd_answer_is_in_a_report_that_verifies(tmp_path: Path) -> None:
    """What no file could hold, or a reader would change, fails its case and not the report."""
    body = b'{"code": "\\ud800 \\r\\n \\u0000 x", "errorCode": "\\r"}'
    answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    with host(answer) as running:
        run = HostRun(HostSubject("odd", "http://x"), read_program(None), running, only=("OT-2",))
        told = run.run(lambda *_: None)
    results = signed(results_of(told, "host", {}), signing_key(tmp_path / "key"), "sandbox", "kit")
    write_all(results, tmp_path)

    assert read_results(tmp_path / "results.yaml")["verdict"] == "failed"
    for name in ("results.yaml", "report.html"):
        assert verify(tmp_path / name)[0]["totals"]["failed"] == 1
