"""
Writes the reference page: one HTML file that loads nothing, made from the OpenAPI document.

Page and document are committed as all that is generated: a start and a reader on the web need no
generator, and a change of the contract shows in them.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mako.template import Template

Json = dict[str, Any]

TEMPLATE = Path(__file__).with_name("reference.html.mako")


def reference_page(document: Json) -> str:
    """Render the page."""
    template = Template(  # noqa: S702 - every value is escaped by the default filter.
        filename=str(TEMPLATE), default_filters=["h"], strict_undefined=True
    )
    page: str = template.render(
        api=document, operations=list(_operations(document)), tools=Tools(document)
    )
    # Without the blank lines of the template's own statements.
    return re.sub(r"\n\s*\n+", "\n", page).strip() + "\n"


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            yield verb.upper(), path, operation


class Tools:
    """What the template asks for."""

    def __init__(self, document: Json) -> None:
        self._document = document

    @staticmethod
    def prose(text: str) -> str:
        """Render a comment: paragraphs, lists, and what stands in backticks."""
        blocks = [_block(block) for block in text.strip().split("\n\n")]
        return "\n".join(blocks)

    @staticmethod
    def line(text: str) -> str:
        """Render a comment of one paragraph."""
        return _marked(text)

    def found(self, one: Json) -> Json:
        """Follow a reference."""
        while "$ref" in one:
            place: Any = self._document
            for part in one["$ref"].removeprefix("#/").split("/"):
                place = place[part]
            one = place
        return one

    def fields(self, schema: Json) -> list[tuple[str, bool, str, str, str]]:
        """List the fields of an object: name, whether it is required, type, limits, comment."""
        schema = self.found(schema)
        required = schema.get("required", [])
        return [
            (name, name in required, type_of(field), limits_of(field), field.get("description", ""))
            for name, field in schema["properties"].items()
        ]

    @staticmethod
    def type_of(schema: Json) -> str:
        """Name a type, with a link where it has fields of its own."""
        return type_of(schema)

    @staticmethod
    def limits_of(schema: Json) -> str:
        """Word the limits of a value."""
        return limits_of(schema)

    @staticmethod
    def code(value: Any) -> str:
        """Show JSON."""
        return json.dumps(value, indent=2, ensure_ascii=False)

    @staticmethod
    def content(told: Json) -> Json:
        """Give the one kind of content there is."""
        (content,) = told["content"].values()
        return dict(content)


def type_of(schema: Mapping[str, Any]) -> str:
    """Name a type as HTML, with a link where it has fields of its own."""
    if "$ref" in schema:
        # A schema, or one of its fields after "properties", which has no place of its own.
        name, *field = html.escape(schema["$ref"]).split("/")[3:]
        return f'<a href="#{name}">{".".join([name, *field[1:]])}</a>'
    if "anyOf" in schema:
        return type_of(schema["anyOf"][0])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {type_of(schema['items'])}"
    if isinstance(kind, list):
        kind = " or ".join(kind)
    return html.escape(f"{kind}, {schema['format']}" if "format" in schema else kind)


def limits_of(schema: Mapping[str, Any]) -> str:
    """Word the limits of a value."""
    if "anyOf" in schema:
        return f"{limits_of(schema['anyOf'][0])}, in any case"
    found = []
    if "enum" in schema:
        found.append(" | ".join(schema["enum"]))
    if "minimum" in schema and (schema["minimum"], schema["maximum"]) != (-(2**31), 2**31 - 1):
        found.append(f"{schema['minimum']} to {schema['maximum']}")
    if "maxLength" in schema:
        found.append(f"at most {schema['maxLength']} characters")
    if "maxItems" in schema:
        found.append(f"at most {schema['maxItems']}")
    return "; ".join(found)


def _block(text: str) -> str:
    lines = text.split("\n")
    if all(line.startswith("- ") for line in lines):
        items = "".join(f"<li>{_marked(line[2:])}</li>" for line in lines)
        return f"<ul>{items}</ul>"
    return f"<p>{_marked(' '.join(lines))}</p>"


def _marked(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
