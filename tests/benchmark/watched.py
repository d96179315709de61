"""
`python -m tests.benchmark.watched FILE serve`: the real server, which tells what it holds.

On SIGUSR1 it writes into FILE how many tasks and objects it has, which nobody can see from outside.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from pathlib import Path
from typing import Any

from loyalty_service.cli import main

ASK = signal.SIGUSR1


def _tell(file: Path) -> None:
    told: dict[str, Any] = {"tasks": len(asyncio.all_tasks()), "objects": len(gc.get_objects())}
    written = file.with_suffix(".new")
    written.write_text(json.dumps(told), encoding="utf-8")
    written.replace(file)


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    signal.signal(ASK, lambda *_: _tell(file))
    gc.freeze()
    main()
