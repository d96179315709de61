"""A server that can't start says in one line why, and which setting mends it."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.bootstrap import open_store, serve
from loyalty_service.cli import main
from loyalty_service.config import Settings
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.transport.addresses import AddressError, authority, require_free
from loyalty_service.workers import Workers
from tests.support.doing import apply_program
from tests.support.http import free_port
from tests.support.programs import demo_program
from tests.support.server import open_channel, run_server, settings_in


def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **settings: str
) -> str:
    """Start a server that ends at once; return what it said."""
    for name, value in settings.items():
        monkeypatch.setenv(f"LOYALTY_{name}", value)
    monkeypatch.setattr("sys.argv", ["loyalty", "serve"])
    monkeypatch.setattr("loyalty_service.cli.serving.configure_logging", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("name", ["GRPC_PORT", "METRICS_PORT"])
def test_taken_port_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    """Of two ports, the one that is taken is told, and no store is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {"GRPC_PORT": "0", "DATA_DIR": str(tmp_path / "data"), name: port}
        said = told(monkeypatch, capsys, **settings)

    assert said == f"Port {port} is taken: set LOYALTY_{name} to another.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "2001:db8::1"])
def test_address_of_another_machine_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, host: str
) -> None:
    """The host is what is wrong, not the port."""
    settings = {"GRPC_HOST": host, "GRPC_PORT": "0", "DATA_DIR": str(tmp_path)}
    said = told(monkeypatch, capsys, ALLOW_PLAINTEXT="true", **settings)

    assert said == f"LOYALTY_GRPC_HOST {host} is no address of this machine.\n"


def test_metrics_have_an_address_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Metrics are served where LOYALTY_METRICS_HOST says, whatever address calls come to."""
    settings = {"METRICS_HOST": "192.0.2.1", "METRICS_PORT": "50998", "GRPC_PORT": "0"}
    said = told(monkeypatch, capsys, DATA_DIR=str(tmp_path), **settings)

    assert said == "LOYALTY_METRICS_HOST 192.0.2.1 is no address of this machine.\n"
    monkeypatch.delenv("LOYALTY_METRICS_HOST")
    monkeypatch.setenv("LOYALTY_GRPC_HOST", "192.0.2.1")
    assert Settings().metrics_host == "127.0.0.1"


def test_ports_must_differ(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Calls and metrics can't share a port."""
    settings = {"GRPC_PORT": "50999", "METRICS_PORT": "50999", "DATA_DIR": str(tmp_path)}

    assert "must differ" in told(monkeypatch, capsys, **settings)


async def test_worker_is_this_server_whatever_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another package of its name in the current folder is not run in place of this one."""
    other = tmp_path / "loyalty_service"
    other.mkdir()
    (other / "__init__.py").touch()
    (other / "__main__.py").write_text("open('taken', 'w').close()\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    port = free_port()
    monkeypatch.setenv("LOYALTY_GRPC_PORT", str(port))
    monkeypatch.setenv("LOYALTY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOYALTY_SHUTDOWN_NOTICE_S", "0")
    stop = asyncio.Event()

    running = asyncio.create_task(Workers(Settings(), 1).run(stop))
    try:
        async with asyncio.timeout(30), open_channel(f"127.0.0.1:{port}") as channel:
            await channel.channel_ready()
    finally:
        stop.set()
        await running

    assert not (tmp_path / "taken").exists()


def test_shared_port_is_free_for_those_who_share() -> None:
    """A port that servers share is taken for everybody else."""
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first.bind(("127.0.0.1", 0))
        first.listen()
        port = first.getsockname()[1]
        require_free("127.0.0.1", port, "PORT", shared=True)
        with pytest.raises(AddressError, match="is taken: set PORT"):
            require_free("127.0.0.1", port, "PORT")


@pytest.mark.parametrize(
    ("host", "written"),
    [("::1", "[::1]:1"), ("[::1]", "[::1]:1"), ("127.0.0.1", "127.0.0.1:1"), ("host", "host:1")],
)
def test_address_is_written_as_grpc_reads_it(host: str, written: str) -> None:
    """An IPv6 address is taken with brackets and without."""
    assert authority(host, 1) == written


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
async def test_server_listens_on_ipv6(tmp_path: Path, host: str) -> None:
    """Calls reach a server that listens on IPv6 alone, its metrics included."""
    async with run_server(tmp_path, grpc_host=host) as server:
        channel = open_channel(f"[::1]:{server.running.grpc_port}")
        async with channel:
            await channel.channel_ready()
            assert channel.get_state() is grpc.ChannelConnectivity.READY


@pytest.mark.parametrize("place", ["/proc/nope", "/etc/hostname"])
def test_folder_that_can_not_be_made_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """A data folder that is a file, or can't be, is told with its setting."""
    said = told(monkeypatch, capsys, DATA_DIR=place, GRPC_PORT="0")

    assert said.startswith(f"LOYALTY_DATA_DIR {place} can't be created: ")


def test_pepper_that_can_not_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A pepper file that can't be read is told by its path."""
    (tmp_path / "code-pepper").mkdir()

    said = told(monkeypatch, capsys, DATA_DIR=str(tmp_path), GRPC_PORT="0")

    assert said == f"{tmp_path / 'code-pepper'} can't be read: Is a directory\n"


async def test_time_zone_that_the_machine_does_not_have_is_named(tmp_path: Path) -> None:
    """No server is healthy that would fail at every paid order."""
    settings = settings_in(tmp_path)
    program = replace(demo_program(), time_zone="Mars/Olympus")
    async with open_store(settings) as store:
        await store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    with pytest.raises(OperatorError, match="demo-ca: the time zone Mars/Olympus can't be loaded"):
        async with serve(settings):
            pass
