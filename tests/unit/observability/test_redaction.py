"""No secret gets past the redaction of logs, and what an operator needs does."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from loyalty_service.domain.codes import new_receipt_code
from loyalty_service.domain.keys import new_key
from loyalty_service.observability.redaction import (
    REDACTED,
    is_secret,
    redact,
    redact_exception,
    redact_text,
)
from loyalty_service.storage.databases import Database

SECRETS = (
    "123456",
    "lk_iG6OCnomzyA_K4GvDrFxlk4DAToZCbWA",
    "sandbox-pos-key",
    "guest@example.org",
    "guest%40example.org",
    "+15145550199",
    "+1 514 555 0199",
    "(514) 555-0199",
    "514.555.0199",
    "1990-02-03",
    "7K2M-9PQR-4STV",
    "7K2M9PQR4STV",
)
HARMLESS = (
    "01a20044-b7ca-7529-a1ed-7abf543985d2",
    "127.0.0.1:50051",
    "192.168.10.20",
    "2026-11-22T00:11:22.123456Z",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "database is locked",
    "UNIQUE constraint failed: member.loyalty_id",
    "IdentifyService/IdentifyMember",
    "7 of 1234 in 0.123456 s",
)


@dataclass
class Record:
    """What a careless line of ours could log whole."""

    name: str


def line(**values: Any) -> str:
    """Log values; return the line."""
    return json.dumps(redact(None, "info", {"event": "seen", **values}))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("text", ["{}", "got {} here", "/otp/{}", "id={},", "('{}')", "a: {}."])
def test_secret_in_any_text_is_left_out(secret: str, text: str) -> None:
    """What looks like a secret is left out wherever it stands in a text."""
    said = redact_text(text.format(secret))
    assert secret not in said
    assert REDACTED in said


@pytest.mark.parametrize("text", HARMLESS)
def test_what_operators_need_is_kept(text: str) -> None:
    """Identifiers, addresses, times and a database's own words are kept."""
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "identifier",
        "otp",
        "code",
        "x-api-key",
        "Authorization",
        "name",
        "memberName",
        "email",
        "phone",
        "birth_date",
        "receiptCode",
        "LOYALTY_CODE_PEPPER",
        "database_url",
    ],
)
def test_value_of_a_secret_name_is_left_out(name: str) -> None:
    """A value under a secret's name is left out, whatever it looks like and however deep."""
    assert "Zebulon" not in line(**{name: "Zebulon"})
    assert "Zebulon" not in line(seen={"deep": [{name: {"er": "Zebulon"}}]})


@pytest.mark.parametrize("name", ["method", "request_id", "exit_code", "count", "transaction_id"])
def test_value_of_another_name_is_kept(name: str) -> None:
    """A value under another name is kept."""
    assert "PENDING" in line(**{name: "PENDING"})


def test_record_is_told_by_its_class() -> None:
    """An object is never printed with what it holds, nor are bytes."""
    assert "Zebulon" not in line(member=Record("Zebulon"), raw=b"Zebulon", many=[b"Zebulon"])
    assert "<Record>" in line(member=Record("Zebulon"))


@pytest.mark.parametrize(
    "reason",
    [
        'connection to server at "10.0.0.5", port 5432 failed: Connection refused',
        (
            'connection to server at "db.internal" (10.0.0.5), port 5432 failed: FATAL:  '
            'database "points" does not exist'
        ),
        'could not translate host name "db-1.internal" to address: Name or service not known',
    ],
)
def test_host_that_is_out_of_reach_is_kept(reason: str) -> None:
    """Whoever is woken up at night reads which host did not answer."""
    assert redact_exception(reason) == reason


@pytest.mark.parametrize(
    "reason",
    [
        "the pepper: bring it back",
        "accept the loss with `loyalty serve --allow-data-loss`.",
        "`(umask 077; openssl rand -hex 32 > data/code-pepper)` makes another",
    ],
)
def test_own_advice_is_kept(reason: str) -> None:
    """A line never hides the command that mends what it is about."""
    assert redact_exception(reason) == reason


def test_pepper_after_its_name_is_left_out() -> None:
    """A pepper itself never gets into the log, however it is announced."""
    assert "0123456789abcdef" not in redact_text(f"pepper = {'0123456789abcdef' * 2}")


def test_url_keeps_all_but_its_password() -> None:
    """Who connects where is kept, without the user's password."""
    said = redact_text("cannot reach postgresql://loyalty:hunter2@db.internal:5432/points")
    assert said == f"cannot reach postgresql://{REDACTED}@db.internal:5432/points"


def test_bearer_and_assigned_secrets_are_left_out() -> None:
    """A header or setting written out in a text loses its value."""
    said = redact_text("authorization: Bearer abc.def x-api-key=zzz password: qqq")
    assert not any(secret in said for secret in ("abc", "zzz", "qqq"))


def raised() -> str:
    """Raise what holds a name, twice; return the traceback as structlog writes it."""
    try:
        try:
            int("Zebulon")
        except ValueError:
            raise KeyError("Zebulon") from None
    except KeyError:
        shown = structlog.processors.format_exc_info(None, "error", {"exc_info": sys.exc_info()})
    return str(shown["exception"])


def test_traceback_keeps_its_frames_and_loses_what_was_quoted() -> None:
    """Where it failed is kept; the value an exception quotes is not."""
    text = raised()
    said = redact_exception(text)
    assert "Zebulon" in text.splitlines()[-1]
    assert said.splitlines()[:-1] == text.splitlines()[:-1]
    assert said.splitlines()[-1] == "KeyError: '…'"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ValueError: invalid literal for int(): 'Zebulon'", "invalid literal for int(): "),
        ('psycopg.DataError: invalid input for type uuid: "Zebulon"', "invalid input"),
        ("psycopg.Error: broken\nDETAIL:  Key (name)=(Zebulon) already exists.", "DETAIL:"),
        ("sqlalchemy.Error: gone\n[SQL: SELECT 1]\n[parameters: ('Zebulon',)]", "[parameters:"),
        ("Error: Failing row contains (1, Zebulon, null).", "Failing row contains"),
        ("OperationalError('no member Zebulon in', 'Zebulon')", "OperationalError("),
    ],
)
def test_exceptions_of_databases_lose_the_row(text: str, left: str) -> None:
    """What a database tells of a row's content is left out, what went wrong is kept."""
    said = redact_exception(text)
    assert "Zebulon" not in said
    assert left in said


def test_exceptions_keep_the_words_of_the_schema() -> None:
    """The name of a table or column stays, so that an operator knows what is broken."""
    assert 'relation "member"' in redact_exception('Error: relation "member" does not exist')


def test_every_new_key_and_receipt_is_recognised() -> None:
    """A thousand fresh keys and receipts all look like what they are."""
    for _ in range(1000):
        key = new_key()
        assert key not in redact_text(f"got {key}.")
        receipt = new_receipt_code()
        if any(sign.isdigit() for sign in receipt):
            assert receipt not in redact_text(f"got {receipt}.")


@pytest.mark.parametrize("url", ["postgres//user:hunter2@host/x", "mysql://user:hunter2@host/x"])
def test_malformed_database_url_is_refused_without_its_password(url: str) -> None:
    """A URL that can't be read is refused in words that do not repeat it."""
    with pytest.raises(ValueError, match="must") as refused:
        Database.from_text(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
SERVER = Path(__file__).resolve().parents[3] / "server" / "loyalty_service"


def _logged_names(source: str) -> set[str]:
    """Give the names under which a module logs values, those of dictionaries in place included."""
    names = set()
    for call in ast.walk(ast.parse(source)):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        logger = ast.unparse(call.func.value).rpartition(".")[2].strip("_").lower()
        if logger not in {"log", "logger"} or call.func.attr not in LEVELS:
            continue
        for keyword in call.keywords:
            if keyword.arg is not None:
                names.add(keyword.arg)
                continue
            dictionaries = (node for node in ast.walk(keyword.value) if isinstance(node, ast.Dict))
            keys = (key for dictionary in dictionaries for key in dictionary.keys)
            names.update(str(key.value) for key in keys if isinstance(key, ast.Constant))
    return names


def test_server_logs_nothing_that_its_own_redaction_hides() -> None:
    """No line of ours has a value whose name hides it: an operator would read `[redacted]`."""
    found = {
        str(path.relative_to(SERVER)): _logged_names(path.read_text("utf-8"))
        for path in SERVER.rglob("*.py")
    }
    hidden = {path: bad for path, names in found.items() if (bad := set(filter(is_secret, names)))}

    assert not hidden
    assert {"partner", "left_out"} <= found["observability/access_log.py"]
    assert _logged_names('self._log.log(1, "seen", path=p, **({"card": c} if c else {}))') == {
        "path",
        "card",
    }
