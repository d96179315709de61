"""How a host is called over the network."""

from __future__ import annotations

import socket
import threading

import pytest

from loyalty_service.certification.host import HttpHost
from loyalty_service.certification.requests import Request

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


def test_request_goes_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Head and body leave together: a host may not wait for a body that comes later."""
    sent: list[bytes] = []
    whole = socket.socket.sendall

    def sendall(self: socket.socket, data: bytes) -> None:
        sent.append(bytes(data))
        whole(self, data)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as caller:
                caller.recv(65536)
                caller.send(ANSWER)

        serving = threading.Thread(target=serve)
        serving.start()
        monkeypatch.setattr(socket.socket, "sendall", sendall)
        host = HttpHost(f"http://127.0.0.1:{server.getsockname()[1]}", {"till": "secret"})
        answer = host.call(Request("void", "PUT", "/void", {"a": 1}, "till", ""), wait_s=10)
        serving.join()

    assert answer.status == 200
    assert len(sent) == 1
    assert sent[0].endswith(b'{"a": 1}')
