"""The wheels, installed into bare virtual environments and tried in an empty folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from loyalty_service.edge_files import edge_files
from loyalty_service.sandbox.reference_page import PAGES
from loyalty_service.sandbox.run import IDENTIFY_JSON
from tests.support.certificates import Authority, put

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
TOLD_RUNNING = re.compile(r":(\d+) \(Envoy\), gRPC on .*:(\d+)")

# What a kiosk's program does first, without a server.
KIOSK = """
import loyalty.v1, sys
from importlib.resources import files
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from loyalty.v1 import identify_service_pb2, identify_service_pb2_grpc

assert identify_service_pb2_grpc.IdentifyServiceStub
assert "IdentifyService" in identify_service_pb2.DESCRIPTOR.services_by_name
descriptors = FileDescriptorSet.FromString((files("loyalty") / "loyalty.binpb").read_bytes())
assert "google/rpc/error_details.proto" in {file.name for file in descriptors.file}
print(loyalty.v1.__path__[0])
"""


class BareEnvironment:
    """
    A virtual environment with wheels, and the tests' own packages in place of their dependencies.

    Args:
        folder: Where to make it.
        wheels: What to install.
    """

    def __init__(self, folder: Path, *wheels: Path) -> None:
        self.programs = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--python", folder, "install", "--quiet"),
                *("--no-deps", "--no-index", *wheels),
            ],
            check=True,
        )
        self.packages = next(folder.glob("lib/python3.*/site-packages"))
        # A path alone: what that folder's own .pth files add, the checkout above all, is not there.
        others = sysconfig.get_path("purelib")
        (self.packages / "others.pth").write_text(others, encoding="utf-8")

    def run(self, program: str, *arguments: str, cwd: Path) -> str:
        """Run a program of the environment; returns what it printed."""
        command = [self.programs / program, *arguments]
        return subprocess.run(
            command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True, timeout=60
        ).stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build both wheels as `make wheels` does; returns them by name."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*command, ROOT / "generated", ROOT], check=True)
    return {path.name.split("-")[0]: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> BareEnvironment:
    """Install both wheels."""
    return BareEnvironment(tmp_path_factory.mktemp("service") / "venv", *wheels.values())


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    """Give a folder in which packages of likely names stand, that must not be imported."""
    for name in ("buf", "generated", "loyalty_service", "server"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')", "utf-8")
    return tmp_path


def names(wheel: Path) -> set[str]:
    """List the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@contextmanager
def sandbox(environment: BareEnvironment, folder: Path) -> Iterator[tuple[int, int]]:
    """Run the sandbox of an environment in a folder; return its ports of HTTP and gRPC."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # Envoy is another package's: it is found on the PATH.
    variables["PATH"] = f"{PROGRAMS}{os.pathsep}{variables['PATH']}"
    variables |= {"LOYALTY_GRPC_PORT": "0", "LOYALTY_HTTP_PORT": "0", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [environment.programs / "loyalty", "sandbox"],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        try:
            found = next(filter(None, map(TOLD_RUNNING.search, process.stdout)), None)
            assert found is not None, process.communicate()[1]
            yield int(found[1]), int(found[2])
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            assert (process.returncode, errors) == (0, "")
        finally:
            process.kill()


def kiosk_of_the_page() -> tuple[str, str]:
    """Read the program of docs/clients.md, and what it prints."""
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    found = re.search(r"<<'PYTHON'\n(.*?)PYTHON\n```\n\n```text\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1], found[2]


def test_sandbox_runs_from_the_wheel(installed: BareEnvironment, decoys: Path) -> None:
    """Away from any checkout a till and a kiosk are answered, whatever folders stand beside."""
    program, told = kiosk_of_the_page()
    with sandbox(installed, decoys) as (port, grpc_port):
        program = program.replace("127.0.0.1:50051", f"127.0.0.1:{grpc_port}")
        assert installed.run("python", "-P", "-c", program, cwd=decoys) == told
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"x-api-key": "sandbox-pos-key", "content-type": "application/json"}
        connection.request("POST", "/loyalty/identify", IDENTIFY_JSON, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()

    assert response.status == 200
    assert answer["loyaltyUser"]["name"] == "Farhan"
    assert (decoys / "data" / "loyalty.db").exists()


def test_wheel_has_all_that_the_service_reads(wheels: dict[str, Path]) -> None:
    """Envoy's files, migrations, demo program and licence are inside, and no other package."""
    found = names(wheels["loyalty_service"])

    assert {f"loyalty_service/edge/{name}" for name in edge_files()} <= found
    assert "loyalty_service/sandbox/program.yaml" in found
    pages = {f"loyalty_service/sandbox/openapi/{name}" for name, _ in PAGES.values()}
    assert pages <= found
    page = ROOT / "server" / "loyalty_service" / "sandbox" / "board" / "page"
    assert {f"loyalty_service/sandbox/board/page/{path.name}" for path in page.iterdir()} <= found
    versions = ROOT / "server" / "loyalty_service" / "storage" / "migrations" / "versions"
    folder = "loyalty_service/storage/migrations/versions"
    assert {f"{folder}/{path.name}" for path in versions.glob("*.py")} <= found
    info = "loyalty_service-0.1.0.dist-info"
    assert f"{info}/licenses/LICENSE" in found
    assert {name.split("/")[0] for name in found} == {"loyalty_service", info}


def test_wheel_tells_which_commit_it_is_of(
    wheels: dict[str, Path], installed: BareEnvironment, tmp_path: Path
) -> None:
    """`--version` is the release at its tag, and names the commit elsewhere; it asks no git."""
    assert "loyalty_service/built_from.txt" in names(wheels["loyalty_service"])
    described = next(installed.packages.glob("loyalty_service/built_from.txt"))
    kept = described.read_text(encoding="utf-8")
    try:
        for text, told in (
            ("v0.1.0\n", "loyalty 0.1.0\n"),
            ("v0.1.0-3-gabcdef0123\n", "loyalty 0.1.0 (v0.1.0-3-gabcdef0123)\n"),
            (kept, f"loyalty 0.1.0 ({kept.strip()})\n"),
        ):
            described.write_text(text, encoding="utf-8")
            assert installed.run("loyalty", "--version", cwd=tmp_path) == told
    finally:
        described.write_text(kept, encoding="utf-8")


def test_release_has_all_that_the_install_guide_names(
    wheels: dict[str, Path], tmp_path: Path
) -> None:
    """Wheels, pins, units, settings, a first program and Envoy's files, with their sums."""
    folder = next(iter(wheels.values())).parent
    command = [sys.executable, ROOT / ".ci" / "release.py", folder, tmp_path]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    with tarfile.open(said.strip()) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert f"{unpacked}.tar.gz" == said.strip()
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=unpacked, check=True)
    guide = (ROOT / "docs" / "operations" / "install.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[\w.-]+\.(?:whl|lock|service|env)\b", guide))
    named |= {"first-program.yaml", "Containerfile", "kubernetes.yaml"}
    there = {path.name for path in unpacked.rglob("*")}
    named |= {"requirements-console.lock", "alerts.yaml", "grafana-dashboard.json"}
    assert named <= there
    pages = {path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")}
    assert [page for page in pages if not (unpacked / page).is_file()] == []
    assert {f"envoy/{name}" for name in edge_files()} <= {
        path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")
    }


def test_missing_envoy_is_told_with_the_way_to_get_it(
    installed: BareEnvironment, tmp_path: Path
) -> None:
    """Without Envoy the sandbox says what to install, and makes nothing."""
    ran = subprocess.run(
        [installed.programs / "loyalty", "sandbox"],
        cwd=tmp_path,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("The sandbox needs Envoy")
    assert "pip install 'loyalty-service[sandbox]'" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_envoy_takes_the_files_that_are_written_for_production(
    installed: BareEnvironment, tmp_path: Path
) -> None:
    """`loyalty envoy-config` writes what an Envoy elsewhere loads, scripts and descriptors too."""
    edge = tmp_path / "edge"
    said = installed.run("loyalty", "envoy-config", str(edge), cwd=tmp_path)

    assert said == f"Wrote {len(edge_files())} files of loyalty 0.1.0 to {edge}.\n"
    assert {str(path.relative_to(edge)) for path in edge.rglob("*") if path.is_file()} == set(
        edge_files()
    )
    validate(edge)


@pytest.mark.parametrize(
    "servers",
    [
        ("--server", "10.0.0.1:50051", "--server", "10.0.0.2:50051"),
        ("--server", "one.internal:50051", "--server", "[fd00::2]:50051"),
        ("--dns", "loyalty-servers:50051"),
    ],
)
def test_envoy_takes_what_an_operator_chooses(
    installed: BareEnvironment, tmp_path: Path, servers: tuple[str, ...]
) -> None:
    """Where it listens, its servers in a list or by name, and TLS on both sides."""
    edge = tmp_path / "edge"
    chosen = ("--listen", "0.0.0.0:8443", "--mutual", "--server-tls", *servers)
    installed.run("loyalty", "envoy-config", str(edge), *chosen, cwd=tmp_path)
    # Envoy reads the certificates when it validates.
    certificates = tmp_path / "tls"
    outside, inside = Authority("outside"), Authority("inside")
    outside.sign("edge").write(certificates, "edge")
    inside.sign("envoy").write(certificates, "envoy")
    put(certificates / "tills.pem", outside.pem)
    put(certificates / "server-ca.pem", inside.pem)
    for secret in (edge / "secrets").iterdir():
        text = secret.read_text(encoding="utf-8").replace("/etc/loyalty/tls", str(certificates))
        secret.write_text(text, encoding="utf-8")
    validate(edge)


def validate(edge: Path) -> None:
    """Have Envoy load its files."""
    ran = subprocess.run(
        [PROGRAMS / "envoy", "--mode", "validate", "-c", edge / "envoy.yaml"],
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr


def test_stubs_need_three_packages(wheels: dict[str, Path]) -> None:
    """Who installs loyalty-api gets gRPC, protobuf and Google's common protos with it."""
    project = tomllib.loads((ROOT / "generated" / "pyproject.toml").read_text(encoding="utf-8"))
    needs = {re.split(r"[^\w-]", need)[0] for need in project["project"]["dependencies"]}
    found = names(wheels["loyalty_api"])

    assert needs == {"googleapis-common-protos", "grpcio", "protobuf"}
    assert {name.split("/")[0] for name in found} == {
        "buf",
        "loyalty",
        "loyalty_api-0.1.0.dist-info",
    }
    for name in ("identify_service_pb2.pyi", "identify_service.proto", "py.typed"):
        assert f"loyalty/v1/{name}" in found
    assert {"buf/validate/validate.proto", "loyalty/loyalty.binpb"} <= found
    assert "loyalty_api-0.1.0.dist-info/licenses/LICENSE" in found


def test_kiosk_works_with_the_stubs_alone(wheels: dict[str, Path], tmp_path: Path) -> None:
    """The stubs of the wheel are imported without the service, and protoc finds its protos."""
    kiosk = BareEnvironment(tmp_path / "venv", wheels["loyalty_api"])

    said = kiosk.run("python", "-P", "-c", KIOSK, cwd=tmp_path)

    assert Path(said.strip()) == kiosk.packages / "loyalty" / "v1"
    target = tmp_path / "compiled"
    target.mkdir()
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{kiosk.packages}", f"-I{sysconfig.get_path('purelib')}"),
            *(f"--python_out={target}", "loyalty/v1/identify_service.proto"),
        ],
        check=True,
        timeout=60,
    )
    assert (target / "loyalty" / "v1" / "identify_service_pb2.py").exists()
