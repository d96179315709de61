"""Plays a guest's whole visit against a running sandbox, through both doors, for people to read."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any

import grpc
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from loyalty_service.domain.errors import (
    CodeAlreadyUsedError,
    LoyaltyError,
    RequestInvalidError,
    RulesFailedError,
)
from loyalty_service.sandbox.demo_doors import (
    Answer,
    Call,
    DemoFailedError,
    Door,
    GrpcDoor,
    JsonDoor,
)
from loyalty_service.sandbox.fixed_codes import AMIRA, COFFEE
from loyalty_service.transport.errors.catalogue import CATALOGUE

MARGIN = "    "
INDENT = "  "
WIDTH_MIN = 40

APP, TILL = "sandbox-app-key", "sandbox-pos-key"

SANDWICH = "6c1d94e7-2b58-4f3a-a0c9-7e5b1f84d033"
COOKIE = "21636369-8b52-4b4a-97b7-50923ceb3ffd"
MUFFIN = "65aa9c82-79f2-48b0-8cb4-a0d7d6225675"
COFFEE_POINTS = 800
SANDWICH_POINTS = 1200
EARNED_POINTS = 84


@dataclass(slots=True)
class Visit:
    """One visit through one door, printed step by step."""

    door: Door
    console: Console
    number: int = 0
    member: str = AMIRA
    order: str = field(default_factory=lambda: f"demo-{secrets.token_hex(4)}")

    def play(self) -> None:
        """
        Play the visit.

        Raises:
            DemoFailedError: Nothing answers, or a step is not as expected.
        """
        self.begin(self.door.title)
        selection = [{"incentiveId": COFFEE, "quantity": 1}]
        code = self.step(
            "The app mints a code for Amira, who picked a free coffee.",
            Call("CodeService/IssueCode", APP, {"loyaltyId": AMIRA, "order": selection}),
        )["otp"]
        guest = self.step(
            "The till identifies her by it; the coffee's points are held.",
            Call("IdentifyService/IdentifyMember", TILL, self._identify(code)),
            moved=(-COFFEE_POINTS, COFFEE_POINTS),
        )
        transaction, picked = guest["transactionId"], guest["order"]
        self.step(
            "The till asks whether the order breaks a rule.",
            self._report("ValidateOrder", transaction, "PENDING", picked),
        )
        self.step(
            "Three cookies, two are allowed, and a muffin for newer members: refused.",
            self._report("ValidateOrder", transaction, "PENDING", [*picked, *RESTRICTED]),
            refusal=RulesFailedError,
        )
        self.step(
            "She adds a reward; the till reports it and its points are held too.",
            self._report("ReportOrder", transaction, "PENDING", [*picked, SANDWICH_LINE]),
            moved=(-SANDWICH_POINTS, SANDWICH_POINTS),
        )
        self.step(
            "She pays: the rewards are burned and the order earns points.",
            self._report("ReportOrder", transaction, "CLAIMED", [*picked, SANDWICH_LINE]),
            moved=(EARNED_POINTS, -COFFEE_POINTS - SANDWICH_POINTS),
        )
        self.step(
            "Somebody shows the same code for another order: refused.",
            Call("IdentifyService/IdentifyMember", TILL, self._identify(code, another="-b")),
            refusal=CodeAlreadyUsedError,
        )
        order = {"loyaltyTransactionId": transaction}
        back = {"lines": [{"referenceId": BREAKFAST["referenceId"], "quantity": 1}]}
        self.step(
            "The breakfast comes back: what it earned is taken, her rewards stay.",
            Call("TransactionService/ReturnLines", TILL, order | back),
            moved=(-EARNED_POINTS, 0),
        )
        self.step(
            "The whole order comes back: what it burned is given back, too.",
            Call("TransactionService/VoidTransaction", TILL, order),
            moved=(COFFEE_POINTS + SANDWICH_POINTS, 0),
        )
        self.step(
            "A till opens an anonymous session without naming it: refused.",
            Call("SessionService/StartAnonymousSession", TILL, {"channel": "STORE"}),
            refusal=RequestInvalidError,
        )

    def begin(self, title: str) -> None:
        """Print what begins."""
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left")

    def step(
        self,
        title: str,
        call: Call,
        *,
        moved: tuple[int, int] = (0, 0),
        refusal: type[LoyaltyError] | None = None,
    ) -> Mapping[str, Any]:
        """
        Make a call and print it, its answer and what happened to the points; return the answer.

        The points available and held must change by *moved*, and the call must succeed unless a
        *refusal* is named.

        Raises:
            DemoFailedError: Nothing answers, or the answer or the points are not as expected.
        """
        self.number += 1
        before = self._points()
        started = time.perf_counter()
        answer = self.door.send(call)
        took_ms = (time.perf_counter() - started) * 1000
        after = self._points()
        self._print(title, call, answer, took_ms)
        self.console.print(_change(before, after))
        expected = self.door.expected(call.rpc, CATALOGUE[refusal] if refusal else None)
        if (answer.status, answer.word) != expected:
            raise self._failure(f"expected {' '.join(expected).strip()}")
        if (after[0] - before[0], after[1] - before[1]) != moved:
            raise self._failure(
                f"expected available {moved[0]:+} and held {moved[1]:+}; does anybody else use "
                "this sandbox's member Amira?"
            )
        return answer.body

    def _points(self) -> tuple[int, int]:
        """Read the points that the member has available and held."""
        answer = self.door.send(Call("MemberService/GetMember", APP, {"loyaltyId": self.member}))
        if "member" not in answer.body:
            said = answer.body.get("message", answer.status)
            raise DemoFailedError(f"{self.door.title}, is no sandbox. It says: {said}.")
        member = answer.body["member"]
        return member["availablePoints"], member["heldPoints"]

    def _print(self, title: str, call: Call, answer: Answer, took_ms: float) -> None:
        line, body = self.door.shown(call)
        color = "red" if answer.word else "green"
        self.console.print(f"\n[bold]{self.number:2}  {title}[/]")
        self.console.print(f"  [cyan]>[/] [bold]{line}[/]")
        for name, value in call.headers.items():
            self.console.print(f"  [cyan]>[/] [dim]{name}: {value}[/]")
        self._print_json(body)
        status = f"{answer.status} {answer.phrase}".strip()
        self.console.print(f"  [{color}]<[/] [bold {color}]{status}[/], {took_ms:.0f} ms")
        self._print_json(answer.body)

    def _print_json(self, body: Mapping[str, Any]) -> None:
        if body:
            width = max(self.console.width - len(MARGIN), WIDTH_MIN)
            text = indent(pretty(body, width), MARGIN)
            self.console.print(JSONHighlighter()(Text(text)))

    def _failure(self, reason: str) -> DemoFailedError:
        return DemoFailedError(f"Step {self.number} is not as expected: {reason}.")

    def _vendor(self, another: str = "") -> dict[str, Any]:
        return {"storeId": 9999, "posType": "Partner", "transactionId": f"{self.order}{another}"}

    def _identify(self, code: str, another: str = "") -> dict[str, Any]:
        return {"identifier": code, "posVendor": self._vendor(another)}

    def _report(
        self, method: str, transaction: str, status: str, incentives: list[dict[str, Any]]
    ) -> Call:
        """Report an order of a breakfast and incentives; claimed, it is paid and has a key."""
        claimed = status == "CLAIMED"
        fields = {
            "loyaltyTransactionId": transaction,
            "status": status,
            "channel": "RESTAURANT",
            "serviceMode": "EAT_IN",
            "transactionDetails": {
                "currency": "CAD",
                "order": [BREAKFAST, *incentives],
                "payments": [{"type": "VISA", "amount": 1242}] if claimed else [],
                "posVendor": self._vendor(),
            },
        }
        key = f"claim-{self.order}" if claimed else ""
        return Call(f"TransactionService/{method}", TILL, fields, key)


def _line(product: str, kind: str, reference: str, **more: Any) -> dict[str, Any]:
    line = {"productId": product, "productType": kind, "referenceId": reference, "quantity": 1}
    return line | more


BREAKFAST = _line("2001", "item", "10", name="Breakfast sandwich", price=8.49, tax=1.43)
SANDWICH_LINE = _line("9003", "reward", "11", incentiveId=SANDWICH, price=2.50)
RESTRICTED = (
    _line("9010", "reward", "12", incentiveId=COOKIE, quantity=3, price=0),
    _line("9013", "reward", "13", incentiveId=MUFFIN, price=0),
)


def play_demo(http_address: str, grpc_address: str, console: Console) -> None:
    """
    Play the visit through the JSON door and then through gRPC, without a last word.

    Raises:
        DemoFailedError: Nothing answers, or a step is not as expected.
    """
    Visit(JsonDoor(http_address), console).play()
    with grpc.insecure_channel(grpc_address) as channel:
        Visit(GrpcDoor(grpc_address, channel), console).play()


def pretty(value: Any, width: int, taken: int = 0) -> str:
    """Write JSON for reading, as much on a line as fits; *taken* is used up on the first."""
    flat = json.dumps(value, ensure_ascii=False)
    if taken + len(flat) <= width or not value or not isinstance(value, dict | list):
        return flat
    room = width - len(INDENT)
    if isinstance(value, dict):
        names = [f"{json.dumps(name, ensure_ascii=False)}: " for name in value]
        parts = [
            name + pretty(part, room, len(name) + 1)
            for name, part in zip(names, value.values(), strict=True)
        ]
    else:
        parts = [pretty(part, room, 1) for part in value]
    first, last = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return f"{first}\n{indent(_filled(parts, room), INDENT)}\n{last}"


def _filled(parts: list[str], width: int) -> str:
    """Put parts of one line side by side while they fit."""
    lines: list[str] = []
    for number, part in enumerate(parts, start=1):
        ended = f"{part}," if number < len(parts) else part
        beside = f"{lines[-1]} {ended}" if lines else ""
        if beside and "\n" not in beside and len(beside) <= width:
            lines[-1] = beside
        else:
            lines.append(ended)
    return "\n".join(lines)


def _change(before: tuple[int, int], after: tuple[int, int]) -> str:
    """Say in one line what happened to the points."""
    available, held = (
        f"{name} {old}" if old == new else f"{name} {old} -> {new} ({new - old:+})"
        for name, old, new in zip(("available", "held"), before, after, strict=True)
    )
    return f"  [yellow]=[/] points: {available}, {held}"
