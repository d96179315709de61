"""Which of two libraries carries the calls, and loading it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.transport.grpcio_transport import GrpcioTransport
from loyalty_service.transport.tls import is_loopback
from loyalty_service.transport.transports import Transport

GRPCIO, NATIVE = "grpcio", "native"


@dataclass(frozen=True, slots=True)
class Choice:
    """
    The transport that is used.

    Attributes:
        reason: Why it is not the one that was asked for; empty where it is.
    """

    name: str
    reason: str = ""


def choose(asked: str, host: str, *, tls: bool) -> Choice:
    """
    Tell which transport serves a port.

    Raises:
        OperatorError: It is not installed.
    """
    if asked == GRPCIO:
        return Choice(GRPCIO)
    if tls:
        return Choice(GRPCIO, "native has no TLS")
    if not is_loopback(host):
        return Choice(GRPCIO, "native is for callers on this machine")
    if find_spec("pygrpc_native") is None:
        raise OperatorError(
            "LOYALTY_TRANSPORT=native needs a package that is not installed: "
            "`pip install loyalty-service[native]`, or leave LOYALTY_TRANSPORT out."
        )
    return Choice(NATIVE)


def new_transport(name: str, *, share_port: bool) -> Transport:
    """Make a transport; other servers may listen on its port as well if it is shared."""
    # Imported here because a library that is not used must not be loaded.
    if name == NATIVE:
        from loyalty_service.transport.native_transport import NativeTransport  # noqa: PLC0415

        return NativeTransport(share_port=share_port)
    return GrpcioTransport(share_port=share_port)
