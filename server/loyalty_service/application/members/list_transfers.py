"""Show how a member's points came and went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.members.get_member import get_member
from loyalty_service.application.reading import Reader, TransferEntry
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.ledger import AccountKind

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1000


@dataclass(frozen=True, slots=True)
class ListTransfers:
    """The member, the page, and the account to keep to; all, a debt too, when absent."""

    key: ApiKey
    loyalty_id: str
    page_size: int
    page_token: str
    account: AccountKind | None


@dataclass(frozen=True, slots=True)
class TransferPage:
    """
    One page of a history, newest first; the token is empty on the last.

    Attributes:
        archived_until_ms: On the last page, the time up to which transfers are not listed, as they
            are in an archive; absent where none are.
    """

    transfers: Sequence[TransferEntry]
    next_page_token: str
    archived_until_ms: int | None = None


async def list_transfers(reader: Reader, command: ListTransfers) -> TransferPage:
    """
    List the transfers that touched a member's accounts.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: The page token is not one of this listing's.
    """
    member = await get_member(reader, command.key, command.loyalty_id)
    accounts = [
        account.account_id
        for kind, account in member.accounts.items()
        if command.account in {None, kind}
    ]
    listing = f"{member.number}/{command.account or 0:d}"
    size = min(command.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    before = _last_of_page(reader, command.page_token, listing)
    entries = await reader.transfers(accounts, before, size + 1)
    more = len(entries) > size
    page = entries[:size]
    token = reader.page_token(listing, page[-1].transfer_id) if more else ""
    return TransferPage(page, token, None if more else await reader.archived_until_ms())


def _last_of_page(reader: Reader, token: str, listing: str) -> int | None:
    """Tell which transfer the page before ended with; absent on the first page."""
    if not token:
        return None
    last = reader.read_page_token(token, listing)
    if last is None:
        raise RequestInvalidError(
            (FieldViolation("page_token", "must be the next_page_token of this listing"),)
        )
    return last
