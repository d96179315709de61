"""
Keeps what must stay secret out of everything that is logged.

A value is left out when its name says that it is secret, and whatever looks like a code, a key,
an address or a password is left out of every text, the texts of exceptions included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from datetime import date, timedelta
from pathlib import PurePath
from typing import Any
from uuid import UUID

REDACTED = "[redacted]"
DEPTH_MAX = 8

SECRET_NAMES = frozenset(
    [
        "identifier",
        "otp",
        "code",
        "codes",
        "digits",
        "receipt",
        "receiptcode",
        "receiptcodes",
        "apikey",
        "xapikey",
        "key",
        "secret",
        "secrets",
        "authorization",
        "authenticate",
        "bearer",
        "token",
        "cctoken",
        "card",
        "cookie",
        "setcookie",
        "credential",
        "credentials",
        "password",
        "passwd",
        "pepper",
        "codepepper",
        "databaseurl",
        "dsn",
        "url",
        "uri",
        "name",
        "membername",
        "displayname",
        "firstname",
        "lastname",
        "fullname",
        "operator",
        "email",
        "emailaddress",
        "phone",
        "phonenumber",
        "mobile",
        "birthdate",
        "birthday",
        "dateofbirth",
        "address",
        "body",
        "request",
        "response",
        "answer",
        "message",
        "payload",
        "params",
        "parameters",
        "arguments",
        "args",
        "kwargs",
        "headers",
        "metadata",
        "path",
        "query",
        "querystring",
        "target",
        "idempotencykey",
        "correlationid",
        "externalidentifier",
    ]
)
"""Names, without blanks, dashes and underscores, whose values are never written down."""

_SECRET_ENDINGS = (
    "apikey",
    "secret",
    "password",
    "pepper",
    "token",
    "authorization",
    "email",
    "phone",
    "birthdate",
    "receiptcode",
)
_PLAIN_NAMES = frozenset({"event", "level", "timestamp"})
"""What structlog itself puts in a line: their texts are read, their names are known."""

_WORDS = re.compile(r"[^a-z0-9]")

_SHAPES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@'\"]+@", re.IGNORECASE), rf"\1{REDACTED}@"),
    (re.compile(r"\blk_[A-Za-z0-9_=%-]+"), REDACTED),
    (re.compile(r"\bsandbox-[a-z]+-key\b"), REDACTED),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s,;'\"]+", re.IGNORECASE), rf"\1 {REDACTED}"),
    (
        re.compile(
            r"\b(x-api-key|api[ _-]?key|password|passwd|secret|token|otp)"
            r"(\s*[=:]\s*)(?!\[redacted)[^\s,;'\")}]+",
            re.IGNORECASE,
        ),
        rf"\1\2{REDACTED}",
    ),
    # A pepper has 32 characters at least; shorter words after a colon are our own advice.
    (
        re.compile(r"\b(pepper)(\s*[=:]\s*)(?!\[redacted)[^\s,;'\")}]{16,}", re.IGNORECASE),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"[^\s<>()'\"=,;:/\[\]]+(?:@|%40)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), REDACTED),
    # What a database quotes of a row: its own words are kept, the row is not.
    (re.compile(r"\b(DETAIL:|CONTEXT:|\[parameters:|\[SQL:|Failing row contains)[^\n]*"), r"\1 …"),
    (re.compile(r"(?<=\)=)\([^)\n]*\)"), "(…)"),
    # Twelve of the receipts' letters and digits, as printed or in the groups people type.
    (
        re.compile(r"(?<![\w-])(?=[A-Za-z-]*\d)(?:[2-9A-HJKMNP-Z]-?){11}[2-9A-HJKMNP-Z](?![\w-])"),
        REDACTED,
    ),
    (re.compile(r"(?<![\w.-])(?:19|20)\d\d-\d\d-\d\d(?![\w-])"), REDACTED),
    (
        re.compile(
            r"(?<![\w.:+-])(?!\d+(?:\.\d+){3}(?!\d))\+?\(?\d{1,4}\)?(?:[ .()-]{1,2}\d{2,4}){2,4}"
            r"(?![\w:-]|\.\d)"
        ),
        REDACTED,
    ),
    (re.compile(r"(?<![\w:])\+\d{8,15}(?!\w)"), REDACTED),
    # A code, also one that stands in an address, as in /otp/123456.
    (re.compile(r"(?<![\w.:-])\d{6}(?![\w:-]|\.\d)"), REDACTED),
)
_QUOTED = re.compile(
    r"""(?P<before>\b\w+ )?(?<![A-Za-z]{2})(?P<mark>['"`])"""
    r"""(?P<text>(?:\\.|(?!(?P=mark))[^\n])*)(?P=mark)"""
)
_NOUNS = frozenset({"relation", "column", "table", "constraint", "index", "attribute", "type"})
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_.]*")
_CONNECTING = re.compile(r"\bconnection to server (?:at|on)|\bcould not translate host name")
_PLACE = re.compile(r"[A-Za-z0-9_.:/-]+")
"""A host, an address, a socket's path, a database or a role: what says where a connection goes."""

_COMMAND = re.compile(r"(?:loyalty|make|chmod|openssl|\(umask) [^`\"']*")
"""A command that our own advice puts between backticks."""
_FRAME = re.compile(r"[ |]*File \"[^\"]*\", line \d+")
_BETWEEN = re.compile(r"[ |+]*(Traceback \(most recent|The above exception|During handling|-|$)")

_NUMBERS = (int, float, bool, type(None))
_PLAIN = (UUID, date, timedelta, PurePath)


def redact(
    logger: Any,  # noqa: ARG001 - structlog calls it so.
    method_name: str,  # noqa: ARG001 - as above.
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """
    Leave secrets out of a line: a structlog processor, to stand last before the renderer.

    It must come after what turns exceptions into text, because it reads that text.
    """
    for name, value in event_dict.items():
        event_dict[name] = _kept(name, value)
    return event_dict


def redact_text(text: str) -> str:
    """Leave out of a text whatever looks like a secret."""
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def redact_exception(text: str) -> str:
    """
    Leave secrets out of an exception's text, with its traceback or without one.

    The frames are our own source and stay. What an exception says may quote a value, so of what
    stands in quotes only the names of tables, columns and attributes stay.
    """
    lines = []
    frame_at: int | None = None
    for line in text.split("\n"):
        begins = len(line) - len(line.lstrip(" |"))
        if _FRAME.match(line):
            frame_at = begins
        elif frame_at is not None and begins <= frame_at:
            frame_at = None
        ours = frame_at is not None or _BETWEEN.match(line)
        lines.append(redact_text(line if ours else _QUOTED.sub(_unquoted, line)))
    return "\n".join(lines)


def _unquoted(match: re.Match[str]) -> str:
    before, mark, content = match["before"] or "", match["mark"], match["text"]
    if before.strip() in _NOUNS and _IDENTIFIER.fullmatch(content):
        return match[0]
    if mark == "`" and _COMMAND.fullmatch(content):
        return match[0]
    # What the database's library says of a connection that failed quotes nothing of a row.
    if mark == '"' and _CONNECTING.search(match.string) and _PLACE.fullmatch(content):
        return match[0]
    return f"{before}{mark}…{mark}"


def is_secret(name: str) -> bool:
    """Tell whether what goes by this name is never written down."""
    plain = _WORDS.sub("", name.lower())
    return plain in SECRET_NAMES or plain.endswith(_SECRET_ENDINGS)


def _kept(name: object, value: Any, depth: int = 0) -> Any:
    known = str(name)
    if known not in _PLAIN_NAMES and is_secret(known) and value is not None:
        return REDACTED
    if known == "timestamp" and isinstance(value, str):
        return value
    return _content(known, value, depth)


def _content(name: str, value: Any, depth: int) -> Any:
    if isinstance(value, _NUMBERS):
        return value
    if isinstance(value, str):
        told = name in {"exception", "stack", "reason", "error", "problem"}
        return redact_exception(value) if told else redact_text(value)
    if depth < DEPTH_MAX:
        if isinstance(value, Mapping):
            return {inner: _kept(inner, held, depth + 1) for inner, held in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [_content(name, held, depth + 1) for held in value]
    return _described(value)


def _described(value: object) -> str:
    """Tell what a value is: a record or message would print all it holds."""
    if isinstance(value, _PLAIN):
        return redact_text(str(value))
    if isinstance(value, BaseException):
        return redact_exception(f"{type(value).__name__}: {value}")
    return f"<{type(value).__name__}>"
