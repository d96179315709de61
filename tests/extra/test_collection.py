"""The collection of the client kit, call by call, before a server that knows nobody of it."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from functools import reduce
from http.client import HTTPConnection
from operator import getitem
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kit.collection import write_collection
from tests.support.server import run_front


def part(call: str, name: str) -> str:
    """Give what stands in a part of a call."""
    found = re.search(rf"^{re.escape(name)} \{{\n(.*?)^\}}", call, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def entries(call: str, name: str) -> dict[str, str]:
    """Give the lines of a part by their names."""
    return dict(line.strip().split(": ", 1) for line in part(call, name).splitlines())


def run_case(folder: Path, port: int, known: dict[str, str]) -> int:
    """Make the calls of a folder in their order, as Bruno does; return how many there were."""
    calls = sorted(folder.glob("[0-9]*.bru"), key=lambda path: int(path.stem))
    for path in calls:
        call = path.read_text(encoding="utf-8")
        if "bru.setVar" in call:
            known["new"] = str(uuid.uuid4())
        filled = re.sub(r"\{\{(\w+)\}\}", lambda match: known[match[1]], call)
        verb = next(verb for verb in ("get", "post", "put", "delete") if part(call, verb))
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        headers = entries(filled, "headers")
        body = part(filled, "body:json").encode() or None
        if form := entries(filled, "body:form-urlencoded"):
            # Bruno writes the form, and says so, by itself.
            body = urlencode(form).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        connection.request(verb.upper(), entries(filled, verb)["url"], body, headers)
        answer = connection.getresponse()
        heard: dict[str, Any] = {"body": json.loads(answer.read()), "status": answer.status}
        connection.close()
        for place, expected in entries(call, "assert").items():
            value = reduce(getitem, place.split(".")[1:], heard)
            assert f"eq {value}" == expected, f"{folder.name}/{path.name}: {heard}"
        for name, place in entries(call, "vars:post-response").items():
            known[name] = str(reduce(getitem, place.split(".")[1:], heard))
    return len(calls)


async def test_every_case_of_the_collection_passes(tmp_path: Path) -> None:
    """Each case makes ready what it needs, and its last call gets the answer it names."""
    write_collection(tmp_path / "collection")
    cases = sorted(path.parent for path in (tmp_path / "collection").glob("*/folder.bru"))
    keys = {"base": "", "till_key": "sandbox-pos-key", "app_key": "sandbox-app-key"}
    async with run_front(tmp_path / "front") as front:
        port = front.envoy.http_port
        made = [await asyncio.to_thread(run_case, case, port, dict(keys)) for case in cases]
    assert len(made) > 100
    assert sum(made) > 400
