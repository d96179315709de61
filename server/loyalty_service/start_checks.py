"""What a server looks at in its programs before it serves them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import structlog

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.program import DiscountKind
from loyalty_service.storage.store import Store

log = structlog.get_logger(__name__)


def require_time_zones(store: Store) -> None:
    """
    Load the time zone of each program and store, which the first paid order needs.

    Raises:
        OperatorError: This machine does not have one.
    """
    for program in store.catalog.programs.values():
        places = [program.time_zone, *(place.time_zone for place in program.stores.values())]
        for name in dict.fromkeys(places):
            try:
                ZoneInfo(name)
            except (LookupError, ValueError, OSError):
                raise OperatorError(
                    f"program {program.program_id}: the time zone {name} can't be loaded here: "
                    "install the package tzdata, or correct time_zone in the program file and "
                    "`loyalty apply` it"
                ) from None


def warn_of_fractions(store: Store) -> None:
    """Tell of discounts stored with a fraction, which tills can't be told."""
    for program in store.catalog.programs.values():
        for incentive in program.incentives.values():
            discount = incentive.discount
            if discount is None or discount.kind is DiscountKind.PERCENTAGE or incentive.retired:
                continue
            if discount.value % 10**program.currency_digits:
                log.warning(
                    "discount is told rounded down",
                    program_id=program.program_id,
                    incentive_id=incentive.incentive_id,
                    told=discount.told_value(program.currency_digits),
                )
