"""Which calls with a key are under way, from their arrival until they are settled."""

from __future__ import annotations

import pytest

from loyalty_service.application.under_way import UnderWay, digests_of, is_among

SCOPE = "demo-ca/till"
KEY = "claim-1"


def _knows(calls: UnderWay, scope: str = SCOPE, key: str = KEY) -> bool:
    known = calls.has(digests_of(scope, key))
    assert is_among(digests_of(scope, key), calls.sample()) == known
    return known


def test_call_is_under_way_until_its_last_holder_lets_go() -> None:
    """The handler may be gone while the work goes on."""
    calls = UnderWay()
    arrival = calls.enter(SCOPE, KEY)
    arrival.hold()
    arrival.release()
    assert _knows(calls)
    arrival.release()
    assert not _knows(calls)
    assert calls.sample() == b""


def test_calls_with_one_key_are_counted() -> None:
    """The key is under way while any of them is."""
    calls = UnderWay()
    first, second = calls.enter(SCOPE, KEY), calls.enter(SCOPE, KEY)
    first.release()
    assert _knows(calls)
    second.release()
    assert not _knows(calls)


@pytest.mark.parametrize(("scope", "key"), [("demo-ca/kiosk", KEY), (SCOPE, "claim-2")])
def test_other_partners_and_keys_are_not_meant(scope: str, key: str) -> None:
    """A partner hears of its own keys only."""
    calls = UnderWay()
    calls.enter(SCOPE, KEY)
    assert not _knows(calls, scope, key)


def test_call_of_somebody_unknown_is_everybodys_until_it_is_known() -> None:
    """In doubt a call is under way."""
    calls = UnderWay()
    arrival = calls.enter(None, KEY)
    assert _knows(calls)
    assert _knows(calls, "demo-ca/kiosk")
    assert not _knows(calls, key="claim-2")
    arrival.belongs_to("demo-ca/kiosk")
    assert not _knows(calls)
    assert _knows(calls, "demo-ca/kiosk")
    arrival.belongs_to(SCOPE)
    assert _knows(calls, "demo-ca/kiosk")
    arrival.release()
    assert calls.sample() == b""


def test_arrival_keeps_what_its_server_was_registered_as() -> None:
    """A server that registers again does so for later calls."""
    calls = UnderWay()
    calls.registration = "first"
    arrival = calls.enter(SCOPE, KEY)
    calls.registration = "second"
    assert arrival.registration == "first"
    assert calls.enter(SCOPE, KEY).registration == "second"


def test_lost_commit_is_under_way_until_it_is_settled() -> None:
    """It is held on although nobody works on it."""
    calls = UnderWay()
    arrival = calls.enter(SCOPE, KEY)
    calls.unsettled.append(arrival)
    assert _knows(calls)
    calls.settle([arrival])
    assert not _knows(calls)
    assert calls.unsettled == []


def test_digests_are_found_at_their_places_only() -> None:
    """Bytes across two digests are none of them."""
    (own, everybodys) = digests_of(SCOPE, KEY)
    across = own[4:] + b"\0" * 4
    assert not is_among((across, across), own + b"\0" * 8)
    assert is_among((own, everybodys), b"\0" * 8 + own)
