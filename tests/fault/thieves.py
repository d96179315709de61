"""Thieves with stolen keys who guess codes for a day, at a clock that the trial moves."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import combinations_with_replacement, count
from typing import Any

from loyalty_service.application.codes.get_code import GetCode, get_code
from loyalty_service.application.codes.issue_code import IssueCode
from loyalty_service.application.members.enroll_member import EnrollMember
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.codes import CODE_COUNT
from loyalty_service.domain.errors import (
    LoyaltyError,
    ServerBusyError,
    StorageUnavailableError,
    TooManyWrongCodesError,
)
from loyalty_service.domain.guessing import REPEATS_PER_LIFETIME
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.store import Store
from loyalty_service.transport.call import Command
from tests.support.doing import create_key, enroll_member, issue_code, report_order
from tests.support.orders import basket, item, report
from tests.support.programs import PROGRAM_ID, identify_command

LIVE_CODES = 1000
HITS_MAX = 0.05
STORES = (9999, 1001, 1002, 1003)

SEEN_AGAIN = 1 + 1 / REPEATS_PER_LIFETIME
"""
What a guess is worth that may be shown again for free for a tenth of a code's life.

In that time a tenth of all live codes are new.
"""

PAIRS = tuple(combinations_with_replacement(Role, 2))
"""Roles of two stolen keys."""


def hits(looked_at: float) -> float:
    """Tell how many codes are found, on average, among the live ones."""
    return looked_at * SEEN_AGAIN * LIVE_CODES / CODE_COUNT


async def new_key(store: Store, partner: str, role: Role = Role.ADMIN) -> ApiKey:
    """Make a key of the program."""
    command = CreateKey(PROGRAM_ID, partner, role)
    created = await store.write(lambda unit, now: create_key(unit, command, now))
    return created.key


@dataclass(slots=True)
class Thief:
    """
    Somebody with one valid key and no guests, whose clock the trial moves.

    Attributes:
        live: Codes that there are to find.
    """

    store: Store
    key: ApiKey
    live: Sequence[str]
    chance: random.Random
    now_ms: int
    looked_at: int = 0

    async def show(self, digits: str) -> LoyaltyError | None:
        """Show a code at any store and terminal; return why it was refused."""
        terminal = f"kiosk-{self.chance.randrange(1000)}"
        return await self.show_at(digits, self.chance.choice(STORES), terminal)

    async def show_at(self, digits: str, store_id: int, terminal: str) -> LoyaltyError | None:
        """Show a code at a terminal; return why it was refused."""
        command = identify_command(digits)
        place = replace(command.point_of_sale, store_id=store_id, terminal=terminal)
        return await self.run(identify_member, replace(command, key=self.key, point_of_sale=place))

    async def ask(self, digits: str) -> LoyaltyError | None:
        """Ask about a code; return why it was refused."""
        return await self.run(get_code, GetCode(self.key, digits))

    async def run(
        self, use_case: Callable[[Unit, Any, int], object], command: Command
    ) -> LoyaltyError | None:
        """Make a call that looks at a code."""
        try:
            await self.store.write(
                lambda unit, _now: use_case(unit, command, self.now_ms),
                timeout_s=60,
                reads=command.reads(),
            )
        except TooManyWrongCodesError as error:
            return error
        except (StorageUnavailableError, ServerBusyError) as error:
            # Nobody learnt anything of a code from a server that did not serve.
            return error
        except LoyaltyError as error:
            self.looked_at += 1
            return error
        self.looked_at += 1
        return None

    def digits(self) -> str:
        """Make up a code."""
        return f"{self.chance.randrange(CODE_COUNT):06d}"


class Asker(Thief):
    """Somebody with a key of the partner that issued the codes, who asks what became of them."""

    async def show(self, digits: str) -> LoyaltyError | None:
        """Ask about a code; return why it was refused."""
        return await self.ask(digits)


@dataclass
class Gang:
    """
    Somebody with several valid keys, who shows codes of his own where he can.

    Attributes:
        thieves: One for each key, all with one clock.
        own_terminals: Where codes of his own were shown.
    """

    thieves: Sequence[Thief]
    own_terminals: list[str] = field(default_factory=list)

    @property
    def looked_at(self) -> int:
        """How many guesses were looked at, codes of his own not among them."""
        return sum(thief.looked_at for thief in self.thieves)

    async def show_own(self, members: int) -> int:
        """Enroll members, have them pay an order each, and show a code of each at a till again."""
        issuer = self._with(Role.APP)
        shower = self._with(Role.TILL)
        if issuer is None or shower is None:
            return 0
        store, now = shower.store, shower.now_ms
        self.own_terminals = [f"own-{n}" for n in range(5)]
        loyalty_ids: list[str] = []

        def enroll(unit: Unit, _now: int) -> None:
            command = EnrollMember(issuer.key, "Nobody", None, None, None)
            loyalty_ids.append(enroll_member(unit, command, now).result.loyalty_id)

        def visit(unit: Unit, loyalty_id: str, terminal: str) -> None:
            issued = issue_code(unit, IssueCode(issuer.key, loyalty_id, (), None), now).result
            command = identify_command(issued.digits)
            place = replace(command.point_of_sale, terminal=terminal)
            seen: Any = identify_member(
                unit, replace(command, key=shower.key, point_of_sale=place), now
            )
            order = report(
                seen.result.transaction_id,
                TransactionStatus.CLAIMED,
                basket(item(500)),
                key=shower.key,
            )
            report_order(unit, order, now)

        for _ in range(members):
            await store.write(enroll)
        for _ in range(2):
            for n, loyalty_id in enumerate(loyalty_ids):
                terminal = self.own_terminals[n % len(self.own_terminals)]
                await store.write(
                    lambda unit, _now, who=loyalty_id, at=terminal: visit(unit, who, at)
                )
        return len(loyalty_ids)

    async def guess_for_a_day(self) -> None:
        """Let every key guess whenever it may, in every way that its role knows."""
        for thief in self.thieves:
            await _guess_for_a_day(thief, self.own_terminals)

    def _with(self, role: Role) -> Thief | None:
        able = (thief for thief in self.thieves if thief.key.role in {role, Role.ADMIN})
        return next(able, None)


async def _guess_for_a_day(thief: Thief, own_terminals: Sequence[str]) -> None:
    """
    Guess at one terminal until it waits, then at the next; at all of them again when they may.

    Terminals where codes of his own were shown come first. An app's key asks; an admin's does both.
    """
    until = thief.now_ms + DAY_MS
    made_up = (f"made-up-{n}" for n in count())
    free: Iterator[str] = iter(own_terminals)
    waits: dict[str, int] = {}
    shows = thief.key.role is not Role.APP
    terminal = next(free, None) or next(made_up)
    while thief.now_ms < until:
        if shows:
            error = await thief.show_at(thief.digits(), STORES[0], terminal)
        else:
            error = await thief.ask(thief.digits())
        if not isinstance(error, TooManyWrongCodesError):
            thief.now_ms += 1
        elif error.scope == "terminal":
            waits[terminal] = thief.now_ms + error.retry_after_ms
            terminal = next(free, None) or next(made_up)
        elif thief.key.role is Role.ADMIN and shows:
            # His other way: it is counted with the first.
            shows = False
        else:
            thief.now_ms += error.retry_after_ms
            over = [name for name, ends_ms in waits.items() if ends_ms <= thief.now_ms]
            with suppress(IndexError):
                terminal = over[0]
                del waits[terminal]
            shows = thief.key.role is not Role.APP
