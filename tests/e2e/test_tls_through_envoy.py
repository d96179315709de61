"""TLS from the till to Envoy and from Envoy to the server, each side with a certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from ruamel.yaml import YAML

from loyalty.v1 import member_service_pb2
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.sandbox.fixed_codes import FARHAN
from tests.support.certificates import (
    Authority,
    every_tls_version,
    put,
    shown_serial,
    speaking,
    trusting,
)
from tests.support.http import HttpClient, Response
from tests.support.server import ADMIN_KEY, Caller, Front, open_channel, run_front

ROOT = Path(__file__).resolve().parents[2]
MEMBER = f"/loyalty/members/{FARHAN}"
RENEWED_S = 5.0


@dataclass(frozen=True, slots=True)
class Certificates:
    """The certificates of everybody, in the folder that Envoy's secrets name."""

    folder: Path
    outside: Authority
    inside: Authority

    @property
    def settings(self) -> dict[str, Any]:
        """What makes the server demand Envoy's certificate."""
        return {
            "tls_certificate": self.folder / "server.pem",
            "tls_private_key": self.folder / "server.key",
            "tls_client_ca": self.folder / "server-ca.pem",
        }

    def till(self, authority: Authority | None = None, days: float = 30) -> tuple[Path, Path]:
        """Sign a till's certificate, by the right authority unless another is named."""
        own = (authority or self.outside).sign("till", timedelta(days=days))
        return own.write(self.folder / "outside", f"{own.serial_number:x}")

    def context(self, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """Make a till's HTTP client."""
        return trusting(self.outside, own)

    def credentials(self, own: tuple[Path, Path] | None = None) -> grpc.ChannelCredentials:
        """Make a kiosk's gRPC client."""
        certificate, key = (path.read_bytes() for path in own) if own else (None, None)
        return grpc.ssl_channel_credentials(self.outside.pem, key, certificate)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Everybody's certificates, with tills that need none."""
    made = Certificates(tmp_path / "tls", Authority("outside"), Authority("inside"))
    made.outside.sign("edge").write(made.folder, "edge")
    made.inside.sign("envoy").write(made.folder, "envoy")
    made.inside.sign("server").write(made.folder, "server")
    put(made.folder / "server-ca.pem", made.inside.pem)
    return made


@asynccontextmanager
async def running(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Front]:
    """Run Envoy and the server with TLS on both ports, until Envoy sees a healthy server."""
    credentials = grpc.ssl_channel_credentials(
        certificates.inside.pem,
        (certificates.folder / "envoy.key").read_bytes(),
        (certificates.folder / "envoy.pem").read_bytes(),
    )
    async with run_front(
        tmp_path, tls=certificates.folder, credentials=credentials, **certificates.settings
    ) as front:
        yield front


async def ask(front: Front, context: ssl.SSLContext | None) -> Response:
    """Ask for a member over JSON."""
    client = HttpClient("127.0.0.1", front.envoy.http_port, context)
    return await client.request("GET", MEMBER, None, {"x-api-key": ADMIN_KEY})


async def ask_over_grpc(front: Front, credentials: grpc.ChannelCredentials | None) -> str:
    """Ask for a member over gRPC, on a connection of its own."""
    address = f"127.0.0.1:{front.envoy.http_port}"
    async with open_channel(address, credentials) as channel:
        caller = Caller(channel)
        request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
        answer = await caller.call(caller.members.GetMember, request)
        return str(answer.member.loyalty_id)


async def test_tls_to_envoy_and_mutual_tls_to_the_server(
    tmp_path: Path, certificates: Certificates
) -> None:
    """JSON and gRPC callers are served over TLS, and in plaintext neither port answers."""
    async with running(tmp_path, certificates) as front:
        assert (await ask(front, certificates.context())).status == 200
        assert await ask_over_grpc(front, certificates.credentials()) == FARHAN
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await ask(front, None)
        for address in (front.server.address, f"127.0.0.1:{front.envoy.http_port}"):
            async with open_channel(address) as channel:
                caller = Caller(channel)
                request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
                refusal = await caller.refused(caller.members.GetMember, request)
                assert refusal.code is grpc.StatusCode.UNAVAILABLE


@every_tls_version
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_envoy_refuses_tls_older_than_1_2(
    tmp_path: Path, certificates: Certificates, version: ssl.TLSVersion, *, taken: bool
) -> None:
    """Tills may speak TLS 1.2 and 1.3 with Envoy, and not 1.1."""
    context = speaking(certificates.outside, version)
    async with running(tmp_path, certificates) as front:
        if taken:
            assert (await ask(front, context)).status == 200
        else:
            # By its version, not for want of a cipher that both have.
            with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
                await ask(front, context)


async def test_tills_without_their_certificate_are_turned_away(
    tmp_path: Path, certificates: Certificates
) -> None:
    """With tills.pem Envoy serves whom it signed; nobody with no, a strange or an old one."""
    put(certificates.folder / "tills.pem", certificates.outside.pem)
    async with running(tmp_path, certificates) as front:
        own = certificates.till()
        assert (await ask(front, certificates.context(own))).status == 200
        assert await ask_over_grpc(front, certificates.credentials(own)) == FARHAN
        strange = certificates.till(Authority("another"))
        expired = certificates.till(days=-1)
        for wrong in (None, strange, expired):
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await ask(front, certificates.context(wrong))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await ask_over_grpc(front, certificates.credentials(wrong))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_the_part_for_mutual_tls_is_whole() -> None:
    """It differs from the one without in what mutual TLS needs, so it is used in its place."""
    parts = YAML(typ="safe").load(ROOT / "envoy" / "tls.yaml")
    mutual = parts["listener_mutual"]["transport_socket"]["typed_config"]
    assert mutual.pop("require_client_certificate") is True
    authority = mutual["common_tls_context"].pop("validation_context_sds_secret_config")
    assert authority["name"] == "till_authority"
    assert parts["listener_mutual"] == parts["listener"]


@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mutual"])
def test_little_of_a_connection_waits_where_envoy_ends_tls(
    tmp_path: Path, certificates: Certificates, *, mutual: bool
) -> None:
    """Of what tills send as TLS 16 KiB wait unread, so that nobody has a long turn."""
    if mutual:
        put(certificates.folder / "tills.pem", certificates.outside.pem)
    envoy = EnvoyProcess(folder=tmp_path, grpc_port=1, tls=certificates.folder)
    (option,) = envoy.render()["static_resources"]["listeners"][0]["socket_options"]
    assert (option["level"], option["name"]) == (socket.SOL_SOCKET, socket.SO_RCVBUF)
    assert option["int_value"] == 16384
    assert option["state"] == "STATE_PREBIND"  # Later it would be too late.


@pytest.mark.parametrize("mistake", ["authority", "name"])
async def test_envoy_takes_no_other_server_for_ours(
    tmp_path: Path, certificates: Certificates, mistake: str
) -> None:
    """A server that another authority signed, or with another name, gets no call from Envoy."""
    if mistake == "authority":
        Authority("another").sign("server").write(certificates.folder, "server")
    else:
        certificates.inside.sign("server", names=["other.internal"]).write(
            certificates.folder, "server"
        )
    async with running(tmp_path, certificates) as front:
        answer = await ask(front, certificates.context())
        assert answer.status == 503
        assert answer.json()["code"] == "ServiceUnavailable"
        assert answer.header("retry-after") == "1"


async def test_certificates_are_replaced_while_calls_go_on(
    tmp_path: Path, certificates: Certificates
) -> None:
    """New handshakes see all new certificates within seconds; no call fails, nothing restarts."""
    failed: list[str] = []
    done = asyncio.Event()
    calls = 0

    async def keep_calling(front: Front) -> None:
        nonlocal calls
        while not done.is_set():
            answer = await ask(front, certificates.context())
            if answer.status != 200:
                failed.append(str(answer))
            await ask_over_grpc(front, certificates.credentials())
            calls += 2

    async with running(tmp_path, certificates) as front:
        edge = f"127.0.0.1:{front.envoy.http_port}"
        envoy_context = trusting(
            certificates.inside,
            (certificates.folder / "envoy.pem", certificates.folder / "envoy.key"),
        )
        calling = asyncio.create_task(keep_calling(front))
        for _ in range(3):
            renewed = certificates.outside.sign("edge")
            renewed.write(certificates.folder, "edge")
            envoy = certificates.inside.sign("envoy")
            envoy.write(certificates.folder, "envoy")
            server = certificates.inside.sign("server")
            server.write(certificates.folder, "server")
            async with asyncio.timeout(RENEWED_S):
                while True:
                    context = certificates.context()
                    if (
                        await asyncio.to_thread(shown_serial, edge, context)
                        == renewed.serial_number
                    ):
                        break
                    assert not calling.done()
                while f"{envoy.serial_number:x}" not in await front.envoy.ask("/certs"):
                    assert not calling.done()
            shown = await asyncio.to_thread(shown_serial, front.server.address, envoy_context)
            assert shown == server.serial_number
        before = calls
        while calls < before + 4:
            assert not calling.done()
            await asyncio.sleep(0.01)
        done.set()
        await calling
    assert failed == []
