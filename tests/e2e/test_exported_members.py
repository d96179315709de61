"""Everything that is kept about a member, told page by page and as one JSON."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from sqlmodel import SQLModel

from loyalty.v1 import code_service_pb2, member_service_pb2
from loyalty_service.application.members.export_member import Part
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.domain.keys import Role
from loyalty_service.storage.export_reads import exported_tables
from tests.support.doing import create_key
from tests.support.programs import PROGRAM_ID
from tests.support.server import Server, give_points, identify_request
from tests.support.transactions import line, reward_line, transactions, update_request


async def export(server: Server, loyalty_id: str, page_size: int = 0) -> list[dict[str, Any]]:
    """Read all pages of an export."""
    records: list[dict[str, Any]] = []
    token = ""
    while True:
        request = member_service_pb2.ExportMemberRequest(
            loyalty_id=loyalty_id, page_size=page_size, page_token=token
        )
        page = await server.admin.call(server.admin.members.ExportMember, request)
        assert not page_size or len(page.records) <= page_size
        records += MessageToDict(page).get("records", [])
        token = page.next_page_token
        if not token:
            return records


async def regular(server: Server) -> str:
    """Enroll a guest who has ordered with a reward, three times."""
    admin = server.admin
    request = member_service_pb2.EnrollMemberRequest(
        name="Ada", email="ada@example.com", birth_date="1990-02-28"
    )
    loyalty_id: str = (await admin.call(admin.members.EnrollMember, request)).member.loyalty_id
    await give_points(server.store, loyalty_id, 5000)
    for _ in range(3):
        issued = await admin.call(
            admin.codes.IssueCode, code_service_pb2.IssueCodeRequest(loyalty_id=loyalty_id)
        )
        opened = await admin.call(admin.identifies.IdentifyMember, identify_request(issued.otp))
        report = update_request(opened.transaction_id, "CLAIMED", reward_line(), line(5))
        await admin.call(transactions(admin).ReportOrder, report)
    return loyalty_id


async def test_export_has_all_that_is_kept(server: Server) -> None:
    """The member, the points with every movement, orders with what they used, codes, events."""
    loyalty_id = await regular(server)
    records = await export(server, loyalty_id)
    kinds = [record["kind"] for record in records]
    assert kinds == sorted(kinds, key=[part.value for part in Part].index)
    first = records[0]["values"]
    assert (first["name"], first["email"], first["birthDate"]) == (
        "Ada",
        "ada@example.com",
        "1990-02-28",
    )
    orders = [record["values"] for record in records if record["kind"] == "orders"]
    assert [order["status"] for order in orders] == ["CLAIMED"] * 3
    assert all(order["basket"]["lines"] for order in orders)
    assert all(order["redemptions"] and order["holds"] for order in orders)
    moved = sum(record["values"]["points"] for record in records if record["kind"] == "transfers")
    assert moved > 5000
    assert kinds.count("codes") == 3
    assert "MEMBER_ENROLLED" in {record["values"].get("kind") for record in records}


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_pages_have_each_record_once(server: Server, size: int) -> None:
    """Whatever the size of a page, all pages together are the whole."""
    loyalty_id = await regular(server)
    assert await export(server, loyalty_id, size) == await export(server, loyalty_id)


async def test_token_of_another_member_is_refused(server: Server) -> None:
    """A page token continues the listing that gave it, and no other."""
    one, other = await regular(server), await server.admin.enroll()
    members = server.admin.members
    request = member_service_pb2.ExportMemberRequest(loyalty_id=one, page_size=4)
    page = await server.admin.call(members.ExportMember, request)
    for token in (page.next_page_token, "x", "99.", "3.x"):
        wrong = member_service_pb2.ExportMemberRequest(loyalty_id=other, page_token=token)
        refusal = await server.admin.refused(members.ExportMember, wrong)
        assert refusal.violations.keys() == {"page_token"}


async def test_key_of_some_stores_may_not_export(server: Server) -> None:
    """Orders of all stores are told with their baskets, which such a key reads nowhere else."""
    loyalty_id = await server.admin.enroll()
    wanted = CreateKey(PROGRAM_ID, "one store", Role.ADMIN, frozenset({9999}))
    made = await server.store.write(lambda unit, now: create_key(unit, wanted, now))
    await server.store.refresh_catalog()
    limited = server.admin.with_key(made.secret)
    request = member_service_pb2.ExportMemberRequest(loyalty_id=loyalty_id)
    refusal = await limited.refused(limited.members.ExportMember, request)
    assert refusal.reason == "ROLE_NOT_ALLOWED"


async def test_key_of_an_app_may_not_export(server: Server) -> None:
    """Only an admin's key tells everything about somebody, or erases them."""
    loyalty_id = await server.admin.enroll()
    app = server.app
    request = member_service_pb2.ExportMemberRequest(loyalty_id=loyalty_id)
    assert (await app.refused(app.members.ExportMember, request)).reason == "ROLE_NOT_ALLOWED"
    erase = member_service_pb2.EraseMemberRequest(loyalty_id=loyalty_id, reason="x")
    assert (await app.refused(app.members.EraseMember, erase)).reason == "ROLE_NOT_ALLOWED"


def test_every_table_that_names_a_member_is_in_the_export() -> None:
    """A table that is added later is not forgotten."""
    naming = {
        table.name for table in SQLModel.metadata.tables.values() if "member_number" in table.c
    }
    assert naming - exported_tables() == NOT_EXPORTED


NOT_EXPORTED = {
    "member_email",  # The address itself is told with the member.
    "member_term",  # Words of what is told with the member, folded to find it.
    "code_regular",  # When a key last counted the member as a regular, for a month.
    "webhook_delivery",  # How far messages about events, which are told, came to partners.
}
