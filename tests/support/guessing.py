"""Tills that show codes, right and wrong, at a time that the test chooses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from loyalty_service.application.codes.get_code import GetCode
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.orders.identify_member import IdentifyMember, identify_member
from loyalty_service.application.perform import Keyed, Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import now_ms as wall_clock_ms
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.guessing import HOUR_MS, MONTH_MS, ScopeKind, earner_of
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.records import Member, Transaction, TransactionStatus
from loyalty_service.storage.store import Store
from tests.support.doing import create_key, get_code, issue_code
from tests.support.programs import (
    KEY,
    PROGRAM_ID,
    add_member,
    enroll,
    identify_command,
    issue_command,
)


@dataclass
class Tills:
    """Tills of one API key, whose clock the test moves."""

    store: Store
    key: ApiKey
    now_ms: int

    async def show(self, code: str, store_id: int = 9999, terminal: str | None = None) -> Any:
        """Show a code for a new order; return what came of it, an error included."""
        command = identify_command(code)
        pos = replace(command.point_of_sale, store_id=store_id, terminal=terminal)
        return await self.run(replace(command, key=self.key, point_of_sale=pos))

    async def run(self, command: IdentifyMember, keyed: Keyed | None = None) -> Any:
        """Identify; return what came of it, an error included."""
        run = Run(
            identify_member,
            command,
            lambda identified: identified.transaction_id.encode(),
            keyed=keyed,
        )
        try:
            return await self.store.write(
                lambda unit, _now: perform(unit, self.now_ms, run),
                timeout_s=60,
                reads=command.reads(),
            )
        except LoyaltyError as error:
            return error

    async def guess(self, count: int, first: int = 0, **place: Any) -> list[type]:
        """
        Show wrong codes one after the other; return the kinds of what came of it.

        Each is shown at a terminal of its own unless one is named.
        """
        return [
            type(await self.show(f"{number:06d}", **{"terminal": f"made-up-{number}", **place}))
            for number in range(first, first + count)
        ]

    async def ask(self, digits: str) -> Any:
        """Ask what became of a code, as an app does; return what came of it, an error included."""
        command = GetCode(self.key, digits)
        try:
            return await self.store.write(
                lambda unit, _now: get_code(unit, command, self.now_ms),
                timeout_s=60,
                reads=command.reads(),
            )
        except LoyaltyError as error:
            return error

    async def right(self, loyalty_id: str | None = None, **place: Any) -> Any:
        """Show a right code: of a new member, unless one is named."""
        command = issue_command(loyalty_id or await enroll(self.store))
        issued = await self.store.write(lambda unit, _now: issue_code(unit, command, self.now_ms))
        return await self.show(issued.result.digits, **place)


async def enroll_regular(store: Store, earns_for: ScopeKind | None = None) -> str:
    """
    Enroll a member over a month ago, who paid an order since; return their loyalty ID.

    Others are enrolled until one *earns for* this, if that matters.
    """

    def work(unit: Unit, now: int) -> str | None:
        loyalty_id = add_member(unit, now - MONTH_MS - HOUR_MS)
        member = unit.member(PROGRAM_ID, loyalty_id)
        assert member is not None
        unit.add(_paid_order(member, now))
        return loyalty_id if earns_for in {None, earner_of(member.number)} else None

    while (loyalty_id := await store.write(work)) is None:
        pass
    return loyalty_id


def _paid_order(member: Member, now_ms: int) -> Transaction:
    return Transaction(
        transaction_id=new_id(now_ms),
        program_id=PROGRAM_ID,
        member_number=member.number,
        status=TransactionStatus.CLAIMED,
        store_id=9999,
        pos_transaction_id="paid",
        pos_type="Partner",
        supporting_pos=None,
        terminal=None,
        operator=None,
        partner=KEY.partner,
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=now_ms,
        claimed_ms=now_ms,
    )


async def tills_of(store: Store, partner: str = "partner", role: Role = Role.TILL) -> Tills:
    """Make a key that no test has used."""
    command = CreateKey(PROGRAM_ID, partner, role)
    created = await store.write(lambda unit, now: create_key(unit, command, now))
    return Tills(store, created.key, wall_clock_ms())


async def app_of(store: Store) -> Tills:
    """Make a key of the partner that issues the codes of these tests."""
    return await tills_of(store, KEY.partner, Role.APP)
