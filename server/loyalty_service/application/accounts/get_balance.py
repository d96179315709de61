"""Tell what a session's member has, and what one redemption may take."""

from __future__ import annotations

from loyalty_service.application.accounts.visits import read_visit
from loyalty_service.application.points import owed_points
from loyalty_service.application.reading import Reader
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member
from loyalty_service.domain.redeeming import NO_BALANCE, Balance, balance_of


async def get_balance(
    reader: Reader, program: Program, key: ApiKey, correlation_id: str, now_ms: int
) -> Balance:
    """
    Read the balance of a session's member; a shopper without a loyalty ID has nothing.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
    """
    session, member = await read_visit(reader, program, key, correlation_id, now_ms)
    if member is None:
        return NO_BALANCE
    may_redeem = not session.earn_only and Blocked.REDEEM not in member.kept_from
    return await member_balance(reader, program, member, now_ms, may_redeem=may_redeem)


async def member_balance(
    reader: Reader, program: Program, member: Member, now_ms: int, *, may_redeem: bool
) -> Balance:
    """Tell the balance of a member; what is reserved and past its time can be spent again."""
    overdue = await reader.overdue_reserved(member, now_ms)
    available = member.spendable + max(0, overdue - owed_points(member.accounts))
    points = member.whole + available - member.spendable - overdue
    return balance_of(program.redemption, points, available, may_redeem=may_redeem)
