"""`loyalty health` asks a real server, with and without TLS, and says it in one line."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from loyalty_service.cli import main
from tests.support.banks import run_here
from tests.support.certificates import Authority, put

pytestmark = pytest.mark.any_database


async def health(*arguments: str) -> int:
    """Run the command beside the server; return its exit code."""

    def run() -> int:
        with patch("sys.argv", ["loyalty", "health", *arguments]):
            with pytest.raises(SystemExit) as ended:
                main()
            return int(ended.value.code or 0)

    return await asyncio.to_thread(run)


async def test_server_that_serves_is_told_in_one_line(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Readiness and liveness alike, with exit code 0."""
    async with run_here(database_url, tmp_path) as address:
        capsys.readouterr()
        assert await health("--address", address) == 0
        assert await health("--address", address, "--liveness") == 0
    assert capsys.readouterr().out == f"{address}: SERVING\n" * 2


async def test_absent_server_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 1, after no longer than was asked for."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert await health("--address", address, "--timeout", "1") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{address}: no answer: ")
    assert said.err.count("\n") == 1


async def test_server_with_mutual_tls_is_asked_with_a_certificate(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the name in its certificate; without one of our own the handshake fails."""
    authority = Authority("inside")
    certificate, key = authority.sign("server", names=("loyalty.internal",)).write(
        tmp_path / "tls", "server"
    )
    put(tmp_path / "tls" / "ca.pem", authority.pem)
    own = authority.sign("probe").write(tmp_path / "tls", "probe")
    settings = {
        "tls_certificate": certificate,
        "tls_private_key": key,
        "tls_client_ca": tmp_path / "tls" / "ca.pem",
    }
    async with run_here(database_url, tmp_path, **settings) as address:
        asked = ("--address", address, "--ca", str(tmp_path / "tls" / "ca.pem"))
        named = (*asked, "--name", "loyalty.internal")
        shown = (*named, "--certificate", str(own[0]), "--key", str(own[1]))
        capsys.readouterr()
        assert await health(*shown) == 0
        assert capsys.readouterr().out == f"{address}: SERVING\n"
        assert await health(*named, "--timeout", "1") == 1
        assert await health("--address", address, "--timeout", "1") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--key", "key.pem"), "need --ca"),
        (("--ca", "ca.pem", "--key", "key.pem"), "go together"),
        (("--ca", "/nowhere/ca.pem"), "/nowhere/ca.pem: No such file"),
    ],
)
async def test_credentials_that_can_not_be_used_are_told(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As every mistake of an operator: one line, exit code 1."""
    assert await health("--address", "127.0.0.1:1", *arguments) == 1
    assert said in capsys.readouterr().err
