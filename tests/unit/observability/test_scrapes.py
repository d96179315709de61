"""Who scrapes measurements takes little of the server, however often and however slowly."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from loyalty_service.observability import scrapes
from loyalty_service.observability.scrapes import Pages, ScrapeServer
from tests.support.http import free_port

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
MODERN = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"


class _Counted(Collector):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def collect(self) -> Iterator[Metric]:
        self.times += 1
        metric = Metric("asked", "How often.", "gauge")
        metric.add_sample("asked", {}, self.times)
        yield metric


@pytest.fixture
def asked() -> _Counted:
    """What the page is made of."""
    return _Counted()


@pytest.fixture
def registry(asked: _Counted) -> CollectorRegistry:
    """A registry with something in it."""
    registry = CollectorRegistry()
    registry.register(asked)
    asked.times = 0  # It was asked for its names.
    return registry


@pytest.fixture
def port(registry: CollectorRegistry) -> Iterator[int]:
    """A server that is scraped."""
    found = free_port()
    server = ScrapeServer("127.0.0.1", found, registry)
    yield found
    server.close()


def test_port_outlives_a_machine_without_threads(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrape that finds no thread is closed, and those after it are served."""

    class Full(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr("loyalty_service.observability.scrapes.threading.Thread", Full)
        for _ in range(scrapes.CONNECTIONS_MAX + 1):
            with socket.create_connection(("127.0.0.1", port), 5) as caller, suppress(OSError):
                assert caller.recv(1) == b""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/metrics")
    assert connection.getresponse().status == 200
    connection.close()


def test_page_is_written_once_a_second(registry: CollectorRegistry, asked: _Counted) -> None:
    """Packed or not, and of each form alone: whoever asks more often gets the same again."""
    now = 0.0
    pages = Pages(registry, lambda: now)
    for _ in range(100):
        assert pages.page("", "") == (PLAIN, False, pages.page("*/*", "")[2])
        kind, packed, page = pages.page("text/plain", "gzip")
        assert (kind, packed) == (PLAIN, True)
        assert gzip.decompress(page) == pages.page("", "")[2]
    assert asked.times == 1
    for version in range(100):
        kind, _, page = pages.page(f"application/openmetrics-text;version={version}", "")
        assert kind == MODERN
        assert page.endswith(b"# EOF\n")
    assert asked.times == 2
    now = 1.0
    assert pages.page("", "")[2] == b"# HELP asked How often.\n# TYPE asked gauge\nasked 3.0\n"


def test_any_path_is_the_page(port: int) -> None:
    """As it was of old; any other method is refused."""
    for path in ("/metrics", "/", "/metrics?x=1"):
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("content-type")) == (200, PLAIN)
        assert gzip.decompress(answer.read()).startswith(b"# HELP asked")
        connection.close()
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/metrics", body=b"")
    assert connection.getresponse().status == 405
    connection.close()


def test_flood_takes_few_threads_and_is_paced(port: int, asked: _Counted) -> None:
    """Of twenty at once four are served at a time, and twenty a second are taken."""
    began = time.monotonic()
    most = 0
    callers = [socket.create_connection(("127.0.0.1", port)) for _ in range(12)]
    for caller in callers:
        caller.sendall(b"GET / HTTP/1.0\r\n\r\n")
    for caller in callers:
        most = max(most, sum(thread.name == "scrape" for thread in threading.enumerate()))
        told = b"".join(iter(lambda caller=caller: caller.recv(65536), b""))
        assert told.startswith(b"HTTP/1.1 200 OK")
        caller.close()
    seconds = time.monotonic() - began
    assert seconds >= 11 * scrapes.BETWEEN_S
    assert most <= scrapes.CONNECTIONS_MAX
    assert asked.times <= 1 + seconds / scrapes.KEPT_S


def test_who_sends_slowly_is_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are, the next scrape comes soon; a byte now and then is no excuse."""
    monkeypatch.setattr(scrapes, "CALL_S", 0.3)
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
    stopped = threading.Event()

    def drip() -> None:
        while not stopped.wait(0.05):
            for caller in slow:
                try:
                    caller.sendall(b"G")
                except OSError:
                    continue

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 200
        connection.close()
        for caller in slow:
            caller.settimeout(10)
            with suppress(ConnectionError):
                assert caller.recv(1) == b""
    finally:
        stopped.set()
        dripping.join()
        for caller in slow:
            caller.close()
