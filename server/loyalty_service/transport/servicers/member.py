"""MemberService: members and the history of their points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loyalty.v1 import member_service_pb2 as pb
from loyalty_service.application.adjusters import Adjuster
from loyalty_service.application.members.assign_points import (
    Assigned,
    AssignPoints,
    assign_points,
    short_id,
)
from loyalty_service.application.members.block_member import BlockMember, block_member
from loyalty_service.application.members.enroll_member import EnrollMember, enroll_member
from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.members.export_member import ExportMember, export_member
from loyalty_service.application.members.get_member import ShownMember, show_member
from loyalty_service.application.members.list_transfers import ListTransfers, list_transfers
from loyalty_service.application.members.merge_members import Merged, MergeMembers, merge_members
from loyalty_service.application.members.search_members import SearchMembers, search_members
from loyalty_service.application.members.unmerge_members import UnmergeMembers, unmerge_members
from loyalty_service.application.members.update_member import UpdateMember, update_member
from loyalty_service.application.operators.adjust_points import (
    Adjusted,
    AdjustPoints,
    adjust_points,
)
from loyalty_service.application.orders.search_transactions import GIVEN
from loyalty_service.application.points import owed_points
from loyalty_service.application.reading import FoundMember
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.expiry import Going
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.domain.member_terms import TermKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member, TransactionStatus
from loyalty_service.transport.call import Call
from loyalty_service.transport.servicers.goals import goals_told, loyalty_tier, member_tier
from loyalty_service.transport.servicers.order_details import render_transfer
from loyalty_service.transport.servicers.timestamps import timestamp

UPDATED = ("name", "email", "phone", "birth_date", "locale", "card")
"""The fields of a member that may be changed."""

_TERMS = {
    pb.SearchMembersRequest.NAME: frozenset({TermKind.NAME}),
    pb.SearchMembersRequest.EMAIL: frozenset({TermKind.EMAIL}),
    pb.SearchMembersRequest.PHONE: frozenset({TermKind.PHONE}),
    pb.SearchMembersRequest.CARD: frozenset({TermKind.CARD}),
}
"""What is looked at for each field that is chosen."""


class MemberServicer:
    """Serves loyalty.v1.MemberService."""

    async def EnrollMember(self, request: pb.EnrollMemberRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = EnrollMember(
            key=call.key,
            name=request.name,
            email=request.email if request.HasField("email") else None,
            locale=request.locale if request.HasField("locale") else None,
            birth_date=request.birth_date if request.HasField("birth_date") else None,
            phone=request.phone if request.HasField("phone") else None,
            card=request.card if request.HasField("card") else None,
        )
        # The writer renders, on its own thread: the catalogue is the loop's to ask.
        program = call.program
        return await call.write(
            enroll_member,
            command,
            lambda member: pb.EnrollMemberResponse(
                member=_member(ShownMember(member), program)
            ).SerializeToString(),
        )

    async def GetMember(self, request: pb.GetMemberRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        async with call.read() as reader:
            of = request.loyalty_id
            shown = await show_member(reader, call.program, call.key, of, call.now_ms)
        return pb.GetMemberResponse(member=_member(shown, call.program)).SerializeToString()

    async def GetUser(self, request: pb.GetUserRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        async with call.read() as reader:
            of = request.loyalty_id
            shown = await show_member(reader, call.program, call.key, of, call.now_ms)
        member = shown.member
        moved_ms = max(account.moved_ms for account in member.accounts.values())
        return pb.GetUserResponse(
            created_at=rfc3339(member.created_ms),
            updated_at=rfc3339(max(member.created_ms, moved_ms)),
            id=member.loyalty_id,
            name=member.name,
            email=member.email,
            date_of_birth=member.birth_date,
            points=member.spendable,
            expiration_buckets=map(_bucket, shown.goings),
            points_expiry_date_key=shown.goings[0].expiration_date if shown.goings else None,
            loyalty_tier=loyalty_tier(shown, call.program),
            goals=goals_told(shown.goals),
        ).SerializeToString()

    async def AssignPoints(self, request: pb.AssignPointsRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        _require_idempotency_key(call)
        command = AssignPoints(
            key=call.key,
            loyalty_id=request.loyalty_id,
            points=request.points,
            partner=request.partner,
            reference=request.reference,
        )
        return await call.write(assign_points, command, _render_assigned)

    async def AdjustPoints(self, request: pb.AdjustPointsRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = AdjustPoints(
            program_id=call.key.program_id,
            loyalty_id=request.loyalty_id.lower(),
            points=request.points,
            note=request.reason,
            allow_debt=request.allow_debt,
            dry_run=request.validate_only,
            by=Adjuster(call.key),
        )
        if request.validate_only:
            return await call.decide(adjust_points, command, _render_adjusted)
        _require_idempotency_key(call)
        return await call.write(adjust_points, command, _render_adjusted)

    async def SearchMembers(  # noqa: N802
        self, request: pb.SearchMembersRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = SearchMembers(
            program_id=call.key.program_id,
            query=request.query,
            kinds=_TERMS.get(request.field, frozenset()),
            by_loyalty_id=request.field == pb.SearchMembersRequest.LOYALTY_ID,
            exact=request.exact,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        async with call.read() as reader:
            page = await search_members(reader, command)
        return pb.SearchMembersResponse(
            members=map(_found, page.members), next_page_token=page.next_page_token
        ).SerializeToString()

    async def UpdateMember(self, request: pb.UpdateMemberRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        given = tuple(
            (field, getattr(request, field)) for field in UPDATED if request.HasField(field)
        )
        command = UpdateMember(call.key.program_id, request.loyalty_id, given, request.reason)
        return await call.write(update_member, command, _changed(pb.UpdateMemberResponse, call))

    async def BlockMember(self, request: pb.BlockMemberRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        blocked = Blocked(Blocked.EARN * request.earn | Blocked.REDEEM * request.redeem)
        command = BlockMember(call.key.program_id, request.loyalty_id, blocked, request.reason)
        return await call.write(block_member, command, _changed(pb.BlockMemberResponse, call))

    async def EraseMember(self, request: pb.EraseMemberRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = EraseMember(call.key.program_id, request.loyalty_id, request.reason)
        answer = await call.write(erase_member, command, _render_erased)
        await call.storage.empty_log()
        return answer

    async def MergeMembers(self, request: pb.MergeMembersRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = MergeMembers(
            call.key.program_id, request.loyalty_id, request.merged_loyalty_id, request.reason
        )
        return await call.write(merge_members, command, _rendered_merge(call.program))

    async def UnmergeMembers(  # noqa: N802
        self, request: pb.UnmergeMembersRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = UnmergeMembers(
            call.key.program_id, request.loyalty_id, request.merged_loyalty_id, request.reason
        )
        return await call.write(unmerge_members, command, _rendered_unmerge(call.program))

    async def ExportMember(self, request: pb.ExportMemberRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        # Its orders were in any store.
        call.key.require_all_stores("ExportMember")
        command = ExportMember(
            call.key.program_id, request.loyalty_id, request.page_size, request.page_token
        )
        async with call.read() as reader:
            page = await export_member(reader, command)
        response = pb.ExportMemberResponse(next_page_token=page.next_page_token)
        for exported in page.records:
            record = response.records.add(kind=exported.kind.value)
            record.values.update(exported.values)
        return response.SerializeToString()

    async def ListTransfers(  # noqa: N802
        self, request: pb.ListTransfersRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = ListTransfers(
            key=call.key,
            loyalty_id=request.loyalty_id,
            page_size=request.page_size,
            page_token=request.page_token,
            account=AccountKind(request.account) if request.account else None,
        )
        async with call.read() as reader:
            page = await list_transfers(reader, command)
        return pb.ListTransfersResponse(
            transfers=map(render_transfer, page.transfers),
            next_page_token=page.next_page_token,
            archived_until_time=(
                None if page.archived_until_ms is None else timestamp(page.archived_until_ms)
            ),
        ).SerializeToString()


def _require_idempotency_key(call: Call) -> None:
    """Refuse a call that, sent again, would move points again."""
    if "idempotency-key" not in call.metadata:
        raise RequestInvalidError((FieldViolation("idempotency-key", "is required"),))


def _member(shown: ShownMember, program: Program) -> pb.Member:
    member = shown.member
    return pb.Member(
        loyalty_id=member.loyalty_id,
        name=member.name,
        email=member.email,
        locale=member.locale,
        birth_date=member.birth_date,
        create_time=timestamp(member.created_ms),
        available_points=member.spendable,
        held_points=member.held.balance,
        owed_points=owed_points(member.accounts),
        segments=member.in_segments,
        expiration_buckets=map(_bucket, shown.goings),
        goals=goals_told(shown.goals),
        tier=member_tier(shown, program),
        phone=member.phone,
        card=member.card,
        block=_block(member),
        erase_time=None if member.erased_ms is None else timestamp(member.erased_ms),
    )


def _found(found: FoundMember) -> pb.FoundMember:
    return pb.FoundMember(
        loyalty_id=found.loyalty_id,
        name=found.name,
        email=found.email,
        create_time=timestamp(found.created_ms),
        phone=found.phone,
        card=found.card,
        available_points=found.balance,
    )


def _changed(answer: Any, call: Call) -> Callable[[Member], bytes]:
    """Give what renders a member who was changed; the catalogue is the loop's to ask."""
    program = call.program
    return lambda member: bytes(
        answer(member=_member(ShownMember(member), program)).SerializeToString()
    )


def _block(member: Member) -> pb.MemberBlock | None:
    if not (member.blocked or member.locked_ms):
        return None
    kept_from = member.kept_from
    return pb.MemberBlock(
        earn=Blocked.EARN in kept_from,
        redeem=Blocked.REDEEM in kept_from,
        reason=member.block_reason or member.lock_reason or "",
    )


def _render_erased(member: Member) -> bytes:
    return pb.EraseMemberResponse(
        loyalty_id=member.loyalty_id, erase_time=timestamp(member.erased_ms or 0)
    ).SerializeToString()


def _rendered_merge(program: Program) -> Callable[[Merged], bytes]:
    return lambda done: pb.MergeMembersResponse(
        member=_member(ShownMember(done.member), program),
        merged_loyalty_id=done.other.loyalty_id,
        moved_points=done.points,
        undo_until_time=timestamp(done.merge.until_ms),
    ).SerializeToString()


def _rendered_unmerge(program: Program) -> Callable[[Merged], bytes]:
    return lambda done: pb.UnmergeMembersResponse(
        member=_member(ShownMember(done.other), program),
        loyalty_id=done.member.loyalty_id,
        returned_points=done.points,
    ).SerializeToString()


def _bucket(going: Going) -> pb.ExpirationBucket:
    return pb.ExpirationBucket(expiration_date=going.expiration_date, points_to_expire=going.points)


def _render_adjusted(adjusted: Adjusted) -> bytes:
    before, after = adjusted.before, adjusted.after
    at_ms = adjusted.adjusted_ms
    return pb.AdjustPointsResponse(
        loyalty_id=adjusted.member.loyalty_id,
        points=adjusted.points,
        available_points_before=before.available,
        available_points=after.available,
        owed_points_before=before.owed,
        owed_points=after.owed,
        adjust_time=None if at_ms is None else timestamp(at_ms),
    ).SerializeToString()


def _render_assigned(assigned: Assigned) -> bytes:
    assignment = assigned.assignment
    time = rfc3339(assignment.created_ms)
    given = max(assignment.points, 0)
    return pb.AssignPointsResponse(
        id=assignment.assignment_id,
        short_id=short_id(assignment.assignment_id),
        loyalty_id=assigned.loyalty_id,
        channel=GIVEN,
        status=TransactionStatus.CLAIMED.name,
        created_at=time,
        claimed_at=time,
        points_earned=given,
        points_deducted=None if given else -assignment.points,
        transaction_details=pb.AssignPointsResponse.Details(
            fulfillment=pb.AssignPointsResponse.Fulfillment(
                auto_release=True, type="POINT_ASSIGNMENT"
            )
        ),
        impacted_expiration_buckets=[
            pb.AssignPointsResponse.ImpactedBucket(
                expiration_date=going.expiration_date, points=going.points
            )
            for going in assigned.goings
        ],
        metadata=pb.AssignPointsResponse.Metadata(
            partner=assignment.partner, reference=assignment.reference
        ),
    ).SerializeToString()
