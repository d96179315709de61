"""MemberService: members and the history of their points."""

from __future__ import annotations

from loyalty.v1 import member_service_pb2 as pb
from loyalty_service.application.members.enroll_member import EnrollMember, enroll_member
from loyalty_service.application.members.get_member import get_member
from loyalty_service.application.members.list_transfers import ListTransfers, list_transfers
from loyalty_service.application.points import owed_points
from loyalty_service.application.reading import TransferEntry
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.domain.records import Member
from loyalty_service.transport.call import Call
from loyalty_service.transport.servicers.timestamps import timestamp


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
        )
        return await call.write(
            enroll_member,
            command,
            lambda member: pb.EnrollMemberResponse(member=_member(member)),
        )

    async def GetMember(self, request: pb.GetMemberRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        async with call.read() as reader:
            member = await get_member(reader, call.key, request.loyalty_id)
        return pb.GetMemberResponse(member=_member(member)).SerializeToString()

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
            transfers=[_transfer(entry) for entry in page.transfers],
            next_page_token=page.next_page_token,
        ).SerializeToString()


def _member(member: Member) -> pb.Member:
    return pb.Member(
        loyalty_id=member.loyalty_id,
        name=member.name,
        email=member.email,
        locale=member.locale,
        birth_date=member.birth_date,
        create_time=timestamp(member.created_ms),
        available_points=member.available.balance,
        held_points=member.held.balance,
        owed_points=owed_points(member.accounts),
    )


def _transfer(entry: TransferEntry) -> pb.Transfer:
    return pb.Transfer(
        transfer_id=str(entry.transfer_id),
        source=pb.Transfer.Account.Name(entry.source),
        destination=pb.Transfer.Account.Name(entry.destination),
        points=entry.points,
        cause=pb.Transfer.Cause.Name(entry.cause),
        transaction_id=entry.transaction_id or None,
        note=entry.note or None,
        effective_time=timestamp(entry.effective_ms),
        record_time=timestamp(entry.recorded_ms),
    )
