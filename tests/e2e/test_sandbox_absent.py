"""Outside the sandbox there are no faults and no other clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from loyalty_service.domain.clock import ahead_ms
from loyalty_service.domain.keys import SANDBOX_KEYS
from loyalty_service.sandbox.demo_data import KEYS, SINGLE_KEYS
from loyalty_service.sandbox.kinds import FAULT_CODES, KINDS
from loyalty_service.sandbox.remote import CONTROL_FILE
from tests.support.banks import ServerProcess, process_environment
from tests.support.roots import PYTHONPATH
from tests.support.server import new_order, run_front

LISTENS = "0A"
"""How the system's table of sockets says that one listens."""

LOADED = (
    "import sys; from loyalty_service.cli import app; import loyalty_service.bootstrap; "
    "print([name for name in sys.modules if name.startswith("
    "('loyalty_service.sandbox', 'loyalty_service.certification')) "
    "or name in ('hpack', 'loyalty_service.storage.tools.newest')])"
)


def test_server_never_loads_the_sandbox() -> None:
    """What `loyalty serve` loads has no part of the sandbox, nor what its board alone needs."""
    ran = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={"PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.strip() == "[]"


async def test_server_opens_its_own_port_alone(tmp_path: Path) -> None:
    """A production server listens for gRPC and nothing else: no control port, and no board."""
    url = f"sqlite:///{tmp_path / 'loyalty.db'}"
    server = await ServerProcess.start(process_environment(url, tmp_path))
    try:
        assert listening_ports(server.pid) == {int(server.address.rpartition(":")[2])}
        assert not (tmp_path / CONTROL_FILE).exists()
        await server.stop()
    finally:
        await server.kill()


def listening_ports(pid: int) -> set[int]:
    """List the TCP ports that a process listens on, as the system knows them."""
    sockets = {
        link.name.removeprefix("socket:[").removesuffix("]")
        for link in (end.readlink() for end in Path(f"/proc/{pid}/fd").iterdir())
        if link.name.startswith("socket:[")
    }
    return {
        int(fields[1].rpartition(":")[2], 16)
        for table in ("tcp", "tcp6")
        for fields in map(
            str.split, Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()
        )
        if fields[3] == LISTENS and fields[9] in sockets
    }


async def test_headers_do_nothing_without_the_sandbox(tmp_path: Path) -> None:
    """A server that was not started as a sandbox ignores the header, and tells no clock."""
    async with run_front(tmp_path) as front:
        for kind in (*KINDS, "unheard of"):
            vendor = {"storeId": "9999", "posType": "Partner", "transactionId": new_order()}
            body = {"identifier": "234567", "posVendor": vendor}
            answer = await front.post("/loyalty/identify", body, sandbox_fault=kind)
            assert answer.status == 200
            assert "sandbox-clock" not in answer.headers
    assert ahead_ms() == 0


async def test_codes_bring_no_fault_about_without_the_sandbox(tmp_path: Path) -> None:
    """No code brings a fault about in a server without them."""
    async with run_front(tmp_path) as front:
        for code in FAULT_CODES:
            vendor = {"storeId": "9999", "posType": "Partner", "transactionId": new_order()}
            body = {"identifier": code, "posVendor": vendor}
            assert (await front.post("/loyalty/identify", body)).status == 200


def test_every_published_key_is_refused_without_the_sandbox() -> None:
    """The keys that the sandbox makes are those that a server outside it takes from nobody."""
    assert {*KEYS, *SINGLE_KEYS} == set(SANDBOX_KEYS)
