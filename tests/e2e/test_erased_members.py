"""Members who are erased: nothing names them any more, and all else stays as it was."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from loyalty.v1 import code_service_pb2, identify_service_pb2, member_service_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.bootstrap import database_of
from loyalty_service.storage.databases import Database
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.tools.backup import back_up
from loyalty_service.sweeper import take_out_names
from tests.support.ledger import audit, execute, rows
from tests.support.personal import found_in
from tests.support.server import Server, give_points, identify_request
from tests.support.stores import PEPPER
from tests.support.transactions import line, transactions, update_request

NAME = "Zenobia Quist"
EMAIL = "Zenobia.Quist@example.com"
BORN = "1931-07-05"


@dataclass
class Guest:
    """A guest who ordered, and the keys of the calls that name them."""

    loyalty_id: str
    enrolled_under: str
    identified_under: str
    identify: identify_service_pb2.IdentifyMemberRequest
    transaction_id: str


ENROLL = member_service_pb2.EnrollMemberRequest(
    name=NAME, email=EMAIL, birth_date=BORN, locale="en-CA"
)


async def guest_of(server: Server) -> Guest:
    """Enroll a guest, identify them by a code and claim an order, each under a key."""
    admin = server.admin
    enrolled_under, identified_under = str(uuid.uuid4()), str(uuid.uuid4())
    enrolled = await admin.call(admin.members.EnrollMember, ENROLL, idempotency_key=enrolled_under)
    loyalty_id: str = enrolled.member.loyalty_id
    await give_points(server.store, loyalty_id, 1000)
    issued = await admin.call(
        admin.codes.IssueCode, code_service_pb2.IssueCodeRequest(loyalty_id=loyalty_id)
    )
    identify = identify_request(issued.otp)
    identified = await admin.call(
        admin.identifies.IdentifyMember, identify, idempotency_key=identified_under
    )
    assert identified.loyalty_user.name == NAME
    report = update_request(identified.transaction_id, "CLAIMED", line(5))
    await admin.call(transactions(admin).ReportOrder, report)
    return Guest(loyalty_id, enrolled_under, identified_under, identify, identified.transaction_id)


async def erase(server: Server, loyalty_id: str) -> member_service_pb2.EraseMemberResponse:
    """Erase a member."""
    request = member_service_pb2.EraseMemberRequest(loyalty_id=loyalty_id, reason="Asked for it")
    answer = await server.admin.call(server.admin.members.EraseMember, request)
    assert isinstance(answer, member_service_pb2.EraseMemberResponse)
    return answer


def search(server: Server, wanted: tuple[str, ...] = (NAME, EMAIL, BORN)) -> list[str]:
    """Search the database for the guest."""
    url = database_of(server.settings).url.render_as_string(hide_password=False)
    return found_in(url, [PEPPER], wanted)


async def test_nothing_names_who_was_erased(
    own_server: Server, database_url: str, tmp_path: Path
) -> None:
    """No row, kept answer, file or later backup has the name, the address or the birthday."""
    guest = await guest_of(own_server)
    assert {place.partition(" in ")[2] for place in search(own_server)} >= {"member.name"}
    await erase(own_server, guest.loyalty_id)
    assert search(own_server) == []
    backup = tmp_path / "later.backup"
    back_up(Database.from_text(database_url), backup, PEPPER)
    saved = backup.read_bytes()
    assert [text for text in (NAME, EMAIL, EMAIL.lower(), BORN) if text.encode() in saved] == []
    audit(database_url)


async def test_no_sample_of_the_planner_names_who_was_erased(
    own_server: Server, database_url: str
) -> None:
    """PostgreSQL keeps values of columns for its planner: none of who was erased stays there."""
    if Database.from_text(database_url).embedded:
        samples = "SELECT 1 WHERE 1 = 0"
    else:
        samples = (
            "SELECT tablename FROM pg_stats WHERE concat_ws(' ', histogram_bounds::text, "
            "most_common_vals::text) ILIKE '%quist%'"
        )
        for number in range(3):
            other = member_service_pb2.EnrollMemberRequest(
                name=f"Other {number}", email=f"other{number}@example.com"
            )
            admin = own_server.admin
            await admin.call(admin.members.EnrollMember, other, idempotency_key=str(uuid.uuid4()))
    guest = await guest_of(own_server)
    if not Database.from_text(database_url).embedded:
        execute(database_url, "ANALYZE member, member_email, member_term")
        assert rows(database_url, samples)
    await erase(own_server, guest.loyalty_id)

    assert own_server.store.rewrite_due
    await own_server.store.rewrite()

    assert rows(database_url, samples) == []
    assert not own_server.store.rewrite_due


async def test_answers_name_nobody_even_before(own_server: Server) -> None:
    """What is kept of answers never has a name in it: it is put in as the answer is given."""
    await guest_of(own_server)
    assert not [place for place in search(own_server) if "answer" in place]


async def test_old_keys_act_once_and_tell_erased(own_server: Server, database_url: str) -> None:
    """A call that is sent again gets its answer, with "erased" where the name was."""
    guest = await guest_of(own_server)
    admin = own_server.admin
    before = await admin.balances(guest.loyalty_id)
    await erase(own_server, guest.loyalty_id)
    count = "SELECT (SELECT count(*) FROM member), (SELECT count(*) FROM loyalty_transaction)"
    rows_before = rows(database_url, count)
    enrolled = await admin.call(
        admin.members.EnrollMember, ENROLL, idempotency_key=guest.enrolled_under
    )
    assert enrolled.member.loyalty_id == guest.loyalty_id
    assert enrolled.member.name == "erased"
    assert not enrolled.member.HasField("email")
    assert not enrolled.member.HasField("birth_date")
    again = await admin.call(
        admin.identifies.IdentifyMember, guest.identify, idempotency_key=guest.identified_under
    )
    assert again.loyalty_user.name == "erased"
    assert again.transaction_id == guest.transaction_id
    outcome = await admin.call(
        transactions(admin).GetOutcome,
        pb.GetOutcomeRequest(idempotency_key=guest.identified_under),
    )
    assert outcome.identify.loyalty_user.name == "erased"
    assert rows(database_url, count) == rows_before
    assert await admin.balances(guest.loyalty_id) == before


async def test_nothing_begins_with_who_was_erased(own_server: Server) -> None:
    """No code, no till and no app finds the member; the address is free for another."""
    guest = await guest_of(own_server)
    admin = own_server.admin
    issued = await admin.call(
        admin.codes.IssueCode, code_service_pb2.IssueCodeRequest(loyalty_id=guest.loyalty_id)
    )
    await erase(own_server, guest.loyalty_id)
    for identifier in (guest.loyalty_id, issued.otp):
        refusal = await admin.refused(admin.identifies.IdentifyMember, identify_request(identifier))
        assert refusal.reason in {"MEMBER_NOT_FOUND", "CODE_NOT_FOUND"}
    refusal = await admin.refused(
        admin.codes.IssueCode, code_service_pb2.IssueCodeRequest(loyalty_id=guest.loyalty_id)
    )
    assert refusal.reason == "MEMBER_NOT_FOUND"
    shown = await admin.call(
        admin.members.GetMember, member_service_pb2.GetMemberRequest(loyalty_id=guest.loyalty_id)
    )
    assert (shown.member.name, shown.member.HasField("erase_time")) == ("erased", True)


async def test_order_under_way_is_claimed(own_server: Server, database_url: str) -> None:
    """A guest who is erased while the kitchen cooks has paid: the order is recorded."""
    admin = own_server.admin
    loyalty_id = await admin.enroll()
    opened = await admin.call(admin.identifies.IdentifyMember, identify_request(loyalty_id))
    await erase(own_server, loyalty_id)
    report = update_request(opened.transaction_id, "CLAIMED", line(5))
    claimed = await admin.call(transactions(admin).ReportOrder, report)
    assert claimed.transaction_id == opened.transaction_id
    audit(database_url)


async def test_erased_again_stays_as_it_was(own_server: Server, database_url: str) -> None:
    """The second time changes nothing, and the event is there once, with the reason."""
    loyalty_id = await own_server.admin.enroll()
    first = await erase(own_server, loyalty_id)
    assert await erase(own_server, loyalty_id) == first
    told = rows(database_url, "SELECT reason, detail FROM event WHERE kind = 6")
    assert [tuple(row) for row in told] == [("Asked for it", None)]


async def test_names_of_older_answers_are_taken_out(own_server: Server, database_url: str) -> None:
    """What an older version kept with names is kept without as soon as the server sweeps."""
    guest = await guest_of(own_server)
    request = member_service_pb2.EnrollMemberRequest(name="Somebody")
    key = str(uuid.uuid4())
    admin = own_server.admin
    enrolled = await admin.call(admin.members.EnrollMember, request, idempotency_key=key)
    enrolled.member.name = NAME
    (place,) = rows(
        database_url, "SELECT scope FROM remembered_answer WHERE idempotency_key = :key", key=key
    )
    sealed = Seal(PEPPER).close(enrolled.SerializeToString(), place.scope, key)
    execute(
        database_url,
        "UPDATE remembered_answer SET named = 1, answer = :sealed WHERE idempotency_key = :key",
        sealed=sealed,
        key=key,
    )
    await erase(own_server, guest.loyalty_id)
    assert [where.partition(" in ")[2] for where in search(own_server)] == [
        "answer of MemberService/EnrollMember"
    ]
    await take_out_names(own_server.store)
    assert search(own_server) == []
    again = await admin.call(admin.members.EnrollMember, request, idempotency_key=key)
    assert again.member.name == "Somebody"
