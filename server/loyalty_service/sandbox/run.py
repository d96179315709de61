"""Runs the sandbox: the server on the demo program, Envoy in front, and calls to paste."""

from __future__ import annotations

import asyncio
import errno
import json
import shlex
import shutil
import signal
import sys
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console

from loyalty_service.bootstrap import configure_logging, database_of, require_peppers
from loyalty_service.config import Settings
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.sandbox.demo_data import require_own_store
from loyalty_service.sandbox.envoy_process import (
    ADMIN_SOCKET,
    call_admin,
    envoy_program,
)
from loyalty_service.sandbox.fixed_codes import AMIRA, COFFEE, FARHAN, MEI
from loyalty_service.sandbox.life import Sandbox
from loyalty_service.storage.migrate import migrate
from loyalty_service.transport.addresses import listen_problem, require_free

LEFT_BEHIND_S = 5.0


HOST = "127.0.0.1"
"""Where the sandbox listens: its keys are public."""


class PortTakenError(OperatorError):
    """Raised when the sandbox can't listen where it was told to."""


async def run_sandbox(settings: Settings, console: Console, stop: asyncio.Event) -> None:
    """
    Serve the demo program on both doors until *stop* is set or the terminal is closed.

    Raises:
        OperatorError: Envoy is not installed.
        PortTakenError: A port is taken.
        StoreInUseError: The database has programs or keys that no sandbox made.
    """
    envoy_program()
    require_own_store(database_of(settings))
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)
    settings = _for_sandbox(settings)
    configure_logging(settings)
    await asyncio.to_thread(end_envoy_left_behind, settings.data_dir / "envoy")
    require_ports(settings)
    migrate(database_of(settings))

    def tell(http_port: int, grpc_port: int, control: int) -> None:
        console.print(welcome(http_port, grpc_port, settings, control), markup=False)
        if settings.sandbox_host != HOST:
            console.print(opened(settings.sandbox_host), markup=False)

    def tell_restart(status: int, log: Path) -> None:
        console.print(f"Envoy ended with status {status} and is started again: see {log}.")

    await Sandbox(settings, tell, tell_restart, stop).run()
    console.print("\nStopping.")


def _for_sandbox(settings: Settings) -> Settings:
    """Open what production keeps shut, and find the pepper even for a shared database."""
    embedded = settings.model_copy(update={"database_url": ""})
    keeper = settings if database_of(settings).embedded else embedded
    peppers = require_peppers(keeper)
    others = json.dumps([one.decode() for one in peppers.others])
    update: dict[str, Any] = {
        "reflection": True,
        "shutdown_notice_s": 0.0,
        "code_pepper": SecretStr(peppers.current.decode()),
        "other_code_peppers": SecretStr(others) if peppers.others else None,
        # Its keys are public, and its calls are for pasting.
        "allow_plaintext": True,
        "tls_certificate": None,
        "tls_private_key": None,
        "tls_client_ca": None,
    }
    if "log_level" not in settings.model_fields_set:
        update["log_level"] = "warning"  # The terminal is for the calls to paste.
    return settings.model_copy(update=update)


def require_ports(settings: Settings) -> None:
    """
    Check address and ports before anything is started, to name the setting that can mend it.

    Raises:
        PortTakenError: A port can't be had, both are the same, or the address is not loopback's.
    """
    if settings.grpc_host != HOST:
        raise PortTakenError(
            f"The sandbox's keys are public, so it listens on {HOST} alone: unset "
            "LOYALTY_GRPC_HOST and see LOYALTY_SANDBOX_HOST, or use `loyalty serve`."
        )
    host = settings.sandbox_host
    if settings.grpc_port == settings.http_port != 0:
        raise PortTakenError("LOYALTY_GRPC_PORT and LOYALTY_HTTP_PORT must differ.")
    for name, port in (("GRPC", settings.grpc_port), ("HTTP", settings.http_port)):
        problem = listen_problem(host, port)
        if problem == errno.EADDRINUSE:
            raise PortTakenError(
                f"Port {port} is taken, perhaps by another sandbox: stop that, or set "
                f"LOYALTY_{name}_PORT to another port, for instance "
                f"`LOYALTY_{name}_PORT={port % 65535 + 1} make run`."
            )
        require_free(host, port, f"LOYALTY_{name}_PORT")


def end_envoy_left_behind(folder: Path) -> None:
    """End the Envoy of a sandbox that was killed: it would keep its port, before nobody."""
    with suppress(OSError, HTTPException, ValueError, LookupError):
        config = json.loads((folder / "envoy.json").read_text(encoding="utf-8"))
        cluster = config["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]
        server = cluster["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        if listen_problem(HOST, server["port_value"]):
            return  # Its server answers: another sandbox runs on the same data.
        admin = folder / ADMIN_SOCKET
        call_admin(admin, "POST", "/quitquitquit", LEFT_BEHIND_S)
        # Its port is free once it answers no more, which is an OSError.
        until = time.monotonic() + LEFT_BEHIND_S
        while time.monotonic() < until:
            call_admin(admin, "GET", "/ready", LEFT_BEHIND_S)
            time.sleep(0.02)


def welcome(
    http_port: int, grpc_port: int, settings: Settings | None = None, control: int = 8090
) -> str:
    """
    Word what runs and how to call it; every call works as it stands.

    A command that opens the sandbox's database is told with those of its *settings* that say where
    it is, for another terminal does not have them.
    """
    programs = shlex.quote(str(Path(sys.executable).parent))
    server = f"127.0.0.1:{grpc_port}"
    web = f"http://127.0.0.1:{http_port}"
    addresses = f"--http 127.0.0.1:{http_port} --grpc {server}"
    app_key = "-H 'x-api-key: sandbox-app-key'"
    lines = (
        f"The sandbox runs: JSON and gRPC on 127.0.0.1:{http_port} (Envoy), gRPC on {server}.",
        "Keys: sandbox-pos-key (till), sandbox-app-key (app), sandbox-admin-key. Store 9999.",
        "      sandbox-es-key (till of the ES contract), sandbox-points-key (its partners).",
        f"The board, for a browser: http://127.0.0.1:{control}/",
        f"Reference of all JSON calls, for a browser: {web}/docs/",
        "Codes: 123456 reward and offer, 234567 discount, 900422 used, 900404 expired,",
        "       900405 reward gone, 900406 offer gone, 900407 reward too dear.",
        f"Clock and faults: http://127.0.0.1:{control}; `loyalty sandbox clock advance 61h`.",
        "",
        "# A till identifies a guest by code:",
        _curl(f"{web}/loyalty/identify", "sandbox-pos-key", IDENTIFY_JSON),
        "# A till opens an anonymous session:",
        _curl(f"{web}/client/users/anonymous/sessions", "sandbox-pos-key", SESSION_JSON),
        "# A till of the ES contract opens a session of a member, and asks for the balance:",
        _curl(f"{web}/client/users/{MEI}/sessions", "sandbox-es-key", VISIT_JSON),
        f"curl -s {web}/client/users/visit-1/balance -H 'x-api-key: sandbox-es-key'",
        "# A guest's app mints a code, and polls whether a till has used one:",
        _curl(f"{web}/otp", "sandbox-app-key", OTP_JSON),
        f"curl -s {web}/otp/123456 {app_key}",
        "# The app looks at a member, and at the history of their points:",
        f"curl -s {web}/loyalty/members/{FARHAN} {app_key}",
        f"curl -s '{web}/loyalty/members/{FARHAN}/transfers?pageSize=2' {app_key}",
        *_grpcurl_calls(server),
        "# A kiosk calls from Python:",
        f"{programs}/python -c {shlex.quote(_python(server))}",
        "# After too many wrong codes a key waits: this lists whose, and `--forgive KEY` ends it:",
        f"{_place(settings)}{programs}/loyalty guesses",
        "# A whole visit through both doors, step by step:",
        f"{programs}/loyalty demo {addresses}",
        "",
        "Ctrl-C stops it.",
    )
    return "\n".join(lines)


def opened(host: str) -> str:
    """Say what is open where other machines may call."""
    return (
        f"JSON and gRPC are open on {host} (LOYALTY_SANDBOX_HOST): whoever reaches this machine "
        "can call with the keys above. Nothing is encrypted. The port of the clock is not open."
    )


def _place(settings: Settings | None) -> str:
    """Word the variables that say where the database is, unless it is where it is by default."""
    if settings is None:
        return ""
    told = ""
    if settings.data_dir != Settings.model_fields["data_dir"].default:
        told += f"LOYALTY_DATA_DIR={shlex.quote(str(settings.data_dir.resolve()))} "
    if settings.database_url:
        # It may have a password, which no screen shows.
        told += 'LOYALTY_DATABASE_URL="$LOYALTY_DATABASE_URL" '
    return told


def _grpcurl_calls(server: str) -> tuple[str, ...]:
    """Word the calls by grpcurl, where it is installed."""
    beside = Path(sys.executable).with_name("grpcurl")
    found = str(beside) if beside.exists() else shutil.which("grpcurl")
    if found is None:
        return ()
    grpcurl = f"{shlex.quote(found)} -plaintext"
    return (
        "# A developer asks with grpcurl:",
        f"{grpcurl} {server} list",
        f"{grpcurl} -H 'x-api-key: sandbox-pos-key' -d '{IDENTIFY_JSON}' {server} {IDENTIFY}",
    )


IDENTIFY_JSON = (
    '{"identifier":"123456","posVendor":{"storeId":"9999","posType":"Partner",'
    '"transactionId":"000000000257","terminal":"0","operator":"300"}}'
)
IDENTIFY = "loyalty.v1.IdentifyService/IdentifyMember"
SESSION_JSON = (
    '{"correlationId":"7d4c2f0e-3b1a-4c58-9e36-0f5a1d2b9c77","channel":"STORE","locale":"fr-CA"}'
)
VISIT_JSON = '{"correlationId":"visit-1","channel":"STORE"}'
OTP_JSON = f'{{"loyaltyId":"{AMIRA}","order":[{{"incentiveId":"{COFFEE}","quantity":1}}]}}'


def _curl(url: str, key: str, body: str) -> str:
    headers = f"-H 'x-api-key: {key}' -H 'content-type: application/json'"
    return f"curl -s {url} {headers} -d {shlex.quote(body)}"


def _python(server: str) -> str:
    return (
        "import grpc; "
        "from loyalty.v1 import identify_service_pb2 as pb, identify_service_pb2_grpc as rpc; "
        f'stub = rpc.IdentifyServiceStub(grpc.insecure_channel("{server}")); '
        'print(stub.IdentifyMember(pb.IdentifyMemberRequest(identifier="234567", '
        'pos_vendor={"store_id": 9999, "pos_type": "Partner", "transaction_id": "258"}), '
        'metadata=[("x-api-key", "sandbox-pos-key")]))'
    )
