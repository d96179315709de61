"""
A till with one order at a time: what is rung up, who the guest is, and what is paid.

Run it against the sandbox:

    python examples/till-python/till.py                  # types a code and buys a breakfast
    python examples/till-python/till.py --certify http://127.0.0.1:8090

The second goes through a certification by itself: start one with `loyalty certify till`.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import sys
import time
import uuid
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).parent))
from loyalty_calls import REFUSED, Answer, Loyalty, new_key

CURRENCY = "CAD"
ONE_OF_EACH = {"offer", "reward"}
"""Of these an order has one: another takes its place. A program may allow more."""
BESIDE = ("code", "product", "by", "loyaltyId", "points")
"""What stands beside the word of an action."""
OWN_LIST = {
    "b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364": {
        "productId": "9023",
        "productType": "offer",
        "name": "Croissant",
    }
}
"""What promo codes can unlock, by its ID in the catalogue, with the till's own numbers."""
LINE_FIELDS = ("productId", "incentiveId", "loyaltyEngineId", "name")


class Order:
    """One order: its lines, its guest, and the key under which it is claimed."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.lines: list[dict] = []
        self.discounts: list[dict] = []
        self.key = new_key()
        self.transaction = ""
        self.guest = ""
        self.shown = ""
        self.paid = False
        self.changed = False
        self.session = ""
        self.token = ""


class Till:
    """
    What a cashier can do.

    Args:
        kiosk: Whether guests order by themselves: then each change is validated and reported.
        tell: Called with what the cashier is to read.
    """

    def __init__(self, loyalty: Loyalty, *, kiosk: bool = True, tell: object = None) -> None:
        self.loyalty = loyalty
        self.kiosk = kiosk
        self.tell = tell or (lambda _text: None)
        self._numbers = itertools.count(1)
        self._run = uuid.uuid4().hex[:8]
        self.order = self.new_order()

    def new_order(self) -> Order:
        """Begin an order."""
        self.order = Order(f"till-{self._run}-{next(self._numbers)}")
        return self.order

    # What the cashier does.

    def scan(self, identifier: str) -> None:
        """Take what a guest shows."""
        order = self.order
        number = order.number if not order.transaction else f"{order.number}-{identifier}"
        answer = self.loyalty.identify(identifier, number)
        if answer.status != 200:
            self.tell(f"No loyalty with {identifier}: {answer.code or 'no answer'}.")
            return
        found = answer.body
        guest = found["loyaltyUser"]["id"]
        if order.transaction and guest != order.guest:
            self.tell("This code is of another guest.")
            self.loyalty.void(found["transactionId"])
            return
        old = order.transaction
        self.take_guest(found, identifier)
        if old:
            # The old one's points must be back before the new one is reported.
            self.loyalty.void(old)
            self.report_open()

    def take_guest(self, found: dict, identifier: str) -> None:
        """Go on with a guest: what was rung up stays, what was selected is added."""
        order = self.order
        order.transaction = found["transactionId"]
        order.guest = found["loyaltyUser"]["id"]
        order.shown = identifier
        order.lines = [line for line in order.lines if not line.get("selected")]
        for line in found.get("order", []):
            order.lines.append({**line, "selected": True})
        order.discounts = found.get("eligibleDiscounts", [])
        for one in order.discounts:
            order.lines.append(
                {
                    "productId": one["productId"],
                    "incentiveId": one["incentiveId"],
                    "productType": one["details"].get("type", "offer"),
                    "quantity": 1,
                    "price": 0,
                    "selected": True,
                }
            )

    def promo(self, code: str) -> None:
        """Take a promo code; whatever becomes of it, the order goes on."""
        order = self.order
        answer = self.loyalty.promo(code, order.guest, order.number)
        if answer.status != 200:
            self.tell(f"Nothing for {code}: {answer.code or 'no answer'}.")
            return
        self.tell(f"{answer.body.get('pointsEarned', 0)} points for {code}.")
        if answer.body.get("sanityId"):
            self.unlock(answer.body["sanityId"])

    def unlock(self, incentive: str) -> None:
        """Add what a promo code gave, beside what is there; the till knows it from its own list."""
        product = OWN_LIST.get(incentive)
        if product is None:
            self.tell(f"This till does not sell {incentive}.")
            return
        self.order.lines.append(self.line({**product, "incentiveId": incentive}))

    def show(self) -> None:
        """Tell what the guest may use: what has no error."""
        for one in self.loyalty.incentives(self.order.guest).body.get("incentives", []):
            if not one.get("errors"):
                self.tell(f"{one['name']}: {one.get('points', 0)} points.")

    def ring(self, product: dict) -> None:
        """Ring up a product."""
        self.order.lines.append(self.line(product))

    def add(self, product: dict) -> None:
        """Add a reward or an offer from the till's own list, in place of another."""
        order, kind = self.order, product["productType"]
        if kind in ONE_OF_EACH:
            order.lines = [line for line in order.lines if line["productType"] != kind]
            order.discounts = [
                one for one in order.discounts if one["details"].get("type", "offer") != kind
            ]
        order.lines.append(self.line(product))
        self.order.changed = True

    def remove(self, product: dict) -> None:
        """Take a reward or an offer out."""
        gone = product["incentiveId"]
        self.order.lines = [one for one in self.order.lines if one.get("incentiveId") != gone]
        self.report_open()

    def line(self, product: dict) -> dict:
        """Make a line of a product."""
        line = {name: product[name] for name in LINE_FIELDS if product.get(name)}
        line["productType"] = product["productType"]
        line["quantity"] = 1
        line["price"] = product.get("price", 0)
        if product.get("tax"):
            line["tax"] = product["tax"]
        return line

    def pay(self, by: str) -> Answer | None:
        """Take the money, or learn that the card is declined."""
        order = self.order
        if by == "declined":
            return None
        if order.session:
            order.paid = True
            return self.sell("CASH" if by == "cash" else "VISA")
        if not order.transaction:
            return self.record()
        if self.may_check() and any(line.get("incentiveId") for line in order.lines):
            self.check()
        order.paid = True
        return self.claim("CASH" if by == "cash" else "VISA")

    def may_check(self) -> bool:
        """Tell whether this till validates orders."""
        return True

    def cancel(self) -> None:
        """End the order without a payment."""
        if self.order.transaction:
            self.loyalty.void(self.order.transaction)

    def send(self) -> None:
        """Send the order to the counter, unpaid."""
        self.check()
        self.report_open()

    def refund(self) -> None:
        """Give the money of a paid order back."""
        self.loyalty.void(self.order.transaction)

    def start(self) -> None:
        """Start an order without a card, in a session of the ES contract."""
        self.order.session = str(uuid.uuid4())
        answer = self.loyalty.session(self.order.session)
        self.tell(answer.body.get("promptMessage", ""))

    def card(self, member: str) -> None:
        """Take a shopper's card: an order that began without one stays in its session."""
        self.order.session = self.order.session or str(uuid.uuid4())
        answer = self.loyalty.visit(self.order.session, member)
        self.tell(answer.body.get("promptMessage", ""))

    def set_aside(self, points: int) -> None:
        """Set points aside, to pay with them."""
        answer = self.loyalty.reserve(self.order.session, points)
        self.order.token = answer.body.get("reservationToken", "")

    def let_go(self) -> None:
        """Let the points go that were set aside."""
        if self.order.token:
            self.loyalty.let_go(self.order.session, self.order.token)
        self.order.token = ""

    def wait(self) -> None:
        """Wait for nothing: this till sends at once what it has."""

    # What the till does by itself.

    def check(self) -> None:
        """Validate, and take out what a rule refuses; then report what the cashier added."""
        order = self.order
        answer = self.loyalty.validate(order.transaction, self.body("PENDING"))
        if answer.status in REFUSED:
            self.drop(answer)
            self.loyalty.validate(order.transaction, self.body("PENDING"))
        if order.changed:
            self.report_open()

    def missing_money(self) -> bool:
        """Tell whether more must be rung up for an offer; the cashier is told how much."""
        answer = self.loyalty.validate(self.order.transaction, self.body("PENDING"))
        rules = answer.body.get("details", {}).get("ruleEvaluation", [])
        return any(rule.get("ruleId") == "minimum-spend" for rule in rules)

    def report_open(self) -> None:
        """Report the open order, so that its points are held."""
        self.loyalty.report(self.order.transaction, self.body("PENDING"))
        self.order.changed = False

    def drop(self, answer: Answer) -> None:
        """Take out the incentives that an answer names, or every one where it names none."""
        details = answer.body.get("details", {})
        named = {rule.get("incentiveId") for rule in details.get("ruleEvaluation", [])}
        named.add(details.get("metadata", {}).get("incentive_id"))
        named -= {None, ""}
        self.tell(f"Not possible: {answer.body.get('message', answer.code)}")
        self.order.lines = [
            line
            for line in self.order.lines
            if not (line.get("incentiveId") if not named else line.get("incentiveId") in named)
        ]

    def drop_rewards(self) -> None:
        """Take the rewards out."""
        self.order.lines = [one for one in self.order.lines if one["productType"] != "reward"]

    def claim(self, payment: str) -> Answer:
        """Report the paid order until it is claimed: it must not be lost."""
        order = self.order
        answer = Answer(0)
        for _ in range(4):
            answer = self.loyalty.report(
                order.transaction, self.body("CLAIMED", payment), order.key
            )
            if answer.status == 200 or not self.mended(answer):
                break
        if answer.status != 200:
            self.keep(answer)
        return answer

    def mended(self, answer: Answer) -> bool:
        """Change a paid order that was refused; tell whether it can be taken now."""
        if answer.code == "TRANSACTION_NOT_CLAIMABLE":
            return self.identify_again()
        if answer.code in {"RulesError", "OfferNotFoundError", "RewardNotFoundError"}:
            self.drop(answer)
            return True
        if answer.code in {"TRANSACTION_INSUFFICIENT_POINTS", "REDEEM_REWARD_ERROR"}:
            self.drop_rewards()
            return True
        return False

    def identify_again(self) -> bool:
        """Open a new transaction for the guest of a paid order."""
        order = self.order
        answer = self.loyalty.identify(order.guest, order.number)
        if answer.status == 200:
            order.transaction = answer.body["transactionId"]
        return answer.status == 200

    def keep(self, answer: Answer) -> None:
        """Keep a paid order that nobody takes, for the till's operator."""
        self.tell(f"Kept for later: order {self.order.number}, {answer.code or 'no answer'}.")

    def sell(self, payment: str) -> Answer:
        """Send a purchase that is paid, which closes its session."""
        order = self.order
        lines = [
            {
                "sku": line["productId"],
                "quantity": line["quantity"],
                "saleAmount": round(line["price"] * 100) * line["quantity"],
                "itemTax": round(line.get("tax", 0) * 100) * line["quantity"],
            }
            for line in order.lines
        ]
        body = {"action": "PURCHASE", "saleLineItems": lines, "tender": self.tender(payment)}
        if order.token:
            body["reservationToken"] = order.token
        answer = self.loyalty.purchase(order.session, body)
        self.tell(answer.body.get("receiptMessage", ""))
        return answer

    def tender(self, payment: str) -> dict:
        """Say how a purchase was paid: in dollars, where its lines are in cents."""
        return {one["type"]: one["amount"] / 100 for one in self.payments(payment)}

    def record(self) -> Answer:
        """Record a paid order without a guest."""
        return self.loyalty.record(self.body("CLAIMED", "VISA"), self.order.key)

    def body(self, status: str, payment: str = "") -> dict:
        """Build the report of the whole order."""
        order = self.order
        lines = copy.deepcopy(order.lines)
        for number, line in enumerate(lines, 1):
            line.pop("selected", None)
            line["referenceId"] = f"{number:02}"
        details: dict = {
            "currency": CURRENCY,
            "order": lines,
            "payments": self.payments(payment) if payment else [],
            "posVendor": self.loyalty.vendor(order.number),
        }
        if order.discounts and status == "CLAIMED":
            details["appliedDiscounts"] = copy.deepcopy(order.discounts)
        return {
            "status": status,
            "channel": "RESTAURANT",
            "serviceMode": "EAT_IN",
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "transactionDetails": details,
        }

    def payments(self, payment: str) -> list[dict]:
        """Say how it was paid, in cents; prices are in dollars."""
        cents = sum(
            round((line.get("price", 0) + line.get("tax", 0)) * 100) * line["quantity"]
            for line in self.order.lines
        )
        return [{"type": payment, "amount": cents}]


class Bench:
    """
    Goes through a certification by itself, as a cashier would.

    Args:
        control: Address of the sandbox's control port.
    """

    def __init__(self, control: str, till: Till) -> None:
        self.control = control.rstrip("/")
        self.till = till

    def run(self) -> str:
        """Do what each case says, until none is left; return how the run ended."""
        while True:
            told = self.ask("GET", "/certification")
            if told["state"] != "running":
                return told["state"]
            if "now" not in told:
                time.sleep(0.01)
                continue
            now = told["now"]
            self.till.tell(f"{now['id']}: {now['do']}")
            self.act(now["actions"])
            self.ask("POST", "/certification/done", {"case": now["id"]})

    def act(self, actions: list[dict]) -> None:
        """Do what a cashier does in one case."""
        till = self.till
        till.new_order()
        for number, action in enumerate(actions):
            later = [one["do"] for one in actions[number + 1 :]]
            match action["do"]:
                case "scan":
                    if till.order.paid:
                        till.new_order()
                    till.scan(action["code"])
                case "add":
                    till.add(action["product"])
                    # Who asks early learns early that an offer needs more in the order.
                    if "ring" in later and till.order.transaction:
                        till.missing_money()
                case other:
                    # Each other word is what the till does, with what stands beside it.
                    getattr(till, other)(*(action[name] for name in BESIDE if name in action))

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        """Call the control port."""
        content = None if body is None else json.dumps(body).encode()
        request = Request(self.control + path, content, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as problem:
            return {"state": "stopped", "error": problem.read().decode()}


def main() -> None:
    """Buy a breakfast, or go through a certification."""
    parser = argparse.ArgumentParser(description="A till in Python's standard library.")
    parser.add_argument("--address", default="127.0.0.1:8080", help="the host's JSON calls")
    parser.add_argument("--key", default="sandbox-pos-key", help="the till's API key")
    parser.add_argument("--code", default="123456", help="the code that the guest shows")
    parser.add_argument("--certify", metavar="URL", help="the sandbox's control port")
    options = parser.parse_args()
    till = Till(Loyalty(options.address, options.key), tell=print)
    if options.certify:
        print(f"The certification has {Bench(options.certify, till).run()}.")
        return
    till.scan(options.code)
    till.ring(
        {
            "productId": "2001",
            "productType": "item",
            "price": 8.49,
            "tax": 1.10,
            "name": "Breakfast sandwich",
        }
    )
    answer = till.pay("card")
    print(json.dumps(answer.body if answer else {}, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
