"""
The loyalty half of a till: JSON over HTTP, with nothing but Python's standard library.

Copy it into a till and change what the till does differently. It shows what a till does when an
answer is lost or late, when a call is refused, and when a paid order must not be lost.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

NOT_DONE_OR_UNKNOWN = (0, 408, 429, 500, 502, 503, 504)
"""Statuses after which the same call is sent again; 0 is no answer at all."""

REFUSED = range(400, 500)


class Answer:
    """
    What a call got.

    Attributes:
        status: HTTP status; 0 where no whole answer came.
        wait_s: How long the host says to wait.
    """

    def __init__(self, status: int, body: dict | None = None, wait_s: float = 0.0) -> None:
        self.status = status
        self.body = body or {}
        self.wait_s = wait_s

    @property
    def code(self) -> str:
        """Name the error, in the words of the contract."""
        return self.body.get("code", "")


class Loyalty:
    """
    Calls the loyalty service.

    Args:
        address: Host and port of the JSON calls.
        key: The till's API key.
        store: Number of the store.
        pos_type: The kind of till, as it was agreed.
        wait_s: How long to wait for an answer; a host answers within five seconds.
        tries: How often a call is sent before it is kept for later.
        pause_s: Between two tries, where the host does not say how long.
        sleep: Waits between two tries, so many seconds.
    """

    def __init__(
        self,
        address: str,
        key: str,
        store: int = 9999,
        pos_type: str = "Partner",
        *,
        wait_s: float = 6.0,
        tries: int = 8,
        pause_s: float = 0.5,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.address = address
        self.key = key
        self.store = store
        self.pos_type = pos_type
        self.wait_s = wait_s
        self.tries = tries
        self.pause_s = pause_s
        self.sleep = sleep

    def vendor(self, order: str) -> dict:
        """Say who calls, for which order of the till."""
        return {
            "transactionId": order,
            "storeId": self.store,
            "posType": self.pos_type,
            "terminal": "1",
            "operator": "300",
        }

    def identify(self, identifier: str, order: str) -> Answer:
        """Show what the guest shows: a code, or a loyalty ID."""
        body = {"identifier": identifier, "posVendor": self.vendor(order)}
        # A loyalty ID opens a transaction each time it is shown, so it needs a key.
        return self.call("POST", "/loyalty/identify", body, key=f"{order}-{identifier}")

    def session(self, correlation: str) -> Answer:
        """Open a session for a shopper without a card."""
        body = {"correlationId": correlation, "channel": "STORE"}
        return self.call("POST", "/client/users/anonymous/sessions", body)

    def visit(self, correlation: str, member: str) -> Answer:
        """Open a session for a member, or go on with one that was opened without a card."""
        body = {"correlationId": correlation, "channel": "STORE"}
        # A till's sessions are by loyalty ID unless it names another type.
        return self.call("POST", f"/client/users/{member}/sessions", body)

    def reserve(self, correlation: str, points: int) -> Answer:
        """Set points of a session's member aside; under a key, so that it is done once."""
        path = f"/client/users/{correlation}/reservations"
        return self.call("POST", path, {"reservationAmount": points}, key=new_key())

    def let_go(self, correlation: str, token: str) -> Answer:
        """Give points back that were set aside."""
        return self.call("DELETE", f"/client/users/{correlation}/reservations/{token}")

    def purchase(self, correlation: str, body: dict) -> Answer:
        """Send a purchase that is paid; the same again gets the same answer."""
        return self.call("POST", f"/loyalty/visits/{correlation}/purchase", body)

    def promo(self, code: str, guest: str, order: str) -> Answer:
        """
        Redeem a promo code, for a guest or for nobody.

        In the same order it counts once however often it is sent.
        """
        body = {"promoCode": code, "posVendor": self.vendor(order)}
        body |= {"loyaltyId": guest} if guest else {}
        return self.call("POST", "/loyalty/promo-code/redeem", body)

    def incentives(self, guest: str) -> Answer:
        """Ask what a guest may use in this store."""
        asked = {"storeId": self.store, "posType": self.pos_type, "loyaltyId": guest}
        return self.call("GET", f"/loyalty/incentives?{urlencode(asked)}")

    def validate(self, transaction: str, body: dict) -> Answer:
        """Ask which rules an order breaks."""
        return self.call("POST", f"/loyalty/transaction/pos/validate/{transaction}", body)

    def report(self, transaction: str, body: dict, key: str = "") -> Answer:
        """Report an order: PENDING holds points, CLAIMED is paid."""
        return self.call("PUT", f"/loyalty/transaction/pos/{transaction}", body, key=key)

    def void(self, transaction: str) -> Answer:
        """Cancel an order, open or paid."""
        return self.call("PUT", f"/loyalty/transaction/pos/{transaction}/void")

    def record(self, body: dict, key: str) -> Answer:
        """Record a paid order without a guest."""
        return self.call("POST", "/loyalty/transaction/pos", body, key=key)

    def call(self, method: str, path: str, body: dict | None = None, key: str = "") -> Answer:
        """Make a call, and the same again while nobody can know whether it took effect."""
        answer = Answer(0)
        for _ in range(self.tries):
            answer = self.send(method, path, body, key)
            if answer.status not in NOT_DONE_OR_UNKNOWN:
                break
            self.sleep(answer.wait_s or self.pause_s)
        return answer

    def headers(self, key: str) -> dict:
        """Give the headers of a call: its keys, and when it is by the till's clock."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        told = {
            "x-api-key": self.key,
            "content-type": "application/json",
            "x-user-datetime": now,
        }
        return told | ({"idempotency-key": key} if key else {})

    def send(self, method: str, path: str, body: dict | None, key: str) -> Answer:
        """Make a call once."""
        headers = self.headers(key)
        content = None if body is None else json.dumps(body)
        until = time.monotonic() + self.wait_s
        connection = HTTPConnection(self.address, timeout=self.wait_s)
        try:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            parts = []
            while part := response.read1():
                parts.append(part)
                if time.monotonic() > until:
                    return Answer(0)  # It comes too slowly to wait for.
            if response.length:
                return Answer(0)  # Half of it came.
            told = json.loads(b"".join(parts) or b"{}")
        except (OSError, HTTPException, ValueError):
            return Answer(0)
        finally:
            connection.close()
        return Answer(response.status, told, float(response.getheader("retry-after") or 0))


def new_key() -> str:
    """Make an idempotency key that nobody can guess."""
    return str(uuid.uuid4())
