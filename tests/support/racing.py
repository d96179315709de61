"""Calls that are made at once, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from loyalty_service.domain.errors import LoyaltyError


async def outcomes(*calls: Awaitable[Any]) -> list[Any]:
    """Make calls at once; return results and refusals, and fail on anything else."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in found:
        if isinstance(outcome, BaseException) and not isinstance(outcome, LoyaltyError):
            raise outcome
    return found


def refusals(found: list[Any]) -> list[type]:
    """Tell the classes of the refusals."""
    return [type(outcome) for outcome in found if isinstance(outcome, LoyaltyError)]
