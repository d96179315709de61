"""
Freezes the cases as a revision, and writes their schema for editors.

    python -m loyalty_service.certification.freeze 2026-12
    python -m loyalty_service.certification.freeze            # the schema alone
"""

from __future__ import annotations

import json
import re
import sys

from loyalty_service.certification.cases import REVISIONS, CaseFile, all_cases, digest, revisions

SCHEMA = REVISIONS.with_name("case.schema.json")


def freeze(name: str) -> None:
    """
    Write a revision; one that is there stays as it is.

    Raises:
        SystemExit: The name is not a month, or is taken.
    """
    if not re.fullmatch(r"\d{4}-\d\d[a-z]?", name) or name in revisions():
        sys.exit(f"{name} is not a new revision: write the month, as 2026-12 or 2026-12b")
    lines = "".join(f'{case.id}: "{digest(case)}"\n' for case in all_cases().values())
    head = "# The cases of this revision with their digests: a change needs a new revision.\n"
    (REVISIONS / f"{name}.yaml").write_text(head + lines, encoding="utf-8")


def write_schema() -> None:
    """Write what editors check case files by; a field or a word that is new changes it."""
    schema = json.dumps(CaseFile.model_json_schema(), indent=2)
    SCHEMA.write_text(schema + "\n", encoding="utf-8")


if __name__ == "__main__":
    for month in sys.argv[1:]:
        freeze(month)
    write_schema()
