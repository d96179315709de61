"""
The code peppers of a store: which ones it was served with, and whether a server knows them all.

The store keeps a check of each, a keyed digest that tells one pepper from another and is of no
use without it. A server whose pepper is another would find no code and open no kept answer, and
count right codes as wrong ones: it is refused at its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, delete, extract, func, insert, select, update

from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import CHECK_BYTES, Peppers, check_of, name_of
from loyalty_service.storage import tables as t
from loyalty_service.storage.alone import require_unopened, require_unserved
from loyalty_service.storage.connections import reading, require_database, writing
from loyalty_service.storage.databases import Database
from loyalty_service.storage.presence import SILENT_S
from loyalty_service.storage.repositories.seal import Seal, SealError
from loyalty_service.storage.repositories.statements import table_of

_PEPPER = table_of(t.CodePepperTable)
_REVISION = table_of(t.CatalogRevisionTable)
_ANSWER = table_of(t.KeptAnswerTable)
_SERVER = table_of(t.ServerTable)
_GONE_MS = round(SILENT_S * 1000)
_ANSWERS_TRIED = 16


class PepperError(OperatorError):
    """Raised when a pepper is not the store's, or would not be known to all of its servers."""


@dataclass(frozen=True, slots=True)
class KeptPepper:
    """
    A pepper as the store knows it.

    Attributes:
        check_value: Keyed digest that tells it from others.
        known_ms: When a server first said that it knows it.
        current_ms: When a server first digested with it; absent while it is only announced.
    """

    check_value: bytes
    known_ms: int
    current_ms: int | None

    @property
    def name(self) -> str:
        """What people call it by."""
        return name_of(self.check_value)


def kept_peppers(database: Database) -> list[KeptPepper]:
    """
    List the peppers that a store was served with, the oldest first.

    Raises:
        UnreachableError: The database does not answer.
    """
    with reading(database) as connection:
        return kept_in(connection)


def kept_in(connection: Connection) -> list[KeptPepper]:
    """List the peppers that an open transaction sees, the oldest first."""
    ordered = select(_PEPPER).order_by(_PEPPER.c.known_ms, _PEPPER.c.check_value)
    return [
        KeptPepper(bytes(row.check_value), row.known_ms, row.current_ms)
        for row in connection.execute(ordered)
    ]


def require_known(database: Database, peppers: Peppers) -> None:
    """
    Refuse peppers that lack the database's own, and write nothing: for work beside servers.

    Raises:
        PepperError: A pepper that the store was served with is not among these; the current one
            was never announced; or it is not in use yet and a server that runs does not know it.
        UnreachableError: The database does not answer.
    """
    with reading(database) as connection:
        kept = kept_in(connection)
        _require_all(connection, kept, peppers)
        if kept and check_of(peppers.current) not in {known.check_value for known in kept}:
            raise PepperError(_unannounced(peppers, embedded=database.embedded))
        _require_servers(connection, kept, peppers)


def register(database: Database, peppers: Peppers, *, fresh: bool = False) -> None:
    """
    Refuse peppers without the store's, as `require_known`; else let the store know them.

    The ordinary start reads a few rows and writes none. The first server of a store says which
    pepper is the store's; of one that an older version kept, it must open kept answers.

    Args:
        database: The store.
        peppers: The server's.
        fresh: Whether the current one was made just now, because nothing in the store needs
            another.

    Raises:
        PepperError: As above; or the current one was never announced, so that other servers may
            not know it.
        UnreachableError: The database does not answer.
    """
    if not fresh:
        with reading(database) as connection:
            kept = kept_in(connection)
            _require_all(connection, kept, peppers)
        if _is_complete(kept, peppers):
            return
    with writing(database) as connection:
        # Two first servers with different peppers: the second one must see what the first wrote.
        connection.execute(select(_REVISION.c.revision).with_for_update())
        if fresh:
            connection.execute(delete(_PEPPER))
        kept = kept_in(connection)
        _require_all(connection, kept, peppers)
        _require_servers(connection, kept, peppers)
        _add(connection, kept, peppers, alone=database.embedded or not kept)


def announce(database: Database, peppers: Peppers) -> bool:
    """
    Let a store that nobody serves know the current pepper, as a server that knows it would.

    Nothing is written where a pepper in use is not among these, nor in a store that was served
    with none: its first server says which is the store's.

    Returns:
        Whether it is announced now and was not before.

    Raises:
        UnreachableError: The database does not answer.
    """
    with writing(database) as connection:
        kept = kept_in(connection)
        known = {one.check_value for one in kept}
        missed = missed_among(kept, peppers)
        if not kept or missed or check_of(peppers.current) in known:
            return False
        _insert(connection, peppers.current, now_ms())
    return True


def accept(database: Database, peppers: Peppers) -> list[KeptPepper]:
    """
    Make these peppers the store's, whatever it had before; returns those that it gave up.

    For a pepper that is lost: what was made with it is unknown from then on. No server may run.

    Raises:
        OpenElsewhereError: A server runs; it would go on with its own.
        UnreachableError: The database does not answer.
    """
    require_database(database)
    own = {check_of(pepper) for pepper in peppers.known}
    require_unopened(database)
    with writing(database) as connection:
        require_unserved(database, connection)
        kept = kept_in(connection)
        lost = [one for one in kept if one.check_value not in own]
        _delete(connection, lost)
        _add(connection, [one for one in kept if one.check_value in own], peppers, alone=True)
    return lost


def forget(database: Database, name: str, peppers: Peppers) -> KeptPepper:
    """
    Let the store do without a retired pepper; returns it.

    Raises:
        PepperError: There is none of this name, or it is the current one.
        UnreachableError: The database does not answer.
    """
    with writing(database) as connection:
        retired = _retired_in(connection, name, peppers)
        _delete(connection, [retired])
    return retired


def require_retired(database: Database, name: str, peppers: Peppers) -> None:
    """
    Refuse a pepper that can't be forgotten; changes nothing.

    Raises:
        PepperError: As `forget`.
        UnreachableError: The database does not answer.
    """
    with reading(database) as connection:
        _retired_in(connection, name, peppers)


def _retired_in(connection: Connection, name: str, peppers: Peppers) -> KeptPepper:
    named = [one for one in kept_in(connection) if one.name == name]
    if not named:
        raise PepperError(
            f"the database knows no pepper {name}: `loyalty pepper list` names those it knows"
        )
    if named[0].check_value == check_of(peppers.current):
        raise PepperError(f"{name} is the pepper in use: only a retired one can be forgotten")
    return named[0]


def unknown_among(kept: Sequence[KeptPepper], peppers: Peppers) -> list[KeptPepper]:
    """Give the store's peppers that a server does not know, those that are only announced too."""
    own = {check_of(pepper) for pepper in peppers.known}
    return [one for one in kept if one.check_value not in own]


def missed_among(kept: Sequence[KeptPepper], peppers: Peppers) -> list[KeptPepper]:
    """Give the peppers in use that a server does not know: without them it must not serve."""
    return [one for one in unknown_among(kept, peppers) if one.current_ms is not None]


def _require_all(connection: Connection, kept: Sequence[KeptPepper], peppers: Peppers) -> None:
    """Refuse to miss a pepper in use. One that is only announced may be missed: nothing is lost."""
    if not kept and _opens_none(connection, peppers):
        raise PepperError(
            f"the code pepper {name_of(check_of(peppers.current))} is not the database's: it opens "
            f"none of its kept answers. {_WAYS_OUT}"
        )
    missed = missed_among(kept, peppers)
    if missed:
        own = ", ".join(name_of(check_of(pepper)) for pepper in peppers.known)
        raise PepperError(
            "the database was served with the code pepper "
            f"{', '.join(one.name for one in missed)}, and only {own} is known here: codes, "
            "receipts and kept answers would be unknown. "
            f"{_WAYS_OUT}"
        )


def _require_servers(connection: Connection, kept: Sequence[KeptPepper], peppers: Peppers) -> None:
    """
    Refuse to use a pepper first while a server that runs does not know it.

    Once it is in use such a server is not there by the doing of who asks now.
    """
    current = check_of(peppers.current)
    if not kept or any(one.check_value == current and one.current_ms for one in kept):
        return
    if connection.dialect.name != "postgresql":
        return
    running = connection.execute(
        select(_SERVER.c.peppers).where(
            _SERVER.c.heard_ms > extract("epoch", func.clock_timestamp()) * 1000 - _GONE_MS
        )
    ).scalars()
    lacking = sum(current not in _checks_in(known) for known in running)
    if lacking:
        raise PepperError(
            f"{lacking} of the servers that run {'does' if lacking == 1 else 'do'} not know the "
            f"code pepper {name_of(current)} yet: start every server with it in "
            "LOYALTY_OTHER_CODE_PEPPERS first. A server that was killed counts for "
            f"{SILENT_S:.0f} s more"
        )


def _checks_in(known: bytes) -> set[bytes]:
    """Take apart what a server's row says of its peppers."""
    return {known[at : at + CHECK_BYTES] for at in range(0, len(known), CHECK_BYTES)}


_WAYS_OUT = (
    "Set the right one, as LOYALTY_CODE_PEPPER, or in LOYALTY_OTHER_CODE_PEPPERS beside a newer "
    "one. If it is lost for good, stop all servers and run `loyalty pepper accept`"
)


def _opens_none(connection: Connection, peppers: Peppers) -> bool:
    """
    Tell whether peppers open none of the answers kept, as another store's would.

    A few are looked at. Where there is none, the peppers are as good as any.
    """
    kept = connection.execute(
        select(_ANSWER.c.scope, _ANSWER.c.idempotency_key, _ANSWER.c.answer).limit(_ANSWERS_TRIED)
    ).all()
    seal = Seal(peppers)
    for scope, key, answer in kept:
        with suppress(SealError):
            seal.open(bytes(answer), scope, key)
            return False
    return bool(kept)


def _unannounced(peppers: Peppers, *, embedded: bool) -> str:
    name = name_of(check_of(peppers.current))
    if embedded:
        return (
            f"the code pepper {name} is new, and no server was started with it yet: restart the "
            "server, or start it, then run this again"
        )
    return (
        f"no server of the database has announced the code pepper {name}: start every "
        "server with it in LOYALTY_OTHER_CODE_PEPPERS first, then with it as LOYALTY_CODE_PEPPER "
        "and the old one among the others. Or stop all servers and run `loyalty pepper accept` "
        "with both"
    )


def _is_complete(kept: Sequence[KeptPepper], peppers: Peppers) -> bool:
    """Tell whether the store knows all of a server's peppers, and that the current one is used."""
    used = {one.check_value: one.current_ms for one in kept}
    if used.get(check_of(peppers.current)) is None:
        return False
    return all(check_of(pepper) in used for pepper in peppers.others)


def _add(
    connection: Connection, kept: Sequence[KeptPepper], peppers: Peppers, *, alone: bool
) -> None:
    known = {one.check_value for one in kept}
    now = now_ms()
    current = check_of(peppers.current)
    if current not in known and not alone:
        raise PepperError(_unannounced(peppers, embedded=False))
    for pepper in peppers.known:
        if check_of(pepper) not in known:
            _insert(connection, pepper, now)
    connection.execute(
        update(_PEPPER)
        .values(current_ms=now)
        .where(_PEPPER.c.check_value == current, _PEPPER.c.current_ms.is_(None))
    )


def _insert(connection: Connection, pepper: bytes, now: int) -> None:
    row = {"check_value": check_of(pepper), "known_ms": now, "current_ms": None}
    connection.execute(insert(_PEPPER), [row])


def _delete(connection: Connection, kept: Sequence[KeptPepper]) -> None:
    for one in kept:
        connection.execute(delete(_PEPPER).where(_PEPPER.c.check_value == one.check_value))
