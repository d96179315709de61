"""Starts and stops the Envoy that is installed, on our envoy.yaml with other ports and paths."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ruamel.yaml import YAML

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.edge_files import edge_files

LOG_LINES_SHOWN = 5
POLL_S = 0.02
WATCH_S = 0.1
ADMIN_TIMEOUT_S = 2.0
ADDRESS_MAX = 100
ADMIN_SOCKET = "envoy-admin.sock"
"""As envoy.yaml names it, in the folder that Envoy is started in."""


class EnvoyFailedError(OperatorError):
    """Raised when Envoy does not start: its own log says why."""


class EnvoyProcess:
    """
    A running Envoy before a gRPC server on this machine, for the sandbox and for tests.

    Use it as an async context manager, or call `start` and `stop`.

    Args:
        folder: Takes the rendered configuration and the log.
        grpc_port: Where the gRPC server listens on 127.0.0.1.
        other_grpc_ports: Where more servers of the same database listen.
        http_port: Where to listen; 0 picks a free port, known after `start`.
        tls: Folder with certificates named as in envoy/secrets/, which turns TLS on: to the
            callers where it holds edge.pem, mutual with tills.pem, to the server with envoy.pem.
        collector_port: Where an OpenTelemetry collector listens, which turns traces on.
        origins: Of which web pages may call; a port of * is any.
        native: Whether pygrpc-native carries the server's calls: then compressed requests are not
            read, as docs/operations/transport.md tells an operator to have it.
        adapt: Changes the configuration at the end, for a test that needs another limit.
        start_s: Seconds to wait until it is live.
        drain_s: Seconds that calls under way get to end when it stops.
    """

    def __init__(
        self,
        *,
        folder: Path,
        grpc_port: int,
        other_grpc_ports: Sequence[int] = (),
        http_port: int = 0,
        tls: Path | None = None,
        collector_port: int | None = None,
        origins: Sequence[str] = (),
        native: bool = False,
        adapt: Callable[[dict[str, Any]], None] | None = None,
        start_s: float = 20.0,
        drain_s: float = 6.0,
    ) -> None:
        self.folder = folder.resolve()
        self.grpc_ports = (grpc_port, *other_grpc_ports)
        self.http_port = http_port
        self._tls = tls and tls.resolve()
        self._collector_port = collector_port
        self._origins = origins
        self._native = native
        self._adapt = adapt
        self._start_s = start_s
        self._drain_s = drain_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """
        The process that runs.

        Raises:
            LookupError: None does.
        """
        if self._process is None:
            raise LookupError("Envoy does not run")
        return self._process.pid

    @property
    def admin_socket(self) -> Path:
        """Where Envoy's own pages are; only this user may connect."""
        return self.folder / ADMIN_SOCKET

    @property
    def log(self) -> Path:
        """The file Envoy writes its warnings and errors to."""
        return self.folder / "envoy.log"

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """
        Start Envoy and wait until it takes calls.

        Raises:
            OperatorError: It is not installed.
            EnvoyFailedError: It ended, or was not live in time; the message holds the end of its
                log.
        """
        program = envoy_program()
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "envoy.json"
        # Reading the YAML takes half a second, in which calls of this process's server would wait.
        rendered = await asyncio.to_thread(self.render)
        config.write_text(json.dumps(rendered, indent=1), encoding="utf-8")
        self.admin_socket.unlink(missing_ok=True)
        # After an end of its own the log tells why.
        with self.log.open("wb" if self._process is None else "ab") as log:
            # Not asyncio's, because uvloop forks, and gRPC's threads do not survive a fork well.
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - returns at once; no shell.
                [
                    program,
                    *("--config-path", config),
                    *("--concurrency", "1"),
                    *("--log-level", "warning"),
                    "--disable-hot-restart",
                ],
                cwd=self.folder,  # Its admin socket is there.
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C in the terminal must reach only us: Envoy is drained before it ends.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(self._start_s):
                await self._until_live()
        except TimeoutError:
            await self.stop()
            raise self._failure("was not live in time") from None
        except BaseException:
            await self.stop()
            raise

    async def keep_running(self, tell: Callable[[int], None]) -> None:
        """
        Start Envoy again whenever it ends by itself, until cancelled.

        Args:
            tell: Gets the status that it ended with, each time.

        Raises:
            EnvoyFailedError: It did not start again.
        """
        while True:
            await asyncio.sleep(WATCH_S)
            status = None if self._process is None else self._process.poll()
            if status is not None:
                tell(status)
                await self.start()

    async def stop(self) -> None:
        """Take no more calls, let those under way end, then end Envoy; safe to call twice."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        with suppress(OSError, HTTPException, TimeoutError):
            async with asyncio.timeout(self._drain_s):
                await self._admin("POST", "/drain_listeners")
                while await self._calls_under_way():  # noqa: ASYNC110 - it is another process.
                    await asyncio.sleep(POLL_S)
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, self._drain_s)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def render(self) -> dict[str, Any]:
        """Read envoy.yaml and put in this process's ports and absolute paths."""
        files = edge_files()
        config: dict[str, Any] = YAML(typ="safe").load(files["envoy.yaml"])
        listener = config["static_resources"]["listeners"][0]
        listener["address"]["socket_address"]["port_value"] = self.http_port
        # Two sandboxes on one port must not share its calls.
        listener["enable_reuse_port"] = False
        cluster = config["static_resources"]["clusters"][0]
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
            {
                "endpoint": {
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}
                }
            }
            for port in self.grpc_ports
        ]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        filters = {part["name"]: part["typed_config"] for part in manager["http_filters"]}
        scripts = _lua(
            f"{files['json_door.lua'].parent}/?.lua;{files['json_requests.lua'].parent}/?.lua"
        )
        origins = ", ".join(map(_lua, self._origins))
        for name, told in (
            ("loyalty.gate", f'"callers", {{{origins}}}'),
            ("loyalty.gate.whole", '"calls"'),
        ):
            filters[name]["default_source_code"]["inline_string"] = (
                f'package.path = {scripts} require("gate")({told})'
            )
        filters["envoy.filters.http.lua"]["default_source_code"]["inline_string"] = (
            f'package.path = {scripts} require("json_door")'
        )
        filters["envoy.filters.http.grpc_json_transcoder"]["proto_descriptor"] = str(
            files["loyalty.binpb"]
        )
        if self._tls is not None:
            self._add_tls(config, self._tls)
        if self._collector_port is not None:
            _add_tracing(config, self._collector_port)
        if self._native:
            for host in manager["route_config"]["virtual_hosts"]:
                host["request_headers_to_remove"].append("grpc-encoding")
        if self._adapt is not None:
            self._adapt(config)
        return config

    def _add_tls(self, config: dict[str, Any], certificates: Path) -> None:
        """Put the parts of tls.yaml in, as README.md tells an operator to."""
        files = edge_files()
        secrets = self.folder / "secrets"
        secrets.mkdir(parents=True, exist_ok=True)
        for name, source in files.items():
            if name.startswith("secrets/"):
                text = source.read_text(encoding="utf-8")
                moved = text.replace("/etc/loyalty/tls", str(certificates))
                (secrets / source.name).write_text(moved, encoding="utf-8")
        text = files["tls.yaml"].read_text(encoding="utf-8")
        parts = YAML(typ="safe").load(text.replace("/etc/loyalty/secrets", str(secrets)))
        if (certificates / "edge.pem").exists():
            listener = config["static_resources"]["listeners"][0]
            mutual = (certificates / "tills.pem").exists()
            listener["filter_chains"][0] |= parts["listener_mutual" if mutual else "listener"]
            if sys.platform == "linux":
                listener |= parts["listener_turn"]
        if (certificates / "envoy.pem").exists():
            config["static_resources"]["clusters"][0] |= parts["cluster"]

    async def _until_live(self) -> None:
        """Wait for the admin page, then for Envoy to be live, and learn its port."""
        while True:
            if self._process is None or self._process.poll() is not None:
                raise self._failure("ended at once")
            with suppress(OSError, HTTPException):
                if "LIVE" in await self._admin("GET", "/ready"):
                    break
            await asyncio.sleep(POLL_S)
        listeners = json.loads(await self._admin("GET", "/listeners?format=json"))
        (edge,) = (seen for seen in listeners["listener_statuses"] if seen["name"] == "edge")
        self.http_port = edge["local_address"]["socket_address"]["port_value"]

    async def _calls_under_way(self) -> int:
        """Count the calls that have no answer yet."""
        stat = await self._admin("GET", "/stats?filter=^http.edge.downstream_rq_active$")
        return int(stat.rpartition(":")[2] or 0)

    async def ask(self, path: str) -> str:
        """Read a page of Envoy's own, for instance /config_dump."""
        return await self._admin("GET", path)

    async def _admin(self, method: str, path: str) -> str:
        """Call Envoy's admin page and return the body of its answer."""
        _, body = await asyncio.to_thread(call_admin, self.admin_socket, method, path)
        return body

    def _failure(self, what: str) -> EnvoyFailedError:
        """Word a failed start, with the end of the log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return EnvoyFailedError("\n".join([f"Envoy {what}:", *lines[-LOG_LINES_SHOWN:]]))


def envoy_program() -> str:
    """
    Find Envoy: beside this Python, where pip puts it, or on the PATH.

    Raises:
        OperatorError: It is not installed.
    """
    beside = Path(sys.executable).with_name("envoy")
    found = str(beside) if beside.exists() else shutil.which("envoy")
    if found is None:
        raise OperatorError(
            "The sandbox needs Envoy, which is not installed here: `pip install "
            "'loyalty-service[sandbox]'`, or put an envoy of your own on the PATH."
        )
    return found


def _add_tracing(config: dict[str, Any], collector_port: int) -> None:
    """Put the parts of tracing.yaml in, as README.md tells an operator to."""
    parts = YAML(typ="safe").load(edge_files()["tracing.yaml"])
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    chain["filters"][0]["typed_config"] |= parts["manager"]
    endpoint = parts["cluster"]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    endpoint["address"]["socket_address"]["port_value"] = collector_port
    config["static_resources"]["clusters"].append(parts["cluster"])


def call_admin(
    admin_socket: Path, method: str, path: str, timeout_s: float = ADMIN_TIMEOUT_S
) -> tuple[int, str]:
    """
    Call the admin page of an Envoy, and return the status and the body of its answer.

    Raises:
        OSError: None listens there.
        HTTPException: What listens there is no Envoy.
    """
    folder = os.open(admin_socket.parent, os.O_RDONLY)
    connection = HTTPConnection("localhost", timeout=timeout_s)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout_s)
        # The address of a socket has at most 107 bytes, which a path may well have more of.
        long = len(os.fsencode(admin_socket)) > ADDRESS_MAX
        address = f"/proc/self/fd/{folder}/{admin_socket.name}" if long else str(admin_socket)
        connection.sock.connect(address)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
        os.close(folder)


def _lua(text: str | Path) -> str:
    """Quote a text for Lua, whose strings escape as JSON's do for everything a path holds."""
    return json.dumps(str(text), ensure_ascii=False)
