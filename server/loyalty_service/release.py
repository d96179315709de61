"""Tells which release this is, and from which commit it was built where that is not a release's."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

_PACKAGE = "loyalty-service"
_BUILT_FROM = Path(__file__).with_name("built_from.txt")
"""Written by hatch_build.py into a wheel; a checkout has none, and asks git."""

_CHECKOUT = Path(__file__).resolve().parents[2]
_DESCRIBE = ("git", "describe", "--tags", "--match", "v*", "--always", "--dirty", "--abbrev=10")
_PATIENCE_S = 5.0


def told_version(*, of_checkout: bool = False) -> str:
    """
    Give the version; with what git calls the commit, where that is not the version's own tag.

    Args:
        of_checkout: Whether a checkout asks git, which takes a moment; a wheel knows.
    """
    release = version(_PACKAGE)
    described = _described(of_checkout=of_checkout)
    return release if described in {"", f"v{release}"} else f"{release} ({described})"


def _described(*, of_checkout: bool) -> str:
    if _BUILT_FROM.exists():
        return _BUILT_FROM.read_text(encoding="utf-8").strip()
    # Whose folder it is that a wheel's folder is in is not asked.
    if not of_checkout or not (_CHECKOUT / ".git").exists():
        return ""
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(  # noqa: S603 - words of ours.
            _DESCRIBE,
            cwd=_CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE_S,
        ).stdout.strip()
    return ""
