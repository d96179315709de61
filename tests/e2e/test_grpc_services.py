"""Every RPC over real sockets, as kiosks and apps call it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from loyalty.v1 import (
    code_service_pb2,
    discount_pb2,
    member_service_pb2,
    order_pb2,
    transaction_service_pb2,
    transaction_service_pb2_grpc,
)
from loyalty.v1 import session_service_pb2 as session_pb2
from loyalty_service.sandbox.fixed_codes import COFFEE, FARHAN, HASH_BROWN, NOOR, TWENTY_PERCENT
from tests.fault.tills import reason_of
from tests.support.ledger import rows
from tests.support.server import Server, give_points, identify_request, new_order, refusal_of
from tests.support.stores import writers_busy
from tests.support.transactions import transactions

pytestmark = pytest.mark.any_database

FIVE_OFF = "a94f0d25-3e71-4b86-8f2c-d60e9b1c7a55"
HASH_BROWN_ENGINE = "5d2e6a9b-41f3-4f0b-9c57-2a8d0e7b3f22"
CREATED = "2021-08-10T12:18:39.180Z"


def _is_uuid(text: str) -> bool:
    return str(uuid.UUID(text)) == text


async def test_code_of_reward_and_offer_answers_the_first_example(server: Server) -> None:
    """Code 123456 answers balances, guest and both lines as the contract's first example."""
    answer = await server.till.call(
        server.till.identifies.IdentifyMember, identify_request("123456")
    )
    assert [(line.amount, line.currency) for line in answer.balances] == [(14464, "points")]
    user = answer.loyalty_user
    assert (user.created, user.id, user.name) == (CREATED, FARHAN, "Farhan")
    reward, offer = answer.order
    assert (reward.incentive_id, reward.product_id) == (COFFEE, "700101")
    assert (reward.quantity, reward.product_type) == (1, order_pb2.OrderLine.reward)
    assert reward.HasField("price")
    assert reward.price == 0
    assert (offer.incentive_id, offer.product_id) == (HASH_BROWN, "700102")
    assert (offer.quantity, offer.product_type) == (1, order_pb2.OrderLine.offer)
    assert not offer.HasField("price")
    assert reward.reference_id != offer.reference_id
    assert not answer.eligible_discounts
    assert _is_uuid(answer.transaction_id)


async def test_code_of_discount_answers_the_second_example(server: Server) -> None:
    """Code 234567 answers one discount and no lines as the contract's second example."""
    answer = await server.till.call(
        server.till.identifies.IdentifyMember, identify_request("234567")
    )
    assert [(line.amount, line.currency) for line in answer.balances] == [(14464, "points")]
    assert answer.loyalty_user.id == NOOR
    assert not answer.order
    (discount,) = answer.eligible_discounts
    assert (discount.incentive_id, discount.product_id) == (TWENTY_PERCENT, "702")
    assert discount.details.display_name == "20% off order"
    assert discount.details.discount_value == 20
    assert discount.details.subtype == discount_pb2.DiscountDetails.PERCENTAGE_DISCOUNT
    assert discount.details.type == discount_pb2.DiscountDetails.offer


@pytest.mark.parametrize(
    ("pos_type", "supporting_pos", "plu"),
    [
        ("Partner", "Kiosk", "K-OFF-20"),
        ("Partner", " kiosk ", "K-OFF-20"),
        ("KIOSK", "Unheard-of", "K-OFF-20"),
        ("Partner", "Unheard-of", "702"),
    ],
)
async def test_supporting_pos_chooses_the_plu(
    server: Server, pos_type: str, supporting_pos: str, plu: str
) -> None:
    """A kiosk gets the PLUs of the store's own vendor, or its own where that one has none."""
    request = identify_request("234567", pos_type=pos_type, supporting_pos=supporting_pos)
    answer = await server.till.call(server.till.identifies.IdentifyMember, request)
    assert answer.eligible_discounts[0].product_id == plu


async def test_amount_discount_is_in_major_units_and_announced_for_each(server: Server) -> None:
    """Five dollars off are told as 5, not as 500 cents, and two of them as two discounts."""
    loyalty_id = await server.admin.enroll()
    await give_points(server.store, loyalty_id, 10_000)
    request = code_service_pb2.IssueCodeRequest(
        loyalty_id=loyalty_id, order=[{"incentive_id": FIVE_OFF, "quantity": 2}]
    )
    issued = await server.app.call(server.app.codes.IssueCode, request)
    answer = await server.till.call(
        server.till.identifies.IdentifyMember, identify_request(issued.otp)
    )
    assert len(answer.eligible_discounts) == 2
    for discount in answer.eligible_discounts:
        assert discount.details.discount_value == 5
        assert discount.details.subtype == discount_pb2.DiscountDetails.AMOUNT_DISCOUNT
        assert discount.details.type == discount_pb2.DiscountDetails.reward


async def test_loyalty_id_opens_a_transaction_each_time(server: Server) -> None:
    """A loyalty ID, in any case, opens a new transaction and holds nothing."""
    loyalty_id = await server.admin.enroll()
    request = identify_request(loyalty_id.upper())
    answers = [
        await server.till.call(server.till.identifies.IdentifyMember, request) for _ in range(2)
    ]
    assert [answer.loyalty_user.id for answer in answers] == [loyalty_id] * 2
    assert not answers[0].order
    assert answers[0].transaction_id != answers[1].transaction_id


async def test_retry_of_identify_is_answered_as_the_first_time(server: Server) -> None:
    """A network retry gets the same message, marked as a repeat; another order none."""
    loyalty_id = await server.admin.enroll()
    await give_points(server.store, loyalty_id, 1000)
    issued = await _issue(server, loyalty_id, COFFEE)
    request = identify_request(issued.otp)
    first = await server.till.call(server.till.identifies.IdentifyMember, request)
    call = server.till.identifies.IdentifyMember(request, metadata=server.till.metadata())
    assert await call == first
    assert ("idempotent-replayed", "true") in tuple(await call.initial_metadata())
    refusal = await server.till.refused(
        server.till.identifies.IdentifyMember, identify_request(issued.otp)
    )
    assert refusal.reason == "CODE_ALREADY_USED"
    assert await server.admin.balances(loyalty_id) == (200, 800)


async def _issue(
    server: Server, loyalty_id: str, *incentives: str, **metadata: str
) -> code_service_pb2.IssueCodeResponse:
    request = code_service_pb2.IssueCodeRequest(
        loyalty_id=loyalty_id,
        order=[code_service_pb2.SelectedIncentive(incentive_id=name) for name in incentives],
    )
    answer: code_service_pb2.IssueCodeResponse = await server.app.call(
        server.app.codes.IssueCode, request, **metadata
    )
    return answer


async def test_kept_answer_of_a_code_is_sealed(own_server: Server, database_url: str) -> None:
    """A code issued under a key is repeated with its digits, which the database does not show."""
    loyalty_id = await own_server.admin.enroll()
    request = code_service_pb2.IssueCodeRequest(loyalty_id=loyalty_id)
    issue = own_server.app.codes.IssueCode
    first = await own_server.app.call(issue, request, idempotency_key="sealed")
    again = await own_server.app.call(issue, request, idempotency_key="sealed")
    assert again == first
    (kept,) = rows(database_url, "SELECT answer FROM remembered_answer")
    assert loyalty_id.encode() not in bytes(kept.answer)


async def test_kept_answer_is_for_those_who_may_make_the_call(server: Server) -> None:
    """A till does not learn a code by asking for the key it was issued under."""
    loyalty_id = await server.admin.enroll()
    key = f"code-{loyalty_id}"
    await server.app.call(
        server.app.codes.IssueCode,
        code_service_pb2.IssueCodeRequest(loyalty_id=loyalty_id),
        idempotency_key=key,
    )
    ask = transaction_service_pb2_grpc.TransactionServiceStub(server.admin.channel).GetOutcome
    request = transaction_service_pb2.GetOutcomeRequest(idempotency_key=key)
    refusal = await server.till.refused(ask, request)
    assert refusal.reason == "ROLE_NOT_ALLOWED"
    answer = await server.app.call(ask, request)
    assert len(answer.issue_code.otp) == 6


async def test_code_tells_its_life(server: Server) -> None:
    """A code is pending until a till uses it, and then names store and transaction."""
    loyalty_id = await server.admin.enroll()
    local = "2026-03-04T05:06:07-05:00"
    issued = await _issue(server, loyalty_id, HASH_BROWN, x_user_datetime=local)
    assert len(issued.otp) == 6
    assert (issued.loyalty_id, issued.expiry) == (loyalty_id, 300)
    assert issued.status == code_service_pb2.GetCodeResponse.pending
    assert [(line.incentive_id, line.quantity) for line in issued.order] == [(HASH_BROWN, 1)]
    assert issued.user_date_time == local
    issue_time = datetime.fromisoformat(issued.created_at)
    assert abs((datetime.now(UTC) - issue_time).total_seconds()) < 60

    get = code_service_pb2.GetCodeRequest(otp=issued.otp)
    pending = await server.app.call(server.app.codes.GetCode, get)
    assert (pending.otp, pending.status) == (issued.otp, code_service_pb2.GetCodeResponse.pending)
    assert pending.created_at == issued.created_at
    assert pending.user_date_time == local
    assert not pending.HasField("restaurant_id")
    assert not pending.HasField("transaction_id")

    opened = await server.till.call(
        server.till.identifies.IdentifyMember, identify_request(issued.otp)
    )
    claimed = await server.app.call(server.app.codes.GetCode, get)
    assert claimed.status == code_service_pb2.GetCodeResponse.claimed
    assert claimed.restaurant_id == "9999"
    assert claimed.transaction_id == opened.transaction_id
    assert claimed.updated_at >= claimed.created_at


async def test_code_takes_the_names_that_rbis_app_sends(server: Server) -> None:
    """An incentive is found by any of its names, but each once; store and time are kept."""
    loyalty_id = await server.admin.enroll()
    named = [
        code_service_pb2.SelectedIncentive(product_id=COFFEE, incentive={"id": "unknown"}),
        code_service_pb2.SelectedIncentive(incentive={"id": HASH_BROWN_ENGINE}, quantity=2),
        code_service_pb2.SelectedIncentive(incentive={"id": TWENTY_PERCENT}),
    ]
    request = code_service_pb2.IssueCodeRequest(
        loyalty_id=loyalty_id,
        order=named,
        restaurant_id="9999",
        user_date_time="2024-01-01 12:12:12",
    )
    issued = await server.app.call(server.app.codes.IssueCode, request)
    assert [(line.incentive_id, line.quantity) for line in issued.order] == [
        (COFFEE, 1),
        (HASH_BROWN, 2),
        (TWENTY_PERCENT, 1),
    ]
    assert (issued.restaurant_id, issued.user_date_time) == ("9999", "2024-01-01 12:12:12")
    get = code_service_pb2.GetCodeRequest(otp=issued.otp)
    assert (await server.app.call(server.app.codes.GetCode, get)).restaurant_id == "9999"

    request.order.add(product_id=HASH_BROWN)
    request.order.add()
    refusal = await server.app.refused(server.app.codes.IssueCode, request)
    assert [*refusal.violations] == ["order[3].incentive_id", "order[4].incentive_id"]


@pytest.mark.parametrize("told", ["no store", "1", ""])
async def test_store_that_is_none_is_ignored(server: Server, told: str) -> None:
    """A code is issued whatever store the app names, for nothing depends on it."""
    request = code_service_pb2.IssueCodeRequest(
        loyalty_id=await server.admin.enroll(), restaurant_id=told
    )
    issued = await server.app.call(server.app.codes.IssueCode, request)
    assert not issued.HasField("restaurant_id")


async def test_malformed_time_in_the_body_is_named(server: Server) -> None:
    """A local time that can't be read is refused with the name of its field."""
    request = code_service_pb2.IssueCodeRequest(
        loyalty_id=await server.admin.enroll(), user_date_time="noon"
    )
    refusal = await server.app.refused(server.app.codes.IssueCode, request)
    assert [*refusal.violations] == ["user_date_time"]


async def test_newer_code_ends_the_earlier_one(server: Server) -> None:
    """A member has one live code of a partner: the earlier one is gone for app and till."""
    loyalty_id = await server.admin.enroll()
    old = await _issue(server, loyalty_id)
    new = await _issue(server, loyalty_id)
    get = code_service_pb2.GetCodeRequest(otp=old.otp)
    assert (await server.app.refused(server.app.codes.GetCode, get)).reason == "CODE_NOT_FOUND"
    shown = identify_request(old.otp)
    refusal = await server.till.refused(server.till.identifies.IdentifyMember, shown)
    assert refusal.reason == "CODE_NOT_FOUND"
    await server.till.call(server.till.identifies.IdentifyMember, identify_request(new.otp))


async def test_code_is_told_as_it_was_when_it_was_asked_about(own_server: Server) -> None:
    """A code that the next call of the same batch replaces is answered as it was before."""
    app, issue = own_server.app, own_server.app.codes.IssueCode
    request = code_service_pb2.IssueCodeRequest(loyalty_id=await own_server.admin.enroll())
    issued = await app.call(issue, request)
    async with writers_busy(own_server.store):
        calls = []
        for method, message in (
            (app.codes.GetCode, code_service_pb2.GetCodeRequest(otp=issued.otp)),
            (issue, request),
        ):
            calls.append(asyncio.create_task(app.call(method, message)))
            while len(own_server.store._waiting) < len(calls):  # noqa: ASYNC110 - a call of its own.
                await asyncio.sleep(0)
    told, newer = await asyncio.gather(*calls)
    assert told.status == code_service_pb2.GetCodeResponse.pending
    assert newer.otp != issued.otp


async def test_simultaneous_identifies_have_one_winner(server: Server) -> None:
    """Of 200 tills that show one code at once, one gets it and 199 hear that it was used."""
    loyalty_id = await server.admin.enroll()
    await give_points(server.store, loyalty_id, 1000)
    issued = await _issue(server, loyalty_id, COFFEE)

    async def show() -> Any:
        while True:
            request = identify_request(issued.otp)
            try:
                return await server.till.call(server.till.identifies.IdentifyMember, request)
            except grpc.aio.AioRpcError as error:
                # A server that is slow just now may ask some of so many to come again, and gRPC
                # refuses unseen what would be too many calls of one connection.
                if reason_of(error) not in {"SERVER_BUSY", "UNAVAILABLE"}:
                    return error

    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(*(show() for _ in range(200)))
    refused = [found for found in outcomes if isinstance(found, grpc.aio.AioRpcError)]
    assert len(refused) == 199
    assert {error.code() for error in refused} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert {error.details() for error in refused} == {"Identifier was already used"}
    assert await server.admin.balances(loyalty_id) == (200, 800)


async def test_member_is_kept_as_enrolled(server: Server) -> None:
    """A member has the fields given, no others, and no points."""
    request = member_service_pb2.EnrollMemberRequest(
        name="Zoë", email="zoe@example.com", locale="fr-CA", birth_date="1990-02-28"
    )
    enrolled = (await server.app.call(server.app.members.EnrollMember, request)).member
    get = member_service_pb2.GetMemberRequest(loyalty_id=enrolled.loyalty_id.upper())
    member = (await server.app.call(server.app.members.GetMember, get)).member
    assert member.tier.tier_id == "green"
    for told_later in ("goals", "tier"):
        member.ClearField(told_later)
    assert member == enrolled
    assert _is_uuid(member.loyalty_id)
    assert (member.name, member.email) == ("Zoë", "zoe@example.com")
    assert (member.locale, member.birth_date) == ("fr-CA", "1990-02-28")
    assert (member.available_points, member.held_points) == (0, 0)
    plain = member_service_pb2.EnrollMemberRequest(name="Guest")
    bare = (await server.app.call(server.app.members.EnrollMember, plain)).member
    assert not any(bare.HasField(name) for name in ("email", "locale", "birth_date"))


async def test_transfers_come_in_pages_newest_first(server: Server) -> None:
    """Pages of any size list all transfers of a member once, newest first."""
    loyalty_id = await server.admin.enroll()
    for points in (1000, 10, 20):
        await give_points(server.store, loyalty_id, points)
    await server.till.call(
        server.till.identifies.IdentifyMember,
        identify_request((await _issue(server, loyalty_id, COFFEE)).otp),
    )
    expected = [800, 20, 10, 1000]
    for size in (1, 2, 3, 4, 5, 0):
        assert await _listed(server, loyalty_id, size) == expected
    held = member_service_pb2.ListTransfersRequest(
        loyalty_id=loyalty_id, account=member_service_pb2.ListTransfersRequest.HELD
    )
    (hold,) = (await server.app.call(server.app.members.ListTransfers, held)).transfers
    assert hold.cause == member_service_pb2.Transfer.CAUSE_HOLD
    assert hold.source == member_service_pb2.Transfer.ACCOUNT_AVAILABLE
    assert hold.destination == member_service_pb2.Transfer.ACCOUNT_HELD
    assert _is_uuid(hold.transaction_id)
    assert not hold.HasField("note")


async def _listed(server: Server, loyalty_id: str, size: int) -> list[int]:
    listed: list[int] = []
    token = ""
    while True:
        request = member_service_pb2.ListTransfersRequest(
            loyalty_id=loyalty_id, page_size=size, page_token=token
        )
        page = await server.app.call(server.app.members.ListTransfers, request)
        assert size == 0 or len(page.transfers) <= size
        listed += [transfer.points for transfer in page.transfers]
        token = page.next_page_token
        if not token:
            return listed


async def test_page_token_shows_no_number(server: Server) -> None:
    """Nothing of a row is in a token: those of neighbouring rows have nothing in common."""
    loyalty_id = await server.admin.enroll()
    for _ in range(9):
        await give_points(server.store, loyalty_id, 10)
    request = member_service_pb2.ListTransfersRequest(loyalty_id=loyalty_id, page_size=1)
    contents = []
    for _ in range(8):
        page = await server.app.call(server.app.members.ListTransfers, request)
        assert page == await server.app.call(server.app.members.ListTransfers, request)
        request.page_token = page.next_page_token
        contents.append(base64.urlsafe_b64decode(page.next_page_token))
        number = int(page.transfers[0].transfer_id)
        assert str(number).encode() + b"/" not in contents[-1]
        assert number.to_bytes(8, "big") not in contents[-1]
    assert {len(content) for content in contents} == {36}
    for one, next_one in itertools.pairwise(contents):
        assert sum(a == b for a, b in zip(one, next_one, strict=True)) < 9


async def test_changed_page_token_is_refused(server: Server) -> None:
    """A token with a character changed, cut off or added is no token of this listing."""
    loyalty_id = await server.admin.enroll()
    for _ in range(2):
        await give_points(server.store, loyalty_id, 10)
    request = member_service_pb2.ListTransfersRequest(loyalty_id=loyalty_id, page_size=1)
    token = (await server.app.call(server.app.members.ListTransfers, request)).next_page_token
    changed = [
        token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        for place in range(len(token))
    ]
    for wrong in (*changed, token[:-4], token + "AAAA", f"{token}=", f"{token}\n"):
        request.page_token = wrong
        refusal = await server.app.refused(server.app.members.ListTransfers, request)
        assert refusal.violations == {"page_token": "must be the next_page_token of this listing"}


async def test_page_token_of_another_listing_is_refused(server: Server) -> None:
    """A token belongs to one member and account; made up or foreign, it is refused by name."""
    one, two = await server.admin.enroll(), await server.admin.enroll()
    for _ in range(2):
        await give_points(server.store, one, 10)
    first = member_service_pb2.ListTransfersRequest(loyalty_id=one, page_size=1)
    token = (await server.app.call(server.app.members.ListTransfers, first)).next_page_token
    for request in (
        member_service_pb2.ListTransfersRequest(loyalty_id=two, page_token=token),
        member_service_pb2.ListTransfersRequest(
            loyalty_id=one, page_token=token, account=member_service_pb2.ListTransfersRequest.HELD
        ),
        member_service_pb2.ListTransfersRequest(loyalty_id=one, page_token="é"),
        member_service_pb2.ListTransfersRequest(loyalty_id=one, page_token="AAAA"),
    ):
        refusal = await server.app.refused(server.app.members.ListTransfers, request)
        assert (refusal.reason, [*refusal.violations]) == ("REQUEST_INVALID", ["page_token"])


@pytest.mark.parametrize(
    ("locale", "message"),
    [
        ("en-CA", "Would the customer like to learn more about our loyalty program?"),
        ("en-US", "Would the customer like to learn more about our loyalty program?"),
        ("fr-CA", "Le client aimerait-il en savoir plus sur notre programme de fidélité?"),
        ("xx", "Would the customer like to learn more about our loyalty program?"),
        (None, "Would the customer like to learn more about our loyalty program?"),
    ],
)
async def test_anonymous_session_speaks_the_locale(
    server: Server, locale: str | None, message: str
) -> None:
    """A session speaks the language asked for, or the program's; unknown words never fail."""
    request = session_pb2.StartAnonymousSessionRequest(
        correlation_id=f"session {uuid.uuid4()}", locale=locale
    )
    answer = await server.till.call(server.till.sessions.StartAnonymousSession, request)
    assert answer.prompt_message == message
    assert answer.session_correlation_id == request.correlation_id
    assert (answer.loyalty_id, answer.membership_type) == ("anonymous", "N")
    assert (answer.status, answer.prompt) == ("NO_CARD", "REQUEST_EMAIL")
    assert answer.is_valid
    assert (answer.points_balance, answer.user_max_redeem_dollars) == (0, 0)
    assert answer.redemption_rules == session_pb2.RedemptionRules(
        min_redeem_points=25000,
        min_redeem_amount=10,
        max_redeem_points=75000,
        max_redeem_amount=30,
        redeem_increment_points=25000,
        redeem_increment_amount=10,
        currency="CAD",
    )
    assert answer.receipt_preference == "UNKNOWN"
    again = await server.till.call(server.till.sessions.StartAnonymousSession, request)
    assert again == answer


async def test_idempotency_key_takes_effect_once(server: Server) -> None:
    """A key repeats its answer and says so; with another request it is refused by name."""
    key = f"key {uuid.uuid4()}"
    request = member_service_pb2.EnrollMemberRequest(name="Once")
    metadata = server.app.metadata(idempotency_key=key)
    call = server.app.members.EnrollMember(request, metadata=metadata)
    first = await call
    assert "idempotent-replayed" not in dict(await call.initial_metadata())
    again = server.app.members.EnrollMember(request, metadata=metadata)
    assert await again == first
    assert dict(await again.initial_metadata())["idempotent-replayed"] == "true"
    other = member_service_pb2.EnrollMemberRequest(name="Twice")
    refusal = await server.app.refused(server.app.members.EnrollMember, other, idempotency_key=key)
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "IDEMPOTENCY_KEY_REUSED",
    )
    assert refusal.metadata == {"idempotency_key": key}


async def test_blanks_at_the_ends_are_no_part_of_a_key(server: Server) -> None:
    """HTTP trims headers, gRPC and queries do not: a key is one key, however it came."""
    key = f"key {uuid.uuid4()}"
    request = identify_request(await server.admin.enroll())
    asked = [
        transaction_service_pb2.GetOutcomeRequest(idempotency_key=spelt)
        for spelt in (key, f"{key}  ", f" {key}")
    ]
    get = transactions(server.till).GetOutcome
    unseen = [await server.till.call(get, one) for one in asked]
    opened = [
        await server.till.call(
            server.till.identifies.IdentifyMember, request, idempotency_key=spelt
        )
        for spelt in (f"{key} ", key, f"  {key}")
    ]
    told = [await server.till.call(get, one) for one in asked]
    assert {one.outcome for one in unseen} == {
        transaction_service_pb2.GetOutcomeResponse.OUTCOME_NEVER_SEEN
    }
    assert [opened[0]] * 3 == opened == [one.identify for one in told]


async def test_blank_key_is_asked_about_by_no_call(server: Server) -> None:
    """No call has a blank key, so nobody is told that it was never seen."""
    asked = transaction_service_pb2.GetOutcomeRequest(idempotency_key="   ")
    refusal = await server.till.refused(transactions(server.till).GetOutcome, asked)
    assert (refusal.reason, [*refusal.violations]) == ("REQUEST_INVALID", ["idempotency_key"])


async def test_keyed_identify_opens_one_transaction(server: Server) -> None:
    """With an idempotency key, a repeated loyalty ID answers the first transaction."""
    request = identify_request(await server.admin.enroll())
    key = new_order()
    answers = [
        await server.till.call(server.till.identifies.IdentifyMember, request, idempotency_key=key)
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("key", ["", " ", "   ", "x" * 256, " " * 300])
async def test_malformed_idempotency_key_is_refused(server: Server, key: str) -> None:
    """An idempotency key that is empty, blank or too long is refused by its name."""
    request = member_service_pb2.EnrollMemberRequest(name="Never")
    refusal = await server.app.refused(
        server.app.members.EnrollMember, request, idempotency_key=key
    )
    assert (refusal.reason, [*refusal.violations]) == ("REQUEST_INVALID", ["idempotency-key"])


@pytest.mark.parametrize("keys", [("a", "b"), ("a", "a")])
async def test_two_idempotency_keys_are_refused(server: Server, keys: tuple[str, str]) -> None:
    """Whoever asks later what became of a call under one of them must not hear that it is new."""
    metadata = [*server.app.metadata(), *(("idempotency-key", key) for key in keys)]
    request = member_service_pb2.EnrollMemberRequest(name="Never")
    refusal = await refusal_of(server.app.members.EnrollMember(request, metadata=metadata))
    assert refusal.violations == {"idempotency-key": "must be given once"}
