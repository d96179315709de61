"""Platforms under PostgreSQL that keep more than its settings say."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "platform:"


@dataclass(frozen=True, slots=True)
class Platform:
    """
    What is below a PostgreSQL, as its operator says.

    Attributes:
        name: How it is written after `platform:`.
        title: Its name in full.
        makes_up_for: Settings of PostgreSQL that need not be on there.
        replicates: Whether what is committed is on several machines, though no standby is seen.
    """

    name: str
    title: str
    makes_up_for: frozenset[str]
    replicates: bool

    def __str__(self) -> str:
        """Write it as the setting has it."""
        return f"{PREFIX}{self.name}"


_BOTH = frozenset({"fsync", "full_page_writes"})
_PAGES = frozenset({"full_page_writes"})

PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("alloydb", "AlloyDB", _BOTH, replicates=True),
        Platform("aurora", "Amazon Aurora PostgreSQL", _BOTH, replicates=True),
        Platform("neon", "Neon, Lakebase", _BOTH, replicates=True),
        Platform("yugabytedb", "YugabyteDB", _BOTH, replicates=True),
        Platform("zfs", "ZFS under PostgreSQL's data folder", _PAGES, replicates=False),
        Platform("other", "another that its operator answers for", _BOTH, replicates=False),
    )
}
"""Every platform that can be named: a name that is not here is a typing error."""


def platform_of(text: str) -> Platform | None:
    """
    Read `platform:<name>`; nothing where PostgreSQL's settings are all there is to rely on.

    Raises:
        ValueError: There is no such platform.
    """
    if not text:
        return None
    found = PLATFORMS.get(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else None
    if found is None:
        raise ValueError(f"must be one of {', '.join(map(str, PLATFORMS.values()))}")
    return found
