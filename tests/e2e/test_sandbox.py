"""The sandbox as `make run` starts it: what it says, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.bootstrap import database_of, open_store
from loyalty_service.cli import main
from loyalty_service.config import Settings
from loyalty_service.domain.errors import CodeAlreadyUsedError, CodeNotFoundError
from loyalty_service.domain.keys import Role
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.sandbox.demo_data import (
    StoreInUseError,
    put_sandbox_data,
    require_own_store,
    reset_sandbox,
)
from loyalty_service.sandbox.envoy_process import (
    ADMIN_SOCKET,
    EnvoyFailedError,
    EnvoyProcess,
    call_admin,
)
from loyalty_service.sandbox.fixed_codes import FIXED_CODES, identify_in_sandbox
from loyalty_service.sandbox.run import PortTakenError, require_ports, welcome
from loyalty_service.storage.alone import OpenElsewhereError
from loyalty_service.storage.migrate import migrate
from loyalty_service.transport.addresses import AddressError
from tests.support import stores
from tests.support.contents import columns_of, digests
from tests.support.databases import Backend, fresh_database
from tests.support.doing import create_key, identify_member
from tests.support.edge_parts import manager_of
from tests.support.http import HttpClient, free_port
from tests.support.programs import PROGRAM_ID, identify_command, other_program, put_program
from tests.support.sandbox_box import COMMAND, environment, started
from tests.support.server import settings_in

RESTARTED_S = 20.0


@contextmanager
def sandbox(folder: Path, **settings: int) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """Run a sandbox whose errors are read; return its process and its ports of HTTP and gRPC."""
    with started(folder, errors=subprocess.PIPE, **settings) as found:
        yield found.process, found.http, found.grpc


def is_listened_to(port: int) -> bool:
    """Tell whether anybody takes connections on a port."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_server_and_envoy(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and a closed terminal end both, and nothing is complained about."""
    with sandbox(tmp_path) as (process, http_port, grpc_port):
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)

        assert (process.returncode, errors) == (0, "")
        assert not is_listened_to(http_port)
        assert not is_listened_to(grpc_port)


def test_envoy_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    """The terminal says so, and tills find it where it was."""
    with sandbox(tmp_path) as (process, http_port, _):
        tasks = Path(f"/proc/{process.pid}/task").iterdir()
        children = [child for task in tasks for child in (task / "children").read_text().split()]
        (envoy,) = map(int, children)
        os.kill(envoy, signal.SIGABRT)
        assert process.stdout is not None
        line = next(line for line in process.stdout if "Envoy ended" in line)
        assert "with status -6 and is started again" in line
        until = time.monotonic() + RESTARTED_S
        while not is_listened_to(http_port):
            assert time.monotonic() < until
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")


def _hang_when_asked(config: dict[str, Any]) -> None:
    (gate,) = (
        part["typed_config"]
        for part in manager_of(config)["http_filters"]
        if part["name"] == "loyalty.gate"
    )
    gate["default_source_code"]["inline_string"] += """
        local let_in = envoy_on_request
        function envoy_on_request(handle)
          while handle:headers():get("x-hang") do end
          let_in(handle)
        end
    """
    watched = config["watchdogs"]["worker_watchdog"]
    assert watched["kill_timeout"] == "5s"
    watched["kill_timeout"] = "2s"


async def test_envoy_whose_worker_hangs_ends_and_is_started_again(tmp_path: Path) -> None:
    """Whatever keeps its worker: callers are served again soon, at the same port."""
    ended: list[int] = []
    envoy = EnvoyProcess(folder=tmp_path, grpc_port=free_port(), adapt=_hang_when_asked)
    async with envoy:
        keeping = asyncio.create_task(envoy.keep_running(ended.append))
        client = HttpClient("127.0.0.1", envoy.http_port)
        with pytest.raises((OSError, EOFError)):
            await client.request("GET", "/otp/1", None, {"x-hang": "1"})
        async with asyncio.timeout(RESTARTED_S):
            while not ended or not is_listened_to(client.port):  # noqa: ASYNC110 - a process.
                await asyncio.sleep(0.05)
        answer = await client.request("GET", "/otp/1", None, {})
        assert answer.status == 401
        keeping.cancel()
    assert ended == [-signal.SIGABRT]


@pytest.fixture
def refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Start a sandbox in this process that must end at once; returns the one line that it says."""

    def start(**settings: int) -> str:
        for name, value in environment(tmp_path, **settings).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["loyalty", "sandbox"])
        for place in ("loyalty_service.cli.sandbox", "loyalty_service.sandbox.run"):
            monkeypatch.setattr(f"{place}.configure_logging", lambda _: None)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == 1
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
        return said.err

    return start


@pytest.mark.parametrize("name", ["GRPC_PORT", "HTTP_PORT"])
def test_taken_port_is_named(refusal: Callable[..., str], name: str) -> None:
    """A taken port is told in one line with the setting that mends it; nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refusal(**{name: port})

    assert told.startswith(f"Port {port} is taken")
    assert f"LOYALTY_{name}" in told


def test_one_port_for_both_doors_is_refused() -> None:
    """The two doors can't share a port number."""
    with pytest.raises(PortTakenError, match="must differ"):
        require_ports(Settings(grpc_port=50999, http_port=50999))


def test_port_kept_for_others_is_not_called_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that only root may have is told as such: nobody has taken it."""

    def kept(*_: object, **__: object) -> int:
        return errno.EACCES

    monkeypatch.setattr("loyalty_service.transport.addresses._try", kept)
    with pytest.raises(AddressError, match="kept for others: set LOYALTY_GRPC_PORT"):
        require_ports(Settings(grpc_port=80, http_port=8080))


def test_another_address_is_refused() -> None:
    """The published keys are served on loopback alone; LOYALTY_GRPC_HOST is not ignored."""
    with pytest.raises(PortTakenError, match="unset LOYALTY_GRPC_HOST"):
        require_ports(Settings(grpc_host="0.0.0.0", grpc_port=0, http_port=0))  # noqa: S104


def test_folder_that_is_read_only_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, the setting that chooses the folder is named."""
    monkeypatch.setattr(os, "access", lambda *_: False)  # Root may write everywhere.
    with pytest.raises(OperatorError, match=r"LOYALTY_DATA_DIR .* can't be written to"):
        Settings(data_dir=tmp_path).make_data_dir()


def test_calls_to_paste_survive_a_folder_with_a_blank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in a folder with a blank in its name is one word of the shell's."""
    programs = tmp_path / "till maker"
    programs.mkdir()
    (programs / "grpcurl").touch()
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    calls = [line for line in welcome(8080, 50051).splitlines() if "till maker" in line]
    assert len(calls) == 5
    for line in calls:
        assert shlex.split(line)[0].startswith(f"{programs}/")


def test_command_about_guesses_works_from_another_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pasted where the folder of the sandbox is not set, and from another folder, it finds it."""
    folder = tmp_path / "the till's data"
    monkeypatch.chdir(tmp_path)
    settings = Settings(data_dir=Path(folder.name))
    settings.make_data_dir()
    settings.pepper()
    migrate(database_of(settings))
    (line,) = [line for line in welcome(1, 2, settings).splitlines() if line.endswith("guesses")]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ran = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=elsewhere,
        env={name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "Nobody must wait."), ran.stderr


def test_calls_by_grpcurl_are_told_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call that is told can be pasted: a program that is missing is not among them."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "-plaintext" not in welcome(8080, 50051)


async def test_keys_made_by_hand_do_not_stop_the_next_start(
    tmp_path: Path, backend: Backend
) -> None:
    """A key that somebody made for trying out, in a sandbox's store, is no stranger's."""
    with fresh_database(backend) as url:
        settings = settings_in(tmp_path, database_url=url)
        async with open_store(settings) as store:
            await store.write(put_sandbox_data)
            command = CreateKey(PROGRAM_ID, "acme", Role.TILL)
            await store.write(lambda unit, now: create_key(unit, command, now))
            require_own_store(database_of(settings))


async def test_envoy_that_does_not_start_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Envoy says before it ends is what the operator reads: it is no fault of ours."""
    envoy = tmp_path / "envoy"
    envoy.write_text("#!/bin/sh\necho cannot bind 127.0.0.1:8080 >&2\nexit 1\n", encoding="utf-8")
    envoy.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(EnvoyFailedError) as failed:
        await EnvoyProcess(folder=tmp_path / "run", grpc_port=1).start()

    assert isinstance(failed.value, OperatorError)
    assert str(failed.value) == "Envoy ended at once:\ncannot bind 127.0.0.1:8080"


def test_envoy_of_a_killed_sandbox_is_ended(tmp_path: Path) -> None:
    """After kill -9 the next sandbox on the same data ends the Envoy of the first."""
    with sandbox(tmp_path) as (process, http_port, _):
        told = call_admin(tmp_path / "envoy" / ADMIN_SOCKET, "GET", "/listeners")[1]
        envoy_port = int(told.split()[0].rpartition(":")[2])
        process.kill()
    assert is_listened_to(envoy_port)

    with sandbox(tmp_path, HTTP_PORT=http_port) as (process, again, _):
        assert again == http_port
        assert not is_listened_to(envoy_port)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_second_sandbox_on_the_same_data_is_refused(tmp_path: Path) -> None:
    """A second sandbox on the same data is refused, and the first goes on, until Ctrl-C."""
    with sandbox(tmp_path) as (first, http_port, grpc_port):
        second = subprocess.run(
            COMMAND,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode == 1
        assert "is open elsewhere" in second.stderr
        assert is_listened_to(http_port)
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=20)
        assert (first.returncode, errors) == (0, "")
    assert not is_listened_to(http_port)
    assert not is_listened_to(grpc_port)


async def test_store_of_others_is_refused(tmp_path: Path, backend: Backend) -> None:
    """A store with a key or a program that no sandbox made gets no published keys."""
    with fresh_database(backend) as url:
        settings = settings_in(tmp_path, database_url=url)
        database = database_of(settings)
        async with open_store(settings) as store:
            require_own_store(database)
            await store.write(put_sandbox_data)
            require_own_store(database)
            await put_program(store, other_program())
            with pytest.raises(StoreInUseError, match="program demo-us: set LOYALTY_DATA_DIR"):
                require_own_store(database)
            command = CreateKey(PROGRAM_ID, "acme", Role.TILL)
            await store.write(lambda unit, now: create_key(unit, command, now))
            with pytest.raises(StoreInUseError, match="program demo-us: set LOYALTY_DATA_DIR"):
                require_own_store(database)


def test_store_of_others_is_left_as_it_is(tmp_path: Path, refusal: Callable[..., str]) -> None:
    """The command says in one line why it does not start, and adds nothing."""
    settings = settings_in(tmp_path)

    async def fill() -> None:
        async with open_store(settings) as store:
            await put_program(store)
            command = CreateKey(PROGRAM_ID, "acme", Role.TILL)
            await store.write(lambda unit, now: create_key(unit, command, now))

    asyncio.run(fill())
    settings.pepper_file.write_text("p" * 32, encoding="ascii")
    before = digests(database_of(settings), columns_of(database_of(settings)))

    told = refusal()

    assert "it has API key " in told
    assert "set LOYALTY_DATA_DIR to another folder" in told
    assert digests(database_of(settings), columns_of(database_of(settings))) == before


async def test_reset_deletes_a_sandboxs_store_alone(tmp_path: Path) -> None:
    """A sandbox's store goes, its pepper stays; the store of others is refused and stays."""
    settings = settings_in(tmp_path)
    assert reset_sandbox(settings) is None
    async with open_store(settings) as store:
        await store.write(put_sandbox_data)
        with pytest.raises(OpenElsewhereError):
            reset_sandbox(settings)
    assert reset_sandbox(settings) == settings.data_dir.resolve() / "loyalty.db"
    assert not any(
        (settings.data_dir / f"loyalty.db{end}").exists() for end in ("", "-wal", "-shm")
    )

    async with open_store(settings) as store:
        await put_program(store, other_program())
    with pytest.raises(StoreInUseError):
        reset_sandbox(settings)
    assert (settings.data_dir / "loyalty.db").exists()


async def test_fixed_codes_mean_nothing_outside_the_sandbox(database_url: str) -> None:
    """Where a store was a sandbox's once, its published codes identify nobody for a real key."""
    async with stores.open_store(database_url) as store:
        await store.write(put_sandbox_data)
        for digits in FIXED_CODES:
            command = identify_command(digits)
            answer = store.write(lambda unit, now, asked=command: identify_member(unit, asked, now))
            with pytest.raises((CodeNotFoundError, CodeAlreadyUsedError)):
                await answer
        shown = identify_command("123456")
        told = store.write(
            lambda unit, now: identify_in_sandbox(unit, shown, now), reads=shown.reads()
        )
        assert (await told).result.member.name == "Farhan"
