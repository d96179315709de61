"""Writes the table of `edge.py` in the forms that Envoy reads: Lua, and a part of envoy.yaml."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from loyalty_service.transport.errors.dialects import DEFAULT, PREFIXES, RPCS
from loyalty_service.transport.errors.edge import DOOR, HEADERS
from loyalty_service.transport.errors.edge_bodies import compact, details_of
from loyalty_service.transport.errors.edge_mappers import Mappers, Routes
from loyalty_service.transport.errors.words import EsWords, OAuthWords, RpcWords

BEGIN, END = "# Written by `make generate`: begin.", "# Written by `make generate`: end."
"""Stand around what is written into envoy.yaml."""


def edge_errors(routes: Routes) -> str:
    """Render the Lua table that the JSON door's filter words its answers with."""
    lines = [
        "-- Written by protos/generate.py. Do not edit.",
        "return {",
        f'  dialect = "{DEFAULT}",',
        "  prefixes = {",
        *(
            f"    {{ prefix = {_lua(prefix)}, dialect = {_lua(dialect)} }},"
            for prefix, dialect in PREFIXES.items()
        ),
        "  },",
        "  answers = {",
        "    es = {",
        *(f"      [{row.http}] = {_lua_table(code=row.es, message=row.message)}," for row in DOOR),
        "    },",
        "    rbi = {",
        *(
            f"      [{row.http}] = "
            f"{_lua_table(code=row.rbi, message=row.message, details=compact(details_of(row)))},"
            for row in DOOR
        ),
        "    },",
        "  },",
        "  headers = {",
        *_lua_headers(),
        "  },",
        "  routes = {",
        *(line for route, rpc in routes.items() for line in _lua_route(route, RPCS.get(rpc))),
        "  },",
        "}",
    ]
    return "\n".join([*lines, ""])


def _lua_headers() -> Iterator[str]:
    for dialect, headers in HEADERS.items():
        yield f"    {dialect} = {{"
        for name, value in headers:
            yield f"      {{ {_lua(name)}, {_lua(value)} }},"
        yield "    },"


def _lua_route(route: str, words: RpcWords | None) -> Iterator[str]:
    if words is None:
        return
    yield f"    [{_lua(route)}] = {{"
    yield f"      dialect = {_lua(words.dialect)},"
    if words.oauth is not None:
        yield "      oauth = true,"
    yield "      fields = {"
    for name, told in words.fields.items():
        missing = f", missing = {_lua_words(told.missing)}" if told.missing else ""
        yield f"        [{_lua(name)}] = {{ wrong = {_lua_words(told.wrong)}{missing} }},"
    yield "      },"
    yield "      answers = {"
    for status, answer in words.answers.items():
        if isinstance(answer, OAuthWords):
            yield f"        [{status}] = {_lua_table(status=answer.status, error=answer.error)},"
        else:
            yield f"        [{status}] = {_lua_words(answer)},"
    yield "      },"
    yield "    },"


def _lua_words(words: EsWords) -> str:
    return _lua_table(status=words.status, code=words.code, message=words.message)


def _lua_table(**members: str | int) -> str:
    return "{ " + ", ".join(f"{name} = {_lua(value)}" for name, value in members.items()) + " }"


def _lua(value: str | int) -> str:
    """Write a value as Lua does, whose texts escape as JSON's do for everything in the table."""
    return json.dumps(value, ensure_ascii=False)


def configured(text: str, routes: Routes) -> str:
    """
    Put the table into the text of envoy.yaml, between the two comments that mark its place.

    Raises:
        ValueError: The comments are not there once each, in this order.
    """
    found = re.fullmatch(
        rf"(.*\n)( *){re.escape(BEGIN)}\n.*\n *{re.escape(END)}\n(.*)", text, re.DOTALL
    )
    if found is None or text.count(BEGIN) + text.count(END) != 2:  # noqa: PLR2004 - one of each.
        raise ValueError(f"envoy.yaml needs one line {BEGIN!r}, and after it one {END!r}")
    before, indent, after = found.groups()
    written = io.StringIO()
    yaml = YAML()
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(CommentedMap(mappers=Mappers(routes).all()), written)
    block = "".join(f"{indent}{line}\n" for line in written.getvalue().splitlines())
    return f"{before}{indent}{BEGIN}\n{block}{indent}{END}\n{after}"
