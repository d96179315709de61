"""Puts parts of envoy/ into its configuration, as README.md there tells an operator to."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from loyalty_service.sandbox.envoy_process import EnvoyProcess

ENVOY = Path(__file__).resolve().parents[2] / "envoy"


def add_metrics(config: dict[str, Any], port: int) -> None:
    """Serve what Envoy measures on a port of its own."""
    parts = _parts_of("metrics.yaml")
    parts["listener"]["address"]["socket_address"]["port_value"] = port
    manager_of(config).setdefault("access_log", []).append(parts["access_log"])
    config["static_resources"]["listeners"].append(parts["listener"])
    config["static_resources"]["clusters"].append(parts["cluster"])


def add_access_log(config: dict[str, Any]) -> None:
    """Write a line about each call."""
    logs = _parts_of("access_log.yaml")["manager"]["access_log"]
    manager_of(config).setdefault("access_log", []).extend(logs)


def let_one_key_call_for_all(config: dict[str, Any]) -> None:
    """Let one key call as often as all together: the tills of a measurement share theirs."""
    rates = rates_of(config)
    (of_key,) = (one for one in rates["descriptors"] if one["entries"] == [{"key": "api_key"}])
    of_key["token_bucket"] = rates["token_bucket"]


def leave_filters_out(config: dict[str, Any], names: Collection[str]) -> None:
    """Take filters out of a configuration, so that what they cost can be told."""
    manager = manager_of(config)
    assert set(names) <= {part["name"] for part in manager["http_filters"]}
    manager["http_filters"] = [
        part for part in manager["http_filters"] if part["name"] not in names
    ]


def let_health_be_asked(config: dict[str, Any], interval: str) -> None:
    """Let Envoy see sooner which servers are healthy."""
    for cluster in config["static_resources"]["clusters"]:
        for check in cluster.get("health_checks", ()):
            check |= {"interval": interval, "no_traffic_interval": interval}


def rates_of(config: dict[str, Any]) -> dict[str, Any]:
    """Give the part of a configuration that limits calls a second."""
    filters = manager_of(config)["http_filters"]
    (found,) = (part for part in filters if part["name"].endswith("local_ratelimit"))
    rates: dict[str, Any] = found["typed_config"]
    return rates


def manager_of(config: dict[str, Any]) -> dict[str, Any]:
    """Give the part of a configuration that takes calls."""
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    manager: dict[str, Any] = chain["filters"][0]["typed_config"]
    return manager


def script_errors(envoy: EnvoyProcess) -> list[str]:
    """Give what Lua failed at, which lets a call pass as it is: Envoy's log alone tells."""
    lines = envoy.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if "[error][lua]" in line]


def _parts_of(name: str) -> dict[str, Any]:
    parts: dict[str, Any] = YAML(typ="safe").load(ENVOY / name)
    return parts
