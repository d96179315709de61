"""What an operator sees of a call: its trace, its lines in the log, and the measurements."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
import pytest_asyncio
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from loyalty_service.observability.metrics import Telemetry
from loyalty_service.observability.otlp import Otlp
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.storage.databases import Database
from tests.support.banks import SECRET, ServerProcess, prepare_bank, process_environment
from tests.support.collector import Collector, Span, run_collector
from tests.support.databases import Backend, fresh_database
from tests.support.http import HttpClient, free_port
from tests.support.server import Caller, Refusal, identify_request

pytestmark = pytest.mark.any_database

WRONG_CODE = "987654"
TOGETHER = 24
SERVER_KIND = 2
RPC = "loyalty.v1.IdentifyService/IdentifyMember"
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
POINTS = 100_000
GIVEN_UP_S = 9.0
"""With 10 s for each batch it was 13 s."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a server and its Envoy until they ended."""

    spans: Sequence[Span]
    metrics: dict[str, Any]
    log: Sequence[dict[str, Any]]
    page: str
    request_ids: dict[str, str | None]
    refusals: dict[str, tuple[Refusal, str]]
    traces: dict[str, str]

    def named(self, trace_id: str) -> dict[str, Span]:
        """Give the spans of a trace by name."""
        return {span.name: span for span in self.spans if span.trace_id == trace_id}

    def line(self, request_id: str | None) -> dict[str, Any]:
        """Give the one line about how a call ended."""
        (line,) = [
            line
            for line in self.log
            if line.get("event") == "call ended" and line["request_id"] == request_id
        ]
        return line


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seen(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> AsyncIterator[Seen]:
    """Make some calls with everything on, then stop all of it."""
    folder = tmp_path_factory.mktemp("telemetry")
    with fresh_database(backend) as url, run_collector() as collector:
        (guest,) = await prepare_bank(url, [POINTS])
        metrics_port = free_port()
        settings = {
            "LOYALTY_LOG_LEVEL": "debug",
            "LOYALTY_OTLP_ENDPOINT": collector.endpoint,
            "LOYALTY_TRACE_RATIO": "0",
            "LOYALTY_METRICS_PORT": str(metrics_port),
        }
        process = await ServerProcess.start(process_environment(url, folder, **settings))
        try:
            envoy = EnvoyProcess(
                folder=folder / "envoy",
                grpc_port=int(process.address.rpartition(":")[2]),
                collector_port=collector.port,
                adapt=_trace_every_call_at_once,
            )
            async with envoy:
                till = HttpClient("127.0.0.1", envoy.http_port)
                request_ids = {
                    "identified": await _identify(till, guest),
                    "refused": await _identify(till, WRONG_CODE),
                    "polled": await _poll(till, WRONG_CODE),
                }
                await asyncio.to_thread(collector.await_that, lambda: _edges(collector) >= 3)
            refusals = await _call_and_be_refused(process.address)
            traces = await _call_at_once(process.address, guest, url, metrics_port)
            page = await _page(metrics_port)
            await process.stop(quiet=False)
        finally:
            await process.kill()
    lines = [json.loads(line) for line in process.said if line.startswith("{")]
    yield Seen(collector.spans, collector.metrics, lines, page, request_ids, refusals, traces)


async def _identify(till: HttpClient, identifier: str) -> str | None:
    order = {"storeId": "9999", "posType": "Partner", "transactionId": secrets.token_hex(8)}
    body = json.dumps({"identifier": identifier, "posVendor": order})
    # From outside nobody decides what is traced, nor what a call is called.
    headers = {"x-api-key": SECRET, "traceparent": _parent(sampled=False), "x-request-id": "mine"}
    answer = await till.request("POST", "/loyalty/identify", body, headers)
    return answer.header("x-request-id")


async def _poll(till: HttpClient, code: str) -> str | None:
    answer = await till.request("GET", f"/otp/{code}", None, {"x-api-key": SECRET})
    return answer.header("x-request-id")


async def _call_and_be_refused(address: str) -> dict[str, tuple[Refusal, str]]:
    """Call without Envoy; return the refusals by the request IDs that were sent."""
    refusals = {}
    async with grpc.aio.insecure_channel(address) as channel:
        caller = Caller(channel, SECRET)
        for request_id in ("kiosk-7", 'not "fit" for a log', "x" * 129):
            parent = _parent(sampled=False)
            refusal = await caller.refused(
                caller.identifies.IdentifyMember,
                identify_request(WRONG_CODE),
                x_request_id=request_id,
                traceparent=parent,
            )
            refusals[request_id] = refusal, parent.split("-")[1]
    return refusals


async def _call_at_once(address: str, guest: str, url: str, metrics_port: int) -> dict[str, str]:
    """Make calls that are traced and share a commit; return their callers' spans by trace."""
    parents = [_parent(sampled=True) for _ in range(TOGETHER)]
    async with grpc.aio.insecure_channel(address) as channel:
        caller = Caller(channel, SECRET)
        with _writers_waiting(url):
            calls = asyncio.gather(
                *(
                    caller.call(
                        caller.identifies.IdentifyMember,
                        identify_request(guest),
                        traceparent=parent,
                    )
                    for parent in parents
                )
            )
            # Writers may have taken most of them, in batches that wait as well and share a commit.
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    while await _waiting(metrics_port) < TOGETHER // 3:  # noqa: ASYNC110 - a process.
                        await asyncio.sleep(0.01)
        await calls
    return {parent.split("-")[1]: parent.split("-")[2] for parent in parents}


@contextmanager
def _writers_waiting(url: str) -> Iterator[None]:
    """Keep every writer of a database from beginning, so that calls queue."""
    database = Database.from_text(url)
    connection = database.connect_writer()
    try:
        connection.execute("BEGIN IMMEDIATE" if database.embedded else "BEGIN")
        if not database.embedded:
            connection.execute("LOCK TABLE catalog_revision IN ACCESS EXCLUSIVE MODE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


async def _waiting(metrics_port: int) -> float:
    found = re.search(r"^loyalty_store_waiting (\S+)$", await _page(metrics_port), re.MULTILINE)
    assert found is not None
    return float(found[1])


def _parent(*, sampled: bool) -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{int(sampled):02d}"


def _edges(collector: Collector) -> int:
    return sum(span.service == "loyalty-edge" for span in collector.spans)


def _trace_every_call_at_once(config: dict[str, Any]) -> None:
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["tracing"]["random_sampling"] = {"value": 100.0}
    layer = {"tracing.opentelemetry.flush_interval_ms": 50}
    runtime = config.setdefault("layered_runtime", {"layers": []})
    runtime["layers"].append({"name": "test", "static_layer": layer})


async def _page(port: int) -> str:
    answer = await HttpClient("127.0.0.1", port).request("GET", "/metrics", None, {})
    return answer.body.decode()


async def test_trace_leads_from_the_edge_to_the_commit(seen: Seen) -> None:
    """A call through Envoy is one trace: edge, server, queue, transaction, commit."""
    trace_id = seen.line(seen.request_ids["identified"])["trace_id"]
    spans = seen.named(trace_id)
    assert sorted(spans) == sorted(["ingress", RPC, "queue", "transaction", "commit"])
    edge, call = spans["ingress"], spans[RPC]
    assert (edge.service, edge.parent_id) == ("loyalty-edge", "")
    assert (call.service, call.parent_id, call.kind) == ("loyalty", edge.span_id, SERVER_KIND)
    assert spans["queue"].parent_id == call.span_id
    assert spans["transaction"].parent_id == call.span_id
    assert spans["commit"].parent_id == spans["transaction"].span_id
    # Each stage lies within its parent, and they follow one another.
    queue, transaction, commit = spans["queue"], spans["transaction"], spans["commit"]
    assert call.begun_ns <= queue.begun_ns <= queue.ended_ns <= transaction.begun_ns
    assert transaction.begun_ns <= commit.begun_ns <= commit.ended_ns
    assert commit.ended_ns <= transaction.ended_ns <= call.ended_ns
    assert call.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": RPC,
        "rpc.response.status_code": "OK",
        "loyalty.request_id": seen.request_ids["identified"],
    }


async def test_refused_call_is_traced_with_its_reason(seen: Seen) -> None:
    """A refusal is no fault of the server, and says why."""
    spans = seen.named(seen.line(seen.request_ids["refused"])["trace_id"])
    call = spans[RPC]
    assert call.attributes["error.type"] == "CODE_NOT_FOUND"
    assert call.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert not call.failed


async def test_caller_outside_decides_nothing_about_traces(seen: Seen) -> None:
    """Envoy takes neither a trace nor a request ID from outside."""
    assert "mine" not in seen.request_ids.values()
    roots = [span for span in seen.spans if span.service == "loyalty-edge"]
    assert len(roots) == 3
    assert all(span.parent_id == "" for span in roots)


async def test_calls_of_one_commit_are_linked(seen: Seen) -> None:
    """Calls that shared a transaction point at one another, each in its own trace."""
    for trace_id, caller in seen.traces.items():
        call = seen.named(trace_id)[RPC]
        assert call.parent_id == caller
    calls = {seen.named(trace_id)[RPC].span_id: trace_id for trace_id in seen.traces}
    shared = [span for span in seen.spans if span.name == "transaction" and span.links]
    assert shared, "24 calls at once had 24 commits"
    for span in shared:
        # The server's own look for revoked keys may have shared it, and is not traced.
        assert span.attributes["loyalty.batch.size"] >= len(span.links) + 1
        for link in span.links:
            other = seen.named(calls[link])["transaction"]
            assert span.parent_id in other.links


@pytest.mark.parametrize("request_id", ["kiosk-7", 'not "fit" for a log', "x" * 129])
async def test_refusal_tells_a_request_id_to_find_in_the_log(seen: Seen, request_id: str) -> None:
    """A caller's own request ID is kept where it is fit, and told back; the trace ID too."""
    refusal, trace_id = seen.refusals[request_id]
    line = seen.line(refusal.request_id)
    assert (line["request_id"] == request_id) == (request_id == "kiosk-7")
    assert line["trace_id"] == trace_id
    assert line["outcome"] == "CODE_NOT_FOUND"
    assert line["level"] == "info"
    assert line["partner"] == "bank"


async def test_call_that_is_not_sampled_has_no_spans(seen: Seen) -> None:
    """The caller's word counts: what is not sampled there is not traced here."""
    for _refusal, trace_id in seen.refusals.values():
        assert not seen.named(trace_id)


async def test_measurements_come_by_both_ways(seen: Seen) -> None:
    """The collector is sent what Prometheus reads."""
    page = {
        sample.name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for family in text_string_to_metric_families(seen.page)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert page == set(seen.metrics)
    calls = seen.metrics["rpc_server_call_duration_seconds"].histogram
    assert calls.aggregation_temporality == CUMULATIVE
    (point,) = [
        point
        for point in calls.data_points
        if {pair.key: pair.value.string_value for pair in point.attributes}
        == {"rpc_method": "IdentifyService/IdentifyMember", "outcome": "OK"}
    ]
    assert point.count == sum(point.bucket_counts) == TOGETHER + 1
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert 0 < point.sum < 60
    assert not point.HasField("max")


async def test_no_code_or_key_is_in_traces(seen: Seen) -> None:
    """What callers send stays out of spans, paths included."""
    told = repr(seen.spans)
    assert WRONG_CODE not in told
    assert SECRET not in told


def test_whoever_wants_no_traces_loads_no_tracing() -> None:
    """Without a collector nothing of OpenTelemetry is imported."""
    script = (
        "import sys, loyalty_service.cli; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout.strip() == "[]"


def test_hang_up_on_measurements_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A scraper that gives up half-way leaves nothing on standard error, and the next is served."""
    port = free_port()
    telemetry = Telemetry("127.0.0.1", port)
    try:
        with socket.create_connection(("127.0.0.1", port)) as scraper:
            scraper.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n")
            # What is closed like this is reset.
            scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            assert b"loyalty_build_info" in page.read()
        # Taken one after another: that of the first request has begun.
        for thread in threading.enumerate():
            if thread.name == "scrape":
                thread.join()
    finally:
        telemetry.close()
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")


def test_collector_that_hangs_holds_up_no_end() -> None:
    """What was not sent is given up within seconds, however much it is."""
    with socket.create_server(("127.0.0.1", 0)) as collector:
        otlp = Otlp(f"http://127.0.0.1:{collector.getsockname()[1]}", 1.0, CollectorRegistry())
        while True:
            trail = otlp.tracing.begin("IdentifyService/IdentifyMember", {})
            otlp.tracing.end(trail, "OK", grpc.StatusCode.OK)
            if trail.span is None:
                break
        started = time.monotonic()
        otlp.close()
        assert time.monotonic() - started < GIVEN_UP_S
