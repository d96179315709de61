"""The gates alone: who comes in, which key is counted, and how many calls of one go on."""

from __future__ import annotations

import string
from itertools import product
from random import Random

import pytest

from loyalty_service.transport.authentication import bare_key
from tests.support.lua_filters import FilteredCall, LuaFilter

MEMBER = "/loyalty/members/4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
METHOD = "/loyalty.v1.MemberService/GetMember"
PAGE = "https://kiosks.example.com"
GOOD = {":status": "200"}
WRONG = {":status": "401"}
START = 1_000_000
LARGEST = "786432"
PRIME, MASK = 16_777_619, 0xFFFF_FFFF
INVERSE = pow(PRIME, -1, 1 << 32)


@pytest.fixture
def callers() -> LuaFilter:
    """The gate before the buffer."""
    return LuaFilter(f'require("gate")("callers", {{"{PAGE}", "http://localhost:*"}})')


@pytest.fixture
def calls() -> LuaFilter:
    """The gate after the buffer."""
    return LuaFilter('require("gate")("calls")')


def call(
    gate: LuaFilter, key: str | None = "lk_one", path: str = MEMBER, **headers: str
) -> FilteredCall:
    """Call from one address."""
    sent = {":method": "GET", ":path": path, "x-envoy-external-address": "10.0.0.1"}
    if key is not None:
        sent["x-api-key"] = key
    return gate.request(sent | {name.replace("_", "-"): value for name, value in headers.items()})


def whole(gate: LuaFilter, caller: str = "1", body: bytes = b"", **headers: str) -> FilteredCall:
    """Send a whole call on to the second gate."""
    sent = {":path": MEMBER, "loyalty-caller": caller, "content-length": str(len(body))}
    return gate.request(
        sent | {name.replace("_", "-"): value for name, value in headers.items()}, body
    )


def why(refused: FilteredCall) -> str | None:
    """Tell what a refused call had no room in, as whoever counts them reads it."""
    full: str | None = refused.metadata.get("loyalty.gate", {}).get("full")
    return full


@pytest.mark.parametrize(
    ("headers", "reply"),
    [
        ({}, "401"),
        ({"x-api-key": " \t"}, "401"),
        ({"authorization": ""}, "401"),
        ({"authorization": "Basic abc"}, "401"),
        ({"authorization": "Bearer"}, "401"),
        ({"authorization": "Bearer  "}, "401"),
        ({"x-api-key": "k" * 257}, "401"),
        ({"authorization": "Bearer " + "k" * 250}, "401"),
        ({"x_api_key": "k"}, "400"),
        ({"x-api-key": "k" * 256}, None),
        ({"authorization": "bEARER k"}, None),
        ({":method": "OPTIONS"}, None),
        ({":method": "OPTIONS", ":path": METHOD, "content-type": "application/grpc"}, "401"),
        ({":path": "/grpc.health.v1.Health/Check"}, None),
        ({":path": "/grpc.health.v1.Health/Watch"}, None),
    ],
)
def test_who_has_no_key_is_refused(
    callers: LuaFilter, headers: dict[str, str], reply: str | None
) -> None:
    """By its headers alone, but where none is needed."""
    refused = callers.request({":method": "GET", ":path": MEMBER, **headers})
    assert refused.reply == reply
    assert why(refused) is None


def _spellings(key: str, chance: Random) -> list[tuple[tuple[str, str], ...]]:
    """Give headers that carry one key, in the ways that the server takes it."""

    def blanks(most: int = 90) -> str:
        return "".join(chance.choices(" \t", k=chance.randint(0, most)))

    def bearer() -> str:
        scheme = "".join(chance.choice((letter, letter.upper())) for letter in "bearer")
        return f"{scheme} {blanks()}{key}{blanks()}"

    return [
        (("x-api-key", key),),
        (("x-api-key", f"{blanks()}{key}{blanks()}"), ("authorization", "Bearer other")),
        (("x-api-key", "other"), ("x-api-key", key)),
        (("x-api-key", "other"), ("x-api-key", blanks()), ("authorization", bearer())),
        *((("authorization", bearer()),) for _ in range(20)),
        (("authorization", bearer()), ("x-api-key", "")),
        (("authorization", "Basic x"), ("x-api-key", key)),
    ]


def test_key_is_one_key_however_it_is_spelt(callers: LuaFilter) -> None:
    """The gate counts what the server reads, and hands that on as one header alone."""
    counted: dict[str, set[str | None]] = {}
    # Of the last two a blank is a part: HTTP has no other blanks than spaces and tabs.
    for key in ("lk_one", "lk_two two", "l", "\xa0lk_one", "lk_one\x85"):
        for spelt in _spellings(key, Random(key)):  # noqa: S311 - the same each time.
            sent = callers.request([(":method", "GET"), (":path", MEMBER), *spelt])
            keys = [value for name, value in sent.headers if name == "x-api-key"]
            assert keys == [key] == [bare_key(dict(spelt))], spelt
            assert sent.header("authorization") is None
            counted.setdefault(key, set()).add(sent.header("loyalty-caller"))
            callers.response(sent, GOOD)
    assert [len(callers) for callers in counted.values()] == [1] * 5
    assert len({caller for found in counted.values() for caller in found}) == 5


@pytest.mark.parametrize(
    ("length", "digest"),
    [
        (0, "591f8d21c83cb8b9"),
        (1, "122455be157338f8"),
        (2, "ef394f0657eb507c"),
        (3, "451a0fce790606f7"),
    ],
)
def test_digest_of_a_key_is_half_sip_hash(callers: LuaFilter, length: int, digest: str) -> None:
    """Its authors' test vectors, each half as a number."""
    text = bytes(range(length)).decode("latin-1")
    digest_with = callers.load("gate.keys").digest_with
    assert digest_with(0x03020100, 0x07060504, text) == digest


def test_digest_of_a_key_is_another_with_another_secret(callers: LuaFilter) -> None:
    """Whoever knows the digests of one Envoy makes no key that another takes for a known one."""
    digest_with = callers.load("gate.keys").digest_with
    told = {digest_with(first, second, "k") for first in range(20) for second in range(20)}
    assert len(told) == 400
    secret = callers.load("gate.secret")
    assert (secret.first, secret.second) != (0, 0)
    counted = call(callers, "k").header("loyalty-caller")
    assert counted == digest_with(secret.first, secret.second, "k")
    assert counted not in told


def test_key_is_not_shut_out_by_one_that_looked_like_it(callers: LuaFilter) -> None:
    """These two have the same 32 bits of FNV-1a, by which keys were once told apart."""
    good, alike = "sandbox-app-key", _alike("sandbox-app-key")
    callers.response(call(callers, good), GOOD)
    refused = call(callers, alike)
    assert refused.header("loyalty-stranger") is not None
    assert refused.header("loyalty-caller") != call(callers, good).header("loyalty-caller")
    callers.response(refused, WRONG)
    assert call(callers, good).header("loyalty-stranger") is None


def _alike(key: str) -> str:
    """Find another key of the same FNV-1a, from both of its ends."""
    letters = string.ascii_letters.encode()
    start = _fnv(b"lk_")
    forth = {_fnv(bytes(ends), start): bytes(ends) for ends in product(letters, repeat=3)}
    for number in range(10_000):
        end = b"%d" % number
        for more in product(letters, repeat=2):
            back = _fnv(key.encode())
            for byte in reversed(bytes(more) + end):
                back = (back * INVERSE & MASK) ^ byte
            if back in forth:
                return (b"lk_" + forth[back] + bytes(more) + end).decode()
    raise AssertionError("none found")


def _fnv(text: bytes, start: int = 2_166_136_261) -> int:
    for byte in text:
        start = (start ^ byte) * PRIME & MASK
    return start


METHODS = ("GET", "POST", "PUT", "OPTIONS", "HEAD", "PRI", "options")
CONTENT_TYPES = (
    *(None, "", "application/json", "application/grpc", "application/grpc+proto"),
    *("application/grpcx", "application/grpc;x", "Application/GRPC", "application/grpc-web"),
    *("application/grpc-web+proto", "application/grpc-web-text", "application/grpc-webx"),
)
PATHS = (
    *(MEMBER, METHOD, f"{METHOD}?x", f"{METHOD}/", f"/{METHOD}", "/", "*", "/nowhere", "/a.b"),
    *("/client/users/anonymous/sessions", "/otp", "/grpc.health.v1.Health/Check"),
    *("/grpc.health.v1.Health/Check?x", "/grpc.health.v1.Health/Watch?x", "/grpc.reflection.x/Y"),
)


@pytest.mark.parametrize(
    "key", [{}, {"x-api-key": "x"}, {"authorization": "x"}, {"authorization": "Bearer x"}]
)
def test_each_call_is_refused_or_counted(callers: LuaFilter, key: dict[str, str]) -> None:
    """Whatever its method, its content type and its path: none goes on that nobody counts."""
    for method, content_type, path in product(METHODS, CONTENT_TYPES, PATHS):
        named = {} if content_type is None else {"content-type": content_type}
        sent = callers.request({":method": method, ":path": path} | named | key)
        counted = "call" in sent.metadata.get("loyalty.gate", {})
        assert counted is (sent.reply is None), (method, content_type, path)
        if not counted:
            assert sent.reply == "401" or (sent.reply, method) == ("404", "OPTIONS")
        callers.response(sent, GOOD)


def test_strangers_wait_after_wrong_keys_and_known_keys_do_not(callers: LuaFilter) -> None:
    """200 of one address do not succeed, then 100 a second are let in."""
    callers.response(call(callers), GOOD)
    for number in range(200):
        refused = call(callers, f"wrong-{number}", content_length="0")
        assert refused.reply is None
        callers.response(refused, WRONG)
    waits = call(callers, "wrong")
    assert (waits.reply, why(waits)) == ("429", "strangers")
    assert call(callers).reply is None
    elsewhere = callers.request(
        {
            ":method": "GET",
            ":path": MEMBER,
            "x-api-key": "x",
            "x-envoy-external-address": "10.0.0.2",
        }
    )
    assert elsewhere.reply is None
    callers.at(START + 1)
    let_in = [call(callers, f"later-{number}", content_length="0") for number in range(100)]
    assert all(one.reply is None for one in let_in)
    for one in let_in:
        callers.response(one, WRONG)
    assert call(callers, "wrong").reply == "429"


@pytest.mark.parametrize("status", ["401", "404", "500"])
def test_whatever_a_stranger_hears_counts_but_a_success(callers: LuaFilter, status: str) -> None:
    """Also over gRPC, where 200 may be a refusal."""
    for answer in ({":status": status}, {":status": "200", "grpc-status": "5"}):
        for number in range(100):
            callers.response(call(callers, f"{status}-{number}"), answer)
    assert call(callers, "next").reply == "429"


def test_key_that_is_taken_away_is_a_strangers_again(callers: LuaFilter) -> None:
    """It has worked, and then it has not."""
    callers.response(call(callers), GOOD)
    assert call(callers).header("loyalty-stranger") is None
    callers.response(call(callers), {":status": "200", "grpc-status": "16"})
    assert call(callers).header("loyalty-stranger") == "10.0.0.1"


def test_forged_names_of_the_gate_do_not_go_on(callers: LuaFilter) -> None:
    """A caller's own digest or address counts for nothing."""
    sent = call(callers, loyalty_caller="7", loyalty_stranger="known")
    assert sent.header("loyalty-caller") != "7"
    assert sent.header("loyalty-stranger") == "10.0.0.1"
    open_path = call(callers, None, "/grpc.health.v1.Health/Check", loyalty_caller="7")
    assert open_path.header("loyalty-caller") is None


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2"),
        ("2001:db8:1:2::", "2001:db8:1:2"),
        ("2001:db8::1", "2001:db8:0:0"),
        ("2001:db8::5:1", "2001:db8:0:0"),
        ("2001:db8:0:0::2", "2001:db8:0:0"),
        ("2001:db8::4:5:6:7:8", "2001:db8:0:4"),
        ("2001:0DB8:0:7:1:2:3:4", "2001:db8:0:7"),
        ("::1", "0:0:0:0"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ],
)
def test_network_of_an_address_is_one_stranger(callers: LuaFilter, address: str, told: str) -> None:
    """Of IPv6 what one customer has."""
    stranger = call(callers, x_envoy_external_address=address).header("loyalty-stranger")
    assert stranger == told


def test_strangers_send_little_that_comes_to_nothing(callers: LuaFilter) -> None:
    """4 MiB of large bodies at once; what succeeds or does not come is given back."""
    callers.response(call(callers), GOOD)
    held = [call(callers, f"s-{number}", content_length=LARGEST) for number in range(6)]
    assert all(one.reply is None for one in held)
    full = call(callers, "t", content_length=LARGEST)
    assert (full.reply, why(full)) == ("429", "memory")
    assert call(callers, content_length=LARGEST).reply is None
    assert call(callers, "t", content_length="16384").reply is None
    callers.response(held[0], WRONG)
    assert call(callers, "t", content_length=LARGEST).reply == "429"
    callers.response(held[1], GOOD)
    again = call(callers, "t", content_length=LARGEST)
    assert again.reply is None
    assert call(callers, "t", content_length=LARGEST).reply == "429"
    again.kept.metadata["loyalty.gate.whole"] = callers.table({"call": f"1 {START} 300"})
    callers.response(again, WRONG)
    assert call(callers, "t", content_length=LARGEST).reply is None
    callers.at(START + 3)
    assert call(callers, "t", content_length=LARGEST).reply is None


def _from(gate: LuaFilter, address: str, length: int | str, key: str = "junk") -> str | None:
    return call(gate, key, content_length=str(length), x_envoy_external_address=address).reply


def test_calls_that_announce_much_never_turn_small_ones_away(callers: LuaFilter) -> None:
    """Neither of the same address nor of another, and large ones of another still come in."""
    for number in range(40):
        for _ in range(100):
            _from(callers, f"10.0.1.{number}", LARGEST)
    assert _from(callers, "10.0.1.1", LARGEST) == "429"
    assert _from(callers, "10.0.1.1", 16_384) is None
    assert _from(callers, "10.0.2.1", 5_000) is None
    fewer = LuaFilter('require("gate")("callers", {})')
    for _ in range(100):
        for number in range(9):
            _from(fewer, f"10.0.1.{number}", LARGEST)
    assert _from(fewer, "10.0.1.1", LARGEST) == "429"
    assert _from(fewer, "10.0.2.1", LARGEST) is None


def test_small_calls_of_few_addresses_leave_others_room(callers: LuaFilter) -> None:
    """Who has none under way comes in while others fill what there is."""
    for _ in range(1_000):
        for number in range(6):
            _from(callers, f"10.0.1.{number}", 0)
    assert _from(callers, "10.0.1.1", 0) == "429"
    assert _from(callers, "10.0.2.1", 16_384) is None


def test_key_whose_large_calls_are_half_sends_small_ones(callers: LuaFilter) -> None:
    """Its other tills go on with their orders."""
    callers.response(call(callers), GOOD)
    told = [_from(callers, "10.0.0.1", LARGEST, "lk_one") for _ in range(100)]
    assert told[0] is None
    assert told[-1] == "429"
    assert _from(callers, "10.0.0.1", 16_384, "lk_one") is None


@pytest.mark.parametrize(
    ("content_type", "path", "reply"),
    [
        ("application/grpc", METHOD, "413"),
        ("application/grpc+proto", METHOD, "413"),
        ("application/grpcx", METHOD, None),
        ("application/json", MEMBER, None),
        ("application/grpc", MEMBER, None),
    ],
)
def test_rpc_that_announces_more_than_is_ever_kept_is_refused(
    callers: LuaFilter, content_type: str, path: str, reply: str | None
) -> None:
    """By its headers; JSON is left to the door, which words it."""
    for length in (786_433, 25_149_000, 10**30):
        refused = call(callers, "s", path, content_type=content_type, content_length=str(length))
        assert refused.reply == reply
    callers.response(call(callers), GOOD)
    assert call(callers, path=METHOD, content_type="application/grpc").reply is None


@pytest.mark.parametrize("length", ["nan", "-9000000", "inf", "0x10", ""])
def test_length_that_is_no_number_counts_as_none(callers: LuaFilter, length: str) -> None:
    """It never makes room for more."""
    held = [_from(callers, "10.0.0.1", length) for _ in range(300)]
    assert (held[0], held[-1]) == (None, "429")


def test_strangers_body_of_unknown_length_has_a_route_of_its_own(callers: LuaFilter) -> None:
    """Which ends it at 64 KiB; a key that has worked has none."""
    assert call(callers).rerouted
    assert not call(callers, content_length="7").rerouted
    callers.response(call(callers), GOOD)
    assert not call(callers).rerouted


def test_headers_with_an_underscore_are_dropped(callers: LuaFilter) -> None:
    """But for those that a till takes for ours: the server refuses them by name."""
    headers = {"x_region": "CA", "idempotency_key": "k", "x_user_datetime": "t", "x_api_key": "k"}
    sent = callers.request({":method": "GET", ":path": MEMBER, "x-api-key": "k", **headers})
    names = {name for name, _ in sent.headers if "_" in name}
    assert names == {"idempotency_key", "x_user_datetime", "x_api_key"}


@pytest.mark.parametrize(
    "path", [MEMBER, METHOD, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
)
def test_headers_that_grpc_has_no_name_for_are_dropped(callers: LuaFilter, path: str) -> None:
    """HTTP lets a name have more characters; the server's library refuses a call with one."""
    sent = {":method": "POST", ":path": path, "x-api-key": "k", "x-a.b-0": "1"}
    if path != MEMBER:
        sent["content-type"] = "application/grpc"
    odd = {f"x{character}y": "1" for character in "!#$%&'*+^`|~"}
    told = {name for name, _ in callers.request(sent | odd).headers}
    assert told - {"loyalty-caller", "loyalty-stranger"} == set(sent)


@pytest.mark.parametrize("content_type", ["application/json", "application/grpcish", None])
def test_headers_of_ours_and_of_grpc_do_not_go_on(
    callers: LuaFilter, content_type: str | None
) -> None:
    """Whoever sends one speaks in our name; of gRPC's own a JSON call has none."""
    inner = {
        "grpc-timeout": "1S",
        "loyalty-dialect": "es",
        "loyalty-http-body": "{}",
        "loyalty-mended": "field:x",
        "loyalty-query-key": "forged",
        "x-secret-bin": "AA",
    }
    kept = {"x-binary": "7", "x-loyalty-card": "7", "x-grpc": "7"}
    named = {} if content_type is None else {"content-type": content_type}
    sent = {":method": "POST", ":path": MEMBER, "x-api-key": "k"} | named | kept
    answer = callers.request(sent | inner)
    told = {name for name, _ in answer.headers} - {"loyalty-caller", "loyalty-stranger"}
    assert told == set(sent)
    real = callers.request(sent | inner | {":path": METHOD, "content-type": "application/grpc"})
    grpcs = {"grpc-timeout", "x-secret-bin"}
    assert set(inner) & {name for name, _ in real.headers} == grpcs


def test_route_is_looked_for_again_where_it_depends_on_the_gate(callers: LuaFilter) -> None:
    """Envoy does not do it by itself: of a forged stranger, and of JSON that says it is gRPC."""
    callers.response(call(callers), GOOD)
    assert not call(callers).rerouted
    assert call(callers, loyalty_stranger="10.0.0.9").rerouted
    assert call(callers, content_type="application/grpc").rerouted
    assert not call(callers, path=METHOD, content_type="application/grpc").rerouted


@pytest.mark.parametrize(
    ("path", "origin", "readable"),
    [
        (MEMBER, PAGE, PAGE),
        (MEMBER, "http://localhost:5173", "http://localhost:5173"),
        (MEMBER, "http://localhost", "http://localhost"),
        (MEMBER, "http://localhost.example", None),
        (MEMBER, "http://localhost:x", None),
        (MEMBER, "null", None),
        ("/client/users", "https://anybody.example.com", "*"),
    ],
)
def test_pages_on_the_list_may_call(
    callers: LuaFilter, path: str, origin: str, readable: str | None
) -> None:
    """A browser is told so, before and after; to all others nothing is said."""
    asked = call(
        callers,
        *(None, path),
        **{":method": "OPTIONS", "origin": origin, "access_control_request_method": "POST"},
    )
    assert asked.reply == ("204" if readable else None)
    answer = callers.response(call(callers, "k", path, origin=origin), GOOD)
    assert answer.header("access-control-allow-origin") == readable


def test_json_that_says_it_is_grpc_is_told_in_json(callers: LuaFilter) -> None:
    """The refusal that Envoy wraps as a gRPC message is unwrapped."""
    sent = call(callers, "k", content_type="application/grpc")
    assert sent.header("content-type") == "application/json"
    wrapped = {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-status": "8",
        "grpc-message": '{"statusCode":429,"a":"100%25"}',
    }
    answer = callers.response(sent, wrapped, b"")
    assert (answer.header(":status"), answer.body) == ("429", b'{"statusCode":429,"a":"100%"}')
    assert answer.header("grpc-status") is None
    for content_type in ("application/grpc-web", "application/grpc-web-text+proto"):
        renamed = call(callers, "k", content_type=content_type)
        assert renamed.header("content-type") == "application/json"
        kept = call(callers, "k", METHOD, content_type=content_type)
        assert kept.header("content-type") == content_type
    real = call(callers, "k", METHOD, content_type="application/grpc")
    assert dict(callers.response(real, wrapped, b"").headers) == wrapped


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        (b"", "400"),
        (b"\0\0\0\0", "400"),
        (b"\0\0\0\0\x01", "400"),
        (b"\0\0\0\0\0" * 2, "400"),
        (b"\0\xff\xff\xff\xff", "400"),
        (b"\0\0\0\0\0", None),
        (b"\1\0\0\1\0" + b"m" * 256, None),
    ],
)
def test_grpc_call_is_one_whole_message(calls: LuaFilter, body: bytes, reply: str | None) -> None:
    """As long as its prefix says; JSON may be anything."""
    for content_type in ("application/grpc", "application/grpc+proto"):
        assert whole(calls, body=body, content_type=content_type).reply == reply
    assert whole(calls, body=body, content_type="application/json").reply is None


def test_key_has_sixty_four_places(calls: LuaFilter) -> None:
    """Calls that are done, or six seconds old, take none; other keys have their own."""
    under_way = [whole(calls) for _ in range(64)]
    assert all(one.reply is None for one in under_way)
    full = whole(calls)
    assert (full.reply, why(full)) == ("429", "places")
    assert whole(calls, "2").reply is None
    calls.response(under_way[0], WRONG)
    assert [whole(calls).reply for _ in range(2)] == [None, "429"]
    calls.at(START + 6)
    assert whole(calls).reply is None


def test_strangers_leave_known_keys_their_places(calls: LuaFilter) -> None:
    """64 of all, and beyond 48 only addresses that have none; a reset counts for half a second."""

    def stranger(number: int, address: str = "10.0.0.1") -> FilteredCall:
        return whole(calls, f"s{number}", loyalty_stranger=address)

    under_way = [stranger(number) for number in range(48)]
    assert all(one.reply is None for one in under_way)
    full = stranger(99)
    assert (full.reply, why(full)) == ("429", "strangers")
    assert whole(calls).reply is None
    others = [stranger(number, f"10.0.1.{number}").reply for number in range(18)]
    assert others == [None] * 16 + ["429"] * 2
    for one in under_way[:20]:
        calls.response(one, WRONG)
    assert [stranger(number).reply for number in range(5)] == [None] * 4 + ["429"]
    calls.at(START + 0.5)
    assert [stranger(number).reply for number in range(49)] == [None] * 48 + ["429"]


def _places(calls: LuaFilter) -> int:
    """Count the places that a key has, and leave them free."""
    taken = []
    while (one := whole(calls)).reply is None:
        taken.append(one)
    for one in taken:
        calls.response(one, WRONG)
    return len(taken)


def test_server_that_refuses_takes_places_of_a_key(calls: LuaFilter) -> None:
    """Of 64 places 200 refusals leave 57.4, and five seconds later all is forgotten."""
    for _ in range(200):
        answer = calls.response(whole(calls), {":status": "429", "loyalty-busy": "1"})
        assert answer.header("loyalty-busy") is None
    assert _places(calls) == 58
    for _ in range(1_100):
        calls.response(whole(calls), {":status": "429", "loyalty-busy": "1"})
    assert _places(calls) == 4
    calls.at(START + 5)
    assert _places(calls) == 64


def test_server_that_serves_gives_places_back_where_they_are_needed(calls: LuaFilter) -> None:
    """Up to 256; a key that does not need them gains none."""
    for _ in range(100):
        calls.response(whole(calls), GOOD)
    assert _places(calls) == 64
    under_way = [whole(calls) for _ in range(64)]
    for _ in range(640):
        calls.response(under_way.pop(), GOOD)
        under_way.append(whole(calls))
    for one in under_way:
        calls.response(one, WRONG)
    assert _places(calls) == 74


def test_large_bodies_come_at_a_rate(calls: LuaFilter) -> None:
    """Of a key 16 MiB at once and 4 MiB a second, and small bodies spend nothing of it."""

    def sent(caller: str, size: int, **headers: str) -> str | None:
        one = calls.request(
            {":path": MEMBER, "loyalty-caller": caller, "content-length": str(size), **headers}
        )
        calls.response(one, WRONG)
        return one.reply

    assert [sent("1", 524_288) for _ in range(33)] == [None] * 32 + ["429"]
    assert sent("1", 65_536) is None
    assert sent("2", 524_288) is None
    calls.at(START + 1)
    assert [sent("1", 524_288) for _ in range(9)] == [None] * 8 + ["429"]
    strangers = [
        sent(f"s{number}", 524_288, **{"loyalty-stranger": f"10.0.0.{number // 10}"})
        for number in range(65)
    ]
    assert strangers == [None] * 64 + ["429"]


def test_streams_are_left_to_their_routes(calls: LuaFilter) -> None:
    """They have no whole message to wait for."""
    path = "/grpc.health.v1.Health/Watch"
    assert whole(calls, body=b"", content_type="application/grpc", **{":path": path}).reply is None


def test_gate_remembers_the_newest_of_many(callers: LuaFilter) -> None:
    """It forgets the oldest, so that nobody can fill it."""
    memory = callers.load("gate.memory").new()
    for number in range(12_000):
        memory.put(number, "known")
    assert memory.get(11_999)
    assert memory.get(7_500)
    assert memory.get(1_000) is None


def test_machine_clock_that_is_set_changes_nothing(callers: LuaFilter, calls: LuaFilter) -> None:
    """Neither what is counted nor what is held, whichever way it jumps."""
    callers.response(call(callers), GOOD)
    for number in range(200):
        callers.response(call(callers, f"wrong-{number}"), WRONG)
    held = [call(callers, content_length=str(100_000)) for _ in range(3)]
    under_way = [whole(calls) for _ in range(64)]
    for wall in (START - 7_200, START + 7_200, 0, START):
        callers.set_wall_clock(wall)
        calls.set_wall_clock(wall)
        assert call(callers, "wrong").reply == "429"
        assert call(callers).reply is None
        assert whole(calls).reply == "429"
    callers.at(START + 1)
    assert call(callers, "wrong").reply is None
    for one in held:
        callers.response(one, GOOD)
    for one in under_way:
        calls.response(one, WRONG)
    assert _places(calls) == 64


@pytest.mark.parametrize("jump_s", [-7_200, 7_200])
def test_clock_that_jumps_takes_nothing_from_a_caller(
    callers: LuaFilter, calls: LuaFilter, jump_s: int
) -> None:
    """Even where the only clock there is does: nobody waits longer than before."""
    memory = callers.load("gate.memory")
    limit, share = memory.new_limit(10, 1), memory.new_share(10, 1, 40)
    holding = memory.new_holding(10)
    for counted in (limit, share):
        counted.add("a", 5, START)
    holding.add("a", 10, START, START)
    assert holding.is_reached("a", 1, START)
    now = START + jump_s
    assert not limit.is_reached("a", now)
    assert not share.is_used_up("a", now)
    assert not holding.is_reached("a", 1, now)
    for counted in (limit, share):
        counted.add("a", 20, now)
    assert limit.is_reached("a", now)
    assert share.is_used_up("a", now)
    assert not limit.is_reached("a", now + 21)
    assert not share.is_used_up("a", now + 21)
    for _ in range(1_100):
        calls.response(whole(calls), {":status": "429", "loyalty-busy": "1"})
    assert _places(calls) == 4
    calls.at(now)
    assert _places(calls) == 64


@pytest.mark.parametrize("seconds", [1, 5, 3_600])
def test_clock_without_foreign_functions_never_goes_back(seconds: int) -> None:
    """The machine's clock is read then, and stands still while it is set back."""
    lua = LuaFilter('package.loaded.ffi = nil; package.preload.ffi = function() error("none") end')
    lua.set_wall_clock(START)
    plain = lua.run('package.loaded.clock = nil; return require("clock")')
    began = plain.now()
    lua.set_wall_clock(START + seconds)
    assert plain.now() - began == seconds
    lua.set_wall_clock(START - 7_200)
    assert plain.now() - began == seconds
    lua.set_wall_clock(START - 7_200 + seconds)
    assert plain.second() - began == 2 * seconds
