"""Connections of browsers: who sends slowly, or not at all, keeps no place from others."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

ARRIVING_MAX = 128
"""Connections of which no request is there as a whole; one more ends the oldest."""

ARRIVES_S = 15.0
"""Time for a whole request, from the connection or from the answer before."""


def names_in(certificate: Any) -> frozenset[str]:
    """Give the DNS and URI names of a peer's certificate, as `ssl` tells of it."""
    return frozenset(value for _, value in certificate.get("subjectAltName", ()))


class Browsers(H11Protocol):
    """
    A connection of one console.

    Attributes:
        names: Peers that alone may connect, whose certificate has one of these; anybody if empty.
        arriving: Connections of the console of which no request is there as a whole, the oldest
            first, with what hangs up on them.
    """

    names: ClassVar[Collection[str]] = ()
    arriving: ClassVar[dict[H11Protocol, asyncio.TimerHandle]]

    def connection_made(self, transport: Any) -> None:
        """See asyncio, as below."""
        known = names_in(transport.get_extra_info("peercert") or {})
        if self.names and known.isdisjoint(self.names):
            transport.abort()
            return
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:  # noqa: D102
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:  # noqa: D102
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._forget()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Note whether a request is still to come."""
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._forget()
        elif self not in self.arriving:
            self.arriving[self] = self.loop.call_later(ARRIVES_S, self.transport.abort)
            if len(self.arriving) > ARRIVING_MAX:
                oldest = next(iter(self.arriving))
                self.arriving.pop(oldest).cancel()
                oldest.transport.abort()

    def _forget(self) -> None:
        if (timer := self.arriving.pop(self, None)) is not None:
            timer.cancel()


def protocol_for(names: Collection[str] = ()) -> type[Browsers]:
    """Make what takes the connections of a console; see `Browsers.names`."""
    return type("ConsoleBrowsers", (Browsers,), {"names": names, "arriving": {}})
