"""The benchmark measures calls that are served, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

from tests.benchmark.loads import LOADS, requests
from tests.benchmark.population import KEY, PEPPER, Population, populate
from tests.support.banks import run_process

UNITS = 4


async def test_every_load_is_served(database_url: str, tmp_path: Path) -> None:
    """What is laid up for the benchmark is what its calls need: each gets its right answer."""
    units = UNITS * len(LOADS)
    await populate(database_url, Population(members=units, codes=units, orders=units))
    async with (
        run_process(database_url, tmp_path, LOYALTY_CODE_PEPPER=PEPPER) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        for number, load in enumerate(LOADS):
            # Each has members, codes and orders of its own.
            first = UNITS * number
            for unit in requests(load, "grpc", first, UNITS, units):
                for request in unit:
                    method: Any = channel.unary_unary(request.method, None, None)
                    metadata = [("x-api-key", KEY)]
                    if request.key:
                        metadata.append(("idempotency-key", request.key))
                    answer = await method(request.data, metadata=metadata, timeout=10)
                    assert request.marker in answer
