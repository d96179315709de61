"""Which products are meant: by PLU, by how PLUs begin, or by the till's category."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Products:
    """
    Some products of a program.

    Attributes:
        plus: PLUs, in the order of the file.
        prefixes: Beginnings of PLUs.
        categories: Categories as tills name them, compared without case and outer blanks.
        group: The name that the program has for them; absent for a plain list of PLUs.
    """

    plus: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    group: str | None = None
    listed: frozenset[str] = field(init=False, repr=False, compare=False)
    folded: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make sets of what is searched often."""
        object.__setattr__(self, "listed", frozenset(self.plus))
        object.__setattr__(self, "folded", frozenset(map(category_key, self.categories)))

    @property
    def only_listed(self) -> bool:
        """Whether PLUs alone decide."""
        return not self.prefixes and not self.categories

    @property
    def told(self) -> tuple[str, ...]:
        """Give what a till is told: the PLUs, or the name of the group."""
        return self.plus if self.group is None else (self.group,)

    def has(self, plu: str, category: str | None = None) -> bool:
        """Tell whether a product is one of them."""
        return (
            plu in self.listed
            or (bool(self.prefixes) and plu.startswith(self.prefixes))
            or (category is not None and category_key(category) in self.folded)
        )


def listed(plus: Iterable[str]) -> Products:
    """Give products by their PLUs alone."""
    return Products(plus=tuple(plus))


def category_key(name: str) -> str:
    """Give a category as categories are compared."""
    return name.strip().casefold()


NONE = Products()
"""No product."""
