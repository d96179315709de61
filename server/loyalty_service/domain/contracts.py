"""Contracts that a program serves or does not, besides RBI's first, which all serve."""

from __future__ import annotations

CONTRACTS = ("es",)

ES_ALONE = frozenset({"es"})
"""What a program serves whose file does not say."""
