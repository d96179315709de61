"""Envoy's own pages: nobody outside reaches them, and nothing can be changed there."""

from __future__ import annotations

import asyncio
import json
import stat as stat_of_file
from contextlib import suppress
from pathlib import Path

from loyalty_service.sandbox.envoy_process import call_admin
from tests.fault.edge import CLOSE, HOME, KEY, Edge, head, statuses


def ports_of(pid: int) -> set[int]:
    """Give the ports that a process listens on, at any address."""
    files, found = set(), set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # A connection may end meanwhile; a listener stays.
            files.add(str(file.readlink()))
    for table in ("tcp", "tcp6"):
        rows = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        for row in (line.split() for line in rows):
            if row[3] == "0A" and f"socket:[{row[9]}]" in files:
                found.add(int(row[1].rpartition(":")[2], 16))
    return found


async def admin_unreachable(edge: Edge) -> None:
    """The admin page has no port, no other user of the machine may open it, no call leads there."""
    envoy = edge.front.envoy
    assert "LIVE" in await envoy.ask("/ready")
    assert ports_of(envoy.pid) == {edge.port}
    assert stat_of_file.S_IMODE(envoy.admin_socket.stat().st_mode) == 0o600
    for host in (f"{HOME}:9901", "localhost"):
        target = f"http://{host}/config_dump"
        answer = await edge.send(head(f"GET {target} HTTP/1.1", f"host: {host}", KEY, CLOSE))
        assert statuses(answer) == [404], answer[:200]


async def admin_changes_nothing(edge: Edge) -> None:
    """Limits can't be lifted at run time, even by whoever reaches the admin page."""
    path = "/runtime_modify?overload.premature_reset_total_stream_count=1"
    status, answer = await asyncio.to_thread(
        call_admin, edge.front.envoy.admin_socket, "POST", path
    )
    assert status == 503, answer
    entries = json.loads(await edge.front.envoy.ask("/runtime"))["entries"]
    assert {name: entry["final_value"] for name, entry in entries.items()} == {
        "envoy.resource_limits.listener.edge.connection_limit": "40000",
        "overload.premature_reset_total_stream_count": "40",
        "overload.premature_reset_min_stream_lifetime_seconds": "1",
        "http.max_requests_per_io_cycle": "1",
    }
