"""Settings, read once from the environment and never changed."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.platforms import platform_of
from loyalty_service.secret_files import read_secret, written_secret

PREFIX = "LOYALTY_"
LOG_LEVELS = ("debug", "info", "warning", "error")
PEPPER_BYTES = 32
PEPPER_CHARACTERS_MIN = 32

FOLDER_MODE = 0o755
"""Of the folder for data: whatever the umask, none but its owner writes there."""


class Settings(BaseSettings):
    """What an operator sets; each field is the variable LOYALTY_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    grpc_host: str = Field("127.0.0.1", description="Address the gRPC server listens on.")
    grpc_port: int = Field(50051, ge=0, le=65535, description="Port of gRPC; 0 picks one.")
    tls_certificate: Path | None = Field(
        None, description="PEM chain of the gRPC port; with it the port speaks TLS only."
    )
    tls_private_key: Path | None = Field(None, description="PEM key of that certificate.")
    tls_client_ca: Path | None = Field(
        None, description="PEM of who signs callers; with it they need certificates."
    )
    allow_plaintext: bool = Field(
        default=False, description="Whether other machines may call without TLS."
    )
    transport: Literal["grpcio", "native"] = Field(
        "grpcio", description="Library that carries calls on the gRPC port."
    )
    http_port: int = Field(8080, ge=0, le=65535, description="Port of the sandbox's Envoy.")
    sandbox_host: str = Field(
        "127.0.0.1",
        description="Address of the sandbox's JSON and gRPC; another opens its published keys.",
    )
    sandbox_port: int = Field(8090, ge=0, le=65535, description="Port that controls the sandbox.")
    data_dir: Path = Field(Path("data"), description="Folder of the embedded database.")
    database_url: str = Field("", description="sqlite:///... or postgresql://...")
    allow_data_loss: bool = Field(
        default=False, description="Whether to serve from a database that may lose points."
    )
    durability: str = Field(
        "", description="What keeps more than PostgreSQL's settings say, as platform:neon."
    )
    code_pepper: SecretStr | None = Field(None, description="Secret that codes are digested with.")
    other_code_peppers: SecretStr | None = Field(
        None, description="Code peppers that are known beside it, with commas between."
    )
    reflection: bool = Field(default=False, description="Whether gRPC reflection is served.")
    writers: int = Field(
        1, ge=1, le=16, description="Connections of one server that write to PostgreSQL at once."
    )
    share_port: bool = Field(
        default=False, description="Whether several servers may listen on the port together."
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of Prometheus metrics; 0 measures nothing."
    )
    metrics_host: str = Field("127.0.0.1", description="Address the metrics are served on.")
    otlp_endpoint: str = Field(
        "",
        description="OpenTelemetry collector; nothing is traced or sent when empty.",
    )
    trace_ratio: float = Field(
        0.01, ge=0, le=1, description="Share of calls to trace where the caller does not say."
    )
    shutdown_notice_s: float = Field(2.0, ge=0, le=60)
    shutdown_grace_s: float = Field(10.0, ge=0, le=300)
    sweep_interval_s: float = Field(
        10.0, gt=0, le=3600, description="Seconds between looks for what is overdue."
    )
    webhooks: bool = Field(default=True, description="Whether this server delivers webhooks.")
    webhook_timeout_s: float = Field(
        15.0, ge=1, le=30, description="Seconds that a webhook may take to answer."
    )
    webhook_private_addresses: bool = Field(
        default=False, description="Whether webhooks may be in private networks, without TLS."
    )
    log_json: bool = Field(default=True, description="JSON lines rather than text.")
    log_level: str = "info"

    @field_validator("code_pepper")
    @classmethod
    def _is_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value) < PEPPER_CHARACTERS_MIN:
            raise ValueError(f"must have at least {PEPPER_CHARACTERS_MIN} characters")
        return value

    @field_validator("other_code_peppers")
    @classmethod
    def _are_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not all(map(_is_long_enough, _listed(value))):
            raise ValueError(
                f"must be code peppers of at least {PEPPER_CHARACTERS_MIN} characters, with commas "
                "between, or a JSON list of them"
            )
        return value

    @field_validator("durability")
    @classmethod
    def _is_platform(cls, value: str) -> str:
        platform_of(value)
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_endpoint(cls, value: str) -> str:
        if value and not re.match(r"https?://.", value):
            raise ValueError("must begin with http:// or https://, as http://host:4317")
        return value

    @field_validator("log_level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        if value.lower() not in LOG_LEVELS:
            raise ValueError(f"must be {', '.join(LOG_LEVELS[:-1])} or {LOG_LEVELS[-1]}")
        return value.lower()

    @property
    def database_file(self) -> Path:
        """Where the embedded database is, if no other is set."""
        return self.data_dir.resolve() / "loyalty.db"

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of this machine."""
        return not self.database_url or self.database_url.startswith(("sqlite:", "sqlite+"))

    def make_data_dir(self) -> None:
        """
        Make the folder of the embedded database, where it is used and is not there.

        Raises:
            OperatorError: It can't be made, is not a folder, or can't be written to.
        """
        if not self.database_url:
            try:
                self.data_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            except OSError as problem:
                raise OperatorError(
                    f"LOYALTY_DATA_DIR {self.data_dir} can't be created: {problem.strerror}."
                ) from None
            if not os.access(self.data_dir, os.W_OK | os.X_OK):
                raise OperatorError(
                    f"LOYALTY_DATA_DIR {self.data_dir} can't be written to: set it to another "
                    "folder, or let this user write there."
                )

    @property
    def pepper_file(self) -> Path:
        """Where the secret is kept beside the embedded database."""
        return self.data_dir / "code-pepper"

    @property
    def other_peppers_file(self) -> Path:
        """Where those are kept that are known beside it, one a line."""
        return self.data_dir / "code-peppers-other"

    def known_peppers(self) -> Peppers | None:
        """
        Give the secrets that codes are digested with, or nothing where there is none yet.

        Raises:
            OperatorError: A file that keeps one does not hold one, or others may read it.
        """
        current = self.known_pepper()
        return None if current is None else Peppers(current, self.other_peppers())

    def peppers(self) -> Peppers:
        """
        Give the secrets that codes are digested with; the current one is made where it may be.

        Raises:
            OperatorError: As `pepper`.
        """
        return Peppers(self.pepper(), self.other_peppers())

    def other_peppers(self) -> tuple[bytes, ...]:
        """
        Give the secrets that are known beside the current one.

        Raises:
            OperatorError: Their file has a line that is not a pepper, or others may read it.
        """
        if self.other_code_peppers is not None:
            return tuple(one.encode() for one in _listed(self.other_code_peppers))
        content = read_secret(self.other_peppers_file) if self.embedded else None
        lines = (content or b"").split(b"\n")
        found = tuple(line.rstrip(b"\r") for line in lines if line.strip())
        if not all(_is_long_enough(line) and line.isascii() for line in found):
            raise OperatorError(
                f"{self.other_peppers_file} has a line that is not a code pepper: a pepper has at "
                f"least {PEPPER_CHARACTERS_MIN} characters, of ASCII only"
            )
        return found

    def known_pepper(self) -> bytes | None:
        """
        Give the secret that codes are digested with, or nothing where there is none yet.

        Raises:
            OperatorError: The file that keeps it does not hold one, or others may read it.
        """
        if self.code_pepper is not None:
            return self.code_pepper.get_secret_value().encode()
        content = read_secret(self.pepper_file) if self.embedded else None
        if content is None:
            return None
        # An editor or a shell ends a line that a variable would not have.
        found = content.rstrip(b"\r\n")
        if len(found) < PEPPER_CHARACTERS_MIN or not found.isascii():
            raise OperatorError(
                f"{self.pepper_file} holds no code pepper: a pepper has at least "
                f"{PEPPER_CHARACTERS_MIN} characters, of ASCII only. Bring the right one back, or "
                "move the file away where no code was ever issued"
            )
        return found

    def pepper(self) -> bytes:
        """
        Give the secret that codes are digested with.

        It is never kept in the database. Beside the embedded database it is made on first use,
        in a file only its owner can read.

        Raises:
            OperatorError: It is not set and the database is shared by several machines.
        """
        known = self.known_pepper()
        if known is not None:
            return known
        if not self.embedded:
            raise OperatorError(
                "LOYALTY_CODE_PEPPER must be set, to the same secret on every server of a "
                "database: make one with `openssl rand -hex 32`"
            )
        return self._make_pepper()

    def _make_pepper(self) -> bytes:
        """Make the secret such that its file is there as a whole, or not at all."""
        made = secrets.token_hex(PEPPER_BYTES).encode()
        self.data_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        try:
            with written_secret(self.pepper_file, made) as draft:
                # Unlike a rename it never replaces one that another process made meanwhile.
                os.link(draft, self.pepper_file)
        except FileExistsError:
            return self.pepper()
        return made

    def rotate_pepper(self) -> Peppers:
        """
        Make a new secret in its file, with the old one among the others; they are for next start.

        Whenever it is cut short, no secret is lost: the old one is among the others first.

        Raises:
            OperatorError: The secret is not kept in a file, or there is none.
        """
        if self.code_pepper is not None or self.other_code_peppers is not None:
            raise OperatorError(
                "the code pepper is set by a variable and not kept in a file: "
                "docs/operations/pepper.md has the steps, with LOYALTY_OTHER_CODE_PEPPERS"
            )
        old = self.known_peppers()
        if old is None:
            raise OperatorError(f"there is no code pepper at {self.pepper_file}")
        made = Peppers(secrets.token_hex(PEPPER_BYTES).encode(), old.known)
        self.keep_others(made.others)
        with written_secret(self.pepper_file, made.current) as draft:
            draft.replace(self.pepper_file)
        return made

    def keep_others(self, others: Iterable[bytes]) -> None:
        """Keep these secrets, and no more, in the file of those known beside the current one."""
        with written_secret(
            self.other_peppers_file, b"".join(one + b"\n" for one in others)
        ) as draft:
            draft.replace(self.other_peppers_file)


# What Kubernetes tells every container about a service called loyalty, or loyalty-something.
_OF_KUBERNETES = re.compile(
    r"SERVICE_(HOST|PORT)(_\w+)?=|PORT(_\d+_[A-Z]+(_[A-Z]+)?)?=[a-z]+://|"
    r"PORT_\d+_[A-Z]+_[A-Z]+="
)


def require_known_variables(environment: Mapping[str, str]) -> None:
    """
    Refuse variables that look like settings and are none: what they were to protect is not.

    Raises:
        OperatorError: There is such a variable.
    """
    known = [name.upper() for name in Settings.model_fields]
    for name, value in sorted(environment.items()):
        shown = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or shown in known or not value:
            continue
        if _OF_KUBERNETES.search(f"{shown}={value}"):
            continue
        near = get_close_matches(shown, known, 1)
        hint = f"did you mean {PREFIX}{near[0]}?" if near else "docs/settings.md lists them."
        raise OperatorError(f"There is no setting {name}: {hint}")


def _listed(value: SecretStr) -> list[str]:
    """Split a list of secrets: with commas between, or JSON where one has a comma itself."""
    text = value.get_secret_value().strip()
    if not text.startswith("["):
        return [one.strip() for one in text.split(",") if one.strip()]
    try:
        found = json.loads(text)
    except ValueError:
        return [""]
    return [str(one) for one in found]


def _is_long_enough(secret: str | bytes) -> bool:
    return len(secret) >= PEPPER_CHARACTERS_MIN
