"""Tills of examples/till-python, right and with one fault each that one case of the kit names."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from tests.support.roots import ROOT

FOLDER = ROOT / "examples" / "till-python"


def _example(name: str) -> ModuleType:
    """Load a module of the example, which is a folder and not a package."""
    found = sys.modules.get(name)
    if found is not None:
        return found
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


loyalty = _example("loyalty_calls")
till = _example("till")
Answer, Loyalty, Till, Order = loyalty.Answer, loyalty.Loyalty, till.Till, till.Order

BROKEN: dict[str, type] = {}
"""A broken till, or the broken calls of one, by the case that must catch it."""


def breaks(case: str) -> Any:
    """Note which case catches a till."""

    def note(broken: type) -> type:
        BROKEN[case] = broken
        return broken

    return note


def kinds(order: Any) -> set[str]:
    """Tell what kinds of incentives an order has."""
    return {line["productType"] for line in order.lines} - {"item", "combo"}


@breaks("RBI-1.1a")
class KeepsEmptyVisits(Till):
    """Does not void an order without incentives."""

    def cancel(self) -> None:
        if kinds(self.order):
            super().cancel()


@breaks("RBI-1.1b")
class OwnNumbers(Till):
    """Sends its own number of a reward."""

    def body(self, status: str, payment: str = "") -> dict[str, Any]:
        made = super().body(status, payment)
        for line in made["transactionDetails"]["order"]:
            if line["productType"] == "reward":
                line["productId"] = "42"
        return made


@breaks("RBI-1.1d")
class HidesDiscounts(Till):
    """Takes the discount off and does not tell."""

    def take_guest(self, found: dict[str, Any], identifier: str) -> None:
        found = {name: part for name, part in found.items() if name != "eligibleDiscounts"}
        super().take_guest(found, identifier)


@breaks("RBI-1.2b")
class ValidatesOnce(Till):
    """Does not ask again once it was told of the minimum."""

    asked = False

    def missing_money(self) -> bool:
        self.asked = True
        return super().missing_money()

    def may_check(self) -> bool:
        asked, self.asked = self.asked, False
        return not asked


class _Deaf(Till):
    """Ignores one rule at Validate."""

    deaf_to = ""

    def drop(self, answer: Any) -> None:
        rules = answer.body.get("details", {}).get("ruleEvaluation", [])
        if self.order.paid or self.deaf_to not in {rule["code"] for rule in rules}:
            super().drop(answer)


@breaks("RBI-1.2c")
class DeafToEnrolment(_Deaf):
    """Claims a reward that was refused by a rule."""

    deaf_to = "invalid-enrollment-start-date"


@breaks("RULE-3.4")
class DeafToBalance(_Deaf):
    """Claims a reward that the guest can't pay."""

    deaf_to = "insufficient-point-balance"


@breaks("RBI-1.3a")
class WrongChannel(Till):
    """Reports its orders as an app's."""

    def body(self, status: str, payment: str = "") -> dict[str, Any]:
        return super().body(status, payment) | {"channel": "APP"}


@breaks("RBI-1.3b")
class EngineIds(Till):
    """Names an offer by the engine's ID alone."""

    def add(self, product: dict[str, Any]) -> None:
        if product["productType"] == "offer" and product.get("loyaltyEngineId"):
            product = {name: part for name, part in product.items() if name != "incentiveId"}
        super().add(product)


@breaks("RBI-1.4a")
class ClaimsTwice(Till):
    """Claims an order with a reward and an offer a second time."""

    def claim(self, payment: str) -> Any:
        answer = super().claim(payment)
        return super().claim(payment) if self.order.shown == "930001" else answer


@breaks("RBI-1.4c")
class ReportsLate(Till):
    """Does not report a reward and an offer before it claims them."""

    def report_open(self) -> None:
        if kinds(self.order) != {"reward", "offer"} or not self.order.changed:
            super().report_open()


@breaks("KR-2")
class ReportsFirst(Till):
    """Reports an order before it validates it."""

    def check(self) -> None:
        if self.order.changed:
            self.report_open()
        super().check()


@breaks("RBI-1.5a")
class KeepsEmptyOrders(Till):
    """Does not void an order in which nothing was rung up."""

    def cancel(self) -> None:
        if any(line["productType"] == "item" for line in self.order.lines):
            super().cancel()


@breaks("RBI-1.5b")
class ClaimsDeclined(Till):
    """Claims an order whose card was declined."""

    def pay(self, by: str) -> Any:
        return super().pay("card" if by == "declined" else by)


@breaks("RBI-1.5c")
class LeavesTheFirst(Till):
    """Does not void the first transaction when the second has nothing selected."""

    def scan(self, identifier: str) -> None:
        if identifier == "930000":
            self.order.transaction = ""
        super().scan(identifier)


class _VoidsAfter(Loyalty):
    """Holds a void back until the next report is made."""

    held: str | None = None

    def void(self, transaction: str) -> Any:
        self.held = transaction
        return Answer(200)

    def report(self, transaction: str, body: dict[str, Any], key: str = "") -> Any:
        answer = super().report(transaction, body, key)
        if self.held:
            super().void(self.held)
            self.held = None
        return answer


@breaks("PO-2")
class ReportsBeforeVoid(Till):
    """Reports the second transaction before the first is void."""

    def scan(self, identifier: str) -> None:
        plain, guest = self.loyalty, self.order.guest
        if guest and identifier == "930002":
            self.loyalty = _VoidsAfter(plain.address, plain.key, wait_s=plain.wait_s)
        super().scan(identifier)
        self.loyalty = plain


@breaks("PE-1")
class VoidsTheFirstGuest(Till):
    """Voids the guest who is there instead of the one who came."""

    def scan(self, identifier: str) -> None:
        if identifier == "123456" and self.order.transaction:
            self.loyalty.void(self.order.transaction)
        super().scan(identifier)


@breaks("RBI-3.2a")
class CountsNothing(Till):
    """Claims at the counter without a payment."""

    def pay(self, by: str) -> Any:
        self.at_counter = by == "counter"
        return super().pay(by)

    def payments(self, payment: str) -> list[dict[str, Any]]:
        return [] if self.at_counter else super().payments(payment)


@breaks("RBI-3.2b")
class ForgetsTheCounter(Till):
    """Does not void what waits at the counter."""

    sent = ""

    def send(self) -> None:
        super().send()
        self.sent = self.order.transaction

    def cancel(self) -> None:
        if self.sent != self.order.transaction:
            super().cancel()


@breaks("RBI-3.x")
class ClearsTheScreen(Till):
    """Forgets what was rung up before the guest came."""

    def take_guest(self, found: dict[str, Any], identifier: str) -> None:
        if not self.order.transaction:
            self.order.lines = []
        super().take_guest(found, identifier)


@breaks("PR-3")
class RemovesSilently(Till):
    """Does not report that a reward was taken out."""

    def remove(self, product: dict[str, Any]) -> None:
        self.order.lines = [
            line for line in self.order.lines if line.get("incentiveId") != product["incentiveId"]
        ]


@breaks("OT-1")
class ShowsUsedAgain(Till):
    """Shows a used code again."""

    def scan(self, identifier: str) -> None:
        super().scan(identifier)
        if identifier == "900422":
            super().scan(identifier)


@breaks("OT-2")
class ShowsUnknownAgain(Till):
    """Shows an unknown code again."""

    def scan(self, identifier: str) -> None:
        super().scan(identifier)
        if identifier == "900404":
            super().scan(identifier)


@breaks("PO-1")
class InventsGuests(Till):
    """Identifies somebody for an order without a guest."""

    tried = False

    def new_order(self) -> Any:
        self.tried = False
        return super().new_order()

    def scan(self, identifier: str) -> None:
        self.tried = True
        super().scan(identifier)

    def promo(self, code: str) -> None:
        self.tried = True
        super().promo(code)

    def record(self) -> Any:
        if not self.tried:
            self.loyalty.identify("234567", self.order.number)
        return super().record()


class _AnotherKey(Loyalty):
    """Sends an order without a guest again under a new key."""

    def record(self, body: dict[str, Any], key: str) -> Any:
        answer = self.send("POST", "/loyalty/transaction/pos", body, key)
        return super().record(body, loyalty.new_key()) if not answer.status else answer


@breaks("FU-lost")
class RecordsTwice(Till):
    """Makes a second receipt of an order whose answer it lost."""

    calls = _AnotherKey


class _NoChannel(Loyalty):
    def session(self, correlation: str) -> Any:
        path = "/client/users/anonymous/sessions"
        return self.call("POST", path, {"correlationId": correlation})


@breaks("ES-S1")
class NamesNoChannel(Till):
    """Opens a session without a channel."""

    calls = _NoChannel


@breaks("ES-T1")
class TendersCents(Till):
    """Says in cents what was paid for a purchase that began with the card."""

    began = False

    def new_order(self) -> Any:
        self.began = False
        return super().new_order()

    def start(self) -> None:
        self.began = True
        super().start()

    def tender(self, payment: str) -> dict[str, Any]:
        told = super().tender(payment)
        return told if self.began else {name: amount * 100 for name, amount in told.items()}


@breaks("ES-T2")
class BeginsAgain(Till):
    """Opens a session of its own when the card is found."""

    def card(self, member: str) -> None:
        self.order.session = ""
        super().card(member)


@breaks("ES-T3")
class SetsAsideAgain(Till):
    """Sets points aside once more when they were let go, and lets them go again."""

    def set_aside(self, points: int) -> None:
        self.points = points
        super().set_aside(points)

    def let_go(self) -> None:
        super().let_go()
        super().set_aside(self.points)
        super().let_go()


@breaks("AGAIN-cents")
class PaysInDollars(Till):
    """Says in dollars what was paid."""

    def payments(self, payment: str) -> list[dict[str, Any]]:
        told = super().payments(payment)
        if self.order.shown != "930000":
            return told
        return [one | {"amount": one["amount"] // 100} for one in told]


@breaks("AGAIN-prices")
class CountsInCents(Till):
    """Says the price of a lone product in cents, and pays as much."""

    def body(self, status: str, payment: str = "") -> dict[str, Any]:
        made = super().body(status, payment)
        details = made["transactionDetails"]
        if self.order.shown == "930000" and len(details["order"]) == 1:
            details["order"] = [
                {**line, "price": line["price"] * 100, "tax": line.get("tax", 0) * 100}
                for line in details["order"]
            ]
            details["payments"] = [
                {**one, "amount": one["amount"] * 100} for one in details["payments"]
            ]
        return made


class _Keyless(Loyalty):
    def report(self, transaction: str, body: dict[str, Any], key: str = "") -> Any:
        return super().report(transaction, body, "")


@breaks("AGAIN-keyed")
class HasNoKeys(Till):
    """Claims without a key."""

    calls = _Keyless


@breaks("AGAIN-refund")
class KeepsRefunds(Till):
    """Gives the money back and tells nobody."""

    def refund(self) -> None:
        return


class _Impatient(Loyalty):
    """Does not wait as long as the host says."""

    hurries = ""

    def send(self, method: str, path: str, body: dict[str, Any] | None, key: str) -> Any:
        answer = super().send(method, path, body, key)
        claims = bool(body) and body.get("status") == "CLAIMED"
        if answer.status == 429 and self.hurries == ("claim" if claims else "identify"):
            answer.wait_s = 0.0
        return answer


class _HurriesIdentify(_Impatient):
    hurries = "identify"


class _HurriesClaim(_Impatient):
    hurries = "claim"


@breaks("FI-busy")
class HurriesToIdentify(Till):
    """Identifies again at once."""

    calls = _HurriesIdentify


@breaks("FC-busy")
class HurriesToClaim(Till):
    """Claims again at once."""

    calls = _HurriesClaim


class _OneTry(Till):
    """Does something of its own after the first answer to a claim."""

    def claim(self, payment: str) -> Any:
        order, calls = self.order, self.loyalty
        tries, calls.tries = calls.tries, 1
        path = f"/loyalty/transaction/pos/{order.transaction}"
        answer = None
        if self.meant(order):
            answer = calls.send("PUT", path, self.body("CLAIMED", payment), order.key)
        calls.tries = tries
        if answer is not None and answer.status != 200:
            self.wrong(answer)
        return answer if answer is not None and answer.status == 200 else super().claim(payment)

    def meant(self, order: Any) -> bool:
        return order.shown == self.shown

    shown = ""

    def wrong(self, answer: Any) -> None:
        raise NotImplementedError


@breaks("FC-timeout")
class ClaimsUnderNewKey(_OneTry):
    """Claims under another key after a 504."""

    shown = "920006"

    def wrong(self, answer: Any) -> None:
        assert answer.status == 504
        self.order.key = loyalty.new_key()


@breaks("FC-unavailable")
class VoidsAfter503(_OneTry):
    """Voids a paid order after a 503."""

    shown = "920004"

    def wrong(self, answer: Any) -> None:
        assert answer.status == 503
        self.loyalty.void(self.order.transaction)


@breaks("FC-unknown")
class VoidsUnknown(_OneTry):
    """Voids a paid order after an error that it does not know."""

    shown = "920010"

    def wrong(self, answer: Any) -> None:
        assert answer.code == "SANDBOX_SURPRISE"
        self.loyalty.void(self.order.transaction)


@breaks("FC-lost")
class RecordsLostClaims(_OneTry):
    """Records an order without its guest when the answer to its claim is lost."""

    shown = "920001"

    def wrong(self, answer: Any) -> None:
        assert answer.status == 0
        self.record()


@breaks("FC-half")
class TakesHalfForWhole(_OneTry):
    """Takes half of an answer for a whole one."""

    shown = "920009"

    def claim(self, payment: str) -> Any:
        if not self.meant(self.order):
            return super().claim(payment)
        path = f"/loyalty/transaction/pos/{self.order.transaction}"
        return self.loyalty.send("PUT", path, self.body("CLAIMED", payment), self.order.key)


@breaks("FC-points")
class VoidsPoorOrders(_OneTry):
    """Voids a paid order whose points are gone."""

    shown = "930003"

    def wrong(self, answer: Any) -> None:
        assert answer.code == "TRANSACTION_INSUFFICIENT_POINTS"
        self.loyalty.void(self.order.transaction)


@breaks("FC-twice")
class ClaimsAgainAfterAll(Till):
    """Claims again although it got its answer."""

    def claim(self, payment: str) -> Any:
        answer = super().claim(payment)
        return super().claim(payment) if self.order.shown == "920007" else answer


@breaks("FI-timeout")
class IdentifiesAsAnother(Till):
    """Shows the code for another order after a 504."""

    def scan(self, identifier: str) -> None:
        if identifier == "910006":
            body = {"identifier": identifier, "posVendor": self.loyalty.vendor(self.order.number)}
            assert self.loyalty.send("POST", "/loyalty/identify", body, "").status == 504
            self.new_order()
        super().scan(identifier)


@breaks("FI-unknown")
class InsistsOnUnknown(Till):
    """Shows the code again after an error that it does not know."""

    def scan(self, identifier: str) -> None:
        super().scan(identifier)
        if identifier == "910010":
            super().scan(identifier)


@breaks("CLK-weekend")
class NewKeyOnMonday(Till):
    """Claims the order of the weekend under another key."""

    def identify_again(self) -> bool:
        self.order.key = loyalty.new_key()
        return super().identify_again()


class _VoidsOnce(Loyalty):
    """Does not send a void again after one kind of answer."""

    enough = 0

    def void(self, transaction: str) -> Any:
        path = f"/loyalty/transaction/pos/{transaction}/void"
        answer = self.send("PUT", path, None, "")
        if answer.status in {200, self.enough}:
            return answer
        return super().void(transaction)


class _VoidsOnceAfter503(_VoidsOnce):
    enough = 503


@breaks("FV-lost")
class GivesUpLostVoids(Till):
    """Does not send a void again whose answer was lost."""

    calls = _VoidsOnce


@breaks("FV-503")
class GivesUpFailedVoids(Till):
    """Does not send a void again that was not done."""

    calls = _VoidsOnceAfter503


class _TellsLosses(Loyalty):
    """Remembers that a report got no answer."""

    lost = False

    def report(self, transaction: str, body: dict[str, Any], key: str = "") -> Any:
        if body["status"] == "CLAIMED":
            return super().report(transaction, body, key)
        path = f"/loyalty/transaction/pos/{transaction}"
        answer = self.send("PUT", path, body, key)
        self.lost = not answer.status
        return answer if answer.status else super().report(transaction, body, key)


@breaks("FP-lost")
class IdentifiesAgain(Till):
    """Identifies the guest again when a report is lost."""

    calls = _TellsLosses

    def report_open(self) -> None:
        super().report_open()
        if self.loyalty.lost:
            self.loyalty.identify(self.order.guest, self.order.number)


class _TellsValidation(Loyalty):
    """Does not validate again."""

    def validate(self, transaction: str, body: dict[str, Any]) -> Any:
        return self.send("POST", f"/loyalty/transaction/pos/validate/{transaction}", body, "")


@breaks("FW-503")
class NeedsValidation(Till):
    """Takes rewards out when Validate does not answer."""

    calls = _TellsValidation

    def check(self) -> None:
        answer = self.loyalty.validate(self.order.transaction, self.body("PENDING"))
        if answer.status == 503:
            self.drop_rewards()
        super().check()


@breaks("PO-4")
class TakesEveryOffer(Till):
    """Takes a second offer beside the first."""

    def add(self, product: dict[str, Any]) -> None:
        kept = [line for line in self.order.lines if line["productType"] == "offer"]
        super().add(product)
        if product["productType"] == "offer":
            self.order.lines += kept


@breaks("PR-4")
class TakesEveryReward(Till):
    """Takes a second reward beside the first."""

    def add(self, product: dict[str, Any]) -> None:
        kept = [line for line in self.order.lines if line["productType"] == "reward"]
        super().add(product)
        if product["productType"] == "reward":
            self.order.lines += kept


@breaks("AGAIN-clean")
class CutsCents(Till):
    """Cuts what is left behind whole cents, where 983 may be 982.9999999999998."""

    def payments(self, payment: str) -> list[dict[str, Any]]:
        lines = self.order.lines
        cents = sum(int((one.get("price", 0) + one.get("tax", 0)) * 100) for one in lines)
        return [one | {"amount": cents} for one in super().payments(payment)]


class _InUtc(Loyalty):
    """Tells the time of Greenwich as if it were the store's."""

    def headers(self, key: str) -> dict[str, Any]:
        told = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        return super().headers(key) | {"x-user-datetime": told}


@breaks("CLK-tells")
class LivesInGreenwich(Till):
    """Tells a time without a zone that is not the store's."""

    calls = _InUtc


class _PromoTwice(Loyalty):
    """Redeems a promo code again, as of another order."""

    def promo(self, code: str, guest: str, order: str) -> Any:
        answer = super().promo(code, guest, order)
        again = answer.status == 200 and code == "CERTIFY-2026"
        return super().promo(code, guest, f"{order}-again") if again else answer


@breaks("KP-2")
class RedeemsTwice(Till):
    """Gets a promo code's points twice."""

    calls = _PromoTwice


@breaks("KP-3")
class InsistsOnPromoCodes(Till):
    """Types a promo code again that nobody knows."""

    def promo(self, code: str) -> None:
        super().promo(code)
        if code == "NO-SUCH-2026":
            super().promo(code)


@breaks("KP-1")
class ForgetsUnlocked(Till):
    """Takes a promo code without a guest, and forgets what it gave."""

    def unlock(self, incentive: str) -> None:
        if self.order.guest:
            super().unlock(incentive)


@breaks("KP-2.offer")
class SellsUnlockedAlone(Till):
    """Puts what a promo code gave a guest in place of what was rung up."""

    def unlock(self, incentive: str) -> None:
        if self.order.guest:
            self.order.lines = []
        super().unlock(incentive)


class _ListsForNobody(Loyalty):
    def incentives(self, guest: str) -> Any:
        del guest
        return self.call("GET", f"/loyalty/incentives?storeId={self.store}")


@breaks("LIST-guest")
class ForgetsItsGuest(Till):
    """Shows what anybody may use."""

    calls = _ListsForNobody


def make(kind: type, address: str, *, wait_s: float = 1.0) -> Any:
    """Make a till, with the calls that it has."""
    calls = getattr(kind, "calls", Loyalty)
    return kind(calls(address, "sandbox-pos-key", wait_s=wait_s, pause_s=0.05, tries=60))
