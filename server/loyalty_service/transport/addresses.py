"""Addresses to listen on: written as gRPC reads them, and tried before anything is started."""

from __future__ import annotations

import errno
import socket

from loyalty_service.domain.operator_error import OperatorError


class AddressError(OperatorError):
    """Raised when an address can't be listened on; the message names the setting to correct."""


def authority(host: str, port: int) -> str:
    """Write host and port as one: an IPv6 address goes in brackets, unless it has them."""
    bare = host.count(":") > 1 and not host.startswith(("[", "unix:"))
    return f"[{host}]:{port}" if bare else f"{host}:{port}"


def require_free(host: str, port: int, setting: str, *, shared: bool = False) -> None:
    """
    Try to listen, and let go again.

    Args:
        host: Address of this machine, or its name.
        port: Where; 0 is always free.
        setting: The variable that holds the port; the host's ends in HOST where it ends in PORT.
        shared: Whether others may listen there as well, if they say the same.

    Raises:
        AddressError: The port is taken or may not be had, or the address is another machine's.
    """
    if host.startswith("unix:"):
        return
    elsewhere = f"{setting.removesuffix('PORT')}HOST {host} is no address of this machine."
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressError(elsewhere) from None
    outcomes = [_try(family, address, shared=shared) for family, *_, address in found]
    if errno.EADDRINUSE in outcomes:
        raise AddressError(f"Port {port} is taken: set {setting} to another.")
    if errno.EACCES in outcomes:
        raise AddressError(f"Port {port} is kept for others: set {setting} to one above 1023.")
    # A name may have an IPv6 address as well, which this machine need not speak.
    if 0 not in outcomes:
        raise AddressError(elsewhere)


def listen_problem(host: str, port: int) -> int:
    """Try to listen on an IPv4 address; returns 0, or the error number of what was wrong."""
    return _try(socket.AF_INET, (host, port), shared=False)


def _try(family: int, address: tuple[object, ...], *, shared: bool) -> int:
    """Bind a socket; returns 0 or the error number of what was wrong."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the servers do: a port whose last connections are fading counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            probe.bind(address)
    except OSError as problem:
        return problem.errno or errno.EADDRNOTAVAIL
    return 0
