"""A database that accepts connections and answers nothing stops nobody for long."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from loyalty_service.cli import main
from loyalty_service.domain.errors import DeadlinePassedError
from loyalty_service.storage import databases
from loyalty_service.storage.databases import Database, UnreachableError

COMMANDS = (
    "keys list",
    "keys revoke key",
    "guesses",
    "adjust --reason gift demo-ca 4711fc2a-3a8f-414f-a9e7-44dd5231dca7 5",
    "pepper list",
    "audit",
    "backup there.db",
    "repair",
    "migrate",
)
_HANDSHAKE = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"
_LONGEST_S = 8.0


@contextmanager
def silent(*, greets: bool) -> Iterator[int]:
    """Listen as a database that stopped: before the handshake, or right after it."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = listener.accept()
                    kept.append(caller)
                    # Whoever waits without end fails the test, and does not hang it.
                    caller.settimeout(_LONGEST_S)
                    threading.Thread(target=answer, args=(caller,), daemon=True).start()

        def answer(caller: socket.socket) -> None:
            with closing(caller), suppress(OSError):
                while caller.recv(4096)[4:8] != b"\0\x03\0\0":
                    caller.sendall(b"N")
                caller.sendall(_HANDSHAKE)
                while caller.recv(4096):
                    pass

        if greets:
            threading.Thread(target=greet, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for caller in kept:
                caller.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_command_ends(
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A command says soon what it waits for, and then that nothing answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(databases, "ANSWER_TIMEOUT_S", 0.3)
    monkeypatch.setattr(databases, "WAIT_TOLD_S", 0.05)
    with silent(greets=True) as port:
        monkeypatch.setenv("LOYALTY_DATABASE_URL", f"postgresql://someone@127.0.0.1:{port}/x")
        monkeypatch.setattr("sys.argv", ["loyalty", *command.split()])
        began = time.monotonic()
        with pytest.raises(SystemExit) as ended:
            main()
    assert time.monotonic() - began < _LONGEST_S / 2
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert f"waiting for the database at 127.0.0.1:{port}\n" in said
    assert "does not answer: no answer to a first query in time" in said


def test_handshake_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's own two minutes are nowhere waited for."""
    # The shortest that the driver takes.
    monkeypatch.setitem(databases._ALIVE, "connect_timeout", 2)
    with silent(greets=False) as port:
        database = Database.from_text(f"postgresql://someone@127.0.0.1:{port}/x")
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="timeout expired"):
            database.require_durable()
    assert time.monotonic() - began < _LONGEST_S / 2


def test_start_ends_when_told_to(tmp_path: Path) -> None:
    """A server that waits for its database obeys SIGTERM at once."""
    with silent(greets=False) as port:
        url = f"postgresql://someone@127.0.0.1:{port}/x"
        with subprocess.Popen(
            [sys.executable, "-m", "loyalty_service", "serve"],
            env={
                **os.environ,
                "LOYALTY_DATABASE_URL": url,
                "LOYALTY_DATA_DIR": str(tmp_path),
                "LOYALTY_CODE_PEPPER": "a pepper of thirty-two letters !",
                "LOYALTY_GRPC_PORT": "0",
                "LOYALTY_METRICS_PORT": "0",
            },
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stderr is not None
                told = process.stderr.readline()
                process.send_signal(signal.SIGTERM)
                # It ends with 1 where it waits for the database until that is too late.
                assert process.wait(_LONGEST_S) == 0
                assert told == f"waiting for the database at 127.0.0.1:{port}\n"
            finally:
                process.kill()


@pytest.mark.parametrize("problem", [TimeoutError(), DeadlinePassedError()])
def test_time_that_ran_out_is_worded(problem: Exception) -> None:
    """A reason in the log has words and the address, also of errors that have none."""
    database = Database.from_text("postgresql://someone:secret@db.example/x")
    assert database.why(problem) == "db.example:5432 does not answer in time"
