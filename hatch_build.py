"""Writes into a wheel what git calls its commit; `loyalty --version` tells."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "loyalty_service/built_from.txt"
DESCRIBE = ("git", "describe", "--tags", "--match", "v*", "--always", "--dirty", "--abbrev=10")


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds one file; nothing where there is no git, or no repository."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Describe the commit; a checkout that is installed in place asks git itself."""
        if version == "editable" or not (Path(self.root) / ".git").exists():
            return
        with suppress(OSError, subprocess.SubprocessError):
            described = subprocess.run(  # noqa: S603 - words of ours.
                DESCRIBE, cwd=self.root, capture_output=True, text=True, check=True
            ).stdout
            folder = tempfile.mkdtemp(prefix="loyalty-build-")
            self._written = Path(folder) / "built_from.txt"
            self._written.write_text(described, encoding="utf-8")
            build_data["force_include"][str(self._written)] = PLACE
            sys.stderr.write(f"built from {described}")

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Remove what was written beside."""
        if hasattr(self, "_written"):
            self._written.unlink()
            self._written.parent.rmdir()
