"""Which broken rules an open order that was accepted may meet later without being refused."""

from __future__ import annotations

from loyalty_service.application.orders.reservations import FACTS_OF_THE_ORDER, FACTS_OF_THEN
from loyalty_service.domain.breaches import Breach

JUDGED_LATER = {
    Breach.MINIMUM_SPEND,
    Breach.PAYMENT_METHOD,
    Breach.STORE,
    Breach.NOT_LOGGED_IN,
    Breach.POINT_BALANCE,
}
"""What a claim is judged by again, or is judged apart."""


def test_every_rule_is_a_fact_of_then_unless_the_pages_say_otherwise() -> None:
    """A new rule does not refuse orders that are paid because nobody thought of it here."""
    known = FACTS_OF_THEN | FACTS_OF_THE_ORDER
    assert {breach for breach in Breach if breach.value.code not in known} == JUDGED_LATER
