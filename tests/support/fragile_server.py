"""The server as it is, but for one thing: it dies of any call that carries a certain header."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from loyalty_service.cli import main

DEADLY = "x-deadly"
_new_server: Any = grpc.aio.server


class _Fragile(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Ends the process, as the kernel does to one that takes too much memory."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        """See gRPC."""
        if any(name == DEADLY for name, _ in details.invocation_metadata):
            os._exit(137)
        return await continuation(details)


def _fragile_server(*arguments: Any, **options: Any) -> Any:
    return _new_server(*arguments, interceptors=(_Fragile(),), **options)


if __name__ == "__main__":
    grpc.aio.server = _fragile_server
    main()
