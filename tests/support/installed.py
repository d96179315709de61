"""Programs that pip does not have, where Debian's packages put them."""

from __future__ import annotations

import os
import shutil


def program_of(name: str) -> str | None:
    """Find an installed program; nothing when it is not there."""
    # Debian keeps some of them where only administrators look.
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
