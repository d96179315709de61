"""The sandbox as a host of the ES contract with one fault that one case of the kit names."""

from __future__ import annotations

from typing import Any

from loyalty_service.certification.drive import Answer
from loyalty_service.certification.requests import Request
from tests.support.broken_hosts import BROKEN, Changing, breaks, fields, with_

__all__ = ["BROKEN"]


@breaks("ES-2")
def _other_words(_h: Changing, _request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Word an unknown session in another way."""
    if "create it first" in str(fields(answer).get("errorMessage")):
        return with_(answer, errorMessage="No session")
    return None


@breaks("ES-5")
def _text_amount(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Return the amount of a reservation as a text."""
    if request.call == "reserve" and answer.status == 200:
        return with_(answer, reservationAmount=str(answer.body["reservationAmount"]))
    return None


@breaks("ES-6")
def _raises(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Raise a reservation."""
    if request.call == "lower" and answer.status == 400:
        return Answer(200, {}, answer.headers)
    return None


@breaks("ES-7")
def _no_session(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Leave the session out of a cancellation."""
    if request.call == "cancel" and answer.status == 200:
        del answer.body["sessionId"]
        return answer
    return None


@breaks("ES-8")
def _serves_closed(_h: Changing, _request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Serve a session that is closed."""
    if fields(answer).get("errorMessage") == "Session Closed":
        return Answer(200, {}, answer.headers)
    return None


@breaks("ES-9")
def _another_code(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Name a missing field by the code of other calls."""
    if request.call == "reward" and answer.status == 400:
        return with_(answer, errorCode="MISSING_REQUIRED_FIELDS_ERROR")
    return None


@breaks("ES-10")
def _takes_nothing(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Refuse an ad hoc reward below zero."""
    if request.call == "reward" and request.body.get("rewardAmount", 0) < 0:
        return Answer(400, {}, answer.headers)
    return None


@breaks("ES-11")
def _redeems_nothing(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Redeem without a token."""
    if request.call == "redeem" and "reservationToken" not in request.body:
        return Answer(200, {}, answer.headers)
    return None


@breaks("ES-12")
def _voids_again(_h: Changing, _request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Void an ad hoc transaction twice."""
    if "already voided" in str(fields(answer).get("errorMessage")):
        return Answer(200, {}, answer.headers)
    return None


@breaks("ES-13")
def _keeps_the_lock(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """List a lock that is lifted."""
    if request.call == "locks" and answer.body == []:
        return Answer(200, [{"posture": "BLOCK"}], answer.headers)
    return None


@breaks("ES-14")
def _confirms_again(_h: Changing, _request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Confirm a purchase twice."""
    if "already confirmed" in str(fields(answer).get("errorMessage")):
        return Answer(200, {}, answer.headers)
    return None


@breaks("ES-15")
def _awards_again(_h: Changing, _request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Award a purchase twice."""
    if "already awarded" in str(fields(answer).get("errorMessage")):
        return Answer(200, {}, answer.headers)
    return None


@breaks("ES-15.late")
def _awards_late(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Award a purchase of last month."""
    if request.call == "award" and "older" in str(fields(answer).get("errorMessage")):
        return Answer(200, {}, answer.headers)
    return None


@breaks("ES-16")
def _earns_for_nobody(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Tell points of an offline purchase of nobody."""
    if request.call == "offline" and "loyaltyId" not in request.body:
        return with_(answer, pointsEarned=84)
    return None


@breaks("ES-17")
def _spends_offline(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Spend points for an offline purchase."""
    if request.call == "offline" and "reservationToken" in request.body:
        return with_(answer, pointsRedeemed=25000)
    return None


@breaks("ES-21")
def _long_page(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Give a page of more entries than there may be."""
    if request.call == "history" and answer.body.get("errorMessage") == "limit is invalid":
        return Answer(200, {"transactions": []}, answer.headers)
    return None


@breaks("ES-24")
def _text_dollars(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Return the missing dollars as a text."""
    if request.call == "trial" and fields(answer).get("nearMiss"):
        answer.body["nearMiss"][0]["dollarsToThreshold"] = "1.05"
        return answer
    return None
