"""What an operator watches: calls by method and outcome, how the store keeps up, and its health."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
)

from loyalty_service.domain.guessing import ScopeKind
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.observability.collectors import (
    ClockReading,
    FileCollector,
    ServiceCollector,
    Stats,
    StoreCollector,
)
from loyalty_service.observability.event_metrics import DeliveryMetrics, EventMetrics
from loyalty_service.observability.limit_watch import LimitWatch
from loyalty_service.observability.outcomes import OK
from loyalty_service.observability.scrapes import ScrapeServer
from loyalty_service.observability.till_clocks import TillClocks

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

EXPECTED = (
    OK,
    "API_KEY_MISSING",
    "API_KEY_INVALID",
    "SERVER_BUSY",
    "STORAGE_UNAVAILABLE",
    "DEADLINE_PASSED",
    "SERVER_FAILED",
)
"""Outcomes that an alert asks for and any method may have."""


class CallMetrics:
    """Counts and times calls; without a registry it does nothing."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._duration = (
            None
            if registry is None
            else Histogram(
                "rpc_server_call_duration_seconds",
                "Time a call took, by outcome: OK or the reason of its error.",
                ("rpc_method", "outcome"),
                buckets=BUCKETS_S,
                registry=registry,
            )
        )
        self._children: dict[tuple[str, str], Any] = {}
        self.limits = LimitWatch(registry)
        self.events = EventMetrics(registry)
        self.tills = TillClocks(registry)

    def expect(self, method: str, outcomes: Iterable[str] = ()) -> None:
        """
        Show a method before its first call, with the *outcomes* that alerts ask for of it.

        A rate needs something to start from: what is first seen at 1 has not risen.
        """
        if self._duration is not None:
            for outcome in (*EXPECTED, *outcomes):
                self._children[method, outcome] = self._duration.labels(method, outcome)

    def record(self, method: str, outcome: str, seconds: float) -> None:
        """Count a call. *outcome* is OK or the reason of its error."""
        if self._duration is None:
            return
        child = self._children.get((method, outcome))
        if child is None:
            child = self._children[method, outcome] = self._duration.labels(method, outcome)
        child.observe(seconds)


class SweepMetrics:
    """Counts what sweeps end, and how they end themselves."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "loyalty_swept",
            "Abandoned transactions voided and unused codes expired.",
            ("kind",),
            registry=registry,
        )
        self._failed = Counter(
            "loyalty_sweep_failures", "Sweeps that failed as a whole.", registry=registry
        )
        self._left = Gauge(
            "loyalty_sweep_left",
            "Overdue rows that the last sweep could not end.",
            registry=registry,
        )
        self._succeeded = Gauge(
            "loyalty_sweep_last_success_timestamp_seconds",
            "When a sweep last came to its end; 0 before the first.",
            registry=registry,
        )
        for kind in ("transactions", "codes"):
            self._ended.labels(kind)

    def succeeded(self, transactions: int, codes: int, left: int) -> None:
        """Count a sweep that came to its end."""
        self._ended.labels("transactions").inc(transactions)
        self._ended.labels("codes").inc(codes)
        self._left.set(left)
        self._succeeded.set_to_current_time()

    def failed(self) -> None:
        """Count a sweep that failed."""
        self._failed.inc()


class _Standing:
    """The gauges of how a PostgreSQL stands."""

    def __init__(self, gauge: Callable[[str, str], Gauge]) -> None:
        self.connections = gauge(
            "loyalty_postgresql_connections_ratio",
            "Part of PostgreSQL's connections that is in use, by whomever.",
        )
        self.size = gauge("loyalty_postgresql_database_bytes", "Size of the PostgreSQL database.")
        self.standbys = gauge(
            "loyalty_postgresql_standbys", "Standbys that receive PostgreSQL's log now."
        )
        self.replicated = gauge(
            "loyalty_postgresql_waits_for_standby",
            "1 where commits wait for a synchronous standby, else 0.",
        )
        self.lossy = gauge(
            "loyalty_postgresql_failover_lossy",
            "1 where there are standbys that acknowledged points may not be on, else 0.",
        )
        self.lag = gauge(
            "loyalty_postgresql_replication_lag_bytes",
            "Log that the slowest standby has not replayed; no number where nobody may tell.",
        )


class VitalMetrics:
    """Shows what is looked up in the store now and then: it would cost too much a call."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(name, words, labels, registry=registry)

        self._open = gauge("loyalty_transactions_open", "Transactions that are PENDING.")
        self._expiring = gauge(
            "loyalty_transactions_expiring", "Open transactions that expire within an hour."
        )
        self._overdue = gauge(
            "loyalty_transactions_overdue", "Open transactions that should have been voided."
        )
        self._holds = gauge("loyalty_holds_open", "Holds of open transactions.")
        self._points = gauge("loyalty_points_held", "Points that these holds set aside.")
        self._imbalance = gauge(
            "loyalty_ledger_imbalance_points",
            "Points that the accounts of a program do not sum to 0 by, over all programs.",
        )
        self._sums = gauge(
            "loyalty_program_points",
            "Points in the accounts of a program and its members, by their kind.",
            *("program", "account"),
        )
        self._balanced = gauge(
            "loyalty_ledger_checked_timestamp_seconds",
            "When the accounts were last summed up; 0 before the first time.",
        )
        self._waits = gauge(
            "loyalty_code_waits",
            "Terminals, stores and keys that must wait because of too many wrong codes.",
            "scope",
        )
        self._attacked = gauge(
            "loyalty_programs_under_attack",
            "Programs that were shown too many wrong codes by all of their keys together.",
        )
        self._peppers = gauge(
            "loyalty_pepper_unknown",
            "Code peppers that the store was served with and this server does not know.",
        )
        self.show_guessing({}, 0)
        self._standing = _Standing(gauge)
        self._pruned = gauge(
            "loyalty_prune_last_timestamp_seconds",
            "When `loyalty prune` last came to its end; 0 where it never did.",
        )
        self._looked = gauge(
            "loyalty_holds_checked_timestamp_seconds",
            "When open transactions were last counted; 0 before the first time.",
        )

    def show_open(
        self, *, transactions: int, expiring: int, overdue: int, holds: int, points: int
    ) -> None:
        """Show what is open."""
        self._open.set(transactions)
        self._expiring.set(expiring)
        self._overdue.set(overdue)
        self._holds.set(holds)
        self._points.set(points)
        self._looked.set_to_current_time()

    def show_guessing(self, waits: Mapping[ScopeKind, int], attacked: int) -> None:
        """Show how many of each kind must wait, and how many programs are under attack."""
        for kind in (ScopeKind.TERMINAL, ScopeKind.STORE, ScopeKind.KEY):
            self._waits.labels(kind.value).set(waits.get(kind, 0))
        self._attacked.set(attacked)

    def show_standing(
        self,
        *,
        connections: float,
        size_bytes: int,
        standbys: int,
        lag_bytes: int | None,
        waits: bool,
        lossy: bool,
    ) -> None:
        """Show how the PostgreSQL stands."""
        self._standing.connections.set(connections)
        self._standing.size.set(size_bytes)
        self._standing.standbys.set(standbys)
        self._standing.replicated.set(waits)
        self._standing.lossy.set(lossy)
        self._standing.lag.set(math.nan if lag_bytes is None else lag_bytes)

    def show_pruned(self, pruned_ms: int) -> None:
        """Show when the store was last pruned."""
        self._pruned.set(pruned_ms / 1000)

    def show_unknown_peppers(self, count: int) -> None:
        """Show how many of the store's code peppers this server does not know."""
        self._peppers.set(count)

    def show_imbalance(self, points: int) -> None:
        """Show by how much the ledger is out of balance."""
        self._imbalance.set(points)
        self._balanced.set_to_current_time()

    def show_points(self, sums: Sequence[tuple[str, AccountKind, int]]) -> None:
        """Show what the accounts of each program and kind sum to."""
        for program_id, kind, points in sums:
            self._sums.labels(program_id, kind.name.lower()).set(points)


class Telemetry:
    """
    Measures, and serves the measurements to Prometheus on a port of its own.

    Args:
        host: Address to listen on.
        port: Where; 0 serves nothing.
        measure: Whether to measure all the same; what is not measured costs nothing.

    Attributes:
        registry: All measurements; absent when nothing is measured.
    """

    def __init__(self, host: str, port: int, *, measure: bool = False) -> None:
        self._server: ScrapeServer | None = None
        self.registry = CollectorRegistry() if port or measure else None
        self.sweeps: SweepMetrics | None = None
        self.vitals: VitalMetrics | None = None
        self.deliveries: DeliveryMetrics | None = None
        if self.registry is not None:
            self.sweeps = SweepMetrics(self.registry)
            self.vitals = VitalMetrics(self.registry)
            self.deliveries = DeliveryMetrics(self.registry)
            ProcessCollector(registry=self.registry)
            Info("loyalty_build", "What runs.", registry=self.registry).info(
                {"version": version("loyalty-service"), "python": platform.python_version()}
            )
            if port:
                self._server = ScrapeServer(host.strip("[]"), port, self.registry)
        self.calls = CallMetrics(self.registry)

    def watch_store(self, stats: Callable[[], Stats], file: Path | None) -> None:
        """Show what the store counts, and the *file* of an embedded database."""
        if self.registry is not None:
            self.registry.register(StoreCollector(stats))
            if file is not None:
                self.registry.register(FileCollector(file))

    def watch_service(self, serving: Callable[[], bool], clock: ClockReading) -> None:
        """Show whether calls are let in, and how far the clock is off."""
        if self.registry is not None:
            self.registry.register(ServiceCollector(serving, clock))

    def watch_certificate(self, expires: Callable[[], float] | None) -> None:
        """Show when the certificate ends; plaintext has none, which never does."""
        if self.registry is not None:
            ends = Gauge(
                "loyalty_certificate_expires_timestamp_seconds",
                "When the first certificate of the gRPC port or its callers' authorities ends.",
                registry=self.registry,
            )
            ends.set_function(expires or (lambda: math.inf))

    def close(self) -> None:
        """Stop measuring and let go of the port."""
        if self._server is not None:
            self._server.close()
