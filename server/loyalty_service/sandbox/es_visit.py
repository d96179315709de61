"""A shopper's visit at a till of the ES contract, as the demo plays it, over JSON alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from loyalty_service.domain.errors import CorrelationIdInvalidError
from loyalty_service.domain.es_errors import SessionClosedError
from loyalty_service.sandbox.demo_doors import Call, JsonDoor
from loyalty_service.sandbox.demo_visit import APP, EARNED_POINTS, Visit, play_demo
from loyalty_service.sandbox.fixed_codes import AMIRA

ES_TILL = "sandbox-es-key"
BREAKFAST = {"sku": 2001, "quantity": 1, "saleAmount": 849}
FAMILY_BREAKFAST = {"sku": 2601, "quantity": 1, "saleAmount": 2395}
PAID = {"VISA": 9.92}
RESERVED_POINTS = 25_000


@dataclass(slots=True)
class EsVisit(Visit):
    """A visit of a member who is enrolled for it, and one of a member who has points."""

    correlation_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def play(self) -> None:
        """
        Play the visit.

        Raises:
            DemoFailedError: Nothing answers, or a step is not as expected.
        """
        self.begin("A till of the ES contract")
        self.member = self.step(
            "The app enrolls Sam, who gives no e-mail address.",
            Call("MemberService/EnrollMember", APP, {"name": "Sam"}),
        )["member"]["loyaltyId"]
        self.step(
            "A till opens a session; the shopper shows no card.",
            self._till("SessionService/StartAnonymousSession", anonymousSessionId="true"),
        )
        self.step(
            "The till asks what a member would earn.",
            self._till("PurchaseService/TryPurchase", saleLineItems=[BREAKFAST]),
        )
        self.step(
            "Sam finds the card: the session is Sam's from now on.",
            self._till("SessionService/StartSession", identifier=self.member, locale="fr-CA"),
        )
        self.step(
            "The till asks about a larger basket, which nearly earns more.",
            self._till("PurchaseService/TryPurchase", saleLineItems=[FAMILY_BREAKFAST]),
        )
        self.step(
            "It is never anonymous again: refused.",
            self._till("SessionService/StartAnonymousSession"),
            refusal=CorrelationIdInvalidError,
        )
        paid = self._till(
            "PurchaseService/FinalizePurchase", saleLineItems=[BREAKFAST], tender=PAID
        )
        self.step(
            "Sam pays: the purchase earns points and closes the session.",
            paid,
            moved=(EARNED_POINTS, 0),
        )
        self.step("The till sends it again: the same answer, and no more points.", paid)
        self.step(
            "Another purchase in the same session: refused.",
            self._till("PurchaseService/FinalizePurchase", saleLineItems=[BREAKFAST, BREAKFAST]),
            refusal=SessionClosedError,
        )
        self._play_reservation()

    def _play_reservation(self) -> None:
        """Set points aside in a session of a member who has some, and let them go again."""
        self.member, self.correlation_id = AMIRA, str(uuid.uuid4())
        self.step(
            "Amira opens a session at the next till.",
            self._till("SessionService/StartSession", identifier=AMIRA),
        )
        token = self.step(
            "She wants to pay with points: they are set aside.",
            self._till("AccountService/ReservePoints", reservationAmount=RESERVED_POINTS),
            moved=(-RESERVED_POINTS, RESERVED_POINTS),
        )["reservationToken"]
        self.step("Her balance tells what is left.", self._till("AccountService/GetBalance"))
        self.step(
            "She pays otherwise: her points are free again.",
            self._till("AccountService/CancelReservation", reservationToken=token),
            moved=(RESERVED_POINTS, -RESERVED_POINTS),
        )

    def _till(self, rpc: str, **fields: Any) -> Call:
        return Call(rpc, ES_TILL, {"correlationId": self.correlation_id, **fields})


def play_visits(http_address: str, grpc_address: str, console: Console) -> None:
    """
    Play the visit through both doors, and one at a till of the ES contract.

    Raises:
        DemoFailedError: Nothing answers, or a step is not as expected.
    """
    play_demo(http_address, grpc_address, console)
    EsVisit(JsonDoor(http_address), console).play()
    console.print("\n[green]All visits went as expected.[/]")
