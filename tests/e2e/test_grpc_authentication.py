"""Who may call what: the same wall before every RPC."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from loyalty.v1 import code_service_pb2, identify_service_pb2, member_service_pb2
from loyalty.v1 import session_service_pb2 as session_pb2
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreatedKey, CreateKey
from loyalty_service.application.operators.rotate_key import (
    KeyUnknownError,
    RotateKey,
    RotationOpenError,
)
from loyalty_service.domain.keys import Role
from loyalty_service.observability.access_log import AccessLog
from loyalty_service.sandbox.fixed_codes import FARHAN
from loyalty_service.transport.rpcs import RPCS
from tests.support.doing import apply_program, create_key, rotate_key
from tests.support.programs import other_program
from tests.support.server import (
    ADMIN_KEY,
    APP_KEY,
    POINTS_KEY,
    POS_KEY,
    Caller,
    Server,
    identify_request,
    new_order,
    refusal_of,
    run_server,
)
from tests.support.stores import writers_busy

pytestmark = pytest.mark.any_database

LINE_S = 10.0
"""Time in which a call is in the log: its answer may come before."""

NAMES = sorted(RPCS)
SANDBOX_KEYS = {
    POS_KEY: Role.TILL,
    APP_KEY: Role.APP,
    POINTS_KEY: Role.POINTS,
    ADMIN_KEY: Role.ADMIN,
}
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


async def _raw(server: Server, rpc: str, **metadata: str) -> Any:
    """Call an RPC with bytes that are not a message, which it refuses after authentication."""
    method = server.admin.channel.unary_unary(f"/loyalty.v1.{rpc}")
    pairs = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
    return await refusal_of(method(b"\xff", metadata=pairs))


async def _new_key(server: Server, program_id: str, role: Role, *stores: int) -> CreatedKey:
    command = CreateKey(program_id, "partner", role, frozenset(stores))
    created = await server.store.write(lambda unit, now_ms: create_key(unit, command, now_ms))
    await server.store.refresh_catalog()
    return created


@pytest.mark.parametrize("method", NAMES)
async def test_call_without_a_key_is_refused(server: Server, method: str) -> None:
    """Without a key, every RPC answers UNAUTHENTICATED before it looks at the request."""
    refusal = await _raw(server, method)
    assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "API_KEY_MISSING")
    assert (await _raw(server, method, x_api_key=" ")).reason == "API_KEY_MISSING"
    assert (await _raw(server, method, authorization="Basic eDp5")).reason == "API_KEY_MISSING"


@pytest.mark.parametrize("method", NAMES)
async def test_call_with_an_unknown_key_is_refused(server: Server, method: str) -> None:
    """With an unknown key, every RPC answers UNAUTHENTICATED before it looks at the request."""
    for metadata in ({"x_api_key": "wrong"}, {"authorization": "Bearer wrong"}):
        refusal = await _raw(server, method, **metadata)
        assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "API_KEY_INVALID")


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("key", SANDBOX_KEYS)
async def test_role_decides_which_rpcs_are_open(server: Server, method: str, key: str) -> None:
    """A key of the wrong role is refused by role and method; of the right role it goes on."""
    refusal = await _raw(server, method, x_api_key=key)
    role = SANDBOX_KEYS[key]
    if role in RPCS[method].roles:
        assert refusal.code != grpc.StatusCode.PERMISSION_DENIED
        assert refusal.reason == "REQUEST_INVALID"
    else:
        assert refusal.code == grpc.StatusCode.PERMISSION_DENIED
        assert refusal.reason == "ROLE_NOT_ALLOWED"
        assert refusal.metadata == {"role": role.value, "method": method.partition("/")[2]}


async def test_log_names_whose_role_was_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is known stands in the log although its role may not make the call."""
    lines: asyncio.Queue[Any] = asyncio.Queue()
    monkeypatch.setattr(AccessLog, "write", lambda _log, *line: lines.put_nowait(line))
    refusal = await _raw(server, "MemberService/GetMember", x_api_key=POS_KEY)
    outcome, key = "", None
    async with asyncio.timeout(LINE_S):
        while outcome != "ROLE_NOT_ALLOWED":  # A line of an earlier test's call may come before it.
            _method, outcome, _code, _seconds, key = await lines.get()
    assert refusal.reason == outcome
    assert key is not None
    assert key.role is Role.TILL


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
async def test_bearer_is_taken_as_a_key(server: Server, scheme: str) -> None:
    """A key may come as a bearer, in any case."""
    request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
    keyless = server.admin.with_key(None)
    answer = await keyless.call(
        keyless.members.GetMember, request, authorization=f"{scheme}{APP_KEY}"
    )
    assert answer.member.loyalty_id == FARHAN


async def test_region_must_be_the_keys_own(server: Server) -> None:
    """A call that names its key's region passes, in any case; another region is refused."""
    request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
    await server.app.call(server.app.members.GetMember, request, x_region="ca")
    refusal = await server.app.refused(server.app.members.GetMember, request, x_region="US")
    assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "API_KEY_INVALID")
    assert refusal.metadata == {"region": "US"}
    nobody = server.admin.with_key("lk_nobody")
    refusal = await nobody.refused(nobody.members.GetMember, request, x_region="US")
    assert refusal.metadata == {"region": "US"}


@pytest.mark.parametrize("blank", ["", " "])
async def test_blank_region_counts_as_none(server: Server, blank: str) -> None:
    """A till that has the header and nothing in it calls as one without."""
    request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
    answer = await server.app.call(server.app.members.GetMember, request, x_region=blank)
    assert answer.member.loyalty_id == FARHAN


async def test_revoked_key_is_refused(server: Server) -> None:
    """A key works until it is revoked."""
    created = await _new_key(server, "demo-ca", Role.APP)
    caller = server.admin.with_key(created.secret)
    request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
    await caller.call(caller.members.GetMember, request)
    await server.store.write(lambda unit, now: unit.revoke_key(created.key.key_id, now))
    await server.store.refresh_catalog()
    refusal = await caller.refused(caller.members.GetMember, request)
    assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "API_KEY_INVALID")


async def test_rotated_key_works_beside_the_old_one(server: Server) -> None:
    """A rotation makes a second key that may do the same; a third waits until one is revoked."""
    old = await _new_key(server, "demo-ca", Role.TILL, 1002)
    rotation = RotateKey(old.key.key_id)
    new = await server.store.write(lambda unit, now: rotate_key(unit, rotation, now))
    await server.store.refresh_catalog()
    for secret in (old.secret, new.secret):
        caller = server.admin.with_key(secret)
        await caller.call(caller.identifies.IdentifyMember, identify_request(FARHAN, store_id=1002))
    with pytest.raises(RotationOpenError) as refused:
        await server.store.write(lambda unit, now: rotate_key(unit, rotation, now))
    assert refused.value.args == (old.key.key_id, new.key.key_id)
    await server.store.write(lambda unit, now: unit.revoke_key(old.key.key_id, now))
    with pytest.raises(KeyUnknownError):
        await server.store.write(lambda unit, now: rotate_key(unit, rotation, now))
    again = RotateKey(new.key.key_id)
    await server.store.write(lambda unit, now: rotate_key(unit, again, now))


async def test_server_that_can_not_look_for_revoked_keys_lets_nobody_in(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an old catalogue that can't be read every call is UNAVAILABLE; then it is served."""
    monkeypatch.setattr("loyalty_service.storage.fresh_catalog.CATALOG_WAIT_S", 0.1)
    caller = own_server.app
    request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
    async with writers_busy(own_server.store):
        own_server.store._catalog_read_ns -= 5_000_000_000
        for writer in own_server.store._writers:
            writer.catalog_read_ns -= 5_000_000_000
        refusals = await asyncio.gather(
            *(caller.refused(caller.members.GetMember, request) for _ in range(3))
        )
        assert {refusal.reason for refusal in refusals} == {"STORAGE_UNAVAILABLE"}
        assert {refusal.code for refusal in refusals} == {grpc.StatusCode.UNAVAILABLE}
        assert all(refusal.retry_s for refusal in refusals)
    await caller.call(caller.members.GetMember, request)


async def test_key_of_one_store_is_for_that_store(server: Server) -> None:
    """A key limited to stores identifies there and is refused elsewhere."""
    created = await _new_key(server, "demo-ca", Role.TILL, 1001)
    caller = server.admin.with_key(created.secret)
    await caller.call(caller.identifies.IdentifyMember, identify_request(FARHAN, store_id=1001))
    refusal = await caller.refused(caller.identifies.IdentifyMember, identify_request(FARHAN))
    assert refusal.code == grpc.StatusCode.PERMISSION_DENIED
    assert (refusal.reason, refusal.metadata) == ("STORE_NOT_ALLOWED", {"store_id": "9999"})


async def test_other_programs_objects_look_absent(own_server: Server) -> None:
    """To another program's key, members, codes and sessions look as if they did not exist."""
    command = ApplyProgram(other_program())
    await own_server.store.write(lambda unit, now: apply_program(unit, command, now))
    created = await _new_key(own_server, "demo-us", Role.ADMIN)
    stranger = own_server.admin.with_key(created.secret)
    loyalty_id = await own_server.admin.enroll()
    issued = await own_server.app.call(
        own_server.app.codes.IssueCode, code_service_pb2.IssueCodeRequest(loyalty_id=loyalty_id)
    )
    absent = "00000000-0000-4000-8000-000000000000"
    for mine, nobodys, method in _lookups(stranger, loyalty_id, issued.otp, absent):
        seen, unseen = [await stranger.refused(method, request) for request in (mine, nobodys)]
        assert seen.code == unseen.code == grpc.StatusCode.NOT_FOUND
        assert seen.reason == unseen.reason
        assert seen.message.replace(loyalty_id, absent) == unseen.message
    # The same correlation ID is another session there.
    request = session_pb2.StartAnonymousSessionRequest(correlation_id="shared")
    for caller in (own_server.till, stranger):
        await caller.call(caller.sessions.StartAnonymousSession, request)


def _lookups(caller: Caller, loyalty_id: str, otp: str, absent: str) -> list[tuple[Any, ...]]:
    unused = f"{(int(otp) + 1) % 10**6:06d}"
    names = code_service_pb2, member_service_pb2
    codes, members = names
    return [
        (
            members.GetMemberRequest(loyalty_id=loyalty_id),
            members.GetMemberRequest(loyalty_id=absent),
            caller.members.GetMember,
        ),
        (
            members.ListTransfersRequest(loyalty_id=loyalty_id),
            members.ListTransfersRequest(loyalty_id=absent),
            caller.members.ListTransfers,
        ),
        (
            codes.IssueCodeRequest(loyalty_id=loyalty_id),
            codes.IssueCodeRequest(loyalty_id=absent),
            caller.codes.IssueCode,
        ),
        (
            codes.GetCodeRequest(otp=otp),
            codes.GetCodeRequest(otp=unused),
            caller.codes.GetCode,
        ),
        (identify_request(otp), identify_request(unused), caller.identifies.IdentifyMember),
        (identify_request(loyalty_id), identify_request(absent), caller.identifies.IdentifyMember),
    ]


async def test_idempotency_keys_are_each_partners_own(server: Server) -> None:
    """One partner's idempotency key means nothing to another."""
    key = new_order()
    request = member_service_pb2.EnrollMemberRequest(name="Guest")
    created = await _new_key(server, "demo-ca", Role.APP)
    partner = server.admin.with_key(created.secret)
    one = await server.app.call(server.app.members.EnrollMember, request, idempotency_key=key)
    two = await partner.call(partner.members.EnrollMember, request, idempotency_key=key)
    assert one.member.loyalty_id != two.member.loyalty_id


async def test_sandbox_keys_are_refused_outside_the_sandbox(tmp_path: Any) -> None:
    """The published keys open nothing on a server that is not a sandbox."""
    async with run_server(tmp_path, sandbox=False) as server:
        for key in SANDBOX_KEYS:
            caller = server.admin.with_key(key)
            request = identify_service_pb2.IdentifyMemberRequest()
            refusal = await caller.refused(caller.identifies.IdentifyMember, request)
            assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "API_KEY_INVALID")
