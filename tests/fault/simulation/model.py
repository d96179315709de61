"""
What should be: members' points, orders, codes, receipts and kept answers, in plain Python.

It is written from the rules, not from the server's code, and takes up one settled call after the
other. For each it says what had to come of it, and disagrees by name when something else did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.fault.simulation.books import (
    PENDING,
    Asked,
    Verdict,
    agree,
    day_of,
    read_nothing,
)
from tests.fault.simulation.code_rules import CodeRules
from tests.fault.simulation.names import nameless
from tests.fault.simulation.operator_rules import OperatorRules
from tests.fault.simulation.receipt_rules import ReceiptRules
from tests.fault.simulation.return_rules import ReturnRules
from tests.fault.simulation.scheme import WRONG_CODES_FREE


class Model(CodeRules, ReturnRules, ReceiptRules, OperatorRules):
    """Takes up what was settled, in the order in which it was."""

    def settle(
        self,
        asked: Asked,
        now_ms: int,
        told: Any,
        reason: str,
        *,
        repeated: bool,
        flags: Counter[tuple[str, str]],
        execute: Callable[..., Any] | None = None,
    ) -> None:
        """
        Take up a settled call: *told* is its answer, or *reason* why it was refused.

        *flags* are what operators are told of it, by kind and reason. *execute* reads the names
        that the server made up.

        Raises:
            DisagreementError: The rules call for another outcome.
        """
        self.asked, self.now_ms, self.day = asked, now_ms, day_of(now_ms)
        self.execute = execute or read_nothing
        self.later = []
        for guest in self.guests.values():
            guest.turn(day_of(now_ms))
        place = (asked.scope, asked.key)
        kept = self.kept.get(place) if asked.key else None
        meaning = (asked.kind, asked.body)
        if kept is None:
            rule: Callable[..., Verdict] = getattr(self, f"_{asked.kind}")
            verdict = rule(**asked.values)
        else:
            verdict = kept[1] if kept[0] == meaning else "IDEMPOTENCY_KEY_REUSED"
            if kept[0] == meaning:
                self._again()
        if self._waits(reason):
            return
        self.flags = Counter()
        self._compare(verdict, told, reason, repeated=repeated)
        agree(flags == self.flags, f"flagged {dict(flags)}, though {dict(self.flags)}")
        if asked.key and kept is None and not reason:
            self.kept[place] = (meaning, verdict if isinstance(verdict, bytes) else told)

    def _again(self) -> None:
        """Keep an open order open whose report comes again under its key."""
        order = self.orders.get(self.asked.values.get("transaction_id", ""))
        report = self.asked.kind == "update" and self.asked.values["status"] == PENDING
        if report and order is not None and order.status == PENDING:
            order.expires_ms = self.scheme.open_until_ms(order.opened_ms, self.now_ms)

    def _waits(self, reason: str) -> bool:
        """
        Take a refusal for wrong codes as it is, if there were as many as anybody may show.

        How long is waited is the server's arithmetic, which has tests of its own.
        """
        if reason == "TOO_MANY_WRONG_CODES":
            agree(self.wrong_codes >= WRONG_CODES_FREE, f"{self.asked.kind} must wait for nothing")
            return True
        self.wrong_codes += reason in {"CODE_NOT_FOUND", "CODE_ALREADY_USED"}
        return False

    def _compare(self, verdict: Verdict, told: Any, reason: str, *, repeated: bool) -> None:
        if isinstance(verdict, str):
            agree(reason == verdict, f"{reason or 'done'}, though {verdict}")
            return
        agree(not reason, f"refused for {reason}")
        if isinstance(verdict, bytes):
            first = nameless(self.asked.kind, verdict)
            agree(told == first, "another answer than the first time")
            agree(repeated, "done again, though it was done before")
        elif isinstance(verdict, bool):
            agree(told is verdict, f"answered {told}")
        else:
            agree(not repeated, "answered as before, though it never was")
            verdict(told)
