"""What callers rest on can't change unnoticed: the contract is compared with what is frozen."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.generator import generator

ROOT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).parent / "buf"
BASELINE = "protos/baseline.binpb"


def _buf(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BUF), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def _compare(folder: Path, file: str, found: str, instead: str) -> tuple[int, str]:
    """Change a copy of the protos, and compare it as `make check` does."""
    protos, described = folder / "protos", folder / "loyalty.binpb"
    shutil.copytree(ROOT / "protos", protos)
    changed = protos / "loyalty" / "v1" / file
    text, count = re.subn(found, instead, changed.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert count == 1, f"{found} stands {count} times in {file}"
    changed.write_text(text, encoding="utf-8")
    generator().describe(protos, described)
    (command,) = re.findall(r"^\t\$\(BIN\)/buf (breaking .*)$", _makefile(), flags=re.MULTILINE)
    arguments = command.replace("generated/loyalty.binpb", str(described)).split()
    ran = _buf(*arguments)
    return ran.returncode, ran.stdout + ran.stderr


def _makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")


BREAKS = {
    "numbers swapped": (
        "member_service.proto",
        r"available_points = 7(.*?)held_points = 8",
        r"available_points = 8\1held_points = 7",
        {'Field "7"', "available_points", "held_points"},
    ),
    "field removed": (
        "transaction_service.proto",
        r"  // Counts the points earned by the order; 0 while it is PENDING\.\n *int32 [^;]*;\n",
        "",
        {'"points_earned"', "ReportOrderResponse"},
    ),
    "JSON name changed": (
        "order.proto",
        r"string product_id = 1 \[",
        'string product_id = 1 [json_name = "plu", ',
        {'"productId"', '"plu"', "OrderLine"},
    ),
    "type changed": (
        "identify_service.proto",
        r"int32 amount = 1",
        "string amount = 1",
        {'"amount"', "Balance", "string"},
    ),
    "presence changed": (
        "member_service.proto",
        r"optional string email = 3 \[\(",
        "string email = 3 [(",
        {'"email"', "Member"},
    ),
    "word of an enum changed": (
        "order.proto",
        r"DRIVE_THRU = 3",
        "DRIVE_THROUGH = 3",
        {"DRIVE_THRU", "ServiceMode"},
    ),
    "RPC renamed": ("code_service.proto", r"rpc GetCode\(", "rpc ShowCode(", {"GetCode"}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_contract_is_named(tmp_path: Path, name: str) -> None:
    """What would break a caller fails the check, which says what it is."""
    file, found, instead, named = BREAKS[name]
    code, said = _compare(tmp_path, file, found, instead)
    assert code
    assert all(word in said for word in named), said


def test_what_is_added_breaks_nobody(tmp_path: Path) -> None:
    """A new field passes the check."""
    code, said = _compare(
        tmp_path,
        "member_service.proto",
        r"int32 owed_points = 9 ",
        "optional string nickname = 1000;\n  // Owed.\n  int32 owed_points = 9 ",
    )
    assert (code, said) == (0, "")


def test_descriptor_set_is_all_that_other_compilers_need(tmp_path: Path) -> None:
    """The contract can be compiled from a clone as it is, without anything fetched."""
    described = str(ROOT / "generated" / "loyalty.binpb")
    built = _buf("build", described, "--output", str(tmp_path / "built.binpb"))
    assert (built.returncode, built.stderr) == (0, "")
    compiled = subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={described}"),
            *(f"--python_out={tmp_path}", "loyalty/v1/identify_service.proto"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (compiled.returncode, compiled.stderr) == (0, "")
    assert (tmp_path / "loyalty/v1/identify_service_pb2.py").is_file()
