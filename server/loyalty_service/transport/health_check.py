"""Asks a server that runs whether it serves, as Envoy and orchestrators do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loyalty_service.domain.operator_error import OperatorError

READINESS, LIVENESS = "", "liveness"
"""Services of the health service: whether calls are let in, and whether the process lives."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    What a server with TLS is asked with.

    Attributes:
        ca: PEM of who signs the server's certificate; nothing to speak plaintext.
        certificate: PEM chain that is shown to a server that asks for one.
        key: PEM key of that certificate.
        name: Whom the server's certificate must name, where that is not the address.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    name: str = ""

    def channel(self, address: str) -> grpc.Channel:
        """
        Open a channel, which connects when it is first used.

        Raises:
            OperatorError: A file can't be read, or one of a pair is missing.
        """
        if self.ca is None:
            if self.certificate or self.key or self.name:
                raise OperatorError("--certificate, --key and --name need --ca: plaintext has none")
            return grpc.insecure_channel(address)
        if (self.certificate is None) != (self.key is None):
            raise OperatorError("--certificate and --key go together")
        try:
            ca = self.ca.read_bytes()
            certificate = self.certificate.read_bytes() if self.certificate else None
            key = self.key.read_bytes() if self.key else None
        except OSError as problem:
            raise OperatorError(f"{problem.filename}: {problem.strerror}") from None
        options = [("grpc.ssl_target_name_override", self.name)] if self.name else []
        return grpc.secure_channel(
            address, grpc.ssl_channel_credentials(ca, key, certificate), options
        )


def ask_health(
    address: str, service: str, credentials: Credentials, timeout_s: float
) -> tuple[bool, str]:
    """Ask a server; tells whether it is SERVING, and what it said or why it said nothing."""
    with credentials.channel(address) as channel:
        try:
            told = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=timeout_s
            )
        except grpc.RpcError as error:
            return False, f"no answer: {error.code().name}: {error.details()}"
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(told.status)
    return told.status == health_pb2.HealthCheckResponse.SERVING, status
