"""How much of a program a file leaves out: more than a tenth is rarely meant."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.domain.program import Program

MOST_PARTS = 10
"""One of so many stores, or incentives, may go without being asked for."""


@dataclass(frozen=True, slots=True)
class Part:
    """
    Stores or incentives of a program before and after a file is applied.

    Attributes:
        name: What they are, in the plural.
        word: What happens to those that are left out.
    """

    name: str
    word: str
    before: frozenset[str]
    after: frozenset[str]

    @property
    def added(self) -> int:
        """How many are new."""
        return len(self.after - self.before)

    @property
    def gone(self) -> int:
        """How many are left out."""
        return len(self.before - self.after)

    @property
    def too_many_go(self) -> bool:
        """Whether more than a tenth is left out."""
        return self.gone * MOST_PARTS > len(self.before)


def parts_of(old: Program | None, new: Program) -> tuple[Part, Part]:
    """Compare the stores and the incentives that can be used."""
    return (
        Part("stores", "removed", _stores(old), _stores(new)),
        Part("incentives", "retired", _incentives(old), _incentives(new)),
    )


def _stores(program: Program | None) -> frozenset[str]:
    return frozenset() if program is None else frozenset(map(str, program.stores))


def _incentives(program: Program | None) -> frozenset[str]:
    found = () if program is None else program.incentives.items()
    return frozenset(name for name, incentive in found if not incentive.retired)
