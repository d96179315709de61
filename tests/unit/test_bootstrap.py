"""What the server lets through to its log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from server.bootstrap import configure_logging
from server.config import Settings


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """Put back what the test changes for the whole process."""
    root, driver = logging.getLogger(), logging.getLogger("psycopg")
    before = (root.handlers[:], root.level, driver.level, structlog.get_config())
    yield
    root.handlers[:], level, driver_level, config = before
    root.setLevel(level)
    driver.setLevel(driver_level)
    structlog.configure(**config)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("debug", logging.WARNING), ("warning", logging.WARNING), ("error", logging.ERROR)],
)
def test_libraries_say_no_more_than_the_level_lets_through(chosen: str, expected: int) -> None:
    """What libraries say is kept to warnings, and to errors where only errors are wanted."""
    configure_logging(Settings(log_level=chosen))
    assert logging.getLogger("asyncio").getEffectiveLevel() == expected


def test_collision_that_is_retried_is_not_logged_by_the_driver() -> None:
    """Two calls that meet one new row are ordinary: only the driver's errors are let through."""
    configure_logging(Settings(log_level="info"))
    assert logging.getLogger("psycopg.pipeline").getEffectiveLevel() == logging.ERROR


def test_header_that_is_no_utf8_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """What gRPC says of such a header shows it, be it a name or a key: that is left out."""
    configure_logging(Settings(log_level="debug"))
    logger = logging.getLogger("grpc._cython.cygrpc")
    logger.error("Invalid encoding on %s", b"Zo\xeb")
    logger.error("anything else")
    told = capsys.readouterr().err
    assert "anything else" in told
    assert "Zo" not in told
