"""What a call is called in logs and traces."""

from __future__ import annotations

import re

import pytest

from loyalty_service.observability.trail import Trail, read_parent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize("sent", ["a", "01a200d2-891d-7597-87a8-fae11ca2d9b0", "x" * 128])
def test_fit_request_id_is_kept(sent: str) -> None:
    """A caller finds its own request ID in the log."""
    assert Trail({"x-request-id": sent}).request_id == sent


@pytest.mark.parametrize("sent", [None, "", "x" * 129, "two words", 'a"b', "a\nb", "é"])
def test_unfit_request_id_is_replaced(sent: str | None) -> None:
    """What is missing, long or could forge a line of the log gets a new name, which then stays."""
    trail = Trail({} if sent is None else {"x-request-id": sent})

    assert UUID.fullmatch(trail.request_id)
    assert trail.request_id == trail.request_id


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True)])
def test_callers_trace_goes_on(flags: str, sampled: bool) -> None:  # noqa: FBT001
    """The trace ID, the caller's span and its decision are read."""
    metadata = {"traceparent": f"00-{TRACE}-{SPAN}-{flags}"}
    parent = read_parent(metadata)

    assert parent is not None
    assert (parent.trace_id, parent.span_id) == (int(TRACE, 16), int(SPAN, 16))
    assert parent.sampled is sampled
    assert Trail(metadata).trace_id == TRACE


def test_later_version_is_read() -> None:
    """A version to come may say more, of which we take what we know."""
    assert read_parent({"traceparent": f"01-{TRACE}-{SPAN}-01-more"}) is not None


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_malformed_parent_begins_a_new_trace(sent: str) -> None:
    """What is no traceparent is as none."""
    assert read_parent({"traceparent": sent}) is None
    assert re.fullmatch(r"[0-9a-f]{32}", Trail({"traceparent": sent}).trace_id)
