"""The OpenAPI document is valid, its examples fit it, and the sandbox does what it says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openapi_spec_validator
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from tests.support.server import ADMIN_KEY, run_front

FOLDER = Path(__file__).resolve().parents[2] / "generated" / "openapi"
DOCUMENT: dict[str, Any] = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))
CASES = 5
"""Generated calls of each route: a look, and not a hunt."""

CONFIG = """
[generation]
allow-extra-parameters = false
with-security-parameters = false
"""
"""Only what the document names is sent, with the API key of the test."""

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance"
)


def test_document_is_valid_openapi() -> None:
    """Both forms are one document, which a validator of OpenAPI 3.1 accepts."""
    openapi_spec_validator.validate(DOCUMENT)
    text = (FOLDER / "openapi.yaml").read_text(encoding="utf-8")
    assert YAML(typ="safe").load(text) == DOCUMENT


def _found(one: dict[str, Any]) -> Any:
    while "$ref" in one:
        place: Any = DOCUMENT
        for part in one["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        one = place
    return one


def _contents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in DOCUMENT["paths"].items():
        for verb, operation in operations.items():
            places = {"body": operation.get("requestBody", {})} | operation["responses"]
            for place, told in places.items():
                for content in told.get("content", {}).values():
                    yield f"{verb.upper()} {path} {place}", content


def test_examples_fit_their_schemas() -> None:
    """What is shown of a call or an answer is what the fields allow."""
    shown = 0
    for place, content in _contents():
        schema = content["schema"] | {"components": DOCUMENT["components"]}
        validator = Draft202012Validator(schema)
        for name, example in content.get("examples", {}).items():
            problems = [one.message for one in validator.iter_errors(_found(example)["value"])]
            assert not problems, f"{place} {name}: {problems}"
            shown += 1
    assert shown > 300


async def test_sandbox_answers_as_the_document_says(tmp_path: Path) -> None:
    """Each example, and a few generated calls of each route, get an answer that is described."""
    (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    async with run_front(tmp_path / "front") as front:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            str(FOLDER / "openapi.json"),
            f"--url=http://127.0.0.1:{front.envoy.http_port}",
            f"--header=x-api-key: {ADMIN_KEY}",
            "--phases=examples,fuzzing",
            f"--max-examples={CASES}",
            "--seed=1",
            "--workers=1",
            f"--checks={CHECKS}",
            "--generation-database=none",
            "--no-color",
            cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
