"""Serves the reference page of the JSON calls at /docs/, by Envoy itself and without an API key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_PACKAGED = Path(__file__).with_name("openapi")
_CHECKOUT = Path(__file__).resolve().parents[3] / "generated" / "openapi"

PAGES = {
    "/docs/": ("index.html", "text/html; charset=utf-8"),
    "/docs/openapi.json": ("openapi.json", "application/json"),
    "/docs/openapi.yaml": ("openapi.yaml", "application/yaml"),
}
"""The file and the type of each path."""

BYTES_MAX = 4 * 1024 * 1024

_OFF = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}


def add_reference_page(config: dict[str, Any]) -> None:
    """Let an Envoy answer the paths of the page, before anything looks at a call."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    # No filter asks for an API key there, or words the answer.
    names = [part["name"] for part in manager["http_filters"]]
    off = {name: _OFF for name in names if name != "envoy.filters.http.router"}
    routes = [
        {
            "match": {"path": path},
            "direct_response": {"status": 200, "body": {"filename": str(folder / name)}},
            "typed_per_filter_config": off,
        }
        for path, (name, _) in PAGES.items()
    ]
    routes.append(
        {
            "match": {"path": "/docs"},
            "redirect": {"path_redirect": "/docs/", "response_code": "FOUND"},
            "typed_per_filter_config": off,
        }
    )
    manager["route_config"]["max_direct_response_body_size_bytes"] = BYTES_MAX
    host = manager["route_config"]["virtual_hosts"][0]
    host["routes"] = [*routes, *host["routes"]]
    # What Envoy answers by itself is worded by these: the pages stay as they are.
    replies = manager["local_reply_config"]
    replies["mappers"] = [*map(_as_it_is, PAGES), *replies["mappers"]]


def _as_it_is(path: str) -> dict[str, Any]:
    """Make what keeps an answer of Envoy's own, and gives it its type."""
    return {
        "filter": {
            "header_filter": {"header": {"name": ":path", "string_match": {"exact": path}}},
        },
        "headers_to_add": [
            {
                "header": {"key": "cache-control", "value": "no-cache"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            },
            {
                "header": {"key": "x-content-type-options", "value": "nosniff"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            },
        ],
        "body_format_override": {
            "content_type": PAGES[path][1],
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
        },
    }
