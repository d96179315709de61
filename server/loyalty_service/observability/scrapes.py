"""
Serves measurements to whoever scrapes them, and takes little of the server for it.

The port asks for no key: any user of the machine may call, as fast as it likes. So each form of the
page is written at most once a second, few connections are open, and few are taken a second.
"""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted

log = structlog.get_logger(__name__)

KEPT_S = 1.0
"""For so long a page is given again as it is: to write it takes the interpreter some 20 ms."""

CONNECTIONS_MAX = 4
BETWEEN_S = 0.05
"""From one connection to the next; more wait at the kernel."""

CALL_S = 2.0
"""To send a call, and as long again to take its answer."""

LOOK_S = 0.5
"""How often the thread looks whether it is to end, where the closed port does not wake it."""

HEAD_MAX = 16_384
BACKLOG = 16
OPENMETRICS = "application/openmetrics-text"


class Pages:
    """
    The page of all measurements, in the forms that Prometheus asks for.

    Args:
        registry: What is measured.
        clock: Seconds from any moment.
    """

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[bool, bool], tuple[float, str, bytes]] = {}

    def page(self, accept: str, encoding: str) -> tuple[str, bool, bytes]:
        """Return the type of the page, whether it is compressed, and the page."""
        modern, packed = OPENMETRICS in accept, gzip_accepted(encoding)
        # One at a time: whoever waits gets what the other has written.
        with self._lock:
            kind, page = self._written(modern=modern, packed=packed)
        return kind, packed, page

    def _written(self, *, modern: bool, packed: bool) -> tuple[str, bytes]:
        """Write a page, or give the one that was written a moment ago."""
        found = self._kept.get((modern, packed))
        if found is not None and self._clock() - found[0] < KEPT_S:
            return found[1:]
        if packed:
            kind, page = self._written(modern=modern, packed=False)
            page = gzip.compress(page)
        else:
            write, kind = choose_encoder(f"{OPENMETRICS}; version=1.0.0" if modern else "")
            page = write(self._registry)
        self._kept[modern, packed] = (self._clock(), kind, page)
        return kind, page


class ScrapeServer:
    """
    Takes connections on a thread of its own, until closed.

    Raises:
        OSError: The port can't be had.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self._pages = Pages(registry)
        self._places = threading.BoundedSemaphore(CONNECTIONS_MAX)
        self._closed = threading.Event()
        self._socket = socket.create_server(address[:2], family=family, backlog=BACKLOG)
        self._socket.settimeout(LOOK_S)
        self._thread = threading.Thread(target=self._take, name="scrapes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections and let go of the port."""
        self._closed.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # Wakes the thread.
        self._thread.join()
        self._socket.close()

    def _take(self) -> None:
        while not self._closed.wait(BETWEEN_S):
            if not self._places.acquire(timeout=BETWEEN_S):
                continue
            try:
                connection, _ = self._socket.accept()
            except OSError:
                # Nobody called, its caller has hung up before, or it is closed.
                self._places.release()
                continue
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="scrape", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                # The machine has no thread left: the next scrape may find one.
                connection.close()
                self._places.release()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._answer(connection)
        except (ConnectionError, TimeoutError):
            pass  # Its caller has hung up, or is too slow.
        except Exception:
            log.exception("measurements not served")
        finally:
            self._places.release()

    def _answer(self, connection: socket.socket) -> None:
        head = _head_of(connection)
        method = head.partition(b" ")[0]
        if method != b"GET":
            _send(connection, "405 Method Not Allowed", ["Allow: GET"], b"")
            return
        fields = _fields_of(head)
        kind, packed, page = self._pages.page(
            fields.get("accept", ""), fields.get("accept-encoding", "")
        )
        told = [f"Content-Type: {kind}", *(["Content-Encoding: gzip"] if packed else [])]
        _send(connection, "200 OK", told, page)


def _head_of(connection: socket.socket) -> bytes:
    """
    Read a call as far as its body.

    Raises:
        TimeoutError: It did not come in time.
        ConnectionError: It ended early, or is too long.
    """
    until, head = time.monotonic() + CALL_S, b""
    while b"\r\n\r\n" not in head:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        more = connection.recv(HEAD_MAX)
        head += more
        if not more or len(head) > HEAD_MAX:
            raise ConnectionAbortedError
    return head


def _fields_of(head: bytes) -> dict[str, str]:
    fields = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    return fields


def _send(connection: socket.socket, status: str, told: list[str], body: bytes) -> None:
    lines = [f"HTTP/1.1 {status}", *told, f"Content-Length: {len(body)}", "Connection: close"]
    connection.settimeout(CALL_S)
    connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
