"""The incentives that an order uses, by the lines and discounts that name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loyalty_service.domain.basket import INCENTIVE_TYPES, AppliedDiscount, Basket, BasketLine
from loyalty_service.domain.errors import incentive_not_found
from loyalty_service.domain.program import Incentive, IncentiveKind, Program
from loyalty_service.domain.worth import GROUPS, count_once, tree_of


@dataclass(frozen=True, slots=True)
class IncentiveUse:
    """
    How many of an incentive an order uses, at least one.

    Attributes:
        accepted: How many of them the open order was accepted with before.
        accepted_points: Points that these cost, by the prices of then.
    """

    incentive: Incentive
    quantity: int
    accepted: int = 0
    accepted_points: int = 0

    @property
    def point_cost(self) -> int:
        """Points all of them cost."""
        return self.accepted_points + self.incentive.point_cost * (self.quantity - self.accepted)


def as_catalogued(basket: Basket, program: Program) -> Basket:
    """
    Take each reward and offer for what the catalogue says it is, whatever the till calls it.

    A combo or an item that names one is that as well, unless it is what the guest gets for it: a
    part of a line that names the same, or a product beside a reward or offer line that does. What
    the program does not have keeps the till's word.
    """
    lines = basket.lines
    named = [_named_by(line, program) for line in lines]
    return replace(
        basket,
        lines=tuple(
            replace(line, product_type=incentive.kind)
            if incentive and incentive.kind != line.product_type
            else line
            for line, incentive in zip(lines, _without_products(lines, named), strict=True)
        ),
        applied_discounts=tuple(
            replace(discount, kind=incentive.kind)
            if (incentive := program.find_incentive(discount.incentive_id, discount.engine_id))
            else discount
            for discount in basket.applied_discounts
        ),
    )


def _named_by(line: BasketLine, program: Program) -> Incentive | None:
    if line.incentive_id is None and line.loyalty_engine_id is None:
        return None
    return program.find_incentive(line.incentive_id, line.loyalty_engine_id)


def _without_products(
    lines: Sequence[BasketLine], named: Sequence[Incentive | None]
) -> Sequence[Incentive | None]:
    """Leave the incentive out of lines that are what the guest gets for it."""
    used: Counter[str] = Counter()
    sold = []
    for index, (line, incentive) in enumerate(zip(lines, named, strict=True)):
        if incentive is None:
            continue
        if line.product_type in INCENTIVE_TYPES:
            used[incentive.incentive_id] += line.quantity
        else:
            sold.append((index, incentive))
    if not sold:
        return named
    parents = tree_of(lines).parents
    left = list(named)
    for index, incentive in sold:
        parent = parents[index]
        while parent is not None and named[parent] != incentive:
            parent = parents[parent]
        if parent is not None or used[incentive.incentive_id] > 0:
            left[index] = None
    return left


def named_incentives(basket: Basket) -> set[tuple[str | None, str | None]]:
    """Give what an order's lines and discounts name, known or not: incentive ID and engine ID."""
    names = {(line.incentive_id, line.loyalty_engine_id) for line in basket.lines}
    names |= {(discount.incentive_id, discount.engine_id) for discount in basket.applied_discounts}
    return names - {(None, None)}


def names_unknown(basket: Basket, program: Program) -> bool:
    """Tell whether an order names something in the engine that the program does not know."""
    return any(
        engine_id is not None and program.find_incentive(incentive_id, engine_id) is None
        for incentive_id, engine_id in named_incentives(basket)
    )


def incentive_names(basket: Basket, program: Program) -> Mapping[str, IncentiveKind]:
    """
    Tell which incentives an order uses, in order of appearance, and what the till calls them.

    One is named by its incentive ID where the program has it, retired or not, else as the till
    names it.
    """
    return {name: mention[0] for name, (mention, _) in _used(basket, program).items()}


def unknown_offers(basket: Basket, program: Program, *, paid: bool) -> frozenset[str]:
    """
    Tell which offers the program has never had that refuse nothing, by their names.

    While an order is open these are the till's own discounts: a line that sells an offer is held
    against the catalogue. Once it is *paid* these are all. What somebody calls a reward is none.
    """
    if incentive_names(basket, program).keys() <= program.incentives.keys():
        return frozenset()
    sold = incentive_names(replace(basket, applied_discounts=()), program)
    taken_off = incentive_names(replace(basket, lines=()), program)
    rewards = {name for told in (sold, taken_off) for name in told if told[name] == "reward"}
    names = sold.keys() | taken_off.keys() if paid else taken_off.keys() - sold.keys()
    return frozenset(names - rewards - program.incentives.keys())


def without_incentives(basket: Basket, program: Program, names: Collection[str]) -> Basket:
    """
    Leave out the lines and discounts of incentives, by the names of `incentive_names`.

    What a line is made of goes with it. What such a line takes off stays taken off.
    """
    lines = basket.lines
    tree = tree_of(lines)
    counted = count_once(
        lines,
        [line.amount for line in lines],
        excluded=[False] * len(lines),
        groups=[line.product_type in GROUPS for line in lines],
        tree=tree,
    )
    kept: dict[int, BasketLine] = {}
    gone_whole: set[int] = set()
    for index in tree.top_down:
        line = lines[index]
        named = line.product_type in INCENTIVE_TYPES and (
            _name(_line_mention(line), program) in names
        )
        parent = tree.parents[index]
        if parent in gone_whole:
            gone_whole.add(index)
        elif not named:
            # It is no part of another line that has the name of the one that is gone.
            orphan = parent is not None and parent not in kept
            kept[index] = replace(line, parent_reference_id=None) if orphan else line
        elif line.taken_back:
            kept[index] = replace(
                line, product_type="item", incentive_id=None, loyalty_engine_id=None
            )
        elif index in counted.whole:
            gone_whole.add(index)
    return replace(
        basket,
        lines=tuple(kept[index] for index in sorted(kept)),
        applied_discounts=tuple(
            discount
            for discount in basket.applied_discounts
            if _name(_applied_mention(discount), program) not in names
        ),
    )


def lines_sold_as(basket: Basket, program: Program, names: Collection[str]) -> frozenset[int]:
    """
    Tell which lines sell incentives, by the names of `incentive_names`; each by its place.

    What takes off is none of them: it stays taken off.
    """
    return frozenset(
        index
        for index, line in enumerate(basket.lines)
        if line.product_type in INCENTIVE_TYPES
        and not line.taken_back
        and _name(_line_mention(line), program) in names
    )


def incentive_uses(
    basket: Basket, program: Program, held_incentives: frozenset[str] = frozenset()
) -> tuple[IncentiveUse, ...]:
    """
    Tell which incentives an order uses, and how many of each, in order of appearance.

    A discount may be reported as a line, in `applied_discounts` or in both: the larger count of
    the two is its quantity. One whose lines come to less than 1 was removed again. A retired
    incentive counts as not found unless the transaction holds it, which *held_incentives* tells
    by incentive ID.

    Raises:
        RewardNotFoundError: A reward does not exist, or no longer does.
        OfferNotFoundError: An offer does not exist, or no longer does.
    """
    return tuple(
        IncentiveUse(_resolve(mention, program, held_incentives), quantity)
        for mention, quantity in _used(basket, program).values()
    )


_Mention = tuple[IncentiveKind, str | None, str | None]


def _line_mention(line: BasketLine) -> _Mention:
    kind: IncentiveKind = "reward" if line.product_type == "reward" else "offer"
    return kind, line.incentive_id, line.loyalty_engine_id


def _line_mentions(basket: Basket) -> Iterator[tuple[_Mention, int]]:
    for line in basket.lines:
        if line.product_type in INCENTIVE_TYPES:
            yield _line_mention(line), line.quantity


def _applied_mention(discount: AppliedDiscount) -> _Mention:
    return discount.kind, discount.incentive_id, discount.engine_id


def _applied_mentions(basket: Basket) -> Iterator[_Mention]:
    return map(_applied_mention, basket.applied_discounts)


def _used(basket: Basket, program: Program) -> Mapping[str, tuple[_Mention, int]]:
    """Give the incentives that an order uses by name: how they are told of, and how many."""
    mentions: dict[str, _Mention] = {}
    lines: Counter[str] = Counter()
    for mention, quantity in _line_mentions(basket):
        name = _name(mention, program)
        mentions[name] = mention
        lines[name] += quantity
    applied: Counter[str] = Counter()
    for mention in _applied_mentions(basket):
        name = _name(mention, program)
        mentions[name] = mention
        applied[name] += 1
    return {name: (mentions[name], quantity) for name, quantity in (lines | applied).items()}


def _name(mention: _Mention, program: Program) -> str:
    _, incentive_id, engine_id = mention
    incentive = program.find_incentive(incentive_id, engine_id)
    return incentive.incentive_id if incentive else incentive_id or engine_id or ""


def _resolve(mention: _Mention, program: Program, held_incentives: frozenset[str]) -> Incentive:
    kind, incentive_id, engine_id = mention
    incentive = program.find_incentive(incentive_id, engine_id)
    if incentive and (not incentive.retired or incentive.incentive_id in held_incentives):
        return incentive
    raise incentive_not_found(kind, incentive_id or engine_id or "")
