"""Settings as an operator sets them, and misspells them."""

from __future__ import annotations

import pytest

from loyalty_service.bootstrap import database_of
from loyalty_service.cli import main
from loyalty_service.config import Settings, require_known_variables
from loyalty_service.domain.operator_error import OperatorError

SECRET = "short-secret"


@pytest.mark.parametrize("name", [f"LOYALTY_{name.upper()}" for name in Settings.model_fields])
def test_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A template that leaves a variable empty means the default."""
    monkeypatch.setenv(name, "")

    assert Settings() == Settings.model_construct()
    require_known_variables({name: ""})


def test_reflection_is_off_unless_asked_for() -> None:
    """Nobody reads the contract from a server whose operator has not said so."""
    assert Settings().reflection is False


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LOYALTY_TLS_CERT", "did you mean LOYALTY_TLS_CERTIFICATE?"),
        ("LOYALTY_GRPC_PROT", "did you mean LOYALTY_GRPC_PORT?"),
        ("LOYALTY_METRIC_PORT", "did you mean LOYALTY_METRICS_PORT?"),
        ("loyalty_grpc_prot", "did you mean LOYALTY_GRPC_PORT?"),
        ("LOYALTY_XYZ", "docs/settings.md lists them."),
    ],
)
def test_misspelt_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, meant: str
) -> None:
    """Else a server would start in plaintext, or on another port, without a word."""
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr("sys.argv", ["loyalty", "serve"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == f"There is no setting {name}: {meant}\n"


def test_variables_of_others_are_let_be() -> None:
    """Kubernetes tells of a service called loyalty by variables of that prefix."""
    require_known_variables(
        {
            "LOYALTY_GRPC_PORT": "1",
            "loyalty_grpc_port": "1",
            "LOYALTY_SERVICE_HOST": "10.0.0.1",
            "LOYALTY_SERVICE_PORT": "50051",
            "LOYALTY_SERVICE_PORT_GRPC": "50051",
            "LOYALTY_PORT": "tcp://10.0.0.1:50051",
            "LOYALTY_PORT_50051_TCP": "tcp://10.0.0.1:50051",
            "LOYALTY_PORT_50051_TCP_ADDR": "10.0.0.1",
            "LOYALTY_DB_SERVICE_HOST": "10.0.0.2",
            "PATH": "/bin",
        }
    )


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CODE_PEPPER", SECRET, "must have at least 32 characters."),
        ("LOG_LEVEL", "loud", "must be debug, info, warning or error."),
        ("OTLP_ENDPOINT", "host:4317", "must begin with http:// or https://, as http://host:4317."),
        ("GRPC_PORT", "99999", "Input should be less than or equal to 65535."),
    ],
)
def test_wrong_value_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    told: str,
) -> None:
    """One line names the setting and what it takes, and never the value: it may be a secret."""
    monkeypatch.setenv(f"LOYALTY_{name}", value)
    monkeypatch.setattr("sys.argv", ["loyalty", "serve"])

    with pytest.raises(SystemExit):
        main()

    assert capsys.readouterr().err == f"LOYALTY_{name}: {told}\n"


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense", "postgresql://host:x/name"])
def test_wrong_database_is_told_by_the_setting_or_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    """Of several places where a URL can stand, the wrong one is named."""
    with pytest.raises(OperatorError, match=r"^LOYALTY_DATABASE_URL must b"):
        database_of(Settings(database_url=url))
    for option, other in (("--from", "--to"), ("--to", "--from")):
        command = ["loyalty", "copy", option, url, other, "sqlite:///other.db"]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit):
            main()
        assert capsys.readouterr().err.startswith(f"{option} must b")


@pytest.mark.parametrize("level", ["INFO", "Warning", "debug"])
def test_level_is_taken_in_any_case(level: str) -> None:
    """Other programs write it in capitals."""
    assert Settings(log_level=level).log_level == level.lower()
