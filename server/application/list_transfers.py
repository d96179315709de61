"""Show how a member's points came and went."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from server.application.get_member import get_member
from server.application.reading import Reader, TransferEntry
from server.domain.errors import FieldViolation, RequestInvalidError
from server.domain.keys import ApiKey
from server.domain.ledger import AccountKind

PAGE_SIZE_DEFAULT = 50
TRANSFER_ID_MAX = 2**63 - 1


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
    """One page of a history, newest first; the token is empty on the last."""

    transfers: Sequence[TransferEntry]
    next_page_token: str


async def list_transfers(reader: Reader, command: ListTransfers) -> TransferPage:
    """
    List the transfers that touched a member's accounts.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: The page token is not one of this listing's.
    """
    member = await get_member(reader, command.key, command.loyalty_id)
    debt = await reader.debt(member)
    accounts = [
        account.account_id
        for account in (member.available, member.held, debt)
        if account is not None and command.account in {None, account.kind}
    ]
    scope = f"{member.number}/{command.account or 0:d}"
    size = command.page_size or PAGE_SIZE_DEFAULT
    before = _read_token(command.page_token, scope) if command.page_token else None
    entries = await reader.transfers(accounts, before, size + 1)
    more = len(entries) > size
    page = entries[:size]
    return TransferPage(page, _page_token(scope, page[-1].transfer_id) if more else "")


def _page_token(scope: str, transfer_id: int) -> str:
    return base64.urlsafe_b64encode(f"{scope}/{transfer_id}".encode()).decode().rstrip("=")


def _read_token(token: str, scope: str) -> int:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        token_scope, _, transfer_id = text.rpartition("/")
        if token_scope == scope and 0 < int(transfer_id) <= TRANSFER_ID_MAX:
            return int(transfer_id)
    except ValueError:
        pass
    raise RequestInvalidError(
        (FieldViolation("page_token", "must be the next_page_token of this listing"),)
    )
