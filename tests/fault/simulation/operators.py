"""Operators, administrators of the machines, and the sweeper of a world."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.operators.revoke_key import RevokeKey
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.keys import Role
from tests.fault.simulation.books import Asked
from tests.fault.simulation.front import sweep_at
from tests.fault.simulation.market import TREAT
from tests.fault.simulation.program import PARTNERS, first_scheme, program_of, secret_of
from tests.fault.simulation.servers import Server
from tests.support.doing import adjust_points, apply_program, create_key, revoke_key
from tests.support.orders import COOKIE, DAY_MS, SANDWICH, SOUP
from tests.support.programs import PROGRAM_ID

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

SWEEPS_MAX = 50
_PENDING = "SELECT 1 FROM loyalty_transaction WHERE status = 1"


class Operators:
    """Does at a server what nobody calls for."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def operate(self) -> None:
        """Do what an operator, an administrator of the machines, or time itself may do."""
        serving = self._world.serving()
        if not serving:
            return
        server = self._world.chance.choice(serving)
        deed = self._world.chance.choice(
            (
                "sweep",
                "sweep",
                "sweep",
                "poll",
                "poll",
                "adjust",
                "adjust",
                "change",
                "change",
                "key",
                "faults",
            )
        )
        self._world.tell(f"operator: {deed} at server {server.number}")
        try:
            await getattr(self, f"_{deed}")(server)
        except LoyaltyError as refusal:
            self._world.tell(f"operator was refused: {type(refusal).__name__}")
        except (RuntimeError, sqlite3.OperationalError) as problem:
            self._world.tell(f"operator failed: {problem}")

    async def _sweep(self, server: Server) -> None:
        await sweep_at(server)

    async def sweep_all(self, server: Server) -> None:
        """Sweep until nothing is overdue; a full queue makes one sweep leave some to the next."""
        for _ in range(SWEEPS_MAX):
            await asyncio.sleep(1.0)
            await sweep_at(server)
            if not self._world.raw.execute(_PENDING).fetchone():
                return

    async def _poll(self, server: Server) -> None:
        before = server.catalog.revision
        await server.store.refresh_catalog()
        if server.catalog.revision < before:
            self._world.disagree("a catalogue went back")

    async def _adjust(self, server: Server) -> None:
        names = list(self._world.model.guests)
        points = self._world.chance.choice((-700, 0, 1, 300, 1500, 2000))
        rich = [name for name in names if self._world.model.guests[name].available]
        indebted = [name for name in names if self._world.model.guests[name].debt]
        if indebted and self._world.chance.random() < 0.5:
            names, points = indebted, 300
        elif rich and self._world.chance.random() < 0.4:
            # Whoever spends what an order has earned is short when that order is cancelled.
            names, points = rich, 0
        loyalty_id = self._world.chance.choice(names)
        points = points or -self._world.model.guests[loyalty_id].available
        command = AdjustPoints(PROGRAM_ID, loyalty_id, points, "simulated", beyond_limits=True)
        asked = Asked("adjust", {"loyalty_id": loyalty_id, "points": points})
        await server.do(asked, lambda unit, now: adjust_points(unit, command, now))

    async def _change(self, server: Server) -> None:
        costs = {
            name: self._world.chance.choice((200, 300, 800, 1200)) for name in first_scheme().costs
        }
        changes: dict[str, Any] = self._world.chance.choice(
            (
                {"points_per_unit": self._world.chance.choice((7, 10, 25))},
                {"costs": costs},
                {"costs": costs},  # Once more: it matters only to orders that were open before.
                {"pending_lifetime_s": self._world.chance.choice((60, 600, 86_400, 172_800))},
                {"code_lifetime_s": self._world.chance.choice((30, 300, 600))},
                {"void_spent": self._world.chance.choice(("refuse", "debt"))},
                {"retired": self._retired()},
                {"retired": self._retired()},
                {"unclaimed_offers": self._world.chance.choice(("flag", "refuse"))},
                {"repeated_orders": self._world.chance.choice(("flag", "refuse"))},
                {"pending_days": self._world.chance.choice((1, 30))},
                {"receipt_days": self._world.chance.choice((1, 30))},
                {
                    "void_days": self._world.chance.choice((1, 90)),
                    "late_void": self._world.chance.choice(("flag", "refuse")),
                },
            )
        )
        # The file is written from what its operator saw; whatever else it says stays as it is.
        program = program_of(replace(self._world.model.scheme, **changes))
        scheme = vars(replace(self._world.model.scheme, **changes))
        asked = Asked("change", {"scheme": scheme})
        await server.do(asked, lambda unit, now: apply_program(unit, ApplyProgram(program), now))

    def _retired(self) -> frozenset[str]:
        """Choose what is retired: what an open order was accepted with, if there is one."""
        orders = self._world.model.orders.values()
        accepted = sorted(
            {name for order in orders for name, _ in order.accepted} - {COOKIE, TREAT}
        )
        chosen = self._world.chance.choice((*(accepted or (SANDWICH, SOUP)), ""))
        return frozenset({chosen} - {""})

    async def _key(self, server: Server) -> None:
        """Rotate a key: a new one beside the old, which is taken back once the new one is out."""
        partner = self._world.chance.choice(PARTNERS)
        number = self._world.generation[partner]
        old, new = secret_of(partner, number), secret_of(partner, number + 1)
        if new in self._world.making and new not in self._world.keys:
            return  # Another operator is at it.
        if new not in self._world.keys:
            self._world.making.add(new)
            command = CreateKey(PROGRAM_ID, partner, Role.ADMIN, secret=new)
            asked = Asked("key", {"secret": new, "revoke": False})
            await server.do(asked, lambda unit, now: create_key(unit, command, now))
        if self._world.generation[partner] == number and self._world.chance.random() < 0.5:
            self._world.generation[partner] += 1
            key_id = self._world.keys[old].key_id
            asked = Asked("key", {"secret": old, "revoke": True})
            await server.do(asked, lambda unit, now: revoke_key(unit, RevokeKey(key_id), now))

    async def _faults(self, server: Server) -> None:
        """Let happen what happens to machines rather than to calls."""
        if self._world.faults.strikes("clock jump"):
            by_ms = self._world.chance.choice((-DAY_MS, -90_000, -1500, 1500, 90_000, DAY_MS))
            self._world.note("clock jump", f"by {by_ms} ms at server {server.number}")
            server.skew_ms += by_ms
        if self._world.faults.strikes("restart"):
            self._world.note("restart", f"server {server.number}")
            server.crash()
        if self._world.faults.strikes("slow writer"):
            self._world.note("slow writer")
            self._world.slow_until_s = self._world.loop.time() + 5.0
