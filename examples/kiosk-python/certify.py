"""
Goes through a certification with the kiosk's own calls, over gRPC.

The cashier, and what a till does by itself, are those of `examples/till-python`. Start a
certification with `loyalty certify till`, and then

    python examples/kiosk-python/certify.py --certify http://127.0.0.1:8090
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "till-python")]
from kiosk import OPTIONS, Kiosk, RefusedError
from loyalty_calls import Answer, Loyalty, new_key
from till import Bench, Till

from loyalty.v1 import (
    account_service_pb2,
    identify_service_pb2,
    incentive_service_pb2,
    purchase_service_pb2,
    session_service_pb2,
    transaction_service_pb2,
)

WORDS = {
    "RULES_FAILED": "RulesError",
    "OFFER_NOT_FOUND": "OfferNotFoundError",
    "REWARD_NOT_FOUND": "RewardNotFoundError",
    "POINTS_INSUFFICIENT": "TRANSACTION_INSUFFICIENT_POINTS",
    "REWARD_REFUSED": "REDEEM_REWARD_ERROR",
}
"""Reasons in the words of the JSON calls, which the till of the other example knows."""

NO_ANSWER, REFUSED, DONE = 0, 422, 200


class KioskCalls(Loyalty):
    """The calls of a till, made by a kiosk over gRPC."""

    def __init__(self, kiosk: Kiosk, store: int) -> None:
        super().__init__("", "", store)
        self._kiosk = kiosk

    def identify(self, identifier: str, order: str) -> Answer:
        """See `Loyalty`."""
        request = identify_service_pb2.IdentifyMemberRequest()
        body = {"identifier": identifier, "posVendor": self.vendor(order)}
        return self._answer("IdentifyMember", request, body, f"{order}-{identifier}")

    def session(self, correlation: str) -> Answer:
        """See `Loyalty`."""
        request = session_service_pb2.StartAnonymousSessionRequest()
        body = {"correlationId": correlation, "channel": "STORE"}
        return self._answer("StartAnonymousSession", request, body)

    def visit(self, correlation: str, member: str) -> Answer:
        """See `Loyalty`."""
        request = session_service_pb2.StartSessionRequest()
        body = {"correlationId": correlation, "identifier": member, "channel": "STORE"}
        return self._answer("StartSession", request, body)

    def reserve(self, correlation: str, points: int) -> Answer:
        """See `Loyalty`."""
        request = account_service_pb2.ReservePointsRequest()
        body = {"correlationId": correlation, "reservationAmount": points}
        return self._answer("ReservePoints", request, body, new_key())

    def let_go(self, correlation: str, token: str) -> Answer:
        """See `Loyalty`."""
        request = account_service_pb2.CancelReservationRequest()
        body = {"correlationId": correlation, "reservationToken": token}
        return self._answer("CancelReservation", request, body)

    def purchase(self, correlation: str, body: dict) -> Answer:
        """See `Loyalty`."""
        request = purchase_service_pb2.FinalizePurchaseRequest()
        return self._answer("FinalizePurchase", request, body | {"correlationId": correlation})

    def promo(self, code: str, guest: str, order: str) -> Answer:
        """See `Loyalty`."""
        request = incentive_service_pb2.RedeemPromoCodeRequest()
        body = {"promoCode": code, "posVendor": self.vendor(order)}
        body |= {"loyaltyId": guest} if guest else {}
        return self._answer("RedeemPromoCode", request, body)

    def incentives(self, guest: str) -> Answer:
        """See `Loyalty`."""
        request = incentive_service_pb2.ListIncentivesRequest()
        body = {"storeId": self.store, "posType": self.pos_type, "loyaltyId": guest}
        return self._answer("ListIncentives", request, body)

    def validate(self, transaction: str, body: dict) -> Answer:
        """See `Loyalty`."""
        request = transaction_service_pb2.ValidateOrderRequest()
        return self._answer("ValidateOrder", request, body | _of(transaction))

    def report(self, transaction: str, body: dict, key: str = "") -> Answer:
        """See `Loyalty`."""
        request = transaction_service_pb2.ReportOrderRequest()
        return self._answer("ReportOrder", request, body | _of(transaction), key)

    def void(self, transaction: str) -> Answer:
        """See `Loyalty`."""
        request = transaction_service_pb2.VoidTransactionRequest()
        return self._answer("VoidTransaction", request, _of(transaction))

    def record(self, body: dict, key: str) -> Answer:
        """See `Loyalty`."""
        request = transaction_service_pb2.RecordUnclaimedOrderRequest()
        return self._answer("RecordUnclaimedOrder", request, body, key)

    def _answer(self, name: str, request: Any, body: dict, key: str = "") -> Answer:
        # One body serves several calls, of which some know fewer fields.
        ParseDict(body, request, ignore_unknown_fields=True)
        try:
            return Answer(DONE, MessageToDict(self._kiosk.call(name, request, key)))
        except RefusedError as refused:
            named = [{"incentiveId": one} for one in sorted(refused.incentives - {""})]
            told = {
                "code": WORDS.get(refused.reason, refused.reason),
                "message": str(refused),
                "details": {"ruleEvaluation": named},
            }
            return Answer(REFUSED if refused.reason else NO_ANSWER, told)


def _of(transaction: str) -> dict:
    return {"loyaltyTransactionId": transaction}


def machine(server: str, key: str, store: int = 9999, **more: Any) -> Till:
    """Make a till whose calls are a kiosk's, which takes *more*."""
    kiosk = Kiosk(lambda: grpc.insecure_channel(server, OPTIONS), key, store, **more)
    return Till(KioskCalls(kiosk, store), tell=print)


def main() -> None:
    """Go through the certification that has been started."""
    parser = argparse.ArgumentParser(description="A certification of the kiosk, over gRPC.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="host and port of gRPC")
    parser.add_argument("--key", default="sandbox-pos-key", help="the kiosk's API key")
    parser.add_argument("--certify", metavar="URL", default="http://127.0.0.1:8090")
    parser.add_argument("--deadline", type=float, default=6.0, help="seconds of an attempt")
    told = parser.parse_args()
    till = machine(told.server, told.key, deadline_s=told.deadline, attempts=20, pause_s=0.5)
    print(f"The certification has {Bench(told.certify, till).run()}.")


if __name__ == "__main__":
    main()
