"""The files that a deployment begins with name what there is: settings, commands, paths, probes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from loyalty_service.config import Settings, require_known_variables
from loyalty_service.transport.health_check import LIVENESS, READINESS

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "examples" / "deploy"
GUIDE = (ROOT / "docs" / "operations" / "install.md").read_text(encoding="utf-8")


def manifest() -> list[dict[str, Any]]:
    """Read every object of the manifest."""
    with (DEPLOY / "kubernetes.yaml").open(encoding="utf-8") as file:
        return list(YAML(typ="safe").load_all(file))


def containers() -> Iterator[dict[str, Any]]:
    """Give every container of the manifest."""
    for found in manifest():
        if found["kind"] in {"Deployment", "Job"}:
            yield from found["spec"]["template"]["spec"]["containers"]


def units() -> dict[str, list[tuple[str, str]]]:
    """Read the settings of every unit."""
    return {
        path.name: re.findall(r"^(\w+)=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in DEPLOY.glob("*.service")
    }


def test_every_variable_is_a_setting() -> None:
    """A server does not start with one that is none."""
    text = (DEPLOY / "loyalty.env").read_text(encoding="utf-8")
    lines = dict(re.findall(r"^#?(LOYALTY_\w+)=(.*)$", text, re.MULTILINE))
    assert lines
    (secret,) = (found for found in manifest() if found["kind"] == "Secret")
    given = {one["name"]: one["value"] for found in containers() for one in found.get("env", [])}
    in_image = re.findall(r"\b(LOYALTY_\w+)=", (DEPLOY / "Containerfile").read_text("utf-8"))
    names = {*lines, *secret["stringData"], *given, *in_image}
    require_known_variables(dict.fromkeys(names, "1"))
    live = dict(re.findall(r"^(LOYALTY_\w+)=(.*)$", text, re.MULTILINE))
    for name, value in live.items():
        field = name.removeprefix("LOYALTY_").lower()
        assert Settings(**{field: value}).model_dump()[field] is not None


def test_probes_ask_for_services_that_there_are() -> None:
    """The process for a restart, whether it serves for being called."""
    (server,) = (found for found in containers() if found["name"] == "server")
    asked = {
        name: server[name]["grpc"].get("service", READINESS)
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": LIVENESS,
        "livenessProbe": LIVENESS,
        "readinessProbe": READINESS,
    }
    notice_s = next(
        int(one["value"]) for one in server["env"] if one["name"] == "LOYALTY_SHUTDOWN_NOTICE_S"
    )
    (pod,) = (
        found["spec"]["template"]["spec"]
        for found in manifest()
        if found["kind"] == "Deployment" and found["metadata"]["name"] == "loyalty"
    )
    assert pod["terminationGracePeriodSeconds"] > notice_s + Settings().shutdown_grace_s


def test_envoy_of_the_images_calls_the_service_of_the_manifest() -> None:
    """Its name and port are a headless service's, whose selector is the servers' label."""
    image = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    found = re.search(r"--listen 0\.0\.0\.0:(\d+) --dns ([\w-]+):(\d+)", image)
    assert found is not None
    services = {
        one["metadata"]["name"]: one["spec"] for one in manifest() if one["kind"] == "Service"
    }
    servers = services[found[2]]
    assert servers["clusterIP"] == "None"
    assert [port["port"] for port in servers["ports"]] == [int(found[3])]
    (envoy,) = (one for one in containers() if one["name"] == "envoy")
    assert envoy["ports"][0]["containerPort"] == int(found[1])
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in manifest()
        if one["kind"] == "Deployment"
    }
    assert servers["selector"] == labels["loyalty"]
    assert services["loyalty"]["selector"] == labels["loyalty-edge"]


def test_no_container_may_more_than_it_needs() -> None:
    """No privileges, no capability, a root that can't be written to."""
    for found in containers():
        assert found["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_units_name_what_the_guide_makes() -> None:
    """Users, folders and programs are those of the steps."""
    for name, lines in units().items():
        settings = dict(lines)
        assert "useradd --system --user-group --no-create-home" in GUIDE
        assert re.search(rf"^useradd .* {settings['User']}$", GUIDE, re.MULTILINE), name
        program = settings["ExecStart"].split()[0]
        assert program.rpartition("/bin/")[0] in GUIDE
        assert settings["Restart"] == "always"
        assert settings["NoNewPrivileges"] == "yes"
    stop_s = int(dict(units()["loyalty.service"])["TimeoutStopSec"])
    assert stop_s > Settings().shutdown_notice_s + Settings().shutdown_grace_s
