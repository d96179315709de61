"""What incentives are called by orders, which name some otherwise than by their ID as written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from loyalty_service.domain.identifiers import is_uuid
from loyalty_service.domain.texts import vendor_key


class Named(Protocol):
    """What has the names of an incentive; see `domain.program.Incentive`."""

    @property
    def incentive_id(self) -> str:
        """Name in the catalogue."""

    @property
    def engine_id(self) -> str | None:
        """Name in the loyalty engine."""

    @property
    def plus(self) -> Mapping[str, str]:
        """PLU by pos type."""

    @property
    def retired(self) -> bool:
        """Whether it is no longer offered."""


@dataclass(frozen=True, slots=True)
class Names:
    """
    What incentives are called, each with its incentive ID.

    Attributes:
        incentive_ids: Their IDs, as written and, of UUIDs, in lower case.
        engine_ids: Their engine IDs, the same way.
        plus: What is offered, by vendor and PLU; absent where several are.
    """

    incentive_ids: Mapping[str, str]
    engine_ids: Mapping[str, str]
    plus: Mapping[tuple[str, str], str | None]

    @classmethod
    def of(cls, incentives: Iterable[Named]) -> Names:
        """Index incentives."""
        incentive_ids: dict[str, str] = {}
        engine_ids: dict[str, str] = {}
        plus: dict[tuple[str, str], str | None] = {}
        for incentive in incentives:
            name = incentive.incentive_id
            for told, names in ((name, incentive_ids), (incentive.engine_id, engine_ids)):
                if told:
                    names[told] = name
                    # As written goes before any case.
                    names.setdefault(any_case(told), name)
            if not incentive.retired:
                for vendor, plu in incentive.plus.items():
                    place = vendor_key(vendor), plu
                    plus[place] = None if place in plus else name
        return cls(incentive_ids, engine_ids, plus)


def any_case(name: str) -> str:
    """Give a name as it is compared: a UUID in lower case, any other as it is written."""
    return name.lower() if is_uuid(name) else name
