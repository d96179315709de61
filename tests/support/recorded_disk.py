"""A disk under SQLite that remembers what was asked of it, and what a power cut would leave."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512
"""What a disk writes as a whole."""

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Created:
    """A file came into being."""

    name: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A file was deleted; *synced* tells whether its folder was synced at once."""

    name: str
    synced: bool


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes were put into a file."""

    name: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncated:
    """A file was given a length."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A sync came back: what was written to the file before is on disk."""

    name: str
    begun_ns: int
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened beside the disk, for instance an answer to a caller."""

    what: Any


Event = Created | Removed | Wrote | Truncated | Synced | Told


class RecordingDisk(apsw.VFS):
    """
    The system's disk, with a log of all that changes files on it, in order.

    Attributes:
        events: The log.
        name: How SQLite calls it.
        sync_s: How much longer than the system's a sync takes.
    """

    def __init__(self, sync_s: float = 0.0) -> None:
        self.sync_s = sync_s
        self.events: list[Event] = []
        self.name = f"recording-{next(_numbers)}"
        super().__init__(self.name, "")

    def tell(self, what: Any) -> None:
        """Note something that happened beside the disk."""
        self.events.append(Told(what))

    def syncs(self) -> list[tuple[int, int]]:
        """Give when each sync began and ended, in nanoseconds of the monotonic clock."""
        return [(e.begun_ns, e.ended_ns) for e in self.events if isinstance(e, Synced)]

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name.
        """Open a file whose changes are recorded."""
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        if not path.exists():
            self.events.append(Created(path.name))
        return _RecordedFile(self, path.name, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 - SQLite's.
        """Delete a file."""
        super().xDelete(filename, syncdir)
        self.events.append(Removed(Path(filename).name, syncdir))


class _RecordedFile(apsw.VFSFile):
    def __init__(self, disk: RecordingDisk, short: str, name: Any, flags: list[int]) -> None:
        self._log = disk.events
        self._sync_s = disk.sync_s
        self._short = short
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name.
        super().xWrite(data, offset)
        self._log.append(Wrote(self._short, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name.
        super().xTruncate(newsize)
        self._log.append(Truncated(self._short, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name.
        begun = time.monotonic_ns()
        time.sleep(self._sync_s)
        super().xSync(flags)
        self._log.append(Synced(self._short, begun, time.monotonic_ns()))


@dataclass
class _File:
    """What of a file is on disk, and what was asked for since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Wrote | Truncated] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.durable, change)
        self.pending.clear()

    def after_cut(self, keeps: Callable[[], bool]) -> bytes:
        content = bytearray(self.durable)
        for change in self.pending:
            if isinstance(change, Truncated):
                if keeps():
                    _apply(content, change)
                continue
            for sector in _sectors(change):
                if keeps():
                    _apply(content, sector)
        return bytes(content)


class Platter:
    """
    What a disk holds that was told so much, seen by nobody until the power is cut.

    A sync puts on disk all that was written to its file before. Of what was not synced a power
    cut may keep any sectors and lose the others. The same goes for the making and deleting of
    files, which happens in its order, until a new file is synced for the first time: SQLite syncs
    the folder with it.
    """

    def __init__(self, content: dict[str, bytes]) -> None:
        self._files = {name: _File(bytearray(data)) for name, data in content.items()}
        self._named = dict(self._files)
        self._renaming: list[Created | Removed] = []
        self._fresh: dict[str, _File] = {}

    def take(self, event: Event) -> None:
        """Let what an event tells of happen."""
        match event:
            case Created(name):
                self._files[name] = self._fresh[name] = _File()
                self._renaming.append(event)
            case Removed(name, synced):
                self._files.pop(name, None)
                self._renaming.append(event)
                if synced:
                    self._sync_folder()
            case Wrote(name) | Truncated(name):
                self._files[name].pending.append(event)
            case Synced(name):
                self._files[name].sync()
                if name in self._fresh:
                    self._sync_folder()

    def _sync_folder(self) -> None:
        self._named = dict(self._files)
        self._renaming.clear()
        self._fresh.clear()

    def after_cut(self, chance: random.Random, likely: float) -> dict[str, bytes]:
        """Tell what is found after a power cut now; each sector not synced is there *likely*."""

        def keeps() -> bool:
            return chance.random() < likely

        named = dict(self._named)
        for change in self._renaming:
            if not keeps():
                break
            if isinstance(change, Removed):
                named.pop(change.name, None)
            elif change.name in self._files:
                named[change.name] = self._files[change.name]
        return {name: file.after_cut(keeps) for name, file in named.items()}


def _apply(content: bytearray, change: Wrote | Truncated) -> None:
    end = change.size if isinstance(change, Truncated) else change.offset + len(change.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if isinstance(change, Truncated):
        del content[change.size :]
    else:
        content[change.offset : end] = change.data


def _sectors(change: Wrote) -> list[Wrote]:
    """Split a write where sectors end."""
    parts = []
    start = 0
    while start < len(change.data):
        room = SECTOR - (change.offset + start) % SECTOR
        parts.append(Wrote(change.name, change.offset + start, change.data[start : start + room]))
        start += room
    return parts
