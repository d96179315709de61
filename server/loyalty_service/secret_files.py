"""Files that keep secrets: read only where they are files, and open to nobody else."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loyalty_service.domain.operator_error import OperatorError

SECRET_BYTES_MAX = 65_536
"""Of a file: room for hundreds of secrets."""


def read_secret(file: Path) -> bytes | None:
    """
    Give what a file of secrets holds, or nothing where there is no such file.

    Raises:
        OperatorError: It is no file, can't be read, is too long, or others may read it.
    """
    try:
        # Without waiting: a named pipe would hold the start for ever.
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
            state = os.fstat(opened.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise OperatorError(f"{file} is to hold a secret, and is not a file: move it away")
            _require_closed(file, state)
            found = opened.read(SECRET_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        # A file in place of its folder is named by whoever makes the folder.
        if not file.is_symlink():
            return None
        raise OperatorError(
            f"{file} is a link that leads nowhere: bring back the file that it names"
        ) from None
    except OSError as problem:
        raise OperatorError(f"{file} can't be read: {problem.strerror}") from None
    if len(found) > SECRET_BYTES_MAX:
        raise OperatorError(f"{file} has more than {SECRET_BYTES_MAX} bytes, which no secret has")
    return found


def _require_closed(secret: Path, state: os.stat_result) -> None:
    """
    Refuse a file with a secret that everybody on the machine may read or change.

    A group may read it, because orchestrators mount secrets for the group of a container.
    """
    if state.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise OperatorError(
            f"{secret} holds a secret that every user of this machine may read or change: "
            f"`chmod 600 {secret}`. Treat it as known to everybody: docs/operations/pepper.md "
            "says what to do"
        )


@contextmanager
def written_secret(place: Path, content: bytes) -> Iterator[Path]:
    """Write a synced draft beside a file that only its owner reads; what was done there lasts."""
    draft = place.with_name(f".{place.name}-{secrets.token_hex(8)}")
    try:
        with open(draft, "xb", opener=_for_owner) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
