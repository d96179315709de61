"""The server as it is, but for one thing: it dies of any call that carries a certain header."""

from __future__ import annotations

import os
from typing import Any

from loyalty_service.cli import main
from loyalty_service.transport.handling import Handler, Handling

DEADLY = "x-deadly"
_handler_of: Any = Handling.handler


def _fragile_handler(*arguments: Any) -> Handler:
    handle: Handler = _handler_of(*arguments)

    async def die_or_handle(message: object, context: Any) -> bytes:
        if any(name == DEADLY for name, _ in context.invocation_metadata() or ()):
            # As the kernel does to a process that takes too much memory.
            os._exit(137)
        return await handle(message, context)

    return die_or_handle


if __name__ == "__main__":
    Handling.handler = _fragile_handler  # type: ignore[method-assign]
    main()
