"""What a JSON caller may write: what can't refuse a call, and what a refusal says of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from google.protobuf import json_format

from tests.fault.goals.limits import wide_order
from tests.support.edge_parts import script_errors
from tests.support.http import Response
from tests.support.server import ADMIN_KEY, Front, give_points

pytestmark = pytest.mark.any_database

SESSIONS = "/client/users/anonymous/sessions"
ORDERS = "/loyalty/transaction/pos"
IDENTIFY = "/loyalty/identify"
INVALID_CORRELATION_ID = (
    b'{"statusCode":400,"errorMessage":"Invalid Correlation ID","errorCode":"INVALID_REQUEST"}'
)
FRENCH = "Le client"


@pytest_asyncio.fixture(loop_scope="session")
async def till(front: Front) -> AsyncIterator[Front]:
    """The shared server behind Envoy, whose scripts must not fail."""
    yield front
    assert script_errors(front.envoy) == []


async def _send(
    front: Front, method: str, path: str, body: str | bytes | None, **headers: str
) -> Response:
    sent = {"x-api-key": ADMIN_KEY} | {name.replace("_", "-"): it for name, it in headers.items()}
    return await front.http.request(method, path, body, sent)


async def _open(front: Front, loyalty_id: str) -> str:
    vendor = {"storeId": 9999, "posType": "Partner", "transactionId": str(uuid4())}
    opened = await front.post(IDENTIFY, {"identifier": loyalty_id, "posVendor": vendor})
    return str(opened.json()["transactionId"])


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b" \r\n\t ",
        b"VOID",
        b'{"loyaltyId":"","transactionId":"the till\'s own"}',
        b'{"loyaltyId":" ","loyaltyTransactionId":{},"surprise":{"loyaltyId":"no"}}',
        b'{"transactionDetails":[1e400,{"order":[{"price":"8.49 "}]}],"transactionId":[]}',
    ],
)
async def test_void_needs_only_its_path(till: Front, body: bytes | None) -> None:
    """Whatever a till sends with it, a transaction is cancelled: the guest has the money back."""
    opened = await _open(till, await till.server.admin.enroll())
    answer = await _send(till, "PUT", f"{ORDERS}/{opened}/void", body)
    assert answer.status == 200, answer.body
    assert answer.json()["transactionId"] == opened


async def test_void_of_the_fullest_order_needs_only_its_path(till: Front) -> None:
    """Of five hundred lines with every text at its limit, none is looked at."""
    order = json_format.MessageToDict(wide_order(500))
    opened = await _open(till, await till.server.admin.enroll())
    body = json.dumps({"transactionDetails": order, "status": "VOIDED", "channel": []})
    assert (await _send(till, "PUT", f"{ORDERS}/{opened}/void", body)).status == 200


@pytest.mark.parametrize("place", ["%s", " {x}\t", "{X}"])
async def test_void_for_its_guest_is_done_and_for_another_refused(till: Front, place: str) -> None:
    """A loyalty ID that is not the transaction's is refused by name, in or out of its form."""
    guest, other = await till.server.admin.enroll(), await till.server.admin.enroll()
    opened = await _open(till, guest)
    path = f"{ORDERS}/{opened}/void"
    for stranger in (other, "no-uuid"):
        refused = await till.http.request(
            "PUT", path, json.dumps({"loyaltyId": stranger}), {"x-api-key": ADMIN_KEY}
        )
        assert refused.status == 400, refused.body
        assert [broken["field"] for broken in _errors(refused)] == ["loyaltyId"]
    repeated = json.dumps({"transactionId": str(uuid4())})
    assert (await _send(till, "PUT", path, repeated)).status == 400
    shown = place.replace("%s", guest).replace("{x}", guest).replace("{X}", guest.upper())
    assert (await _send(till, "PUT", path, json.dumps({"loyaltyId": shown}))).status == 200


@pytest.mark.parametrize(
    ("locale", "query", "french"),
    [
        ("fr-CA", "", True),
        ("fr-CA", "?locale=en-CA", True),
        ("en-CA", "?locale=fr-CA", False),
        ("fr-ca", "?locale=fr-CA", True),
        ("FR", "?locale=fr-CA", True),
        ("", "?locale=fr-CA", True),
        ("x" * 5000, "?locale=fr-CA", True),
        ("fr-CA ", "", False),
        ("en-US", "?locale=fr-CA", False),
        ({"a": [{"b": '}"]'}]}, "?locale=fr-CA", True),
        (7, "?locale=" + "x" * 90, False),
    ],
)
async def test_locale_is_the_bodys_then_the_querys_then_the_programs(
    till: Front, locale: Any, query: str, *, french: bool
) -> None:
    """One of the three counts where it stands first; whatever else is written refuses nothing."""
    body = {"correlationId": str(uuid4()), "locale": locale}
    answer = await till.post(SESSIONS + query, body)
    assert answer.status == 200, answer.body
    assert answer.json()["promptMessage"].startswith(FRENCH) == french


@pytest.mark.parametrize("wrong", [True, ["fr-CA"], "", " ", "x" * 9000, "a\nb\x00c"])
async def test_optional_fields_of_a_session_refuse_nothing(till: Front, wrong: Any) -> None:
    """Only the correlation ID can: the contract knows no other error."""
    names = ("externalIdentifier", "channel", "locale", "anonymousSessionId")
    body = {"correlationId": str(uuid4()), **dict.fromkeys(names, wrong)}
    assert (await till.post(SESSIONS, body)).status == 200
    body["correlationId"] = "a/b"
    refused = await till.post(SESSIONS, body, idempotency_key="k" * 300)
    assert (refused.status, refused.body) == (400, INVALID_CORRELATION_ID)


@pytest.mark.parametrize("rest", ['"locale":"\\ud800"', '"channel":tru', '"a":1e400'])
@pytest.mark.parametrize("correlation_id", ["7", '"a?b"'])
async def test_bad_correlation_id_is_the_documented_answer_whatever_else_is_wrong(
    till: Front, correlation_id: str, rest: str
) -> None:
    """The 88 bytes, beside texts that are none, brackets without an end and endless numbers."""
    body = f'{{"correlationId":{correlation_id},{rest}}}'.encode("latin-1")
    answer = await _send(till, "POST", SESSIONS, body)
    assert (answer.status, answer.body) == (400, INVALID_CORRELATION_ID)


async def _keyed(front: Front, key: str) -> str:
    """Enroll a guest under an idempotency key."""
    done = await front.post("/loyalty/members", {"name": "A Guest"}, idempotency_key=key)
    assert done.status == 200, done.body
    return str(done.json()["member"]["loyaltyId"])


async def _ask(front: Front, query: str) -> Response:
    answer: Response = await front.get(f"{ORDERS}?idempotencyKey={query}")
    return answer


@pytest.mark.parametrize(
    ("key", "query"),
    [
        ("claim 7 {}", "claim+7+{}"),
        ("claim 7 {}", "claim%207+{}"),
        ("claim 7 {}", "+claim+7+{}+"),
        ("claim 7+{}", "claim+7%2B{}"),
        ("claim+7+{}", "claim+7+{}"),
        ("claim+7+{}", "claim%2B7%2b{}"),
        ("ab+{}==", "ab+{}=="),
        ("ab+{}==", "ab%2B{}%3D%3D"),
    ],
)
async def test_key_in_a_query_is_found_as_written_and_as_a_form_writes_it(
    till: Front, key: str, query: str
) -> None:
    """What a committed call is asked for by is found, however "+" and blanks are written."""
    mark = uuid4().hex
    loyalty_id = await _keyed(till, key.format(mark))
    told = (await _ask(till, query.format(mark))).json()
    assert told["outcome"] == "OUTCOME_COMMITTED"
    assert told["enrollMember"]["member"]["loyaltyId"] == loyalty_id


async def test_key_that_can_be_either_of_two_calls_is_refused(till: Front) -> None:
    """Where "+" could mean both, the answer is an error, and an escaped key is told for sure."""
    mark = uuid4().hex
    plus, blank = await _keyed(till, f"a+{mark}"), await _keyed(till, f"a {mark}")
    refused = await _ask(till, f"a+{mark}")
    assert refused.status == 400
    assert [broken["field"] for broken in _errors(refused)] == ["idempotencyKey"]
    for query, loyalty_id in ((f"a%2B{mark}", plus), (f"a%20{mark}", blank)):
        told = (await _ask(till, query)).json()
        assert told["enrollMember"]["member"]["loyaltyId"] == loyalty_id


async def test_key_that_is_escaped_means_no_other_call(till: Front) -> None:
    """An escaped "+" is no blank, and what was never sent is told so; two keys are refused."""
    mark = uuid4().hex
    await _keyed(till, f"a {mark}")
    for query in (f"a%2B{mark}", f"b+{mark}"):
        assert (await _ask(till, query)).json()["outcome"] == "OUTCOME_NEVER_SEEN"
    assert (await _ask(till, f"a+{mark}&idempotencyKey=other")).status == 400


def _errors(answer: Response) -> list[dict[str, str]]:
    details = answer.json()["details"]
    assert details["reason"] == "REQUEST_INVALID"
    errors: list[dict[str, str]] = details["errors"]
    assert details["metadata"] == {
        "fields": ",".join(broken["field"] for broken in errors[:10]),
        "violations": str(len(errors)),
    }
    return errors


ORDER = {
    "channel": "RESTAURANT",
    "serviceMode": "EAT_IN",
    "status": "PENDING",
    "transactionDetails": {
        "currency": "CAD",
        "order": [
            {"productId": "7", "productType": "item", "price": "PRICE", "tax": 0.5, "quantity": 1}
        ],
        "payments": [],
        "posVendor": {"storeId": 9999, "posType": "Partner", "transactionId": "1"},
    },
}


@pytest.mark.parametrize("price", ["8,49", "nan"])
async def test_price_that_is_no_number_is_named(till: Front, price: str) -> None:
    """A text that only resembles a number is told by its field."""
    path = f"{ORDERS}/{uuid4()}"
    body = json.dumps(ORDER).replace('"PRICE"', json.dumps(price))
    refused = await _send(till, "PUT", path, body)
    assert refused.status == 400
    assert "transactionDetails.order[0].price" in [broken["field"] for broken in _errors(refused)]


@pytest.mark.parametrize("rest", [b"\x00", b" \x00 ", b"\xc2\xa0", b"\x1a"])
async def test_byte_after_the_body_is_placed(till: Front, rest: bytes) -> None:
    """What stands after the end of a body is told by its line and column."""
    body = json.dumps(ORDER).replace('"PRICE"', "8.49").encode()
    refused = await _send(till, "PUT", f"{ORDERS}/{uuid4()}", body + rest)
    assert refused.status == 400
    (broken,) = _errors(refused)
    assert broken["message"].startswith("JSON goes on after its end (line 1, column ")


async def test_every_refused_body_names_a_field_or_a_place(till: Front) -> None:
    """Bodies with bytes put in, taken out and changed are served, or refused with the reason."""
    chance = Random(11)  # noqa: S311 - nothing secret.
    good = json.dumps(ORDER).replace('"PRICE"', "8.49").encode()
    bytes_put = b'{}[]",:\\ 0-9.eE+\x00\n\xff\xe2u'
    refused = 0
    for number in range(100):
        body = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 3))):
            at = chance.randrange(len(body) + 1)
            body[at : at + chance.choice((0, 1, 1))] = bytes(
                chance.choices(bytes_put, k=chance.choice((0, 1, 1, 2)))
            )
        answer = await _send(till, "PUT", f"{ORDERS}/{uuid4()}", bytes(body))
        if answer.status == 400 and "errors" in answer.json()["details"]:
            refused += 1
            for broken in _errors(answer):
                assert broken["field"] or broken["message"].startswith(("JSON ", "must be")), (
                    number,
                    bytes(body),
                    broken,
                )
    assert refused > 30


@pytest.mark.parametrize("key", [None, "Basic abc"])
@pytest.mark.parametrize("body", ["{", "x" * 600_000])
async def test_missing_key_is_refused_before_the_body(
    till: Front, key: str | None, body: str
) -> None:
    """Who calls comes first: without a key it is 401, whatever is wrong with the body."""
    headers = {} if key is None else {"authorization": key}
    for path in (IDENTIFY, SESSIONS):
        answer = await till.http.request("POST", path, body, headers)
        assert answer.status == 401, (path, answer.body)


async def test_details_tell_refusals_of_one_status_apart(till: Front) -> None:
    """A JSON caller reads the reason that a gRPC caller reads, with its values."""
    loyalty_id = await till.server.admin.enroll()
    await give_points(till.server.store, loyalty_id, 10)
    opened = await _open(till, loyalty_id)
    await _send(till, "PUT", f"{ORDERS}/{opened}/void", None)
    body = json.dumps(ORDER).replace('"PRICE"', "8.49")
    refused = await _send(till, "PUT", f"{ORDERS}/{opened}", body)
    assert refused.json()["details"] == {
        "reason": "TRANSACTION_NOT_CLAIMABLE",
        "metadata": {"transaction_id": opened, "status": "VOID"},
    }
    missing = await till.http.request("POST", IDENTIFY, "{}", {})
    assert missing.json()["details"] == {"reason": "API_KEY_MISSING", "metadata": {}}
