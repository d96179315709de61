"""The rules of an incentive as plain values by name: what a file says and what storage keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, time
from typing import Any

from loyalty_service.domain.products import Products, listed
from loyalty_service.domain.restrictions import (
    Anniversary,
    Birthday,
    CartDemand,
    CartExclusion,
    CartRequirement,
    Channels,
    Cooldown,
    DateSpan,
    DaysEnrolled,
    DaysOfWeek,
    DayWindow,
    EnrollmentSpan,
    FirstOrder,
    Granted,
    LimitPerOrder,
    MaximumRedemptions,
    MinimumSpend,
    PaymentMethods,
    Rule,
    Segments,
    ServiceModes,
    StoreGroups,
    Stores,
    Tiers,
    Times,
    TransactionCount,
)

Groups = Mapping[str, Products]
"""Groups of products by their names."""

NO_GROUPS: Groups = {}


@dataclass(frozen=True, slots=True)
class _Form:
    """How one class of rule is written and read."""

    kind: type[Rule]
    write: Callable[[Any], Any]
    read: Callable[[Any, Groups], Rule]


def _list_of(kind: type[Any], field: str) -> _Form:
    return _Form(kind, lambda rule: list(getattr(rule, field)), lambda value, _: kind(tuple(value)))


def _one_of(kind: type[Any], field: str) -> _Form:
    return _Form(kind, lambda rule: getattr(rule, field), lambda value, _: kind(value))


def _span(kind: type[DateSpan | EnrollmentSpan]) -> _Form:
    def write(rule: DateSpan | EnrollmentSpan) -> dict[str, str]:
        ends = {"from": rule.start, "until": rule.end}
        return {word: day.isoformat() for word, day in ends.items() if day}

    def read(value: Mapping[str, str], _: Groups) -> DateSpan | EnrollmentSpan:
        start, end = value.get("from"), value.get("until")
        return kind(
            date.fromisoformat(start) if start else None, date.fromisoformat(end) if end else None
        )

    return _Form(kind, write, read)


def _write_times(rule: Times) -> dict[str, str]:
    return {"from": f"{rule.start:%H:%M}", "until": f"{rule.end:%H:%M}"}


def _read_times(value: Mapping[str, str], _: Groups) -> Times:
    return Times(time.fromisoformat(value["from"]), time.fromisoformat(value["until"]))


def _write_window(window: DayWindow) -> dict[str, int]:
    ends = {"from": window.start, "until": window.end}
    return {word: days for word, days in ends.items() if days is not None}


def _read_window(value: Mapping[str, int]) -> DayWindow:
    return DayWindow(value.get("from"), value.get("until"))


def _yearly(kind: type[Birthday | Anniversary]) -> _Form:
    def write(rule: Birthday | Anniversary) -> Any:
        span = rule.span
        if not isinstance(span, DayWindow):
            return span
        # As servers of before there were windows read it, wherever they can.
        alike = span.start is not None and span.start == -(span.end or 0)
        return span.end if alike else _write_window(span)

    def read(value: Any, _: Groups) -> Birthday | Anniversary:
        if value in ("week", "month"):
            return kind(value)
        if isinstance(value, int):
            return kind(DayWindow(-value, value))
        return kind(_read_window(value))

    return _Form(kind, write, read)


def _write_transactions(rule: TransactionCount) -> dict[str, Any]:
    between = None if rule.between is None else list(rule.between)
    numbers = {"on": rule.on, "between": between, "every": rule.every}
    return {word: number for word, number in numbers.items() if number is not None}


def _read_transactions(value: Mapping[str, Any], _: Groups) -> TransactionCount:
    between = value.get("between")
    return TransactionCount(
        value.get("on"), None if between is None else (between[0], between[1]), value.get("every")
    )


def _write_maximum(rule: MaximumRedemptions) -> dict[str, int]:
    limits = {one.name: getattr(rule, one.name) for one in fields(rule)}
    return {word: limit for word, limit in limits.items() if limit is not None}


def products_to_json(products: Products) -> list[str] | str:
    """Write products as the name of their group, or as a list of PLUs."""
    return list(products.plus) if products.group is None else products.group


def products_from_json(value: list[str] | str, groups: Groups) -> Products:
    """Read products; a group that the program does not have is one without products."""
    if isinstance(value, str):
        return groups.get(value) or Products(group=value)
    return listed(value)


def _write_demands(rule: CartRequirement) -> list[dict[str, Any]]:
    return [
        {"any_of": products_to_json(demand.any_of), "quantity": demand.quantity}
        | ({} if demand.amount is None else {"amount": demand.amount})
        for demand in rule.demands
    ]


def _read_demands(value: list[dict[str, Any]], groups: Groups) -> CartRequirement:
    return CartRequirement(
        tuple(
            CartDemand(
                products_from_json(demand["any_of"], groups),
                demand["quantity"],
                demand.get("amount"),
            )
            for demand in value
        )
    )


def _write_spend(rule: MinimumSpend) -> Any:
    if rule.of is None:
        return rule.amount
    return {"amount": rule.amount, "of": products_to_json(rule.of)}


def _read_spend(value: Any, groups: Groups) -> MinimumSpend:
    if isinstance(value, int):
        return MinimumSpend(value)
    return MinimumSpend(value["amount"], products_from_json(value["of"], groups))


_FORMS = {
    "limit_per_order": _one_of(LimitPerOrder, "quantity"),
    "max_redemptions": _Form(
        MaximumRedemptions, _write_maximum, lambda value, _: MaximumRedemptions(**value)
    ),
    "days": _list_of(DaysOfWeek, "days"),
    "times": _Form(Times, _write_times, _read_times),
    "dates": _span(DateSpan),
    "enrolled": _span(EnrollmentSpan),
    "enrolled_days": _Form(
        DaysEnrolled,
        lambda rule: _write_window(rule.window),
        lambda value, _: DaysEnrolled(_read_window(value)),
    ),
    "segments": _list_of(Segments, "segments"),
    "tiers": _list_of(Tiers, "tiers"),
    "service_modes": _list_of(ServiceModes, "modes"),
    "stores": _list_of(Stores, "store_ids"),
    "store_groups": _list_of(StoreGroups, "groups"),
    "channels": _list_of(Channels, "channels"),
    "minimum_spend_of": _Form(MinimumSpend, _write_spend, _read_spend),
    "minimum_spend": _Form(MinimumSpend, _write_spend, _read_spend),
    "payment_methods": _list_of(PaymentMethods, "types"),
    "first_order": _Form(FirstOrder, lambda _: True, lambda _, __: FirstOrder()),
    "transactions": _Form(TransactionCount, _write_transactions, _read_transactions),
    "birthday": _yearly(Birthday),
    "anniversary": _yearly(Anniversary),
    "cart_spends": _Form(CartRequirement, _write_demands, _read_demands),
    "cart_has": _Form(CartRequirement, _write_demands, _read_demands),
    "cart_lacks": _Form(
        CartExclusion,
        lambda rule: products_to_json(rule.products),
        lambda value, groups: CartExclusion(products_from_json(value, groups)),
    ),
    "cooldown_s": _one_of(Cooldown, "seconds"),
    "granted": _Form(Granted, lambda _: True, lambda _, __: Granted()),
}
_NAMES = {form.kind: name for name, form in _FORMS.items()}


def rules_to_json(rules: tuple[Rule, ...]) -> dict[str, Any]:
    """Write rules by name, amounts in minor units."""
    return {(name := _name_of(rule)): _FORMS[name].write(rule) for rule in rules}


def _name_of(rule: Rule) -> str:
    """
    Give the name under which a rule is kept.

    What an older server would judge by less has another name than the file's: that server takes
    the incentive as retired.
    """
    if isinstance(rule, MinimumSpend) and rule.of is not None:
        return "minimum_spend_of"
    if isinstance(rule, CartRequirement) and any(one.amount is not None for one in rule.demands):
        return "cart_spends"
    return _NAMES[type(rule)]


def rules_from_json(values: Mapping[str, Any], groups: Groups) -> tuple[Rule, ...]:
    """Read rules by name, in the order they are judged in; names it does not know are left out."""
    return tuple(form.read(values[name], groups) for name, form in _FORMS.items() if name in values)


def unknown_rules(values: Mapping[str, Any]) -> bool:
    """Tell whether there are rules that this version can't judge."""
    return not values.keys() <= _FORMS.keys()
