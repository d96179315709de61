"""Where the repository is, and where Python finds its packages, for what tests start."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PYTHONPATH = os.pathsep.join(map(str, (ROOT, ROOT / "server", ROOT / "generated")))
