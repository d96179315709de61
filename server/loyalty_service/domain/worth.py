"""
What the lines of an order are worth, each counted once.

Some tills give a combo a price, some give prices to its parts, and some do both. If the prices of
the parts add up to at least the combo's, the combo consists of them, and its own price counts. If
they add up to less, they are extras, which are added. A combo without a price, or with price 0, is
worth its parts. Meals that are sold as offers or rewards are treated in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

GROUPS = frozenset({"combo", "offer", "reward"})
"""Types of line whose price may be that of their parts together."""


class Line(Protocol):
    """What of a line tells which others are its parts; see `domain.basket.BasketLine`."""

    @property
    def reference_id(self) -> str:
        """Name of the line within the order."""

    @property
    def product_type(self) -> str:
        """What the line sells."""

    @property
    def quantity(self) -> int:
        """How many."""

    @property
    def parent_reference_id(self) -> str | None:
        """The line that this one is a part of."""


@dataclass(frozen=True, slots=True)
class Tree:
    """
    The lines of an order and their parts, each line by its place in the order.

    Attributes:
        parents: The line that each is a part of; absent where it is of none.
        children: The parts of each.
        top_down: All lines, each after the one that it is a part of.
        rings: Lines that are parts of themselves by way of others; they count as parts of none.
    """

    parents: Sequence[int | None]
    children: Sequence[Sequence[int]]
    top_down: Sequence[int]
    rings: frozenset[int]


def tree_of(lines: Sequence[Line]) -> Tree:
    """
    Find the parts of each line.

    Of lines with one name the nearest before is meant, of these the nearest combo; where none is
    before, the first after. So no part is lost to another meal, though their names repeat.
    """
    first: dict[str, int] = {}
    for index, line in enumerate(lines):
        known = first.setdefault(line.reference_id, index)
        if lines[known].product_type not in GROUPS and line.product_type in GROUPS:
            first[line.reference_id] = index
    nearest: dict[str, int] = {}
    parents: list[int | None] = []
    for index, line in enumerate(lines):
        name = line.parent_reference_id
        parents.append(None if name is None else nearest.get(name, first.get(name)))
        known = nearest.setdefault(line.reference_id, index)
        if lines[known].product_type not in GROUPS or line.product_type in GROUPS:
            nearest[line.reference_id] = index
    rings = _rings(parents)
    children: list[list[int]] = [[] for _ in lines]
    for index, parent in enumerate(parents):
        if index in rings:
            parents[index] = None
        elif parent is not None:
            children[parent].append(index)
    top_down = [index for index, parent in enumerate(parents) if parent is None]
    for index in top_down:  # It grows meanwhile.
        top_down.extend(children[index])
    return Tree(parents, children, top_down, rings)


def _rings(parents: Sequence[int | None]) -> frozenset[int]:
    rings: set[int] = set()
    done: set[int] = set()
    for start in range(len(parents)):
        way: dict[int, None] = {}
        at: int | None = start
        while at is not None and at not in done and at not in way:
            way[at] = None
            at = parents[at]
        if at is not None and at in way:
            passed = list(way)
            rings.update(passed[passed.index(at) :])
        done.update(way)
    return frozenset(rings)


@dataclass(frozen=True, slots=True)
class Counted:
    """
    What of the amounts of an order's lines counts.

    Attributes:
        amounts: Of each line, 0 where it is counted with another or does not count.
        times: Of each line, how often its parts count to make it up; 0 where they come on top.
        whole: Lines whose parts are what they are made of.
    """

    amounts: Sequence[int]
    times: Sequence[int]
    whole: frozenset[int]


def count_once(
    lines: Sequence[Line],
    amounts: Sequence[int],
    *,
    excluded: Sequence[bool],
    groups: Sequence[bool],
    tree: Tree | None = None,
    like: Counted | None = None,
) -> Counted:
    """
    Count each amount once.

    Args:
        lines: The lines of an order.
        amounts: An amount of each, below 0 for returned products.
        excluded: Whether it counts at all.
        groups: Whether it may consist of its parts.
        tree: The lines and their parts, where that is known already.
        like: Other amounts of the same lines, whose parts are taken for the same here: whether
            taxes add up depends on how they were rounded.
    """
    own = [0 if left_out else amount for amount, left_out in zip(amounts, excluded, strict=True)]
    if all(line.parent_reference_id is None for line in lines):
        return Counted(own, [0] * len(own), frozenset())
    tree = tree or tree_of(lines)
    # Of each line with its parts: all of it, and what of it counts.
    gross, net = list(amounts), list(own)
    times = [0] * len(lines) if like is None else list(like.times)
    whole: set[int] = set()
    for index in reversed(tree.top_down):
        parts = tree.children[index]
        if like is None and groups[index] and parts:
            times[index] = _times(lines, index, parts, amounts[index], gross)
        made = None
        if amounts[index] and times[index]:
            made = _made_of(
                amounts[index],
                [gross[part] * times[index] for part in parts],
                [net[part] * times[index] for part in parts],
            )
        if made is None:
            gross[index] += sum(gross[part] for part in parts)
            net[index] += sum(net[part] for part in parts)
        else:
            whole.add(index)
            gross[index], counted = made
            net[index] = own[index] = 0 if excluded[index] else counted
    covered: set[int] = set()
    for index in tree.top_down:
        parent = tree.parents[index]
        if parent is not None and (parent in whole or parent in covered):
            covered.add(index)
            own[index] = 0
    return Counted(own, times, frozenset(whole))


def _times(
    lines: Sequence[Line],
    index: int,
    parts: Sequence[int],
    price: int,
    gross: Sequence[int],
) -> int:
    """
    Tell how often parts count to make up a line, from their prices; 0 where they come on top.

    Tills report the parts of all combos of a line, or of one of them.
    """
    sign = -1 if price < 0 else 1
    given = sum(max(0, sign * gross[part]) for part in parts)
    if given >= abs(price):
        return 1
    quantity = abs(lines[index].quantity)
    of_one = all(abs(lines[part].quantity) < quantity for part in parts)
    return quantity if of_one and given * quantity >= abs(price) else 0


def _made_of(amount: int, gross: Sequence[int], net: Sequence[int]) -> tuple[int, int]:
    """
    Tell what a line is worth that its parts make up: all of it, and what of it counts.

    What is taken back of the parts lowers it, and so does a part that does not count, unless the
    others make it up without that one. What rounding lost of the parts is theirs.
    """
    sign = -1 if amount < 0 else 1
    price = abs(amount)
    given = sum(max(0, sign * part) for part in gross)
    lost = max(0, price - given)
    counting = sum(max(0, sign * part) for part in net) + lost
    taken_back = sum(min(0, sign * part) for part in net)
    left = price if counting >= price else max(0, price - (given + lost - counting))
    return (
        sign * min(price, given + lost + taken_back),
        sign * min(left, counting + taken_back),
    )
