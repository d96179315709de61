"""What an operator chooses is in envoy.yaml as if somebody had put the parts in by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.edge_choices import Choices
from loyalty_service.edge_files import write_edge_files


def written(folder: Path, **choices: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the files; give the listener and the cluster of the servers."""
    write_edge_files(folder, "/etc/loyalty", replace=False, choices=Choices(**choices))
    config = YAML(typ="safe").load(folder / "envoy.yaml")["static_resources"]
    return config["listeners"][0], config["clusters"][0]


def parts(folder: Path, name: str) -> dict[str, Any]:
    """Read the parts that were written beside."""
    found: dict[str, Any] = YAML(typ="safe").load(folder / name)
    return found


def test_nothing_chosen_changes_nothing(tmp_path: Path) -> None:
    """The file is the one that the sandbox runs, but for its paths."""
    write_edge_files(tmp_path / "a", "/etc/loyalty", replace=False)
    write_edge_files(tmp_path / "b", "/etc/loyalty", replace=False, choices=Choices())
    first, second = (tmp_path / name / "envoy.yaml" for name in "ab")
    assert first.read_text(encoding="utf-8") == second.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("listen", "address"),
    [("0.0.0.0:443", "0.0.0.0"), ("[::]:443", "::")],  # noqa: S104
)
def test_listener_is_where_it_was_chosen(tmp_path: Path, listen: str, address: str) -> None:
    """On an address of either kind."""
    listener, _ = written(tmp_path, listen=listen)
    assert listener["address"]["socket_address"] == {"address": address, "port_value": 443}


def test_servers_are_in_a_list(tmp_path: Path) -> None:
    """Addresses are as they are; a name among them is looked up."""
    _, cluster = written(tmp_path / "a", servers=("10.0.0.1:50051", "[fd00::2]:50052"))
    (endpoints,) = cluster["load_assignment"]["endpoints"]
    assert [
        place["endpoint"]["address"]["socket_address"] for place in endpoints["lb_endpoints"]
    ] == [
        {"address": "10.0.0.1", "port_value": 50051},
        {"address": "fd00::2", "port_value": 50052},
    ]
    assert cluster["type"] == "STATIC"
    _, cluster = written(tmp_path / "b", servers=("one.internal:50051", "10.0.0.2:50051"))
    assert cluster["type"] == "STRICT_DNS"
    assert len(cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]) == 2


def test_servers_stand_under_a_name(tmp_path: Path) -> None:
    """The cluster has the part of dns.yaml, with the name and the port."""
    _, cluster = written(tmp_path, dns="loyalty-servers:50052")
    part = parts(tmp_path, "dns.yaml")["cluster"]
    (place,) = part["load_assignment"]["endpoints"][0]["lb_endpoints"]
    place["endpoint"]["address"]["socket_address"] = {
        "address": "loyalty-servers",
        "port_value": 50052,
    }
    assert cluster | part == cluster
    assert cluster["health_checks"]


@pytest.mark.parametrize(("tills", "name"), [("tls", "listener"), ("mutual", "listener_mutual")])
def test_tls_is_that_of_its_parts(tmp_path: Path, tills: str, name: str) -> None:
    """Of the listener, its sockets and the cluster alike."""
    listener, cluster = written(tmp_path, tills=tills, server_tls=True, dns="servers:50051")
    tls = parts(tmp_path, "tls.yaml")
    chain = listener["filter_chains"][0]
    assert chain | tls[name] == chain
    assert listener | tls["listener_turn"] == listener
    assert cluster | tls["cluster"] == cluster


@pytest.mark.parametrize(
    "choices",
    [
        {"listen": "443"},
        {"listen": "0.0.0.0:70000"},
        {"servers": ("10.0.0.1",)},
        {"dns": "a b:50051"},
        {"servers": ("10.0.0.1:1",), "dns": "servers:1"},
    ],
)
def test_what_is_no_address_is_refused(tmp_path: Path, choices: dict[str, Any]) -> None:
    """Nothing is written then."""
    with pytest.raises(OperatorError):
        written(tmp_path / "edge", **choices)
    assert not (tmp_path / "edge").exists()
