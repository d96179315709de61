"""A database is named in any form that people write, and what can't be served from is refused."""

from __future__ import annotations

import pytest

from loyalty_service.storage.database_urls import read_url
from loyalty_service.storage.databases import Database

TWO = {"host": "one,two", "port": "5432,5433", "target_session_attrs": "read-write"}


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://loyalty:secret@one:5432,two:5433/points",
        "postgres://loyalty:secret@one:5432,two:5433/points",
        "postgresql+psycopg://loyalty:secret@one:5432,two:5433/points",
        "postgresql://loyalty:secret@/points?host=one,two&port=5432,5433",
        "postgresql://loyalty:secret@/points?host=one:5432,two:5433",
        "postgresql://loyalty:secret@/points?host=one:5432&host=two:5433",
        "postgresql://loyalty:secret@one:5432,two:5433/points?target_session_attrs=read-write",
        "host=one,two port=5432,5433 user=loyalty password=secret dbname=points",
    ],
)
def test_several_hosts_are_read_in_every_form(text: str) -> None:
    """Whatever the form, libpq is asked for the one of them that takes writes."""
    url = read_url(text)
    assert (url.drivername, url.username, url.password) == ("postgresql", "loyalty", "secret")
    assert (url.host, url.port, url.database) == (None, None, "points")
    assert dict(url.query) == TWO


def test_ports_may_be_left_out_or_be_one_for_all() -> None:
    """As libpq takes them."""
    assert "port" not in read_url("postgresql://one,two/points").query
    assert read_url("postgresql://one,two:5433/points").query["port"] == ",5433"
    shared = "postgresql:///points?host=one,two&port=5433"
    assert read_url(shared).query["port"] == "5433"
    assert Database.from_text(shared).place == "one:5433,two:5433"
    assert Database.from_text("postgresql://one,two:5433/points").place == "one:5432,two:5433"


def test_other_kinds_of_hosts_are_left_as_they_are() -> None:
    """Addresses of IPv6 and folders of sockets have colons or slashes of their own."""
    url = read_url("postgresql://loyalty@[::1]:5432,[fe80::2]:5433/points")
    assert (url.query["host"], url.query["port"]) == ("::1,fe80::2", "5432,5433")
    url = read_url("postgresql:///points?host=/run/a,/run/b&port=5432,5433")
    assert (url.query["host"], url.query["port"]) == ("/run/a,/run/b", "5432,5433")
    assert Database.from_text("postgresql:///points?host=/run/a").place == "/run/a"


@pytest.mark.parametrize("how", ["primary", "any", "read-write"])
def test_how_the_primary_is_found_can_be_chosen(how: str) -> None:
    """Poolers before two servers, for instance, are asked nothing."""
    url = read_url(f"postgresql://one,two/points?target_session_attrs={how}")
    assert url.query["target_session_attrs"] == how


def test_one_host_is_not_asked_what_it_is() -> None:
    """A pooler or a name that moves leads to the primary by itself."""
    url = read_url("postgresql://loyalty@one:5433/points")
    assert (url.host, url.port, dict(url.query)) == ("one", 5433, {})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("postgresql://one,two/points?target_session_attrs=standby", "does not lead to the server"),
        ("postgresql://one/points?target_session_attrs=prefer-standby", "does not lead to"),
        ("postgresql:///points?host=one,two,three&port=1,2", "names 3 hosts and 2 ports"),
        ("postgresql:///points?host=one:1,two:2&port=3", "names ports both"),
        ("postgresql://one,two/points?host=three", "names hosts both"),
        ("postgresql://one,two/points?targetServerType=primary", "has targetServerType, which"),
        ("mysql://one,two/points", "not mysql://"),
        ("host=one dbname='points", "must be a URL"),
        ("points", "must be a URL"),
    ],
)
def test_what_does_not_lead_to_a_primary_is_refused(text: str, why: str) -> None:
    """At the start, in words that tell what to change."""
    with pytest.raises(ValueError, match=why):
        read_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://loyalty:secr3t@one:x,two/points",
        "host=one password='secr3t",
        "postgresql://loyalty:secr3t@one:abc/points",
    ],
)
def test_no_password_is_in_the_words_of_an_error(text: str) -> None:
    """Whoever reads the log may not be somebody who may read the database."""
    with pytest.raises(ValueError, match=r"^must ") as told:
        Database.from_text(text)
    assert "secr3t" not in str(told.value)
    assert told.value.__context__ is None or told.value.__suppress_context__
