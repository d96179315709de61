"""How a command ends: what the operator can mend is a sentence, our own fault a traceback."""

from __future__ import annotations

import re
import sqlite3
import sys

import pytest

from loyalty_service.cli import main
from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.sandbox.demo_data import StoreInUseError
from loyalty_service.sandbox.run import PortTakenError
from loyalty_service.storage.migrate import SchemaError
from loyalty_service.storage.peppers import PepperError
from loyalty_service.storage.repositories.seal import SealError
from loyalty_service.storage.tools.backup_file import BackupError
from loyalty_service.transport.addresses import AddressError
from loyalty_service.transport.tls import TransportSecurityError


def ended(monkeypatch: pytest.MonkeyPatch, problem: BaseException) -> int:
    """Let an audit fail with *problem*; returns the exit code."""

    def fail(*_: object, **_named: object) -> None:
        raise problem

    monkeypatch.setattr("loyalty_service.cli.stores.audit", fail)
    monkeypatch.setattr(sys, "argv", ["loyalty", "audit"])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    "kind",
    [
        OperatorError,
        AddressError,
        BackupError,
        PepperError,
        PortTakenError,
        SchemaError,
        SealError,
        StoreInUseError,
        TransportSecurityError,
    ],
)
def test_mistake_of_the_operator_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[OperatorError]
) -> None:
    """What the operator can mend is told in one line, without a traceback."""
    assert ended(monkeypatch, kind("the folder is missing: make it")) == 1
    assert capsys.readouterr() == ("", "the folder is missing: make it\n")


def test_refusal_of_a_use_case_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a caller would be answered, the operator is told in one line."""
    assert ended(monkeypatch, StorageUnavailableError()) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "fault",
    [
        ValueError("not enough values to unpack"),
        UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"),
        KeyError("balance"),
        sqlite3.OperationalError("no such column: ponts"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_fault_of_ours_is_a_traceback_that_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: Exception
) -> None:
    """A bug inside a command shows where it is, and is not told as the operator's mistake."""
    assert ended(monkeypatch, fault) == 1

    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last):\n")
    assert f"{type(fault).__name__}: {fault}\n" in told
    assert told.splitlines()[-1].startswith("This is a fault in loyalty ")


def test_argument_that_is_not_utf8_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes of the command line that are no text are the operator's mistake."""
    problem = UnicodeEncodeError("utf-8", "demo-\udcff", 5, 6, "surrogates not allowed")

    assert ended(monkeypatch, problem) == 1
    assert capsys.readouterr().err.startswith("An argument or a variable is not valid UTF-8.")


def test_version_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--version` prints the name and the version, and the commit where it is not a release's."""
    monkeypatch.setattr(sys, "argv", ["loyalty", "--version"])
    with pytest.raises(SystemExit) as end:
        main()

    assert not end.value.code
    assert re.fullmatch(r"loyalty 0\.1\.0( \([\w.-]+\))?\n", capsys.readouterr().out)
