"""What the server lets through to its log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterator

import pytest
import structlog
from grpc._cython import cygrpc

from loyalty_service.application.reads import NOTHING
from loyalty_service.bootstrap import configure_logging
from loyalty_service.config import Settings
from loyalty_service.domain.flags import Flag, FlagKind
from loyalty_service.domain.limits import LimitName
from loyalty_service.observability import access_log
from loyalty_service.observability.access_log import LINES_MAX
from loyalty_service.storage.batch import Flags, Item


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


def test_callers_hang_up_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An answer that could not leave gRPC tells with a traceback, though nobody is at fault."""
    configure_logging(Settings(log_level="debug"))
    logger = logging.getLogger("grpc._cython.cygrpc")
    for fault in (cygrpc.ExecuteBatchError("gone", ""), ValueError("at fault")):
        logger.error("raised by servicer method [%s]", "/any", exc_info=fault)
    told = capsys.readouterr().err
    assert told.count("raised by") == 1
    assert "at fault" in told


@pytest.fixture
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock of the log stand still."""
    monkeypatch.setattr(access_log, "monotonic", lambda: 5.0)


@pytest.mark.usefixtures("one_second")
def test_libraries_that_flood_the_log_are_told_by_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many lines of one library in a second, whatever callers put in them; then their number."""
    configure_logging(Settings(log_level="info"))
    logger = logging.getLogger("grpc._cython.cygrpc")
    for number in range(LINES_MAX + 7):
        # As gRPC does: the path is part of what is to be formatted.
        logger.error("Failed in [/any/%s]" % number)  # noqa: G002, UP031
    logging.getLogger("asyncio").error("another")
    told = capsys.readouterr().err
    assert (told.count("Failed in"), told.count("another")) == (LINES_MAX, 1)
    monkeypatch.setattr(access_log, "monotonic", lambda: 6.0)
    logger.error("Failed again in %s", "this")
    assert "Failed again in this left_out=7" in capsys.readouterr().err


@pytest.mark.usefixtures("one_second")
def test_any_line_that_floods_the_log_is_told_by_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many lines of one text and outcome in a second; the next one says how many more."""
    configure_logging(Settings(log_level="info", log_json=True))
    log = structlog.get_logger("flood")
    for _ in range(LINES_MAX + 7):
        log.error("call failed", method="any")
    log.error("another")
    told = capsys.readouterr().err
    assert (told.count("call failed"), told.count("another")) == (LINES_MAX, 1)
    monkeypatch.setattr(access_log, "monotonic", lambda: 6.0)
    log.error("call failed")
    log.error("call failed")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("left_out") for line in lines] == [7, None]


@pytest.mark.usefixtures("one_second")
async def test_flags_that_flood_the_log_hide_no_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flags are few by kind and reason, and told by number; those of points are all written."""
    configure_logging(Settings(log_level="info", log_json=True))
    flags = Flags()
    item = Item(lambda _unit, _now_ms: None, NOTHING, asyncio.Future(), None, 0.0)
    kinds = {
        "amount": FlagKind.ORDER_MENDED,
        "text": FlagKind.ORDER_MENDED,
        LimitName.POINTS_PER_ORDER.value: FlagKind.BEYOND_LIMIT,
    }
    for reason, kind in kinds.items():
        flags.take([Flag(kind, reason, {})] * (LINES_MAX + 7), item)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert Counter(line["reason"] for line in lines) == {
        "amount": LINES_MAX,
        "text": LINES_MAX,
        LimitName.POINTS_PER_ORDER.value: LINES_MAX + 7,
    }
    monkeypatch.setattr(access_log, "monotonic", lambda: 6.0)
    flags.take([Flag(FlagKind.ORDER_MENDED, "amount", {})], item)
    assert json.loads(capsys.readouterr().err)["left_out"] == 7


@pytest.mark.usefixtures("one_second")
def test_log_for_debugging_has_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for everything gets it."""
    configure_logging(Settings(log_level="debug"))
    log = structlog.get_logger("flood")
    for _ in range(LINES_MAX + 7):
        log.error("call failed")
    assert capsys.readouterr().err.count("call failed") == LINES_MAX + 7


def test_caller_that_hung_up_is_no_error_of_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    """Who hangs up while it is answered leaves no traceback behind."""
    configure_logging(Settings(log_level="info"))
    logger = logging.getLogger("grpc._cython.cygrpc")
    logger.error("ExecuteBatchError raised in core by servicer method [/any/Any]")
    assert not capsys.readouterr().err
