"""Access tokens of OAuth 2.0, asked for and used over a real Envoy."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest

from loyalty.v1 import member_service_pb2, token_service_pb2
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.operators.revoke_key import RevokeKey
from loyalty_service.domain.keys import Role
from loyalty_service.sandbox.fixed_codes import FARHAN
from tests.support.doing import create_key, revoke_key
from tests.support.programs import PROGRAM_ID
from tests.support.server import Caller, Front, open_channel

pytestmark = pytest.mark.any_database

PATH = "/oauth2/token"
MEMBER = f"/loyalty/members/{FARHAN}"
GRANT = {"grant_type": "client_credentials"}
INVALID_CLIENT = {"error": "invalid_client"}


class Client:
    """A client of OAuth, which has a key of its own."""

    def __init__(self, front: Front, key_id: str, secret: str) -> None:
        self.front = front
        self.key_id = key_id
        self.secret = secret

    @classmethod
    async def of(cls, front: Front, role: Role = Role.APP) -> Client:
        """Make a key."""
        command = CreateKey(PROGRAM_ID, "oauth", role)
        made = await front.server.store.write(
            lambda unit, now_ms: create_key(unit, command, now_ms)
        )
        return cls(front, made.key.key_id, made.secret)

    def basic(self, client_id: str | None = None, secret: str | None = None) -> str:
        """Say who it is, as HTTP Basic."""
        told = f"{client_id or self.key_id}:{secret or self.secret}"
        return f"Basic {base64.b64encode(told.encode()).decode()}"

    async def ask(self, form: dict[str, str] | str, authorization: str | None = None) -> Any:
        """Ask for a token."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if authorization is not None:
            headers["authorization"] = authorization
        body = form if isinstance(form, str) else urlencode(form)
        return await self.front.http.request("POST", PATH, body, headers)

    async def reads(self, headers: dict[str, str]) -> int:
        """Read a member; return the status."""
        answer = await self.front.http.request("GET", MEMBER, None, headers)
        return int(answer.status)


@pytest.mark.parametrize("in_form", [True, False])
async def test_token_stands_for_its_key(front: Front, in_form: bool) -> None:  # noqa: FBT001
    """However the client says who it is, the token is good wherever the key is."""
    client = await Client.of(front)
    own = {"client_id": client.key_id, "client_secret": client.secret}
    answer = await client.ask(GRANT | own) if in_form else await client.ask(GRANT, client.basic())
    assert answer.status == 200, answer.body
    told = answer.json()
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 3600)
    assert set(told) == {"access_token", "token_type", "expires_in"}
    assert answer.header("cache-control") == "no-store"
    assert answer.header("pragma") == "no-cache"
    token = told["access_token"]
    assert await client.reads({"authorization": f"Bearer {token}"}) == 200
    assert await client.reads({"x-api-key": token}) == 200
    assert await client.reads({"authorization": f"Bearer {client.secret}"}) == 200
    async with open_channel(front.server.address) as channel:
        caller = Caller(channel, token)
        request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
        assert (await caller.call(caller.members.GetMember, request)).member.loyalty_id == FARHAN


async def test_token_has_the_role_of_its_key(front: Front) -> None:
    """A till's token reads no member."""
    client = await Client.of(front, Role.TILL)
    token = (await client.ask(GRANT, client.basic())).json()["access_token"]
    assert await client.reads({"authorization": f"Bearer {token}"}) == 403


async def test_token_ends_with_its_key(front: Front) -> None:
    """Within five seconds of the revocation nobody gets in by it."""
    client = await Client.of(front)
    token = (await client.ask(GRANT, client.basic())).json()["access_token"]
    assert await client.reads({"authorization": f"Bearer {token}"}) == 200
    command = RevokeKey(client.key_id)
    await front.server.store.write(lambda unit, now_ms: revoke_key(unit, command, now_ms))
    async with asyncio.timeout(5):
        while await client.reads({"authorization": f"Bearer {token}"}) != 401:
            pass


async def test_wrong_credentials_are_refused_in_the_words_of_oauth(front: Front) -> None:
    """Another secret, another's ID, no secret, no credentials, and a token in place of a secret."""
    client, other = await Client.of(front), await Client.of(front)
    token = (await client.ask(GRANT, client.basic())).json()["access_token"]
    for form, authorization in (
        (GRANT, client.basic(secret="lk_wrong")),
        (GRANT, client.basic(client_id=other.key_id)),
        (GRANT, client.basic(secret=token)),
        (GRANT | {"client_id": client.key_id, "client_secret": "lk_wrong"}, None),
        (GRANT | {"client_secret": client.secret}, None),
        (GRANT | {"client_id": other.key_id, "client_secret": client.secret}, None),
        (GRANT | {"client_id": client.key_id}, None),
        (GRANT, None),
        (GRANT, "Basic"),
        (GRANT, "Basic !"),
        (GRANT, "Digest username=x"),
    ):
        answer = await client.ask(form, authorization)
        assert (answer.status, answer.json()) == (401, INVALID_CLIENT), (form, authorization)
        assert answer.header("www-authenticate") == 'Basic realm="loyalty"'
        assert answer.header("cache-control") == "no-store"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("", "invalid_request"),
        ("scope=pos", "invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type", "invalid_request"),
        ("grant_type=client_credentials&client_id=x&client_secret=y", "invalid_request"),
        ('{"grant_type":"client_credentials"', "invalid_request"),
        ("{}", "invalid_request"),
        ("grant_type=authorization_code&code=x", "unsupported_grant_type"),
    ],
)
async def test_wrong_form_is_refused_in_the_words_of_oauth(
    front: Front, form: str, error: str
) -> None:
    """What is left out, comes twice, can't be read, or says in two ways who the client is."""
    client = await Client.of(front)
    answer = await client.ask(form, client.basic())
    assert (answer.status, answer.json()) == (400, {"error": error})
    assert answer.header("cache-control") == "no-store"


async def test_basic_is_taken_for_tokens_alone(front: Front) -> None:
    """At every other path it is no key."""
    client = await Client.of(front)
    assert await client.reads({"authorization": client.basic()}) == 401


async def test_flood_of_wrong_secrets_is_turned_away_by_the_edge(own_front: Front) -> None:
    """Most never reach a server, whichever way they come; a token that has worked goes on."""
    client = await Client.of(own_front)
    token = (await client.ask(GRANT, client.basic())).json()["access_token"]
    assert await client.reads({"authorization": f"Bearer {token}"}) == 200
    seen: list[int] = []
    for in_form in (True, False):
        wrong = {"client_id": client.key_id, "client_secret": "lk_wrong"} if in_form else {}
        basic = None if in_form else client.basic(secret="lk_wrong")
        answers = await asyncio.gather(*(client.ask(GRANT | wrong, basic) for _ in range(250)))
        seen += [answer.status for answer in answers]
        for answer in answers:
            told = {401: "invalid_client", 429: "temporarily_unavailable"}[answer.status]
            assert answer.json() == {"error": told}
    assert seen.count(429) > 250
    assert await client.reads({"authorization": f"Bearer {token}"}) == 200


async def test_kiosk_asks_for_a_token_over_grpc(front: Front) -> None:
    """The key comes as with every call."""
    client = await Client.of(front)
    async with open_channel(front.server.address) as channel:
        ask = channel.unary_unary(
            "/loyalty.v1.TokenService/IssueToken",
            request_serializer=token_service_pb2.IssueTokenRequest.SerializeToString,
            response_deserializer=token_service_pb2.IssueTokenResponse.FromString,
        )
        request = token_service_pb2.IssueTokenRequest(**GRANT)
        told = await ask(request, metadata=(("x-api-key", client.secret),))
        assert await client.reads({"x-api-key": told.access_token}) == 200
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(request, metadata=(("x-api-key", told.access_token),))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
