"""What makes a commit durable on each kind of database, and the refusal of one where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.platforms import Platform

_SYNCHRONOUS_FULL = 2
_IN_MEMORY = {"tmpfs", "ramfs"}
_MOUNTS = Path("/proc/self/mounts")
_WAY_OUT = (
    "acknowledged points could be lost. Correct that, or accept the loss with "
    "LOYALTY_ALLOW_DATA_LOSS=true, or `loyalty serve --allow-data-loss`."
)
_VOUCHED = (
    " Where a platform below PostgreSQL keeps commits all the same, name it: LOYALTY_DURABILITY, "
    "see docs/operations/high-availability.md."
)


class UnsafeDatabaseError(OperatorError):
    """Raised when a database may lose what it has acknowledged."""


def sync_commits_of_sqlite(connection: Any) -> None:
    """Have a connection answer a commit only once its log is synced."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def require_durable_sqlite(connection: Any) -> None:
    """
    Refuse a connection whose commits may be answered before they are on disk.

    Raises:
        UnsafeDatabaseError: It keeps no log, or does not sync it with every commit.
    """
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    if journal != "wal" or synchronous < _SYNCHRONOUS_FULL:
        raise UnsafeDatabaseError(
            f"SQLite works with journal_mode = {journal} and synchronous = {synchronous} here, "
            f"not with wal and {_SYNCHRONOUS_FULL} or more: {_WAY_OUT}"
        )


def require_synced(
    fsync: str | None, full_page_writes: str | None, platform: Platform | None = None
) -> None:
    """
    Refuse a PostgreSQL server that does not sync, by its settings of these names.

    Args:
        fsync: The setting; absent where the database has no such setting.
        full_page_writes: The same.
        platform: What makes up for settings that are off.

    Raises:
        UnsafeDatabaseError: One of them is off, and nothing makes up for it.
    """
    found = {"fsync": fsync, "full_page_writes": full_page_writes}
    kept = frozenset() if platform is None else platform.makes_up_for
    off = [
        f"{name} = {value or 'unknown'}"
        for name, value in found.items()
        if value != "on" and name not in kept
    ]
    if off:
        raise UnsafeDatabaseError(f"PostgreSQL runs with {' and '.join(off)}: {_WAY_OUT}{_VOUCHED}")


def is_in_memory(path: Path) -> bool:
    """Tell whether a file's folder is in memory, as far as the system says so."""
    return file_system(path.parent) in _IN_MEMORY


def file_system(folder: Path) -> str:
    """Name the file system of a folder, for instance ext4, where the system tells."""
    best, kind = "", "unknown"
    place = f"{folder.resolve()}/"
    mounts = _MOUNTS.read_text(encoding="utf-8").splitlines() if _MOUNTS.exists() else ()
    for line in mounts:
        _device, mount, found, *_ = line.split()
        if place.startswith(f"{mount.rstrip('/')}/") and len(mount) >= len(best):
            best, kind = mount, found
    return kind
