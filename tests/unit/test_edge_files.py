"""Envoy's files, as they are written for a deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.edge_files import edge_files, write_edge_files


def test_files_name_each_other_where_envoy_reads_them(tmp_path: Path) -> None:
    """Every path in the configuration leads to a file that was written."""
    write_edge_files(tmp_path, "/srv/edge/", replace=False)

    config = (tmp_path / "envoy.yaml").read_text(encoding="utf-8")
    assert config.count('package.path = "/srv/edge/?.lua') == 3
    for name in ("gate", "gate/calls", "json_door", "json_door/answers", "json_requests"):
        assert (tmp_path / f"{name}.lua").exists()
    assert (tmp_path / "edge_errors.lua").exists()
    assert "proto_descriptor: /srv/edge/loyalty.binpb" in config
    assert "generated/" not in config
    tls = (tmp_path / "tls.yaml").read_text(encoding="utf-8")
    assert "path: /srv/edge/secrets/edge_certificate.yaml" in tls


def test_changes_of_the_operator_are_not_written_over(tmp_path: Path) -> None:
    """A file that differs is named, and nothing is written before --force allows it."""
    write_edge_files(tmp_path, "/etc/loyalty", replace=False)
    config = tmp_path / "envoy.yaml"
    config.write_text("mine", encoding="utf-8")
    (tmp_path / "gate.lua").unlink()

    with pytest.raises(OperatorError, match=f"^{config}: exists already and differs"):
        write_edge_files(tmp_path, "/etc/loyalty", replace=False)
    assert not (tmp_path / "gate.lua").exists()

    assert len(write_edge_files(tmp_path, "/etc/loyalty", replace=True)) == len(edge_files())
    assert config.read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize("at", ["edge", "", '/etc/"', "/etc/a b", "/etc/#x", "/etc/a: b", "/é"])
def test_path_that_would_need_quotes_is_refused(tmp_path: Path, at: str) -> None:
    """A path goes into YAML and Lua as it is, so that one with other signs is refused."""
    with pytest.raises(OperatorError, match="must be an absolute path"):
        write_edge_files(tmp_path, at, replace=False)
    assert list(tmp_path.iterdir()) == []
