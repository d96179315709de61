"""Reads where a database is, in every form that people write it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import psycopg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_SEVERAL = re.compile(
    r"(?P<scheme>[\w+]+)://(?:(?P<user>[^@/?]*)@)?(?P<hosts>[^/?]*,[^/?]*)(?P<rest>.*)", re.DOTALL
)
_HOST = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<name>[^:]*))(?::(?P<port>\d*))?")
_ATTRIBUTES = "target_session_attrs"
_WRITABLE = ("any", "read-write", "primary")
SECRET_PARAMETERS = ("password", "sslpassword", "oauth_client_secret")
"""Parameters of a URL that nobody may read."""
_DRIVER_ONLY = frozenset({"host", "port"})


def read_url(text: str) -> URL:
    """
    Read `sqlite:///path`, or where a PostgreSQL is; one of several servers is the primary.

    Several are written as libpq takes them, `//one:5432,two:5432/name`, as
    `?host=one,two&port=5432,5432`, as `?host=one:5432&host=two:5432`, or as
    `host=one,two port=5432 dbname=name`. Among several the one is looked for that takes writes.

    Raises:
        ValueError: It is none of these, or would not lead to a server that takes writes.
    """
    url = _parsed(text)
    if url.get_backend_name() == "sqlite":
        if url.database in {None, "", ":memory:"}:
            raise ValueError("must name a file, since points in memory do not last")
        return url.set(drivername="sqlite")
    query = dict(url.query)
    hosts, ports = _hosts_and_ports(query)
    if hosts:
        query["host"] = ",".join(hosts)
    if ports:
        query["port"] = ",".join(ports)
    if len(ports) > 1 and len(ports) != len(hosts):
        raise ValueError(f"names {len(hosts)} hosts and {len(ports)} ports")
    _require_primary(query, several=len(hosts) > 1)
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    for name in query:
        if name not in known:
            raise ValueError(f"has {name}, which libpq does not know")
    url = url.set(drivername="postgresql", query=query)
    _require_readable(url)
    return url


def _parsed(text: str) -> URL:
    if "://" not in text and "=" in text:
        return _of_words(text)
    several = _SEVERAL.fullmatch(text)
    if several is None:
        url = _made(text)
    else:
        user = f"{several['user']}@" if several["user"] else ""
        bare = _made(f"{several['scheme']}://{user}{several['rest']}")
        if _DRIVER_ONLY & bare.query.keys():
            raise ValueError("names hosts both before the path and behind it")
        url = bare.update_query_dict({"host": several["hosts"]})
    if url.drivername == "postgres":
        url = url.set(drivername="postgresql")
    if (name := url.get_backend_name()) not in {"sqlite", "postgresql"}:
        raise ValueError(f"must begin with sqlite:/// or postgresql://, not {name}://")
    return url


def _made(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        # Not its own words: a URL may hold a password.
        raise ValueError("must be a URL as sqlite:/// or postgresql://") from None


def _of_words(text: str) -> URL:
    """Read libpq's other form, `host=one dbname=name`."""
    try:
        words = psycopg.conninfo.conninfo_to_dict(text)
    except psycopg.Error:
        raise ValueError("must be a URL as sqlite:/// or postgresql://") from None
    query = {name: str(value) for name, value in words.items()}
    user, password = query.pop("user", None), query.pop("password", None)
    return URL.create("postgresql", user, password, database=query.pop("dbname", None), query=query)


def _hosts_and_ports(
    query: Mapping[str, str | Sequence[str]],
) -> tuple[list[str], list[str]]:
    """Take hosts and ports out of a URL's query, where a host may have its port beside it."""
    hosts, ports = [], []
    for host in _listed(query.get("host", ())):
        if host.startswith(("/", "@")) or (host.count(":") > 1 and "[" not in host):
            hosts.append(host)  # A folder of sockets, or an address that is all colons.
            ports.append("")
            continue
        split = _HOST.fullmatch(host)
        if split is None:
            raise ValueError("must name each host as HOST or HOST:PORT")
        hosts.append(split["v6"] or split["name"])
        ports.append(split["port"] or "")
    given = _listed(query.get("port", ()))
    if given and any(ports):
        raise ValueError("names ports both beside the hosts and by themselves")
    return hosts, given or (ports if any(ports) else [])


def _listed(value: str | Sequence[str]) -> list[str]:
    parts = (value,) if isinstance(value, str) else value
    return [one for part in parts for one in part.split(",")]


def _require_primary(query: dict[str, str | tuple[str, ...]], *, several: bool) -> None:
    """Look for the server that takes writes among several, unless the URL says how."""
    wanted = query.get(_ATTRIBUTES)
    if wanted is None:
        if several:
            query[_ATTRIBUTES] = "read-write"
    elif wanted not in _WRITABLE:
        raise ValueError(
            f"has {_ATTRIBUTES}={wanted}, which does not lead to the server that takes writes: "
            "leave it out, or set it to read-write"
        )


def _require_readable(url: URL) -> None:
    """
    Refuse a URL that libpq can't read, before it says why: in its words is the URL.

    Raises:
        ValueError: It can't.
    """
    try:
        psycopg.conninfo.conninfo_to_dict(url.render_as_string(hide_password=False))
    except psycopg.ProgrammingError:
        raise ValueError(
            "has a part that libpq can't read: in user and password write other characters than "
            "letters and digits as `%20`"
        ) from None
