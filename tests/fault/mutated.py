"""`python -m tests.fault.mutated MODULE NUMBER [pytest options]`: tests with a mutant alive."""

from __future__ import annotations

import sys
from contextlib import nullcontext

import pytest

from tests.fault.mutation import mutants


def main() -> int:
    """Run the tests, with `none` for the number on the module as it is; 0 when none fails."""
    module, number, *options = sys.argv[1:]
    mutant = nullcontext() if number == "none" else mutants(module)[int(number)].alive()
    with mutant:
        return int(pytest.main(options))


if __name__ == "__main__":
    sys.exit(main())
