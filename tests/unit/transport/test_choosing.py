"""Which library carries the calls, and that the other is not loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.transport import choosing
from loyalty_service.transport.choosing import GRPCIO, NATIVE, Choice, choose

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there.


def test_grpcio_serves_unless_told() -> None:
    """What was asked for needs no reason."""
    assert choose(GRPCIO, EVERYWHERE, tls=True) == Choice(GRPCIO)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "unix:/run/loyalty"])
def test_native_serves_this_machine(host: str) -> None:
    """Its port is for Envoy beside it."""
    assert choose(NATIVE, host, tls=False) == Choice(NATIVE)


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "10.0.0.1", "loyalty.example"])
def test_grpcio_serves_other_machines(host: str) -> None:
    """Native does not bound what a caller may send, and Envoy is not before it there."""
    chosen = choose(NATIVE, host, tls=False)
    assert chosen == Choice(GRPCIO, "native is for callers on this machine")


def test_grpcio_serves_tls() -> None:
    """Native has none."""
    assert choose(NATIVE, "127.0.0.1", tls=True) == Choice(GRPCIO, "native has no TLS")


def test_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator reads what to install."""
    monkeypatch.setattr(choosing, "find_spec", lambda _: None)
    with pytest.raises(OperatorError, match=r"pip install loyalty-service\[native\]"):
        choose(NATIVE, "127.0.0.1", tls=False)


def test_native_is_loaded_only_where_it_is_used() -> None:
    """A server on grpcio does not have the other library in its process."""
    program = (
        "import sys, loyalty_service.bootstrap as b\n"
        "b.new_transport('grpcio', share_port=False)\n"
        "sys.exit('pygrpc_native' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
