"""The alerts, read and run by Prometheus' own tool: each fires on what it is about, and says so."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
RULES_FILE = ROOT / "docs" / "alerts.yaml"
RULES = {rule["alert"]: rule for rule in YAML(typ="safe").load(RULES_FILE)["groups"][0]["rules"]}
RUNBOOKS = "https://wiki.example/loyalty"
SERVER = 'job="loyalty", instance="a"'
EDGE = 'job="loyalty-edge", instance="e"'
CALLS = "rpc_server_call_duration_seconds_count"
IDENTIFY = 'rpc_method="IdentifyService/IdentifyMember"'
WELL_S = 7200
"""When most cases look: two hours after the first sample, one a minute."""

TWO_DAYS_S = 2 * 86400


@dataclass(frozen=True)
class Case:
    """
    What is measured when an alert must fire, and when it must not.

    Attributes:
        fires: Series and the values they take, in Prometheus' notation.
        rests: The same on a good day.
        says: The description that the alert then carries.
        labels: Its labels, beside severity and service.
        after_s: When the case looks.
        every: Time between two samples, and between two evaluations.
    """

    fires: dict[str, str]
    rests: dict[str, str]
    says: str
    labels: dict[str, str] = field(default_factory=lambda: {"job": "loyalty"})
    after_s: int = WELL_S
    every: str = "1m"


def gauge(name: str, bad: str, good: str, says: str, where: str = SERVER, **labels: str) -> Case:
    """Describe an alert about one measurement that stands at a bad value, or at a good one."""
    series = f"{name}{{{where}}}"
    return Case({series: f"{bad}x180"}, {series: f"{good}x180"}, says, labels or {"job": "loyalty"})


def share(outcome: str, bad: int, good: int, says: str, **labels: str) -> Case:
    """Describe an alert about the share of calls that end with an outcome, of 100 a minute."""
    failed = f'{CALLS}{{{SERVER}, {IDENTIFY}, outcome="{outcome}"}}'
    served = f'{CALLS}{{{SERVER}, {IDENTIFY}, outcome="OK"}}'
    return Case(
        {failed: f"0+{bad}x180", served: f"0+{100 - bad}x180"},
        {failed: f"0+{good}x180", served: f"0+{100 - good}x180"},
        says,
        labels or {"job": "loyalty"},
    )


def slow(name: str, where: str, says: str, **labels: str) -> Case:
    """Describe an alert about the slowest hundredth: all take up to a second, or a millisecond."""
    buckets = [f'{name}{{{where}, le="{le}"}}' for le in ("0.001", "1.0", "+Inf")]
    return Case(
        dict(zip(buckets, ("0x180", "0+60x180", "0+60x180"), strict=True)),
        dict(zip(buckets, ("0+60x180", "0+60x180", "0+60x180"), strict=True)),
        says,
        labels,
    )


A = {"job": "loyalty", "instance": "a"}
E = {"job": "loyalty-edge", "instance": "e"}
CLUSTER = f'{EDGE}, envoy_cluster_name="loyalty"'
ENVOY = "envoy_http_adaptive_concurrency_gradient_controller_rq_blocked"
GATE = "envoy_loyalty_gate_refused"
TURNED_AWAY = {
    f"envoy_http_local_rate_limit_rate_limited{{{EDGE}}}": "0x180",
    f"envoy_cluster_upstream_rq_active_overflow{{{CLUSTER}}}": "0x180",
    f"envoy_cluster_upstream_rq_pending_overflow{{{CLUSTER}}}": "0x180",
    f'envoy_http_downstream_rq_total{{{EDGE}, envoy_http_conn_manager_prefix="edge"}}': "0+100x180",
}
FLAGS = f'loyalty_flags_total{{{SERVER}, flag="beyond_limit"'
OFFERS = f'loyalty_flags_total{{{SERVER}, flag="offer_invalid", reason="unknown"}}'
LIMITS = f"loyalty_limit_refusals_total{{{SERVER}"
DISK = 'job="loyalty-database", instance="d", mountpoint="/"'
DISK_LABELS = {"job": "loyalty-database", "instance": "d", "mountpoint": "/"}

CASES = {
    "LedgerOutOfBalance": gauge(
        "loyalty_ledger_imbalance_points", "800", "0", "Out of balance by 800 points."
    ),
    "PepperUnknown": gauge("loyalty_pepper_unknown", "1", "0", "a does not know 1 of them.", **A),
    "OrdersFlagged": Case(
        {f'loyalty_flags_total{{{SERVER}, flag="void_late"}}': "0+1x180"},
        {f'loyalty_flags_total{{{SERVER}, flag="void_late"}}': "0x180"},
        "60 orders were flagged as void_late.",
        {"job": "loyalty", "flag": "void_late"},
    ),
    "OffersUnknown": Case(
        {OFFERS: "0+60x24 1680+240x23"},
        {OFFERS: "0+60x48"},
        "5.76k orders within a day named an unknown offer.",
        after_s=TWO_DAYS_S,
        every="1h",
    ),
    "ServerNotServing": gauge("loyalty_serving", "0", "1", "a lets no call in (serving: 0).", **A),
    "ClockOff": gauge(
        "loyalty_clock_trusted",
        "0",
        "1",
        "The clock of a is not to be trusted (trusted: 0).",
        **A,
    ),
    "LedgerNotChecked": gauge(
        "loyalty_ledger_checked_timestamp_seconds",
        "0",
        "0+60",
        "Last summed up 2h 0m 0s ago.",
    ),
    "SweeperStuck": gauge(
        "loyalty_sweep_last_success_timestamp_seconds",
        "0",
        "0+60",
        "The last sweep ended 2h 0m 0s ago.",
    ),
    "OverdueTransactions": gauge("loyalty_transactions_overdue", "3", "0", "3 are overdue."),
    "QueueGrowing": gauge(
        "loyalty_store_oldest_waiting_seconds",
        "2",
        "0.01",
        "a: the oldest call has waited 2s.",
        **A,
    ),
    "CallsRefusedBusy": share("SERVER_BUSY", 50, 0, "50% of the calls were refused."),
    "CallsTurnedAway": Case(
        {
            f"{ENVOY}{{{EDGE}}}": "0+30x180",
            f'{GATE}{{{EDGE}, reason="strangers"}}': "0+15x180",
            f'{GATE}{{{EDGE}, reason="time"}}': "0+5x180",
            **TURNED_AWAY,
        },
        {f"{ENVOY}{{{EDGE}}}": "0x180", **TURNED_AWAY},
        "50% of the calls were turned away.",
        {"job": "loyalty-edge"},
    ),
    "NoHealthyServer": gauge(
        "envoy_cluster_membership_healthy", "0", "2", "e has 0 healthy servers.", CLUSTER, **E
    ),
    "CallsSlow": slow(
        "rpc_server_call_duration_seconds_bucket",
        f"{SERVER}, {IDENTIFY}",
        "IdentifyService/IdentifyMember: 990ms.",
        job="loyalty",
        rpc_method="IdentifyService/IdentifyMember",
    ),
    "CommitSlow": slow("loyalty_store_commit_seconds_bucket", SERVER, "a: 990ms.", **A),
    "StorageUnavailable": share("STORAGE_UNAVAILABLE", 60, 0, "a: 1 calls a second fail.", **A),
    "CallsFailed": share(
        "SERVER_FAILED",
        1,
        0,
        "a, IdentifyService/IdentifyMember: 10 calls failed within 10 minutes.",
        rpc_method="IdentifyService/IdentifyMember",
        **A,
    ),
    "DeadlinesPassed": share("DEADLINE_PASSED", 50, 0, "50% of the calls were too late."),
    "TransactionsRetried": Case(
        {
            f"loyalty_store_retries_total{{{SERVER}}}": "0+50x180",
            f"loyalty_store_commits_total{{{SERVER}}}": "0+100x180",
        },
        {
            f"loyalty_store_retries_total{{{SERVER}}}": "0x180",
            f"loyalty_store_commits_total{{{SERVER}}}": "0+100x180",
        },
        "50% of the transactions ran again.",
    ),
    "CodesGuessed": share("CODE_NOT_FOUND", 50, 3, "50% of the codes shown are wrong."),
    "PointsBeyondLimit": Case(
        {f'{FLAGS}, reason="points_per_order"}}': "0+6x180"},
        {f'{FLAGS}, reason="points_per_order"}}': "6x180"},
        "60 orders went beyond a limit within 10 minutes.",
    ),
    "LimitReached": Case(
        {
            f'{LIMITS}, limit="rows_per_key_day"}}': "0+3x180",
            f'{FLAGS}, reason="bytes_per_key_day"}}': "0+3x180",
        },
        {
            f'{LIMITS}, limit="rows_per_key_day"}}': "3x180",
            f'{FLAGS}, reason="bytes_per_key_day"}}': "3x180",
        },
        "60 calls met a limit within 10 minutes.",
    ),
    "KeyCallsTooOften": Case(
        {f'{LIMITS}, limit="calls_per_key_second"}}': "0+120x180"},
        {f'{LIMITS}, limit="calls_per_key_second"}}': "0+30x180"},
        "2 calls a second are refused.",
    ),
    "CallersMustWait": gauge(
        "loyalty_code_waits",
        "1",
        "0",
        "1 of scope store waited within the last 15 minutes.",
        f'{SERVER}, scope="store"',
        job="loyalty",
        scope="store",
    ),
    "ProgramUnderAttack": gauge(
        "loyalty_programs_under_attack", "1", "0", "1 programs are under attack."
    ),
    "KeysGuessed": share("API_KEY_INVALID", 90, 1, "1.5 calls a second come without a valid key."),
    "CatalogueStale": gauge(
        "loyalty_catalog_age_seconds", "10", "1", "a last looked 10s ago.", **A
    ),
    "CertificateExpiring": gauge(
        "loyalty_certificate_expires_timestamp_seconds",
        str(WELL_S + 86400),
        "9e12",
        "a: 1d 0h 0m 0s are left.",
        **A,
    ),
    "DiskFilling": gauge("loyalty_disk_free_ratio", "0.05", "0.5", "a: 5% are free.", **A),
    "LogNotEmptied": gauge(
        "loyalty_database_file_bytes",
        "2147483648",
        "4096",
        "a: the log has 2GiB.",
        f'{SERVER}, file="log"',
        **A,
    ),
    "FilesExhausted": Case(
        {
            f"process_open_fds{{{SERVER}}}": "900x180",
            f"process_max_fds{{{SERVER}}}": "1000x180",
        },
        {
            f"process_open_fds{{{SERVER}}}": "90x180",
            f"process_max_fds{{{SERVER}}}": "1000x180",
        },
        "a: 90% of the files are open.",
        A,
    ),
    "ServerGone": gauge("up", "0", "1", "a does not answer.", **A),
    "EdgeGone": gauge("up", "0", "1", "e does not answer.", EDGE, **E),
    "EdgeCertificateExpiring": gauge(
        "envoy_server_days_until_first_cert_expiring",
        "5",
        "4294967295",
        "e: 5 days are left.",
        EDGE,
        **E,
    ),
    "WebhookLate": gauge(
        "loyalty_webhook_oldest_waiting_seconds",
        "7200",
        "3",
        "The oldest has waited for 2h 0m 0s.",
    ),
    "WebhookMessagesLost": Case(
        {f'loyalty_webhook_attempts_total{{{SERVER}, outcome="dead"}}': "0x100 2x80"},
        {f'loyalty_webhook_attempts_total{{{SERVER}, outcome="dead"}}': "0x180"},
        "2 messages were given up within the hour.",
    ),
    "FailoverLossy": gauge(
        "loyalty_postgresql_failover_lossy",
        "1",
        "0",
        "It is so for 1 database.",
    ),
    "StandbyGone": Case(
        {f"loyalty_postgresql_standbys{{{SERVER}}}": "2x60 1x120"},
        {f"loyalty_postgresql_standbys{{{SERVER}}}": "2x180"},
        "1 standbys are left.",
    ),
    "StandbyLagging": gauge(
        "loyalty_postgresql_replication_lag_bytes",
        "2147483648",
        "1024",
        "2GiB are not replayed.",
    ),
    "ConnectionsExhausted": gauge(
        "loyalty_postgresql_connections_ratio",
        "0.9",
        "0.1",
        "90% of the connections are in use.",
    ),
    "DatabaseDiskFilling": Case(
        {
            f"node_filesystem_avail_bytes{{{DISK}}}": "5x180",
            f"node_filesystem_size_bytes{{{DISK}}}": "100x180",
        },
        {
            f"node_filesystem_avail_bytes{{{DISK}}}": "50x180",
            f"node_filesystem_size_bytes{{{DISK}}}": "100x180",
        },
        "d /: 5% are free.",
        DISK_LABELS,
    ),
}


def promtool(*arguments: str) -> str:
    """Run Prometheus' tool; returns what it said."""
    ran = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def expected(alert: str, case: Case) -> dict[str, Any]:
    """Give the alert that must fire, as its receiver gets it."""
    rule = RULES[alert]
    return {
        "exp_labels": {**rule["labels"], **case.labels},
        "exp_annotations": {
            "summary": rule["annotations"]["summary"],
            "description": case.says,
            "runbook_url": f"{RUNBOOKS}#{alert.lower()}",
        },
    }


def rule_test(
    alert: str,
    series: dict[str, str],
    fires: list[Any],
    after_s: int = WELL_S,
    every: str = "1m",
) -> dict[str, Any]:
    """Describe what of an alert must fire on some series, in the words of Prometheus' tool."""
    return {
        "name": alert,
        "interval": every,
        "external_labels": {"loyalty_runbooks": RUNBOOKS},
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{after_s}s", "alertname": alert, "exp_alerts": fires}],
    }


def run_tests(folder: Path, tests: list[dict[str, Any]]) -> None:
    """Have Prometheus evaluate the rules, and compare what fires; a failure names the alert."""
    for every in {test["interval"] for test in tests}:
        file = folder / f"cases-{every}.yaml"
        content = {
            "rule_files": [str(RULES_FILE)],
            "evaluation_interval": every,
            "tests": [test for test in tests if test["interval"] == every],
        }
        YAML(typ="safe").dump(content, file)
        promtool("test", "rules", str(file))


def test_rules_are_taken_by_prometheus() -> None:
    """Prometheus takes every rule as it stands."""
    assert "SUCCESS" in promtool("check", "rules", str(RULES_FILE))


def test_every_alert_has_its_case() -> None:
    """No alert is shipped that nobody has seen fire."""
    assert set(CASES) == set(RULES)


def test_alerts_fire_with_labels_value_and_runbook(tmp_path: Path) -> None:
    """On what it is about each alert fires, and tells where, how much and what to read."""
    cases = CASES.items()
    run_tests(
        tmp_path,
        [
            rule_test(name, case.fires, [expected(name, case)], case.after_s, case.every)
            for name, case in cases
        ],
    )


def test_calls_turned_away_are_told_of_before_the_gate_refuses_any(tmp_path: Path) -> None:
    """What the gate refuses is measured from its first refusal on; the others count until then."""
    name, case = "CallsTurnedAway", CASES["CallsTurnedAway"]
    fires = {f"{ENVOY}{{{EDGE}}}": "0+50x180", **TURNED_AWAY}
    run_tests(tmp_path, [rule_test(name, fires, [expected(name, case)])])


def test_alerts_rest_on_a_good_day(tmp_path: Path) -> None:
    """On a good day no alert fires."""
    run_tests(
        tmp_path,
        [rule_test(name, case.rests, [], case.after_s, case.every) for name, case in CASES.items()],
    )


def test_discounts_of_tills_own_every_day_fire_nothing(tmp_path: Path) -> None:
    """A chain whose tills report discounts of their own, as many each day, causes no alert."""
    series = {OFFERS: "0+600x48"}
    run_tests(tmp_path, [rule_test("OffersUnknown", series, [], TWO_DAYS_S, "1h")])
    run_tests(tmp_path, [rule_test("OrdersFlagged", {OFFERS: "0+10x180"}, [])])


def test_unknown_offers_on_the_first_day_fire_nothing(tmp_path: Path) -> None:
    """With no day before to compare with, unknown offers cause no alert."""
    run_tests(tmp_path, [rule_test("OffersUnknown", {OFFERS: "0+10x600"}, [], 36000)])
