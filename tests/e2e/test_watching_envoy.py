"""What an operator adds to see what Envoy does: its measurements and its access log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.sandbox.fixed_codes import FARHAN
from tests.support.edge_parts import ENVOY, add_access_log, add_metrics, manager_of
from tests.support.http import HttpClient, Response, free_port
from tests.support.measured import samples_of
from tests.support.server import (
    ADMIN_KEY,
    POS_KEY,
    Caller,
    Front,
    identify_request,
    open_channel,
    run_front,
)
from tests.support.upstream import Upstream, run_upstream

pytestmark = pytest.mark.any_database

PAGE = "/stats/prometheus"
BLOCKED = "envoy_http_adaptive_concurrency_gradient_controller_rq_blocked"
LIMITED = "envoy_http_local_rate_limit_rate_limited"
REFUSED = "envoy_loyalty_gate_refused"
OVERFLOWN = "envoy_cluster_upstream_rq_active_overflow"
HEALTHY = "envoy_cluster_membership_healthy"
LOYALTY = {"envoy_cluster_name": "loyalty"}
TILLS = {"envoy_local_http_ratelimit_prefix": "edge"}
SECRET_CODE = "918273"
SECRET_WORDS = "secret-words"

Adapt = Callable[[dict[str, Any]], None]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def metrics(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HttpClient]:
    """A client of the port that serves Envoy's measurements."""
    port = free_port()
    folder = tmp_path_factory.mktemp("metrics")
    async with run_front(folder, adapt=partial(add_metrics, port=port)):
        yield HttpClient("127.0.0.1", port)


async def test_page_of_metrics_is_served(metrics: HttpClient) -> None:
    """Prometheus reads everything that Envoy counts, in its own format."""
    answer = await metrics.request("GET", PAGE, None, {})

    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith("text/plain")
    page = answer.body.decode()
    assert list(text_string_to_metric_families(page))
    names = {sample.name for sample in samples_of(page)}
    assert {BLOCKED, LIMITED, OVERFLOWN, HEALTHY} <= names


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/config_dump"),
        ("GET", "/certs"),
        ("GET", "/clusters"),
        ("GET", "/stats"),
        ("GET", "/server_info"),
        ("POST", "/quitquitquit"),
        ("GET", "/quitquitquit"),
        ("POST", "/healthcheck/fail"),
        ("POST", "/drain_listeners"),
        ("POST", "/reset_counters"),
        ("POST", "/logging?level=trace"),
        ("POST", PAGE),
        ("GET", f"{PAGE}/"),
        ("GET", f"{PAGE}/../../config_dump"),
        ("GET", f"{PAGE}/../config_dump"),
        ("GET", f"{PAGE}/..%2f..%2fconfig_dump"),
        ("GET", f"{PAGE}%3f/../../config_dump"),
        ("GET", f"/{PAGE}"),
        ("GET", f"/config_dump?{PAGE}"),
        ("GET", f"/config_dump#{PAGE}"),
        ("GET", f"{PAGE};/config_dump"),
        ("GET", "http://127.0.0.1/config_dump"),
        ("CONNECT", "127.0.0.1:9901"),
    ],
)
async def test_port_of_metrics_serves_nothing_else(
    metrics: HttpClient, method: str, path: str
) -> None:
    """No other page of the admin address is reached by it, whatever the path looks like."""
    answer = await metrics.request(method, path, None, {})
    assert answer.status in {400, 404}
    assert answer.body == b""

    still = await metrics.request("GET", PAGE, None, {})
    assert still.status == 200


def test_metrics_are_for_this_machine_unless_opened() -> None:
    """The part as shipped listens on loopback, and asks the admin address of envoy.yaml."""
    parts = YAML(typ="safe").load(ENVOY / "metrics.yaml")
    admin = YAML(typ="safe").load(ENVOY / "envoy.yaml")["admin"]["address"]
    (endpoint,) = parts["cluster"]["load_assignment"]["endpoints"][0]["lb_endpoints"]

    assert parts["listener"]["address"]["socket_address"]["address"] == "127.0.0.1"
    assert endpoint["endpoint"]["address"] == {"pipe": {"path": admin["pipe"]["path"]}}


@dataclass(frozen=True, slots=True)
class Edge:
    """An Envoy before a stand-in for the server."""

    upstream: Upstream
    till: HttpClient
    metrics: HttpClient

    async def poll(self) -> Response:
        """Ask about a code."""
        return await self.till.request("GET", "/otp/123456", None, {"x-api-key": POS_KEY})

    async def count(self, name: str, **labels: str) -> float:
        """Read a measurement."""
        answer = await self.metrics.request("GET", PAGE, None, {})
        (value,) = [
            sample.value
            for sample in samples_of(answer.body.decode())
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return value


@asynccontextmanager
async def run_edge(folder: Path, adapt: Adapt) -> AsyncIterator[Edge]:
    """Run Envoy before a stand-in, which it takes to be healthy."""
    port = free_port()

    def measure(config: dict[str, Any]) -> None:
        del config["static_resources"]["clusters"][0]["health_checks"]
        adapt(config)
        add_metrics(config, port)

    async with (
        run_upstream() as upstream,
        EnvoyProcess(folder=folder, grpc_port=upstream.port, adapt=measure) as envoy,
    ):
        yield Edge(
            upstream, HttpClient("127.0.0.1", envoy.http_port), HttpClient("127.0.0.1", port)
        )


def filter_of(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Give the settings of one of Envoy's filters."""
    (found,) = [
        part["typed_config"]
        for part in manager_of(config)["http_filters"]
        if part["name"] == f"envoy.filters.http.{name}"
    ]
    settings: dict[str, Any] = found
    return settings


def _limit_the_rate(config: dict[str, Any]) -> None:
    bucket = {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"}
    filter_of(config, "local_ratelimit")["token_bucket"] = bucket


def _limit_concurrency(config: dict[str, Any]) -> None:
    controller = filter_of(config, "adaptive_concurrency")["gradient_controller_config"]
    controller["concurrency_limit_params"]["max_concurrency_limit"] = 1
    controller["min_rtt_calc_params"]["min_concurrency"] = 1


def _limit_requests(config: dict[str, Any]) -> None:
    calls, _streams = config["static_resources"]["clusters"][0]["circuit_breakers"]["thresholds"]
    calls["max_requests"] = 1


@pytest.mark.parametrize(
    ("adapt", "name", "labels", "status"),
    [
        (_limit_the_rate, LIMITED, TILLS, 429),
        (_limit_concurrency, BLOCKED, {}, 429),
        (_limit_requests, OVERFLOWN, LOYALTY, 503),
    ],
)
async def test_call_turned_away_by_envoy_is_counted(
    tmp_path: Path, adapt: Adapt, name: str, labels: dict[str, str], status: int
) -> None:
    """Each limit of Envoy counts what it refuses under the name that the alert asks for."""
    async with run_edge(tmp_path, adapt) as edge:
        edge.upstream.hang = True
        assert await edge.count(name, **labels) == 0
        first = asyncio.create_task(edge.poll())
        async with asyncio.timeout(10):
            while not edge.upstream.calls:  # noqa: ASYNC110 - the stand-in tells nobody.
                await asyncio.sleep(0.01)
        refused = await edge.poll()
        counted = await edge.count(name, **labels)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert refused.status == status
    assert counted == 1


async def test_call_turned_away_by_the_gate_is_counted_by_its_reason(tmp_path: Path) -> None:
    """Strangers who announce more than what they share: the seventh of 768 KiB."""
    call = (
        b"POST /otp HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        b"x-api-key: stranger\r\ncontent-length: 786432\r\n\r\n"
    )
    async with run_edge(tmp_path, lambda _: None) as edge:
        calls = [asyncio.create_task(edge.till.send(call)) for _ in range(7)]
        done, waiting = await asyncio.wait(calls, timeout=2, return_when=asyncio.FIRST_COMPLETED)
        assert [call.result().status for call in done] == [429]
        assert await edge.count(REFUSED, reason="memory") == 1
        for half in waiting:
            half.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_key_that_takes_too_many_places_is_counted(tmp_path: Path) -> None:
    """Of 65 calls of a key that works, which nobody answers, the last is turned away."""
    async with run_edge(tmp_path, lambda _: None) as edge:
        # A key that Envoy has not seen work shares the places of its caller's address.
        await edge.poll()
        edge.upstream.hang = True
        calls = [asyncio.create_task(edge.poll()) for _ in range(65)]
        done, waiting = await asyncio.wait(calls, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert [call.result().status for call in done] == [429]
        assert await edge.count(REFUSED, reason="places") == 1
        for call in waiting:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_server_that_does_not_answer_is_no_healthy_one(tmp_path: Path) -> None:
    """Where no server is left, the measurement that the alert asks for is 0, and calls fail."""
    port = free_port()
    metrics = HttpClient("127.0.0.1", port)
    adapt = partial(add_metrics, port=port)
    async with EnvoyProcess(folder=tmp_path, grpc_port=free_port(), adapt=adapt) as envoy:
        edge = Edge(Upstream(), HttpClient("127.0.0.1", envoy.http_port), metrics)
        answer = await edge.poll()
        assert await edge.count(HEALTHY, **LOYALTY) == 0
    assert answer.status == 503


async def test_access_log_tells_who_called_and_no_secret(tmp_path: Path) -> None:
    """A line a call has address, status, sizes, time and Envoy's request ID, and nothing sent."""
    async with run_front(tmp_path, adapt=add_access_log) as front:
        answers = await _call_with_secrets(front)
        log = front.envoy.log
    written = log.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]

    calls = [line for line in lines if line["request_id"]]
    told = {line["request_id"]: line for line in calls}
    for answer in answers:
        line = told[answer.header("x-request-id")]
        assert line["status"] == answer.status
        assert line["address"] == "127.0.0.1"
        assert line["bytes_sent"] == len(answer.body)
        assert line["ms"] >= 0
    assert {line["status"] for line in lines} >= {200, 400, 401, 404}
    assert "Unauthenticated" in {line["grpc_status"] for line in lines}
    assert {tuple(sorted(line)) for line in lines} == {
        (
            *("address", "bytes_received", "bytes_sent", "flags", "grpc_status", "ms"),
            *("request_id", "status", "time"),
        )
    }
    for secret in (SECRET_CODE, SECRET_WORDS, ADMIN_KEY, POS_KEY, FARHAN, "otp", "identifier"):
        assert secret not in written


async def test_access_log_tells_what_the_server_answered(tmp_path: Path) -> None:
    """A JSON call's line has the gRPC status of the server, which its caller is not shown."""
    absent = "4711fc2a-3a8f-414f-a9e7-44dd5231dca8"
    async with run_front(tmp_path, adapt=add_access_log) as front:
        told = {
            "OK": await front.get(f"/loyalty/members/{FARHAN}"),
            "NotFound": await front.get(f"/loyalty/members/{absent}"),
            "Unauthenticated": await front.get(f"/loyalty/members/{FARHAN}", "wrong"),
            "PermissionDenied": await front.get(f"/loyalty/members/{FARHAN}", POS_KEY),
            "InvalidArgument": await front.post("/loyalty/identify", {}),
            "-": await front.post("/client/users/anonymous/sessions", {"correlationId": []}),
            None: await front.get(f"/loyalty/members/{FARHAN}", None),
        }
        log = front.envoy.log
    lines = [
        json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")
    ]
    statuses = {line["request_id"]: line["grpc_status"] for line in lines}
    assert {name: statuses[answer.header("x-request-id")] for name, answer in told.items()} == {
        name: name for name in told
    }
    for answer in told.values():
        assert not [name for name, _ in answer.headers if name.startswith("grpc-")]


async def _call_with_secrets(front: Front) -> list[Response]:
    """Make calls that are answered and calls that each layer refuses; return most of them."""
    secret = {"x-request-id": SECRET_WORDS, "user-agent": SECRET_WORDS, "referer": SECRET_WORDS}
    body = {"identifier": SECRET_CODE, "posVendor": {"storeId": SECRET_WORDS}}
    answers = [
        await front.get(f"/loyalty/members/{FARHAN}", ADMIN_KEY, **secret),
        await front.get(f"/otp/{SECRET_CODE}?code={SECRET_CODE}", None, **secret),
        await front.get(f"/otp/{SECRET_CODE}", SECRET_WORDS, **secret),
        await front.post("/loyalty/identify", body, POS_KEY, **secret),
        await front.get(f"/{SECRET_WORDS}", POS_KEY, authorization=SECRET_WORDS, **secret),
    ]
    # Refused before any filter sees it, so that the caller's request ID is not yet replaced.
    for bad in ("GET /otp/%2f", "POST /loyalty%2fidentify", f"{SECRET_WORDS.upper()} /otp/"):
        method, path = bad.split()
        refused = await front.http.request(method, path + SECRET_CODE, None, secret)
        assert refused.status >= 400
    for name in ("secret_header", "idempotency_key", "x_api_key"):
        sent = {"x-api-key": POS_KEY, name: SECRET_WORDS}
        underscored = await front.http.request("GET", "/otp/1", None, sent)
        assert underscored.status >= 400
    async with open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel:
        nobody = Caller(channel, SECRET_WORDS)
        await nobody.refused(nobody.identifies.IdentifyMember, identify_request(SECRET_CODE))
    return answers
