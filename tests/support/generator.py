"""What makes generated/ from the protos, which is a program and no module."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).resolve().parents[2] / "protos" / "generate.py"


@cache
def generator() -> Any:
    """Load the program."""
    spec = importlib.util.spec_from_file_location("generate", _PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # As for a script, whose own folder is searched.
    sys.path.insert(0, str(_PROGRAM.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(_PROGRAM.parent))
    return module
