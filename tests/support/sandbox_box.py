"""A sandbox of its own process, called as tills call it and driven by its control port."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.support.roots import PYTHONPATH

COMMAND = [sys.executable, "-m", "loyalty_service", "sandbox"]
PORTS = re.compile(r":(\d+) \(Envoy\), gRPC on .*:(\d+)\.")
CONTROL = re.compile(r"Clock and faults: http://127\.0\.0\.1:(\d+);")
KEYS = {"x-api-key": "sandbox-pos-key", "content-type": "application/json"}

_orders = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller got."""

    status: int
    headers: dict[str, str]
    body: Any
    seconds: float


@dataclass(frozen=True, slots=True)
class Box:
    """A sandbox that runs."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    http: int
    grpc: int
    control_port: int

    def call(
        self, path: str, body: Any = None, *, wait_s: float = 15, method: str = "", **headers: str
    ) -> Answer:
        """Send JSON to the till's door."""
        named = KEYS | {name.replace("_", "-"): value for name, value in headers.items()}
        return _call(self.http, method or ("POST" if body else "GET"), path, body, named, wait_s)

    def control(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call the control port."""
        return _call(self.control_port, method, path, body, headers, 30)

    def identify(self, code: str, order: str = "", **more: Any) -> Answer:
        """Show a code at store 9999."""
        return self.call("/loyalty/identify", shown(code, order or new_order()), **more)

    def claim(self, transaction_id: str, **more: Any) -> Answer:
        """Report an order as paid."""
        path = f"/loyalty/transaction/pos/{transaction_id}"
        return self.call(path, paid(), method="PUT", **more)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line on the same data."""
        return subprocess.run(
            [*COMMAND, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def _call(
    port: int, method: str, path: str, body: Any, headers: dict[str, str], wait_s: float
) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=wait_s)
    began = time.monotonic()
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        told = json.loads(response.read() or b"null")
    finally:
        connection.close()
    named = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, named, told, time.monotonic() - began)


def new_order() -> str:
    """Number an order."""
    return f"control-{next(_orders)}"


def shown(code: str, order: str) -> dict[str, Any]:
    """Build a request to identify."""
    vendor = {"storeId": "9999", "posType": "Partner", "transactionId": order}
    return {"identifier": code, "posVendor": vendor}


def paid() -> dict[str, Any]:
    """Build a report of a paid order: a whopper for 5.65."""
    line = {
        "name": "whopper",
        "price": 5.0,
        "productId": "1002",
        "productType": "item",
        "quantity": 1,
        "referenceId": "1",
        "tax": 0.65,
    }
    details = {
        "currency": "CAD",
        "order": [line],
        "payments": [{"amount": 565, "type": "VISA", "ccToken": "tok_1"}],
        "posVendor": {"storeId": "9999", "posType": "Partner", "transactionId": "1"},
    }
    return {
        "channel": "Restaurant",
        "created": "2021-05-04T13:39:47Z",
        "serviceMode": "EAT_IN",
        "status": "CLAIMED",
        "transactionDetails": details,
    }


def environment(folder: Path, **settings: int) -> dict[str, str]:
    """Give the environment of a sandbox that keeps its data in a folder, on free ports."""
    ports = {"GRPC_PORT": 0, "HTTP_PORT": 0} | settings
    return {
        **os.environ,
        **{f"LOYALTY_{name}": str(port) for name, port in ports.items()},
        "LOYALTY_DATA_DIR": str(folder),
        "PYTHONPATH": PYTHONPATH,
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def started(folder: Path, *, errors: int | None = None, **settings: int) -> Iterator[Box]:
    """
    Run a sandbox until the context ends, where it is killed if it still runs.

    Args:
        folder: Where its data is.
        errors: Where its standard error goes, as `Popen` takes it; None is the tests' own.
        settings: Ports that are not to be free ones.
    """
    around = environment(folder, **settings)
    with subprocess.Popen(
        COMMAND, env=around, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout)
            ports = next(filter(None, map(PORTS.search, lines)), None)
            control = next(filter(None, map(CONTROL.search, lines)), None)
            assert ports is not None, process.communicate()[1]
            assert control is not None, process.communicate()[1]
            yield Box(process, around, int(ports[1]), int(ports[2]), int(control[1]))
        finally:
            process.kill()


@contextmanager
def box(folder: Path) -> Iterator[Box]:
    """Run a sandbox that ends well."""
    with started(folder) as found:
        yield found
        found.process.send_signal(signal.SIGINT)
        found.process.communicate(timeout=20)
        assert found.process.returncode == 0


def first_day(running: Box) -> Box:
    """Bring a sandbox back to its first day, with no fault bound and nobody certified."""
    running.control("POST", "/certification/stop")
    assert running.control("POST", "/reset").status == 200
    return running
