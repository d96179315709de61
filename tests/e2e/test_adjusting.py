"""Adjustments by a call, and by the command through a server, with the keys of roles."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from loyalty.v1 import member_service_pb2 as pb
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.domain.keys import Role
from tests.support.doing import create_key
from tests.support.server import Caller, Front, Server

REASON = "late breakfast"


async def _key(server: Server, role: Role) -> str:
    command = CreateKey("demo-ca", f"the {role} desk", role)
    created = await server.store.write(lambda unit, now: create_key(unit, command, now))
    await server.store.refresh_catalog()
    secret: str = created.secret
    return secret


def _request(guest: str, points: int, **more: Any) -> pb.AdjustPointsRequest:
    return pb.AdjustPointsRequest(loyalty_id=guest, points=points, reason=REASON, **more)


async def _desk(server: Server, role: Role) -> Caller:
    return server.admin.with_key(await _key(server, role))


async def test_help_desk_looks_and_changes_nothing(server: Server) -> None:
    """Its key reads a member, and every call that changes something is refused."""
    guest = await server.admin.enroll()
    desk = await _desk(server, Role.HELP_DESK)
    found = await desk.call(desk.members.GetMember, pb.GetMemberRequest(loyalty_id=guest))
    assert found.member.loyalty_id == guest

    refused = await desk.refused(
        desk.members.AdjustPoints, _request(guest, 5), idempotency_key="desk"
    )

    assert refused.reason == "ROLE_NOT_ALLOWED"
    assert await server.admin.balances(guest) == (0, 0)


async def test_operator_gives_points_within_limits(server: Server) -> None:
    """One call moves what is allowed at once; more is refused by the limit's name."""
    guest = await server.admin.enroll()
    desk = await _desk(server, Role.OPERATOR)
    answer = await desk.call(
        desk.members.AdjustPoints, _request(guest, 5_000), idempotency_key="operator"
    )
    assert (answer.available_points_before, answer.available_points) == (0, 5_000)

    refused = await desk.refused(
        desk.members.AdjustPoints, _request(guest, 5_001), idempotency_key="operator 2"
    )

    assert refused.reason == "AMOUNT_BEYOND_LIMIT"
    assert refused.metadata["limit"] == "points_per_operator_adjustment"


async def test_adjustment_is_tried_without_a_key(server: Server) -> None:
    """What would be is told and nothing is changed; without trying, a key is needed."""
    guest = await server.admin.enroll()
    members = server.admin.members
    tried = await server.admin.call(
        members.AdjustPoints, _request(guest, -70, allow_debt=True, validate_only=True)
    )
    assert (tried.available_points, tried.owed_points) == (0, 70)
    assert not tried.HasField("adjust_time")
    assert await server.admin.balances(guest) == (0, 0)

    refused = await server.admin.refused(members.AdjustPoints, _request(guest, 5))

    assert refused.violations == {"idempotency-key": "is required"}


async def _command(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command as somebody does who has neither the database nor its settings."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "loyalty_service", "adjust", *arguments),
        cwd=folder,
        env={"LOYALTY_DATA_DIR": str(folder / "none")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_command_adjusts_through_a_server(front: Front, tmp_path: Path) -> None:
    """With a key and no database the points move once, and what is refused is told in words."""
    guest = await front.server.admin.enroll()
    secret = tmp_path / "key"
    secret.write_text(await _key(front.server, Role.OPERATOR), encoding="ascii")
    server = f"http://127.0.0.1:{front.envoy.http_port}"
    through = ("--server", server, "--api-key-file", str(secret), "--reason", REASON)
    once = ("demo-ca", guest, "250", *through, "--key", tmp_path.name)

    first = await _command(tmp_path, *once)
    again = await _command(tmp_path, *once)

    assert first[:2] == (0, f"{guest} now has 250 points available.\n"), first[2]
    assert again[:2] == first[:2]
    assert "no points moved again" in again[2]
    assert await front.server.admin.balances(guest) == (250, 0)

    code, _, told = await _command(tmp_path, "demo-ca", guest, "9000", *through)
    assert code == 1
    assert "points_per_operator_adjustment" in told
    file = tmp_path / "many.csv"
    file.write_text(f"loyalty_id,points\n{guest},1\n{guest},2\n", encoding="utf-8")
    code, out, told = await _command(tmp_path, "demo-ca", "--file", str(file), "--yes", *through)
    assert code == 0, told
    assert [line.split(",")[3] for line in out.splitlines()[1:]] == ["moved", "moved"]
    assert await front.server.admin.balances(guest) == (253, 0)
