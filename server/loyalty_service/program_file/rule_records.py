"""The rules of an incentive as plain values by name: what a file says and what storage keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from loyalty_service.domain.restrictions import (
    Birthday,
    CartDemand,
    CartExclusion,
    CartRequirement,
    Cooldown,
    DateSpan,
    DaysOfWeek,
    EnrollmentSpan,
    FirstOrder,
    LimitPerOrder,
    MaximumRedemptions,
    MinimumSpend,
    PaymentMethods,
    Rule,
    ServiceModes,
    Stores,
)


@dataclass(frozen=True, slots=True)
class _Form:
    """How one class of rule is written and read."""

    kind: type[Rule]
    write: Callable[[Any], Any]
    read: Callable[[Any], Rule]


def _list_of(kind: type[Any], field: str) -> _Form:
    return _Form(kind, lambda rule: list(getattr(rule, field)), lambda value: kind(tuple(value)))


def _one_of(kind: type[Any], field: str) -> _Form:
    return _Form(kind, lambda rule: getattr(rule, field), kind)


def _span(kind: type[DateSpan | EnrollmentSpan]) -> _Form:
    def write(rule: DateSpan | EnrollmentSpan) -> dict[str, str]:
        ends = {"from": rule.start, "until": rule.end}
        return {word: day.isoformat() for word, day in ends.items() if day}

    def read(value: Mapping[str, str]) -> DateSpan | EnrollmentSpan:
        start, end = value.get("from"), value.get("until")
        return kind(
            date.fromisoformat(start) if start else None, date.fromisoformat(end) if end else None
        )

    return _Form(kind, write, read)


def _write_maximum(rule: MaximumRedemptions) -> dict[str, int]:
    limits = {"per_member": rule.per_member, "total": rule.total}
    return {word: limit for word, limit in limits.items() if limit is not None}


def _write_demands(rule: CartRequirement) -> list[dict[str, Any]]:
    return [{"any_of": list(demand.any_of), "quantity": demand.quantity} for demand in rule.demands]


def _read_demands(value: list[dict[str, Any]]) -> CartRequirement:
    return CartRequirement(
        tuple(CartDemand(tuple(demand["any_of"]), demand["quantity"]) for demand in value)
    )


_FORMS = {
    "limit_per_order": _one_of(LimitPerOrder, "quantity"),
    "max_redemptions": _Form(
        MaximumRedemptions, _write_maximum, lambda value: MaximumRedemptions(**value)
    ),
    "days": _list_of(DaysOfWeek, "days"),
    "dates": _span(DateSpan),
    "enrolled": _span(EnrollmentSpan),
    "service_modes": _list_of(ServiceModes, "modes"),
    "stores": _list_of(Stores, "store_ids"),
    "minimum_spend": _one_of(MinimumSpend, "amount"),
    "payment_methods": _list_of(PaymentMethods, "types"),
    "first_order": _Form(FirstOrder, lambda _: True, lambda _: FirstOrder()),
    "birthday": _Form(
        Birthday,
        lambda rule: "month" if rule.within_days is None else rule.within_days,
        lambda value: Birthday(None if value == "month" else value),
    ),
    "cart_has": _Form(CartRequirement, _write_demands, _read_demands),
    "cart_lacks": _list_of(CartExclusion, "products"),
    "cooldown_s": _one_of(Cooldown, "seconds"),
}
_NAMES = {form.kind: name for name, form in _FORMS.items()}


def rules_to_json(rules: tuple[Rule, ...]) -> dict[str, Any]:
    """Write rules by name, amounts in minor units."""
    return {(name := _NAMES[type(rule)]): _FORMS[name].write(rule) for rule in rules}


def rules_from_json(values: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Read rules by name, in the order they are judged in; names it does not know are left out."""
    return tuple(form.read(values[name]) for name, form in _FORMS.items() if name in values)


def unknown_rules(values: Mapping[str, Any]) -> bool:
    """Tell whether there are rules that this version can't judge."""
    return not values.keys() <= _FORMS.keys()
