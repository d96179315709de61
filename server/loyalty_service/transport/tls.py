"""Certificates of the gRPC port: checked at start, and read again when their files change."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from loyalty_service.domain.operator_error import OperatorError

EXPIRY_NOTICE = timedelta(days=7)
EXPIRY_REPEAT = timedelta(days=1)
RETRY_AFTER = timedelta(seconds=10)
REFUSAL_REPEAT = timedelta(hours=1)

_Identity = tuple[tuple[int, ...] | None, ...]

log = structlog.get_logger(__name__)


class TransportSecurityError(OperatorError):
    """Raised when the port can't be protected as the settings say; the message names the one."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """
    Where the certificates are, as PEM.

    Attributes:
        certificate: The server's own, followed by the intermediate ones.
        private_key: Its key, without a passphrase.
        client_ca: Who signs the callers' certificates; without it, callers need none.
    """

    certificate: Path
    private_key: Path
    client_ca: Path | None = None

    def paths(self) -> tuple[Path, ...]:
        """Give every file there is."""
        own = (self.certificate, self.private_key)
        return own if self.client_ca is None else (*own, self.client_ca)


def tls_files(
    certificate: Path | None, private_key: Path | None, client_ca: Path | None
) -> TlsFiles | None:
    """
    Put the settings together; return nothing when the port is to speak plaintext.

    Raises:
        TransportSecurityError: One is set without another that it needs.
    """
    if certificate is None:
        for name, path in (("PRIVATE_KEY", private_key), ("CLIENT_CA", client_ca)):
            if path is not None:
                raise TransportSecurityError(
                    f"LOYALTY_TLS_{name} is set without LOYALTY_TLS_CERTIFICATE: "
                    "the port would speak plaintext."
                )
        return None
    if private_key is None:
        raise TransportSecurityError("LOYALTY_TLS_CERTIFICATE needs LOYALTY_TLS_PRIVATE_KEY.")
    return TlsFiles(certificate, private_key, client_ca)


def require_protection(host: str, files: TlsFiles | None, *, allow_plaintext: bool) -> None:
    """
    Refuse to send keys and points in the clear over a network.

    Raises:
        TransportSecurityError: The port would be reachable from elsewhere without TLS.
    """
    if files is None and not allow_plaintext and not is_loopback(host):
        raise TransportSecurityError(
            f"LOYALTY_GRPC_HOST {host} is reached from other machines, and plaintext would show "
            "them API keys: set LOYALTY_TLS_CERTIFICATE and LOYALTY_TLS_PRIVATE_KEY, or "
            "LOYALTY_ALLOW_PLAINTEXT=true where the network encrypts by itself."
        )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine's own programs reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.startswith("unix:")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """New files that did not work, when they were last tried and when that was last told."""

    identity: _Identity
    reason: str
    tried: datetime
    told: datetime


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Certificates that fit together."""

    configuration: grpc.ServerCertificateConfiguration
    serial_number: int
    expires: datetime


class Certificates:
    """
    The certificates of one port, as their files are now.

    A handshake looks whether the files changed. New ones that can't be used, for instance because
    only half of them is written yet, leave the old ones in place, with a warning. They are tried
    again after some seconds, because time alone mends some failures.

    Args:
        files: Where they are.
        clock: Tells the time.

    Raises:
        TransportSecurityError: A file is missing, unreadable or out of date, two don't fit, or
            everybody may read the key or change the authorities.
    """

    def __init__(self, files: TlsFiles, clock: Callable[[], datetime] = _now) -> None:
        self._files = files
        self._clock = clock
        self._seen = _identity(files.paths())
        self._loaded = _load(files, clock())
        self._expiry_told = datetime.min.replace(tzinfo=UTC)
        self._refusal: _Refusal | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Give gRPC what it asks at each handshake; it takes TLS 1.2 and 1.3 only."""
        return grpc.dynamic_ssl_server_credentials(
            self._loaded.configuration,
            self.renewed,  # type: ignore[arg-type]  # Its stub forgets that None means no change.
            require_client_authentication=self._files.client_ca is not None,
        )

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return newer certificates, or nothing if those in use are the newest that work."""
        now = self._clock()
        self._warn_of_expiry(now)
        identity = _identity(self._files.paths())
        if identity == self._seen:
            return None
        last = self._refusal
        if last and last.identity == identity and abs(now - last.tried) < RETRY_AFTER:
            return None
        try:
            self._loaded = _load(self._files, now)
        except TransportSecurityError as problem:
            self._refuse(identity, str(problem), now)
            return None
        self._seen = identity
        log.info(
            "certificate reloaded",
            serial_number=f"{self._loaded.serial_number:x}",
            expires=self._loaded.expires.isoformat(),
        )
        return self._loaded.configuration

    def expires(self) -> float:
        """
        Tell when the first certificate in use ends, in seconds since the epoch.

        That is the first of the server's chain and of the authorities of its callers.
        """
        return self._loaded.expires.timestamp()

    def _refuse(self, identity: _Identity, reason: str, now: datetime) -> None:
        """Tell of a failure once an hour, however often it is met."""
        told, last = now, self._refusal
        if (
            last
            and (last.identity, last.reason) == (identity, reason)
            and abs(now - last.told) < REFUSAL_REPEAT
        ):
            told = last.told
        else:
            log.warning("new certificate not taken, the old one stays", reason=reason)
        self._refusal = _Refusal(identity, reason, now, told)

    def _warn_of_expiry(self, now: datetime) -> None:
        expires = self._loaded.expires
        if now > expires - EXPIRY_NOTICE and now > self._expiry_told + EXPIRY_REPEAT:
            self._expiry_told = now
            log.warning("certificate expires soon", expires=expires.isoformat())


def _identity(paths: Iterable[Path]) -> _Identity:
    """Tell these files from whatever is later written to, or put in, their place."""
    return tuple(map(_identity_of, paths))


def _identity_of(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _load(files: TlsFiles, now: datetime) -> _Loaded:
    certificate_pem = _read("CERTIFICATE", files.certificate)
    chain = _certificates("CERTIFICATE", files.certificate, certificate_pem)
    own = chain[0]
    for certificate in chain:
        problem = _time_problem("CERTIFICATE", files.certificate, certificate, now)
        if problem:
            raise TransportSecurityError(problem)
    key_pem = _read("PRIVATE_KEY", files.private_key)
    _require_closed(files.private_key)
    if _key(files.private_key, key_pem) != _public_bytes(own.public_key()):
        raise TransportSecurityError(
            f"LOYALTY_TLS_PRIVATE_KEY: {files.private_key} is not the key of the certificate in "
            f"{files.certificate}."
        )
    client_ca_pem, authorities = None, []
    if files.client_ca is not None:
        client_ca_pem = _read("CLIENT_CA", files.client_ca)
        _require_unchanged(files.client_ca)
        authorities = _certificates("CLIENT_CA", files.client_ca, client_ca_pem)
        _require_one_in_time(files.client_ca, authorities, now)
    configuration = grpc.ssl_server_certificate_configuration(
        [(key_pem, certificate_pem)], client_ca_pem
    )
    expires = min(certificate.not_valid_after_utc for certificate in (*chain, *authorities))
    return _Loaded(configuration, own.serial_number, expires)


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise TransportSecurityError(
            f"LOYALTY_TLS_{setting}: {path}: {problem.strerror}."
        ) from None


def _certificates(setting: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise TransportSecurityError(
            f"LOYALTY_TLS_{setting}: {path} holds no PEM certificate, or half of one."
        ) from None


def _require_one_in_time(
    path: Path, authorities: Sequence[x509.Certificate], now: datetime
) -> None:
    """
    Refuse when no authority is in time, and tell of each that is not.

    While one replaces another, the old one may end: it lets in nobody any more, and that is all.
    """
    found = [_time_problem("CLIENT_CA", path, authority, now) for authority in authorities]
    problems = [problem for problem in found if problem]
    if len(problems) == len(authorities):
        raise TransportSecurityError(problems[0])
    for problem in problems:
        log.warning("authority of callers is out of date", reason=problem)


def _time_problem(
    setting: str, path: Path, certificate: x509.Certificate, now: datetime
) -> str | None:
    """Tell why a certificate is not valid at this time; nothing when it is."""
    ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now > ends:
        return f"LOYALTY_TLS_{setting}: {path} expired at {ends.isoformat()}."
    if now < begins:
        return f"LOYALTY_TLS_{setting}: {path} is valid only from {begins.isoformat()}."
    return None


def _key(path: Path, pem: bytes) -> bytes:
    """Return the public half of a private key, to compare it with a certificate's."""
    try:
        return _public_bytes(serialization.load_pem_private_key(pem, None).public_key())
    except TypeError:
        problem = "has a passphrase, which nobody could type at a restart"
    except (ValueError, UnsupportedAlgorithm):
        problem = "holds no PEM private key, or half of one"
    raise TransportSecurityError(f"LOYALTY_TLS_PRIVATE_KEY: {path} {problem}.")


def _require_closed(path: Path) -> None:
    """Refuse a key that everybody on the machine may read; a group may, as containers need it."""
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise TransportSecurityError(
            f"LOYALTY_TLS_PRIVATE_KEY: every user of this machine may read or change {path}: "
            f"`chmod 600 {path}`."
        )


def _require_unchanged(path: Path) -> None:
    """Refuse authorities that everybody on the machine may add to: they say who may call."""
    if path.stat().st_mode & stat.S_IWOTH:
        raise TransportSecurityError(
            f"LOYALTY_TLS_CLIENT_CA: every user of this machine may change {path}: "
            f"`chmod 644 {path}`."
        )


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
