"""What an operator is given to watch with: alerts, a dashboard and their explanation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import pytest_asyncio
from ruamel.yaml import YAML

from loyalty_service.transport.rpcs import RPCS
from tests.support.edge_parts import add_metrics
from tests.support.http import HttpClient, free_port
from tests.support.measured import Sample, samples_of
from tests.support.server import run_front

DOCS = Path(__file__).resolve().parents[2] / "docs"
ALERTS = (DOCS / "operations" / "alerts.md").read_text(encoding="utf-8")
METRICS = (DOCS / "operations" / "metrics.md").read_text(encoding="utf-8")
RULES = YAML(typ="safe").load(DOCS / "alerts.yaml")["groups"][0]["rules"]
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
QUERIES = {
    f"{panel['title']}, {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
PROMETHEUS_OWN = {"up"}
OTHERS = "node_"
"""Measured by Prometheus' node exporter, which the operator brings."""

JOBS = {"envoy_": "loyalty-edge", OTHERS: "loyalty-database"}
"""Whose measurement it is, by how its name begins; all others are the servers'."""

NAME = re.compile(r"`((?:rpc|loyalty|process|envoy)_[a-z_]*\*?)`")
LATE = {"envoy_loyalty_gate_refused", "loyalty_program_points"}
"""
Measured from the first call that is turned away, as one is by `test_watching_envoy.py`; and from
the first look at the ledger once there is a program.
"""

METHODS = set(RPCS)
SOME_METHODS = {
    reason: {rpc.name for rpc in RPCS.values() if reason in rpc.expected}
    for reason in {reason for rpc in RPCS.values() for reason in rpc.expected}
}
"""Methods that alone may have an outcome which alerts ask for."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def samples(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Sample]:
    """What is measured of a server and an Envoy that nobody has called yet."""
    server_port, envoy_port = free_port(), free_port()
    adapt = partial(add_metrics, port=envoy_port)
    folder = tmp_path_factory.mktemp("watching")
    async with run_front(folder, adapt=adapt, metrics_port=server_port):
        pages = [
            await HttpClient("127.0.0.1", port).request("GET", path, None, {})
            for port, path in ((server_port, "/metrics"), (envoy_port, "/stats/prometheus"))
        ]
    return [sample for page in pages for sample in samples_of(page.body.decode())]


@pytest.fixture(scope="module")
def names(samples: Sequence[Sample]) -> set[str]:
    """The names of all measurements of the server."""
    return {sample.name for sample in samples if not sample.name.startswith("envoy_")}


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


def check(query: str, samples: Sequence[Sample]) -> None:
    """Require that a query is PromQL, and about what is measured before the first call."""
    found = list(selectors(promql_parser.parse(query)))
    assert found
    for selector in found:
        if selector.name in PROMETHEUS_OWN | LATE or selector.name.startswith(OTHERS):
            continue
        series = [sample.labels for sample in samples if sample.name == selector.name]
        assert series
        for matcher in selector.matchers.matchers:
            if matcher.name in {"job", "instance"}:
                continue
            there = {labels.get(matcher.name) for labels in series}
            assert set(matcher.value.split("|")) <= there


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
async def test_alert_watches_what_is_measured(
    rule: dict[str, Any], samples: Sequence[Sample]
) -> None:
    """Every alert is PromQL about metrics, methods and outcomes that there are from the start."""
    check(rule["expr"], samples)
    for selector in selectors(promql_parser.parse(rule["expr"])):
        jobs = {m.value for m in selector.matchers.matchers if m.name == "job"}
        begins = f"{selector.name.partition('_')[0]}_"
        assert jobs == {JOBS.get(begins, "loyalty")} or selector.name in PROMETHEUS_OWN
    assert "{{ $value" in rule["annotations"]["description"] or rule["alert"].endswith("Gone")
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    assert rule["labels"]["severity"] in {"warning", "critical"}


@pytest.mark.parametrize("query", QUERIES.values(), ids=list(QUERIES))
async def test_panel_shows_what_is_measured(query: str, samples: Sequence[Sample]) -> None:
    """Every query of the dashboard is PromQL about metrics that there are."""
    check(query, samples)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
async def test_first_call_with_an_outcome_is_a_rise(
    rule: dict[str, Any], samples: Sequence[Sample]
) -> None:
    """What an alert counts begins at 0 for every method: a series born at 1 has not risen."""
    for selector in selectors(promql_parser.parse(rule["expr"])):
        counted = {
            (sample.labels.get("rpc_method"), sample.labels.get("outcome"))
            for sample in samples
            if sample.name == selector.name and sample.value == 0
        }
        of_calls = selector.name.startswith("rpc_")
        for matcher in selector.matchers.matchers:
            if matcher.name == "outcome":
                for outcome in matcher.value.split("|"):
                    methods = SOME_METHODS.get(outcome, METHODS) if of_calls else {None}
                    assert {(method, outcome) for method in methods} <= counted


def test_alerts_are_explained() -> None:
    """Each rule has its chapter, with the same query, the same words, and what to do."""
    chapters = {text.partition("\n")[0]: text for text in ALERTS.split("\n## ")[1:]}

    assert set(chapters) == {rule["alert"] for rule in RULES}
    for rule in RULES:
        chapter = chapters[rule["alert"]]
        assert f"```promql\n{rule['expr'].strip()}\n```" in chapter
        assert rule["annotations"]["summary"] in chapter.replace("\n", " ")
        assert "**Do:** " in chapter
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert "docs/operations/alerts.md" in page
        assert anchor == rule["alert"].lower()


async def test_metrics_are_explained(names: set[str]) -> None:
    """The tables of metrics have all that a server measures, and what is asked of Envoy."""
    chapter = METRICS.partition("## Metrics")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in chapter.splitlines() if row.startswith("| `")]
    told = {name for row in rows for name in NAME.findall(row)}
    samples = {name for name in names if not name.endswith("_created")}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples}
    ours = {name for name in families if not name.startswith("process_")}

    queries = [rule["expr"] for rule in RULES] + list(QUERIES.values())
    asked = {s.name for query in queries for s in selectors(promql_parser.parse(query))}

    # Of each program it has a value once the ledger was looked at since the program was applied.
    ours.add("loyalty_program_points")
    assert told == ours | {"process_*"} | {name for name in asked if name.startswith("envoy_")}


def test_dashboard_can_be_imported() -> None:
    """Panels have their own numbers and places, and one data source to choose."""
    panels = DASHBOARD["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${source}"}
    variables = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert variables == ["source", "job", "instance", "edge_job", "edge_instance"]


@pytest.mark.parametrize("query", QUERIES.values(), ids=list(QUERIES))
def test_panel_is_of_the_job_and_servers_chosen(query: str) -> None:
    """Every query of the dashboard asks for the job and the instances that were chosen."""
    for selector in selectors(promql_parser.parse(query)):
        chosen = "edge_" if selector.name.startswith("envoy_") else ""
        asked = {m.name: m.value for m in selector.matchers.matchers}
        assert asked["job"] == f"${chosen}job"
        assert asked["instance"] == f"${chosen}instance"


def test_thresholds_are_those_of_the_alerts() -> None:
    """Where a panel shows a line, an alert begins at that value."""
    ends = [re.search(r"[<>] ([\d.e]+)(?: \* (\d+))?$", rule["expr"].strip()) for rule in RULES]
    limits = {float(end[1]) * float(end[2] or 1) for end in ends if end is not None}
    shown = [
        step["value"]
        for panel in DASHBOARD["panels"]
        for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", ())
        if step["value"] is not None and panel["title"] != "Ledger imbalance"
    ]
    assert len(shown) >= 10
    assert set(shown) <= limits
