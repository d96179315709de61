"""Contracts that a program serves or does not, besides RBI's first, which all serve."""

from __future__ import annotations

from collections.abc import Collection

from loyalty_service.domain.errors import ContractNotServedError

ES = "es"
"""Sessions of shoppers."""

RBI_V2 = "rbi-v2"
"""Those calls of RBI's second version that are known, whose text is not settled."""

ES_DRAFTS = "es-drafts"
"""Paths of ES for calls of our own, whose answers ES does not document."""

CONTRACTS = (ES, ES_DRAFTS, RBI_V2)

ES_ALONE = frozenset({ES})
"""What a program serves whose file does not say."""


def require_served(served: Collection[str], contract: str) -> None:
    """
    Refuse a call of a contract that is not among those that a program serves.

    Raises:
        ContractNotServedError: It is not.
    """
    if contract not in served:
        raise ContractNotServedError(contract)
