"""What the transport refuses before a service sees it, as docs/errors.md says, on both ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from loyalty_service.transport.server import MESSAGE_BYTES_MAX
from tests.support.server import ADMIN_KEY, Front, identify_request, open_channel

pytestmark = pytest.mark.any_database

C = grpc.StatusCode
IDENTIFY = "/loyalty.v1.IdentifyService/IdentifyMember"
ASKED = identify_request("nobody").SerializeToString()
KEY = (("x-api-key", ADMIN_KEY),)
LONG = MESSAGE_BYTES_MAX + 1


@pytest.mark.parametrize(
    ("method", "data", "extra", "codes"),
    [
        (IDENTIFY, b"x" * LONG, (), (C.RESOURCE_EXHAUSTED, C.RESOURCE_EXHAUSTED)),
        (IDENTIFY, b"x" * LONG * 2, (), (C.RESOURCE_EXHAUSTED, C.RESOURCE_EXHAUSTED)),
        pytest.param(
            *(IDENTIFY, ASKED, (("x-long", "y" * 20_000),), (C.RESOURCE_EXHAUSTED, C.INTERNAL)),
            marks=pytest.mark.grpcio_only,
        ),
        (f"{IDENTIFY}Nobody", ASKED, (), (C.UNIMPLEMENTED, C.UNIMPLEMENTED)),
        ("/loyalty.v2.Nothing/Else", ASKED, (), (C.UNIMPLEMENTED, C.UNIMPLEMENTED)),
    ],
    ids=["message", "long message", "headers", "method", "service"],
)
async def test_what_the_transport_refuses_has_a_code_and_no_reason(
    front: Front,
    method: str,
    data: bytes,
    extra: Sequence[tuple[str, str]],
    codes: tuple[grpc.StatusCode, ...],
) -> None:
    """Directly and through Envoy; a kiosk must know these without an ErrorInfo."""
    addresses = (front.server.address, f"127.0.0.1:{front.envoy.http_port}")
    for address, code in zip(addresses, codes, strict=True):
        async with open_channel(address) as channel:
            call: Any = channel.unary_unary(method, None, None)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(data, metadata=(*KEY, *extra), timeout=10)
        assert refused.value.code() is code, address
        names = {name for name, _ in refused.value.trailing_metadata() or ()}
        assert "grpc-status-details-bin" not in names
