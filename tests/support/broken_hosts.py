"""The sandbox as a host with one fault that one case of the kit names: some answers are changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from loyalty_service.certification.drive import Answer
from loyalty_service.certification.host import HttpHost
from loyalty_service.certification.requests import Request

REWARD, PRICED = 800, 1200

BROKEN: dict[str, type[HttpHost]] = {}
"""A broken host, by the case that must catch it."""


class Changing(HttpHost):
    """
    Changes answers of the host behind it.

    Attributes:
        shown: What identified the guest of the newest transaction.
        made: What the app's calls selected, by the code that they made.
        counts: How often a key or a transaction got a good answer.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.shown = ""
        self.made: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.faulty: set[str] = set()

    def call(self, request: Request, *, wait_s: float) -> Answer:
        """Make a call, and change its answer."""
        answer = super().call(request, wait_s=wait_s)
        if request.call == "identify":
            self.shown = request.body["identifier"]
        if request.call == "issue" and answer.status == 200:
            self.made[answer.body["otp"]] = request.body["order"]
        key = request.headers.get("idempotency-key", request.path)
        if "sandbox-fault" in request.headers:
            self.faulty.add(key)
        if answer.status == 200:
            self.counts[key] = self.counts.get(key, 0) + 1
        answer = replace(answer, body=copy.deepcopy(answer.body))
        return self.changed(request, answer, products(request), key) or answer

    def changed(
        self, request: Request, answer: Answer, lines: list[str], key: str
    ) -> Answer | None:
        """Give another answer; absent where it stays."""
        raise NotImplementedError


def products(request: Request) -> list[str]:
    """Name the products of an order."""
    body = request.body if isinstance(request.body, dict) else {}
    return [line["productId"] for line in body.get("transactionDetails", {}).get("order", [])]


def fields(answer: Answer) -> Any:
    """Give the fields of a body; a list has none."""
    return answer.body if isinstance(answer.body, dict) else {}


Change = Callable[[Changing, Request, Answer, list[str], str], Answer | None]


def breaks(case: str) -> Callable[[Change], Change]:
    """Note which case catches a host that answers so."""

    def note(change: Change) -> Change:
        BROKEN[case] = type(f"Breaks{case}", (Changing,), {"changed": change})
        return change

    return note


def with_(answer: Answer, **fields: Any) -> Answer:
    """Change fields of a body."""
    return replace(answer, body=answer.body | fields)


@breaks("RBI-1.1a")
def _no_order(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Leave an empty order out."""
    if request.call == "identify" and answer.status == 200 and answer.body.get("order") == []:
        if "eligibleDiscounts" not in answer.body:
            del answer.body["order"]
        return answer
    return None


@breaks("RBI-1.1b")
def _gross(host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Return the balance without the hold."""
    if request.call == "identify" and host.shown in host.made and answer.status == 200:
        if [line["productType"] for line in answer.body["order"]] == ["reward"]:
            answer.body["balances"][0]["amount"] += REWARD
        return answer
    return None


@breaks("RBI-1.1c")
def _priced_offer(_host: Changing, request: Request, answer: Answer, _lines: Any, _k: str) -> Any:
    """Price an offer."""
    if request.call == "identify" and answer.status == 200 and len(answer.body["order"]) == 1:
        if answer.body["order"][0]["productType"] == "offer":
            answer.body["order"][0]["price"] = 0
        return answer
    return None


@breaks("RBI-1.1d")
def _text_value(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Return a discount's value as a text."""
    if request.call == "identify" and "eligibleDiscounts" in fields(answer):
        answer.body["eligibleDiscounts"][0]["details"]["discountValue"] = "20"
        return answer
    return None


@breaks("RBI-1.2a")
def _another(host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Open a second transaction for a code that is sent again."""
    again = f"{host.shown} of {(request.body or {}).get('posVendor')}"
    if request.call == "identify" and host.shown in host.made and answer.status == 200:
        host.counts[again] = host.counts.get(again, 0) + 1
        if host.counts[again] > 1:
            return with_(answer, transactionId="00000000-0000-4000-8000-000000000001")
    return None


@breaks("RBI-1.2b")
def _no_minimum(_host: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Accept an offer below its minimum spend."""
    if request.call == "validate" and lines == ["706"]:
        return Answer(200, {}, answer.headers)
    return None


@breaks("RBI-1.3a")
def _dear_offer(host: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Burn a point for an offer."""
    store = ((request.body or {}).get("transactionDetails") or {}).get("posVendor", {})
    if request.call == "claim" and host.shown == "930002" and store["storeId"] == "9999":
        return with_(answer, pointsRedeemed=1) if lines == ["2001", "700102"] else None
    return None


@breaks("RBI-1.3n")
def _nearest(_host: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Round to the nearest point."""
    return with_(answer, pointsEarned=40) if request.call == "claim" and "9901" in lines else None


@breaks("RBI-1.3e")
def _no_receipt(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Return nothing to print."""
    if request.call == "claim" and answer.status == 200:
        answer.body.pop("presentation", None)
        return answer
    return None


@breaks("RBI-1.4d")
def _first_only(_host: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Burn the first of two rewards."""
    if request.call == "claim" and {"9003", "700101"} <= set(lines):
        return with_(answer, pointsRedeemed=REWARD)
    return None


@breaks("RBI-1.5a")
def _undead(host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Take a report of a void order."""
    if request.call == "pending" and host.counts.get(f"{request.path}/void"):
        return Answer(200, {}, answer.headers)
    return None


@breaks("RULE-3.2")
def _no_limit(_host: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Accept more than one order may have."""
    if request.call == "validate" and "9010" in lines:
        line = request.body["transactionDetails"]["order"][-1]
        return Answer(200, {}, answer.headers) if line["quantity"] == 3 else None
    return None


@breaks("RULE-3.6")
def _wrong_end(_host: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Name the start of an offer's dates for its end."""
    if request.call == "validate" and lines == ["9012"]:
        answer.body["details"]["ruleEvaluation"][0]["code"] = "invalid-start-date"
        return answer
    return None


@breaks("RULE-3.13")
def _wrong_incentive(_h: Changing, request: Request, answer: Answer, lines: Any, _k: str) -> Any:
    """Name another incentive."""
    if request.call == "validate" and lines == ["9014"]:
        answer.body["details"]["ruleEvaluation"][0]["incentiveId"] = "another"
        return answer
    return None


@breaks("RULE-two")
def _one_rule(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Name one broken rule of several of one order."""
    rules = (fields(answer).get("details") or {}).get("ruleEvaluation", [])
    if request.call == "validate" and len({rule["incentiveId"] for rule in rules}) > 1:
        del rules[1:]
        return answer
    return None


@breaks("OT-1")
def _reusable(host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Take a used code again."""
    if request.call == "identify" and answer.status == 422 and host.made.get(host.shown):
        return Answer(200, {"transactionId": "00000000-0000-4000-8000-000000000002"}, {})
    return None


class BothGetIt(Changing):
    """Let two orders have one code."""

    def changed(self, request: Request, answer: Answer, lines: list[str], key: str) -> None:
        """Change nothing of one call."""

    def together(self, requests: Sequence[Request], *, wait_s: float) -> list[Answer]:
        """Give both the good answer."""
        answers = super().together(requests, wait_s=wait_s)
        if {request.call for request in requests} == {"identify"}:
            good = next(answer for answer in answers if answer.status == 200)
            return [good, good]
        return answers


BROKEN["OT-3"] = BothGetIt


class GivesBackTwice(BothGetIt):
    """Give the points back to each of two voids."""

    def together(self, requests: Sequence[Request], *, wait_s: float) -> list[Answer]:
        """Give the second one more."""
        answers = HttpHost.together(self, requests, wait_s=wait_s)
        if [request.call for request in requests] == ["void", "void"]:
            return [answers[0], with_(answers[1], points=answers[1].body["points"] + REWARD)]
        return answers


BROKEN["AGAIN-voids"] = GivesBackTwice


@breaks("ID-kind")
def _kind_404(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Call a coupon an unknown code."""
    if fields(answer).get("code") == "InvalidIdentifier":
        return Answer(404, answer.body | {"code": "HashSetNotFoundError"}, answer.headers)
    return None


@breaks("ERR-shape")
def _flat_error(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Return an error without its own status."""
    if request.call == "identify" and answer.status == 404:
        answer.body.pop("statusCode", None)
        return answer
    return None


@breaks("UPD-shape")
def _text_points(_host: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Return the points burned as a text."""
    if request.call == "void" and answer.status == 200 and answer.body["pointsRedeemed"] == 0:
        return with_(answer, pointsRedeemed="0") if not answer.body["pointsEarned"] else None
    return None


@breaks("AGAIN-key")
def _earns_again(host: Changing, request: Request, answer: Answer, lines: Any, key: str) -> Any:
    """Earn again for a claim that is sent again."""
    if request.call == "claim" and host.counts.get(key, 0) > 1 and key not in host.faulty:
        return with_(answer, points=answer.body["points"] + 84) if "700101" in lines else None
    return None


@breaks("AGAIN-other")
def _any_key(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Take another order under a used key."""
    reused = fields(answer).get("code") == "IdempotencyKeyReused"
    return Answer(200, {}, answer.headers) if reused else None


@breaks("AGAIN-changed")
def _changes(host: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Take a second claim with other lines."""
    if request.call == "claim" and answer.status == 400 and lines == ["2001", "2201"]:
        return Answer(200, {}, answer.headers)
    return None


@breaks("AGAIN-back")
def _opens_again(host: Changing, request: Request, answer: Answer, _lines: Any, key: str) -> Any:
    """Take a late report of a claimed order."""
    if request.call == "pending" and answer.status == 400 and host.counts.get(request.path):
        return Answer(200, {}, answer.headers)
    return None


@breaks("AGAIN-spent")
def _negative(host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Let a balance go below zero."""
    if request.call == "void" and answer.status == 200 and answer.body["pointsEarned"] == 152:
        poor = answer.body["loyaltyId"].startswith("a83f")
        return with_(answer, points=-5) if poor else None
    return None


@breaks("AGAIN-cents")
def _by_payment(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Earn by the payments."""
    if request.call == "claim" and len(request.body["transactionDetails"]["payments"]) == 2:
        return with_(answer, pointsEarned=95)
    return None


@breaks("AGAIN-unclaimed")
def _two_receipts(host: Changing, request: Request, answer: Answer, _lines: Any, key: str) -> Any:
    """Make a second receipt of one order."""
    if request.call == "unclaimed" and host.counts.get(key, 0) > 1 and key not in host.faulty:
        return with_(answer, receiptCode="ANOTHER")
    return None


@breaks("ES-1")
def _es_words(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Word a session's error as the other contract does."""
    if request.call == "session" and answer.status == 400:
        return with_(answer, errorCode="ValidationError")
    return None


@breaks("ES-S2")
def _es_text(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Return an amount as a text."""
    if request.call == "session" and answer.status == 200:
        answer.body["redemptionRules"]["minRedeemAmount"] = "10"
        return answer
    return None


@breaks("ES-S3")
def _lower_case(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Return a correlation ID in lower case."""
    if request.call == "session" and answer.status == 200:
        return with_(answer, sessionCorrelationId=answer.body["sessionCorrelationId"].lower())
    return None


@breaks("ES-23")
def _english(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Answer in English whatever is asked for."""
    if request.call == "session" and request.body.get("locale") == "fr-CA":
        return with_(answer, promptMessage="Would the customer like to learn more?")
    return None


@breaks("ES-25")
def _bare_errors(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Leave the headers of an error out."""
    if request.call == "session" and answer.status == 400:
        return replace(answer, headers={})
    return None


@breaks("PE-4")
def _burns_anyway(_host: Changing, request: Request, answer: Answer, _lines: Any, _k: str) -> Any:
    """Take a reward in a store that takes none."""
    if fields(answer).get("code") == "REDEEM_REWARD_ERROR" and request.call == "claim":
        return Answer(200, {}, answer.headers)
    return None


@breaks("CLK-code")
def _lasting(host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Take a code whose time is over."""
    if request.call == "identify" and answer.status == 404 and host.shown in host.made:
        return Answer(200, {}, answer.headers)
    return None


@breaks("FI-busy")
def _no_wait(_host: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Say 429 and not how long to wait."""
    if request.call == "identify" and answer.status == 429:
        return replace(answer, headers={})
    return None


@breaks("FC-timeout")
def _claims_twice(host: Changing, request: Request, answer: Answer, _lines: Any, _k: str) -> Any:
    """Earn twice when the first answer was a 504."""
    if answer.status == 504 and request.call == "claim":
        host.counts[request.path + "504"] = 1
    elif request.call == "claim" and host.counts.get(request.path + "504"):
        return with_(answer, points=answer.body["points"] + 84)
    return None


@breaks("KP-2")
def _promo_of_nothing(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Tell of no points that a promo code gave."""
    if request.call == "promo" and answer.status == 200 and "CERTIFY" in str(request.body):
        return with_(answer, pointsEarned=0)
    return None


@breaks("KP-3")
def _any_promo(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Accept a promo code that there is not."""
    if request.call == "promo" and answer.status == 404:
        return Answer(200, {"pointsEarned": 0}, {})
    return None


@breaks("KP-4")
def _promo_for_all(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Accept a promo code that was used."""
    if request.call == "promo" and answer.status == 422:
        return Answer(200, {"pointsEarned": 100}, {})
    return None


@breaks("PTS-once")
def _points_again(host: Changing, request: Request, answer: Answer, _lines: Any, key: str) -> Any:
    """Make another assignment of a call that is sent again."""
    if request.call == "points" and answer.status == 200 and host.counts[key] > 1:
        return with_(answer, id="another")
    return None


@breaks("PTS-less")
def _takes_all(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Say that more points were taken than there are."""
    if request.call == "points" and request.body["points"] < -1000:
        return Answer(200, {"pointsEarned": 0, "pointsDeducted": 9000}, {})
    return None


@breaks("PTS-key")
def _points_of_tills(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Let a till give points."""
    if request.call == "points" and answer.status == 403:
        return Answer(200, {"pointsEarned": 100}, {})
    return None


@breaks("USR-shape")
def _never_joined(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Leave out since when a guest is one."""
    if request.call == "user" and answer.status == 200:
        del answer.body["createdAt"]
        return answer
    return None


@breaks("USR-search")
def _earned_nothing(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """List orders without what they earned."""
    if request.call == "search":
        return replace(answer, body=[one | {"pointsEarned": 0} for one in answer.body])
    return None


def _without_errors(answer: Answer) -> Answer:
    listed = [one | {"errors": []} for one in answer.body["incentives"]]
    return with_(answer, incentives=listed)


@breaks("KR-1")
def _unlocked(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Lock no reward for who is not signed in."""
    nobody = request.call == "incentives" and "loyaltyId" not in request.path
    return _without_errors(answer) if nobody else None


@breaks("LIST-guest")
def _rich(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Let every guest use every reward."""
    somebody = request.call == "incentives" and "loyaltyId" in request.path
    return _without_errors(answer) if somebody and answer.status == 200 else None


@breaks("CONTENT-list")
def _costless(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Show rewards without their cost."""
    if request.call == "content":
        return with_(answer, content=[one | {"rules": []} for one in answer.body["content"]])
    return None


@breaks("PO-4.host")
def _two_offers(_h: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Take two offers where one is allowed."""
    if request.call == "pending" and answer.status == 400 and lines == ["2001", "700102", "702"]:
        return Answer(200, {}, answer.headers)
    return None


@breaks("PR-4.host")
def _two_rewards(_h: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Take two rewards where one is allowed."""
    if request.call == "pending" and answer.status == 400 and lines == ["2001", "700101", "9010"]:
        return Answer(200, {}, answer.headers)
    return None


def _unlocks(request: Request, answer: Answer) -> bool:
    return request.call == "promo" and "sanityId" in fields(answer)


@breaks("KP-1")
def _unlocks_nothing(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Unlock nothing for a guest who is not signed in."""
    if _unlocks(request, answer) and "loyaltyId" not in request.body:
        del answer.body["sanityId"]
        return answer
    return None


@breaks("KP-2.offer")
def _unlocks_another(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Name another offer to a guest who is signed in."""
    if _unlocks(request, answer) and "loyaltyId" in request.body:
        return with_(answer, sanityId="another")
    return None


@breaks("GRANT-other")
def _for_all(_h: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Let everybody use what some were given."""
    if request.call == "validate" and answer.status == 400 and lines == ["2001", "9023"]:
        return Answer(200, {}, answer.headers)
    return None


@breaks("USR-tier")
def _no_tier(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Leave the tier of a guest out."""
    if request.call == "user" and answer.status == 200:
        del answer.body["loyaltyTier"]
        return answer
    return None


@breaks("EARN-multiplier")
def _rounds_first(_h: Changing, request: Request, answer: Answer, lines: Any, _key: str) -> Any:
    """Round before the multiplier."""
    return with_(answer, pointsEarned=68) if request.call == "claim" and lines == ["2411"] else None


@breaks("RET-lines")
def _returns_again(host: Changing, request: Request, answer: Answer, _l: Any, key: str) -> Any:
    """Take a return that is sent again for another one."""
    if request.call == "return" and answer.status == 200 and host.counts[key] > 1:
        return with_(answer, points=answer.body["points"] - 67)
    return None


@breaks("RET-open")
def _returns_unpaid(_h: Changing, request: Request, answer: Answer, _l: Any, _k: str) -> Any:
    """Take a line of an open order back."""
    if request.call == "return" and answer.status == 422:
        return Answer(200, {}, answer.headers)
    return None


@breaks("VTWO-scan")
def _takes_over(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Add what another guest selected."""
    if request.call == "rescan" and answer.status == 422:
        return Answer(200, {}, answer.headers)
    return None


@breaks("VTWO-status")
def _claims_void(_h: Changing, request: Request, answer: Answer, _lines: Any, _key: str) -> Any:
    """Claim what is void."""
    if request.call == "status" and answer.status == 400:
        return Answer(200, {}, answer.headers)
    return None
