"""The headers that server and Envoy's filters read, found where they are read, and odd values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "server" / "loyalty_service"
SANDBOX = SERVER / "sandbox"
"""Its headers order faults; no other server reads them, which tests of the sandbox prove."""

FILTERS = sorted((ROOT / "envoy").rglob("*.lua"))
OF_ANSWERS = {
    *("call_of", "complete_local_reply", "envoy_on_response", "learn", "note_end", "note_outcome"),
    *("put_in_place", "read_good_head", "read_head", "read_trailers", "refuse_in_json"),
}
"""Functions of Envoy's filters that read the headers of an answer."""

TRACED = {"traceparent", "tracestate"}
"""What Envoy reads where it traces."""

FRAMING = {"content-length"}
"""What says where a request ends, and so is never made up."""

SET_BY_ENVOY = {"x-envoy-external-address"}
"""What never holds what a caller sent."""

VALUES: Mapping[str, tuple[str, ...]] = {
    "access-control-request-method": ("POST", "GET", "", "x y"),
    "authorization": ("Bearer", "Bearer ", "bearer lk_x", "Basic x", ""),
    "content-encoding": ("", "identity", "gzip", "identity, gzip", ",,"),
    "content-type": ("application/json", "text/plain", "", "x/y", "application/grpc-web+x", "é"),
    "idempotency-key": ("", " ", *(f"key-{number}" for number in range(50)), "k" * 255, "k" * 300),
    "loyalty-caller": ("1", "2", "0", "", "x"),
    "loyalty-stranger": ("127.0.0.1", "", "x"),
    "loyalty-query-key": ("a+b", "+", "%", "%2", "%ff+", "+" * 255, ""),
    "loyalty-alias": ("1", "", "es-drafts"),
    "loyalty-client": ("", "key", "\u00e9"),
    "loyalty-dialect": ("es", "rbi", "", "xx"),
    "loyalty-mended": ("text:name,field:type", "field:", "text", ",", "x:y", "é", "field:a," * 60),
    "origin": ("null", "http://localhost:3000", "http://localhost.example", "", "http://[::1"),
    "traceparent": (
        f"00-{'1' * 32}-{'2' * 16}-01",
        f"00-{'0' * 32}-{'0' * 16}-01",
        f"ff-{'1' * 32}-{'2' * 16}-01",
        f"cc-{'1' * 32}-{'2' * 16}-01-what-the-future-will-be-like",
        f"00-{'1' * 32}-{'2' * 16}-0x",
        "00",
    ),
    "tracestate": ("a=1", "a=1," * 40, "=", ""),
    "x-amzn-trace-id": (
        f"Root=1-{'1' * 8}-{'2' * 24};Sampled=1",
        f"Root=1-{'1' * 8}-{'2' * 23}g",
        "Root=",
        "",
    ),
    "x-api-key": ("", " ", "lk_x", "k" * 4000),
    "x-identifier-type": ("LOYALTY_ID", "phone_number ", "EXTERNAL_ID", "EMAIL,EMAIL", ""),
    "x-region": ("CA", "ca ", "US", "\u0131", ""),
    "x-request-id": ("", "a b", "r" * 128, "r" * 129, '"}', "00000000-0000-0000-0000-000000000000"),
    "x-user-datetime": (
        "2026-11-22T12:00:00Z",
        "2026-11-22",
        "24:00",
        "x",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "\uff12\uff10\uff12\uff16-11-22",
        "",
    ),
}
"""What is nearly or just right for each header."""

ODD_VALUES = ("x", "0", "null", "a,b", "\t", "~" * 2000, "\xe9", "\U0001f36a", "%00", '"', "\\")
"""What is right for none; a header holds no control characters but the tab."""


class HiddenHeaderError(Exception):
    """Raised where the name of a header that is read does not stand beside the reading."""


@cache
def headers_read() -> tuple[str, ...]:
    """
    Give the name of every header that decides anything, in order.

    Raises:
        HiddenHeaderError: Some are read by a name that is not written there, or past `metadata`.
    """
    found, gates = set(TRACED), 0
    for path in sorted(SERVER.rglob("*.py")):
        source = path.read_text("utf-8")
        gates += source.count(".invocation_metadata(")
        if not path.is_relative_to(SANDBOX):
            found.update(_names_in(ast.parse(source), path))
    if gates != 1:
        raise HiddenHeaderError(f"gRPC is asked for headers in {gates} places")
    for path in FILTERS:
        functions = re.findall(
            r"^(?:local )?function ([\w.]+)\((.*?)^end$",
            path.read_text("utf-8"),
            re.DOTALL | re.MULTILINE,
        )
        for name, text in functions:
            if name not in OF_ANSWERS:
                found.update(re.findall(r'headers:get\("([a-z-]+)"', text))
    return tuple(sorted(found - FRAMING - SET_BY_ENVOY))


def _names_in(module: ast.Module, path: Path) -> Iterator[str]:
    """Give the names that a module looks up in a call's metadata."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            held, name = node.func.value, node.args[0] if node.args else None
            looked_up = node.func.attr == "get"
        elif isinstance(node, ast.Subscript):
            held, name = node.value, node.slice
            looked_up = isinstance(node.ctx, ast.Load)
        else:
            continue
        if not looked_up or not _is_metadata(held):
            continue
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            raise HiddenHeaderError(f"{path}:{node.lineno}")
        yield name.value


def _is_metadata(node: ast.expr) -> bool:
    names = {ast.Name: "id", ast.Attribute: "attr"}
    return str(getattr(node, names.get(type(node), ""), "")).lstrip("_") == "metadata"
