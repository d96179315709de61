"""TLS and mutual TLS on the gRPC port: who gets in, and how certificates are replaced."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from loyalty.v1 import member_service_pb2
from loyalty_service.cli import main
from loyalty_service.sandbox.fixed_codes import FARHAN
from loyalty_service.transport import tls
from loyalty_service.transport.tls import Certificates, TlsFiles, TransportSecurityError
from tests.support.banks import ServerProcess, process_environment
from tests.support.certificates import (
    MONTH,
    Authority,
    every_tls_version,
    put,
    shown_serial,
    speaking,
    trusting,
)
from tests.support.server import Caller, open_channel, run_server

ROOT = Path(__file__).resolve().parents[2]
EVERYWHERE = "0.0.0.0"  # noqa: S104 - to see it refused.


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with the certificates of a server that demands its callers' ones."""

    authority: Authority
    files: TlsFiles

    @property
    def settings(self) -> dict[str, Any]:
        """What makes a server use them."""
        return {
            "tls_certificate": self.files.certificate,
            "tls_private_key": self.files.private_key,
            "tls_client_ca": self.files.client_ca,
        }

    def credentials(
        self, authority: Authority | None = None, *, valid_for: timedelta = MONTH
    ) -> grpc.ChannelCredentials:
        """Give a caller a certificate, of this authority unless another is named."""
        own = (authority or self.authority).sign("till", valid_for)
        return grpc.ssl_channel_credentials(self.authority.pem, own.private_key, own.certificate)

    def renew(self) -> int:
        """Put a new certificate and key in place; return the certificate's serial number."""
        renewed = self.authority.sign("server")
        renewed.write(self.files.certificate.parent, "server")
        return renewed.serial_number


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Fresh certificates."""
    authority = Authority("Loyalty test CA")
    certificate, private_key = authority.sign("server").write(tmp_path / "tls", "server")
    client_ca = tmp_path / "tls" / "clients.pem"
    put(client_ca, authority.pem)
    return Place(authority, TlsFiles(certificate, private_key, client_ca))


async def answered(address: str, credentials: grpc.ChannelCredentials | None) -> None:
    """Make a call on a connection of its own."""
    async with open_channel(address, credentials) as channel:
        caller = Caller(channel)
        request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
        answer = await caller.call(caller.members.GetMember, request)
        assert answer.member.loyalty_id == FARHAN


async def turned_away(address: str, credentials: grpc.ChannelCredentials | None) -> bool:
    """Tell whether a connection is refused before any call."""
    try:
        await answered(address, credentials)
    except grpc.aio.AioRpcError as error:
        return error.code() is grpc.StatusCode.UNAVAILABLE
    return False


async def test_tls_port_takes_no_plaintext_and_needs_no_client_certificate(
    tmp_path: Path, place: Place
) -> None:
    """With a certificate the port speaks TLS only; whoever trusts it may call."""
    settings = place.settings | {"tls_client_ca": None}
    credentials = grpc.ssl_channel_credentials(place.authority.pem)
    async with run_server(tmp_path, credentials=credentials, **settings) as server:
        await answered(server.address, credentials)
        assert await turned_away(server.address, None)
        stranger = grpc.ssl_channel_credentials(Authority("another").pem)
        assert await turned_away(server.address, stranger)


async def test_client_authority_lets_in_only_whom_it_signed(tmp_path: Path, place: Place) -> None:
    """With a client CA a caller without its certificate, or with an old or strange one, fails."""
    credentials = place.credentials()
    async with run_server(tmp_path, credentials=credentials, **place.settings) as server:
        await answered(server.address, credentials)
        nameless = grpc.ssl_channel_credentials(place.authority.pem)
        strange = place.credentials(Authority("another"))
        expired = place.credentials(valid_for=timedelta(hours=-1))
        for refused in (None, nameless, strange, expired):
            assert await turned_away(server.address, refused)


@every_tls_version
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_older_than_1_2_is_refused(
    tmp_path: Path, place: Place, version: ssl.TLSVersion, *, taken: bool
) -> None:
    """TLS 1.2 and 1.3 are spoken, 1.1 is not."""
    context = speaking(place.authority, version)
    settings = place.settings | {"tls_client_ca": None}
    async with run_server(tmp_path, **settings) as server:
        try:
            await asyncio.to_thread(shown_serial, server.address, context)
        except ssl.SSLError:
            assert not taken
        else:
            assert taken


async def test_certificate_renewed_on_disk_is_shown_without_a_restart(
    tmp_path: Path, place: Place
) -> None:
    """New handshakes see a new certificate at once, and no call of old or new callers fails."""
    settings = place.settings | {"tls_client_ca": None}
    credentials = grpc.ssl_channel_credentials(place.authority.pem)
    context = trusting(place.authority)
    done = asyncio.Event()
    calls = 0

    async def keep_calling(server: Any) -> None:
        nonlocal calls
        request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
        while not done.is_set():
            await server.admin.call(server.admin.members.GetMember, request)
            await answered(server.address, credentials)
            calls += 2

    async with run_server(tmp_path, credentials=credentials, **settings) as server:
        calling = asyncio.create_task(keep_calling(server))
        for _ in range(5):
            before, serial = calls, place.renew()
            assert await asyncio.to_thread(shown_serial, server.address, context) == serial
            while calls < before + 4:
                assert not calling.done()
                await asyncio.sleep(0.01)
        done.set()
        await calling


async def test_half_written_certificate_leaves_the_old_one_in_use(
    tmp_path: Path, place: Place
) -> None:
    """While only half of a renewal is on disk the old certificate is shown, with a warning."""
    settings = place.settings | {"tls_client_ca": None}
    context = trusting(place.authority)
    old = Certificates(place.files)._loaded.serial_number
    renewed = place.authority.sign("server")
    async with run_server(tmp_path, **settings) as server:
        with structlog.testing.capture_logs() as logs:
            place.files.certificate.write_bytes(
                renewed.certificate[: len(renewed.certificate) // 2]
            )
            assert await asyncio.to_thread(shown_serial, server.address, context) == old
            put(place.files.certificate, renewed.certificate)  # Its key is still the old one.
            assert await asyncio.to_thread(shown_serial, server.address, context) == old
            place.files.private_key.unlink()
            assert await asyncio.to_thread(shown_serial, server.address, context) == old
            put(place.files.private_key, renewed.private_key)
            shown = await asyncio.to_thread(shown_serial, server.address, context)
        assert shown == renewed.serial_number
        told = [entry for entry in logs if entry["event"].startswith("new certificate not taken")]
        assert len(told) == 3


async def test_authority_of_clients_is_replaced_without_a_restart(
    tmp_path: Path, place: Place
) -> None:
    """Once the client CA's file names another authority, only its callers can connect."""
    assert place.files.client_ca is not None
    other = Authority("next")
    first, second = place.credentials(), place.credentials(other)
    async with run_server(tmp_path, credentials=first, **place.settings) as server:
        assert await turned_away(server.address, second)
        put(place.files.client_ca, place.authority.pem + other.pem)
        await answered(server.address, first)
        await answered(server.address, second)
        put(place.files.client_ca, other.pem)
        assert await turned_away(server.address, first)
        await answered(server.address, second)


async def test_authority_that_ends_while_another_replaces_it_stops_nothing(
    tmp_path: Path, place: Place
) -> None:
    """Beside an authority in time an expired one is warned of, and certificates are renewed."""
    assert place.files.client_ca is not None
    old = Authority("old", -timedelta(hours=1))
    put(place.files.client_ca, old.pem + place.authority.pem)
    credentials = place.credentials()
    with structlog.testing.capture_logs() as logs:
        async with run_server(tmp_path, credentials=credentials, **place.settings) as server:
            await answered(server.address, credentials)
            serial = place.renew()
            own = place.authority.sign("till").write(tmp_path / "till", "till")
            context = trusting(place.authority, own)
            assert await asyncio.to_thread(shown_serial, server.address, context) == serial
            assert await turned_away(server.address, place.credentials(old))
    told = [entry for entry in logs if entry["event"] == "authority of callers is out of date"]
    assert [entry["reason"].split(" at ")[0] for entry in told] == [
        f"LOYALTY_TLS_CLIENT_CA: {place.files.client_ca} expired"
    ] * 2


def test_expiry_is_told_of_authorities_as_well(place: Place) -> None:
    """What ends first counts, be it the server's certificate or an authority of its callers."""
    assert place.files.client_ca is not None
    alone = Certificates(place.files).expires()
    soon = timedelta(days=9)
    put(place.files.client_ca, place.authority.pem + Authority("old", soon).pem)
    ends = Certificates(place.files).expires()
    assert alone > ends
    assert abs(ends - (datetime.now(UTC) + soon).timestamp()) < 60


def remove(place: Place) -> None:
    """Lose the certificate."""
    place.files.certificate.unlink()


def truncate_key(place: Place) -> None:
    """Leave half of a key."""
    place.files.private_key.write_bytes(place.files.private_key.read_bytes()[:60])


def mismatch(place: Place) -> None:
    """Put in the key of another certificate."""
    put(place.files.private_key, place.authority.sign("other").private_key)


def expire(place: Place) -> None:
    """Let the certificate be of yesterday."""
    place.authority.sign("old", timedelta(hours=-1)).write(place.files.certificate.parent, "server")


def expire_authorities(place: Place) -> None:
    """Let every authority of the callers be of yesterday."""
    assert place.files.client_ca is not None
    authorities = [Authority(name, -timedelta(hours=1)).pem for name in ("one", "two")]
    put(place.files.client_ca, b"".join(authorities))


def swap(place: Place) -> None:
    """Put the key where the certificate belongs."""
    put(place.files.certificate, place.files.private_key.read_bytes())


def empty_authority(place: Place) -> None:
    """Leave the client CA's file empty."""
    assert place.files.client_ca is not None
    place.files.client_ca.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "setting", "words"),
    [
        (remove, "LOYALTY_TLS_CERTIFICATE", "No such file or directory"),
        (truncate_key, "LOYALTY_TLS_PRIVATE_KEY", "holds no PEM private key"),
        (mismatch, "LOYALTY_TLS_PRIVATE_KEY", "is not the key of the certificate"),
        (expire, "LOYALTY_TLS_CERTIFICATE", "expired at"),
        (swap, "LOYALTY_TLS_CERTIFICATE", "holds no PEM certificate"),
        (expire_authorities, "LOYALTY_TLS_CLIENT_CA", "expired at"),
        (empty_authority, "LOYALTY_TLS_CLIENT_CA", "holds no PEM certificate"),
    ],
)
def test_certificate_that_does_not_work_is_named(
    place: Place, damage: Callable[[Place], None], setting: str, words: str
) -> None:
    """What is wrong with a file is told with the setting that names the file."""
    damage(place)
    with pytest.raises(TransportSecurityError, match=words) as raised:
        Certificates(place.files)
    assert str(raised.value).startswith(setting)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tls_certificate": "/none"}, "needs LOYALTY_TLS_PRIVATE_KEY"),
        ({"tls_client_ca": "/none"}, "is set without LOYALTY_TLS_CERTIFICATE"),
        ({"tls_private_key": "/none"}, "is set without LOYALTY_TLS_CERTIFICATE"),
        ({"grpc_host": EVERYWHERE}, "LOYALTY_ALLOW_PLAINTEXT=true"),
    ],
)
async def test_half_of_the_settings_starts_no_server(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    """With a setting that needs another, or plaintext for other machines, nothing starts."""
    with pytest.raises(TransportSecurityError, match=words):
        await run_server(tmp_path / "data", **settings).__aenter__()
    assert not (tmp_path / "data").exists()


def test_serve_without_its_certificate_ends_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line tells what is wrong in one line that names the setting, and exits with 1."""
    missing = str(tmp_path / "none.pem")
    monkeypatch.setenv("LOYALTY_DATA_DIR", str(tmp_path))
    for name in ("CERTIFICATE", "PRIVATE_KEY"):
        monkeypatch.setenv(f"LOYALTY_TLS_{name}", missing)
    monkeypatch.setattr("sys.argv", ["loyalty", "serve"])
    monkeypatch.setattr("loyalty_service.cli.serving.configure_logging", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told == f"LOYALTY_TLS_CERTIFICATE: {missing}: No such file or directory.\n"


async def test_grpc_writes_no_lines_of_its_own(tmp_path: Path, place: Place) -> None:
    """Neither a handshake that fails nor a port that is taken makes gRPC's core say anything."""
    url = f"sqlite:///{tmp_path / 'loyalty.db'}"
    settings = {f"LOYALTY_{name}": str(path) for name, path in place.settings.items()}
    environment = process_environment(url, tmp_path, **{k.upper(): v for k, v in settings.items()})
    # This process has it from the server's package; a server must not need it from outside.
    environment.pop("GRPC_VERBOSITY", None)
    server = await ServerProcess.start(environment)
    try:
        assert await turned_away(server.address, None)
        environment["LOYALTY_GRPC_PORT"] = server.address.rpartition(":")[2]
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loyalty_service", "serve"),
            env=environment,
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(second.communicate(), 60)
        await server.stop(quiet=False)
    finally:
        await server.kill()
    assert server.said == [f"gRPC on {server.address}"]
    assert second.returncode == 1
    assert b"set LOYALTY_GRPC_PORT" in said
    assert said.count(b"\n") == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_plaintext_on_loopback_is_fine(host: str) -> None:
    """Beside a sidecar on the same machine nobody else can listen."""
    tls.require_protection(host, None, allow_plaintext=False)


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "10.0.0.7", "loyalty.internal"])
def test_plaintext_for_other_machines_must_be_asked_for(host: str, place: Place) -> None:
    """A port that others reach needs TLS, or the operator's word that it does not."""
    with pytest.raises(TransportSecurityError, match="LOYALTY_GRPC_HOST"):
        tls.require_protection(host, None, allow_plaintext=False)
    tls.require_protection(host, None, allow_plaintext=True)
    tls.require_protection(host, place.files, allow_plaintext=False)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
def test_key_that_everybody_may_read_is_refused(place: Place, mode: int) -> None:
    """A key's file open to the whole machine is refused with what mends it; a group's is taken."""
    place.files.private_key.chmod(mode)
    with pytest.raises(TransportSecurityError, match=f"`chmod 600 {place.files.private_key}`"):
        Certificates(place.files)
    place.files.private_key.chmod(0o640)
    Certificates(place.files)


def test_authorities_that_everybody_may_change_are_refused(place: Place) -> None:
    """Who adds an authority lets in whom they like; everybody may read them."""
    authorities = place.files.client_ca
    assert authorities is not None
    authorities.chmod(0o646)
    with pytest.raises(TransportSecurityError, match=f"`chmod 644 {authorities}`"):
        Certificates(place.files)
    authorities.chmod(0o644)
    Certificates(place.files)


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


def test_certificate_not_valid_yet_is_taken_when_its_time_comes(place: Place) -> None:
    """What time alone mends is tried again every few seconds, and told once an hour."""
    clock = Clock(datetime.now(UTC))
    certificates = Certificates(place.files, clock)
    clock.now -= timedelta(days=10)
    with structlog.testing.capture_logs() as logs:
        renewed = place.renew()
        for _ in range(int(timedelta(hours=2) / tls.RETRY_AFTER)):
            assert certificates.renewed() is None
            clock.now += tls.RETRY_AFTER
        assert [entry["event"] for entry in logs] == [
            "new certificate not taken, the old one stays"
        ] * 2
        clock.now += timedelta(days=10)
        assert certificates.renewed() is not None
        assert certificates.renewed() is None
    assert logs[-1]["event"] == "certificate reloaded"
    assert logs[-1]["serial_number"] == f"{renewed:x}"


def test_certificate_that_could_not_be_read_once_is_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shortage of file descriptors costs a renewal some seconds, and not its certificate."""
    clock = Clock(datetime.now(UTC))
    certificates = Certificates(place.files, clock)
    place.renew()

    def exhausted(_path: Path) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", exhausted)
        assert certificates.renewed() is None
    assert certificates.renewed() is None
    clock.now += tls.RETRY_AFTER
    assert certificates.renewed() is not None


def test_certificate_about_to_expire_is_warned_of_once_a_day(place: Place) -> None:
    """In a certificate's last week its handshakes warn, once a day."""
    soon = place.authority.sign("server", timedelta(days=6))
    soon.write(place.files.certificate.parent, "server")
    with structlog.testing.capture_logs() as logs:
        certificates = Certificates(place.files)
        assert certificates.renewed() is None
        assert certificates.renewed() is None
    assert [entry["event"] for entry in logs] == ["certificate expires soon"]
