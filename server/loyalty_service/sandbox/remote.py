"""Calls the control port of the sandbox that runs on the same data."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from loyalty_service.config import Settings
from loyalty_service.domain.operator_error import OperatorError

CONTROL_FILE = "sandbox-control"
TIMEOUT_S = 30.0


class NotRunningError(OperatorError):
    """Raised when no sandbox runs on the data that the settings name."""

    def __init__(self) -> None:
        super().__init__(
            "No sandbox runs here: start it with `loyalty sandbox`, or set LOYALTY_DATA_DIR to the "
            "folder that it was started with."
        )


def control_file(settings: Settings) -> Path:
    """Name the file that holds the port while a sandbox runs."""
    return settings.data_dir / CONTROL_FILE


def control(settings: Settings, method: str, path: str, body: object = None) -> Any:
    """
    Call the sandbox; return what it tells.

    Raises:
        NotRunningError: None runs.
        OperatorError: It refuses, or does not answer in time.
    """
    try:
        port = int(control_file(settings).read_text(encoding="ascii"))
        connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except TimeoutError:
        raise OperatorError(f"The sandbox did not answer within {TIMEOUT_S:g} s.") from None
    except (OSError, HTTPException, ValueError):
        raise NotRunningError from None
    if answer.status != HTTPStatus.OK:
        raise OperatorError(str(told.get("error", answer.status)))
    return told
