"""The examples for those who write kiosks, each as its own program against a sandbox."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from loyalty_service.domain.webhooks import new_secret, shown_secret, signatures
from loyalty_service.sandbox.fixed_codes import FARHAN, LUC, ODILE
from loyalty_service.sandbox.kinds import Kind
from tests.support.roots import ROOT
from tests.support.sandbox_box import Box

KIOSK = ROOT / "examples" / "kiosk-python" / "kiosk.py"
LATE_S = "1"
"""What it waits for an answer that may never come."""


def kiosk(running: Box, code: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Serve a guest, with the stubs of the wheel alone."""
    command = [sys.executable, KIOSK, "--server", f"127.0.0.1:{running.grpc}", "--code", code]
    return subprocess.run(
        [*command, *more],
        env={"PYTHONPATH": str(ROOT / "generated"), "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def points(running: Box, member: str) -> int:
    """Tell what a member has to spend; nothing may be left held."""
    told = running.call(f"/loyalty/members/{member}", x_api_key="sandbox-app-key").body["member"]
    assert told["heldPoints"] == 0
    return int(told["availablePoints"])


def test_guest_spends_a_reward_and_earns(running: Box) -> None:
    """The whole visit: greeted, held, paid, with the receipt's lines."""
    said = kiosk(running, "123456")

    assert said.returncode == 0, said.stderr
    assert "Hello Farhan, you have 14464 points." in said.stdout
    assert "800 points are held." in said.stdout
    assert "You earned 122 points, spent 800 and have 14586." in said.stdout
    assert "| Balance: 14586" in said.stdout
    assert points(running, FARHAN) == 14586


def test_guest_leaves_without_paying(running: Box) -> None:
    """A cancelled order gives everything back."""
    said = kiosk(running, "123456", "--cancel")

    assert said.returncode == 0, said.stderr
    assert "Cancelled. You have 15264 points." in said.stdout


def test_discount_is_taken_off(running: Box) -> None:
    """Prices are reported net of a discount in percent."""
    assert "Paid 9.84." in kiosk(running, "234567").stdout


def test_refused_reward_is_left_out(running: Box) -> None:
    """A reward that costs more than there is does not end the order."""
    before = points(running, LUC)
    said = kiosk(running, "900407")

    assert said.returncode == 0, said.stderr
    assert "without it" in said.stdout
    assert points(running, LUC) == before + 122


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        *((kind, "claim") for kind in Kind if kind is not Kind.UNKNOWN),
        *((Kind.LOST, step) for step in ("identify", "validate", "pending")),
    ],
)
def test_fault_costs_the_guest_nothing(running: Box, kind: Kind, step: str) -> None:
    """Whatever becomes of an answer, the order is claimed once and the points are right."""
    running.control("PUT", "/faults", {"910001": {"fault": kind.value, "on": step}})
    said = kiosk(running, "910001", "--deadline", LATE_S)

    assert said.returncode == 0, said.stdout + said.stderr
    assert points(running, ODILE) == 20000 - 800 + 122
    again = re.search(r"[A-Z_]+, so the same call again under its key", said.stdout)
    assert bool(again) is (kind is not Kind.TWICE)


@pytest.mark.parametrize(("code", "reason"), [("900422", "CODE_ALREADY_USED"), ("1", "IDENT")])
def test_refusal_is_told_to_the_staff(running: Box, code: str, reason: str) -> None:
    """What no new attempt can mend ends the visit, with its reason and no traceback."""
    said = kiosk(running, code)

    assert said.returncode == 1
    assert said.stderr.startswith("Please ask the staff.")
    assert reason in said.stderr
    assert said.stderr.count("\n") == 1


FOLLOW = ROOT / "examples" / "events-python" / "follow.py"


def test_follower_has_what_the_service_has(running: Box, tmp_path: Path) -> None:
    """Events alone tell every balance, and a second run goes on where the first has ended."""
    kiosk(running, "123456")
    command = [sys.executable, FOLLOW, "--keep", tmp_path / "events.db", "pages", "--once"]
    command += ["--server", f"http://127.0.0.1:{running.http}"]
    first, again = (
        subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        for _ in range(2)
    )
    with closing(sqlite3.connect(tmp_path / "events.db")) as kept:
        found = kept.execute(
            "SELECT points FROM balance WHERE member = ? AND account = 'available'", (FARHAN,)
        ).fetchone()

    assert "loyalty.order.claimed" in first
    assert again == ""
    assert found == (points(running, FARHAN),)


def test_receiver_takes_what_is_signed_and_no_more() -> None:
    """A message of the service is taken, a forged or old one is not."""
    spec = importlib.util.spec_from_file_location("follow", FOLLOW)
    assert spec is not None
    assert spec.loader is not None
    follow = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(follow)
    old, new = new_secret(), new_secret()
    body, now = b'{"id":"ev_1"}', 1_800_000_000
    headers = {
        "webhook-id": "ev_1",
        "webhook-timestamp": str(now),
        "webhook-signature": signatures((new, old), "ev_1", now, body),
    }

    assert follow.is_signed(shown_secret(new), headers, body, now + 10)
    assert follow.is_signed(shown_secret(old), headers, body, now - 10)
    assert not follow.is_signed(shown_secret(new_secret()), headers, body, now)
    assert not follow.is_signed(shown_secret(new), headers, body + b" ", now)
    assert not follow.is_signed(shown_secret(new), headers, body, now + 301)
    assert not follow.is_signed(shown_secret(new), {}, body, now)
