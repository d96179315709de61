"""A file beside its final place, which is moved there when it is complete."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.backup_file import SIDE_FILES, BackupError

PREFIX = "loyalty-restore-"
"""Of folders for temporary files in which backups are worked on."""

YOUNG_S = 60
"""A folder that was made so lately may be about to be held."""


def move(draft: Path, file: Path) -> None:
    """Put a complete draft in its place, for good."""
    draft.replace(file)
    sync(file.absolute().parent)


@contextmanager
def workplace(file: Path, target: Database) -> Iterator[Path]:
    """Name a file that only its owner reads and that is gone afterwards, to work on a backup in."""
    if target.embedded:
        place = Path(target.url.database or "")
        place.parent.mkdir(parents=True, exist_ok=True)
        with beside(place) as draft:
            yield draft
    else:
        _remove_left()
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, _held(Path(folder)):
            yield Path(folder) / file.name


def _remove_left() -> None:
    """Remove the folders of restores that were killed: each holds a copy of all that is kept."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            state = folder.lstat()
            if state.st_uid != os.getuid() or time.time() - state.st_mtime < YOUNG_S:
                continue
            with _held(folder):
                shutil.rmtree(folder)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """
    Hold a folder as long as somebody works in it.

    Raises:
        BlockingIOError: Somebody else does.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def beside(file: Path) -> Iterator[Path]:
    """Create a file of another name in the same folder; it is gone afterwards, unless moved."""
    folder = file.absolute().parent
    with _entered(file, folder):
        try:
            descriptor, name = tempfile.mkstemp(".partial", f".{file.name}.", folder)
        except OSError as problem:
            raise _unwritable(file, problem) from None
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            for suffix in ("", *SIDE_FILES):
                Path(name + suffix).unlink(missing_ok=True)


@contextmanager
def _entered(file: Path, folder: Path) -> Iterator[None]:
    """
    Share the folder's lock with all who have a draft there; who is alone removes what is left.

    Whoever was killed left a draft behind. The drafts themselves are SQLite's to lock.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as problem:
        raise _unwritable(file, problem) from None
    try:
        with suppress(OSError):  # Others are at work, or the file system has no such locks.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for suffix in ("", *SIDE_FILES):
                for left in folder.glob(f".{glob.escape(file.name)}.*.partial{suffix}"):
                    left.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _unwritable(file: Path, problem: OSError) -> BackupError:
    return BackupError(f"{file} can't be written: {problem.strerror}")


def sync(path: Path) -> None:
    """Make a file, or what a folder lists, last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
