"""What an operator is given to watch with: alerts, a dashboard and their explanation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from server.transport.error_catalogue import GRPC_CODES
from server.transport.server import SERVICES
from tests.support.http import HttpClient, free_port
from tests.support.server import run_server

DOCS = Path(__file__).resolve().parents[2] / "docs"
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")
RULES = YAML(typ="safe").load(DOCS / "alerts.yaml")["groups"][0]["rules"]
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
QUERIES = {
    f"{panel['title']}, {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
PROMETHEUS_OWN = {"up"}
NAME = re.compile(r"`((?:rpc|loyalty|process)_[a-z_]*\*?)`")
LABELS = {
    "rpc_method": {f"{s.name}/{method.name}" for s in SERVICES for method in s.methods},
    "outcome": set(GRPC_CODES),
    "file": {"database", "log"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all samples on the page of a running server."""
    folder = tmp_path_factory.mktemp("watching")
    port = free_port()
    async with run_server(folder, metrics_port=port) as server:
        await server.admin.enroll()
        answer = await HttpClient("127.0.0.1", port).request("GET", "/metrics", None, {})
    families = text_string_to_metric_families(answer.body.decode())
    return {sample.name for family in families for sample in family.samples}


def selectors(node: Any) -> Iterator[Any]:
    """Give every metric that a query selects, with its matchers."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from selectors(node.lhs)
        yield from selectors(node.rhs)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from selectors(argument)
    elif not isinstance(node, promql_parser.NumberLiteral | promql_parser.StringLiteral):
        yield from selectors(node.expr)


def check(query: str, names: set[str]) -> None:
    """Require that a query is PromQL, and about what a server measures."""
    found = list(selectors(promql_parser.parse(query)))
    assert found
    for selector in found:
        assert selector.name in names | PROMETHEUS_OWN
        for matcher in selector.matchers.matchers:
            if matcher.name in LABELS:
                assert set(re.split(r"\|", matcher.value)) <= LABELS[matcher.name]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
async def test_alert_watches_what_is_measured(rule: dict[str, Any], names: set[str]) -> None:
    """Every alert is PromQL about metrics, methods and outcomes that there are."""
    check(rule["expr"], names)
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    assert rule["labels"]["severity"] in {"warning", "critical"}


@pytest.mark.parametrize("query", QUERIES.values(), ids=list(QUERIES))
async def test_panel_shows_what_is_measured(query: str, names: set[str]) -> None:
    """Every query of the dashboard is PromQL about metrics that there are."""
    check(query, names)


def test_alerts_are_explained() -> None:
    """Each rule has its chapter, with the same query, the same words, and what to do."""
    told = OPERATIONS.partition("## Alerts")[2].partition("\n## ")[0]
    chapters = {text.partition("\n")[0]: text for text in told.split("\n### ")[1:]}

    assert set(chapters) == {rule["alert"] for rule in RULES}
    for rule in RULES:
        chapter = chapters[rule["alert"]]
        assert f"```promql\n{rule['expr'].strip()}\n```" in chapter
        assert rule["annotations"]["summary"] in chapter.replace("\n", " ")
        assert "**Do:** " in chapter
        assert rule["annotations"]["runbook"].endswith(f"#{rule['alert'].lower()}")


async def test_metrics_are_explained(names: set[str]) -> None:
    """The table of metrics has what a server measures, and nothing else."""
    chapter = OPERATIONS.partition("## Metrics")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in chapter.splitlines() if row.startswith("| `")]
    told = {name for row in rows for name in NAME.findall(row)}
    samples = {name for name in names if not name.endswith("_created")}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples}
    ours = {name for name in families if not name.startswith("process_")}

    assert told == ours | {"process_*"}


def test_dashboard_can_be_imported() -> None:
    """Panels have their own numbers and places, and one data source to choose."""
    panels = DASHBOARD["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${source}"}
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["source"]
