"""Runs the sandbox: the server on the demo program, Envoy in front, and calls to paste."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console

from server.bootstrap import serve
from server.config import Settings
from server.sandbox.demo_data import put_demo_data
from server.sandbox.envoy_process import EnvoyProcess
from server.sandbox.fixed_codes import AMIRA, COFFEE, FARHAN, identify_in_sandbox
from server.storage.migrate import migrate


async def run_sandbox(settings: Settings, console: Console, stop: asyncio.Event) -> None:
    """
    Serve the demo program on both doors until *stop* is set.

    Raises:
        RuntimeError: A port is taken.
    """
    settings = _for_sandbox(settings)
    migrate(settings.database())
    async with serve(settings, identify=identify_in_sandbox, sandbox=True) as running:
        await running.store.write(put_demo_data)
        await running.store.refresh_catalog()
        envoy = EnvoyProcess(
            folder=settings.data_dir / "envoy",
            http_port=settings.http_port,
            grpc_port=running.grpc_port,
        )
        async with envoy:
            console.print(welcome(envoy.http_port, running.grpc_port), markup=False)
            await stop.wait()
            console.print("\nStopping.")


def _for_sandbox(settings: Settings) -> Settings:
    """Open what production keeps shut, and find the pepper even for a shared database."""
    embedded = settings.model_copy(update={"database_url": ""})
    pepper = SecretStr(embedded.pepper().decode())
    return settings.model_copy(
        update={"reflection": True, "shutdown_notice_s": 0.0, "code_pepper": pepper}
    )


def welcome(http_port: int, grpc_port: int) -> str:
    """Word what runs and how to call it; every call works as it stands."""
    programs = Path(sys.executable).parent
    grpcurl = f"{programs}/grpcurl -plaintext"
    server = f"127.0.0.1:{grpc_port}"
    web = f"http://127.0.0.1:{http_port}"
    app_key = "-H 'x-api-key: sandbox-app-key'"
    lines = (
        f"The sandbox runs: JSON and gRPC on 127.0.0.1:{http_port} (Envoy), gRPC on {server}.",
        "Keys: sandbox-pos-key (till), sandbox-app-key (app), sandbox-admin-key. Store 9999.",
        "Codes: 123456 reward and offer, 234567 discount, 900422 used, 900404 expired,",
        "       900405 reward gone, 900406 offer gone, 900407 too few points.",
        "",
        "# A till identifies a guest by code:",
        _curl(f"{web}/loyalty/identify", "sandbox-pos-key", IDENTIFY_JSON),
        "# A till opens an anonymous session:",
        _curl(f"{web}/client/users/anonymous/sessions", "sandbox-pos-key", SESSION_JSON),
        "# A guest's app mints a code, and polls whether a till has used one:",
        _curl(f"{web}/otp", "sandbox-app-key", OTP_JSON),
        f"curl -s {web}/otp/123456 {app_key}",
        "# The app looks at a member, and at the history of their points:",
        f"curl -s {web}/loyalty/members/{FARHAN} {app_key}",
        f"curl -s '{web}/loyalty/members/{FARHAN}/transfers?pageSize=2' {app_key}",
        "# A developer asks with grpcurl:",
        f"{grpcurl} {server} list",
        f"{grpcurl} -H 'x-api-key: sandbox-pos-key' -d '{IDENTIFY_JSON}' {server} {IDENTIFY}",
        "# A kiosk calls from Python:",
        f"{programs}/python -c {shlex.quote(_python(server))}",
        "",
        "Ctrl-C stops it.",
    )
    return "\n".join(lines)


IDENTIFY_JSON = (
    '{"identifier":"123456","posVendor":{"storeId":"9999","posType":"Partner",'
    '"transactionId":"000000000257","terminal":"0","operator":"300"}}'
)
IDENTIFY = "loyalty.v1.IdentifyService/Identify"
SESSION_JSON = (
    '{"correlationId":"7d4c2f0e-3b1a-4c58-9e36-0f5a1d2b9c77","channel":"STORE","locale":"fr-CA"}'
)
OTP_JSON = f'{{"loyaltyId":"{AMIRA}","order":[{{"incentiveId":"{COFFEE}","quantity":1}}]}}'


def _curl(url: str, key: str, body: str) -> str:
    headers = f"-H 'x-api-key: {key}' -H 'content-type: application/json'"
    return f"curl -s {url} {headers} -d {shlex.quote(body)}"


def _python(server: str) -> str:
    return (
        "import grpc; "
        "from loyalty.v1 import identify_service_pb2 as pb, identify_service_pb2_grpc as rpc; "
        f'stub = rpc.IdentifyServiceStub(grpc.insecure_channel("{server}")); '
        'print(stub.Identify(pb.IdentifyRequest(identifier="234567", '
        'pos_vendor={"store_id": 9999, "pos_type": "Partner", "transaction_id": "258"}), '
        'metadata=[("x-api-key", "sandbox-pos-key")]))'
    )
