"""Where the parts meet: builds them, runs them, and closes them in order."""

from __future__ import annotations

import asyncio
import logging
import secrets
import stat
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.config import PEPPER_BYTES, Settings
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.domain.platforms import platform_of
from loyalty_service.observability.access_log import Few, name_call
from loyalty_service.observability.metrics import Telemetry
from loyalty_service.observability.redaction import redact
from loyalty_service.observability.trail import Tracing
from loyalty_service.release import told_version
from loyalty_service.start_checks import require_time_zones, warn_of_fractions
from loyalty_service.storage.alone import only_server
from loyalty_service.storage.connections import require_database
from loyalty_service.storage.contents import needs_known_pepper
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate, newest, require_current
from loyalty_service.storage.peppers import register
from loyalty_service.storage.store import Store
from loyalty_service.sweeper import sweep_forever
from loyalty_service.transport.addresses import AddressError, authority, require_free
from loyalty_service.transport.choosing import Choice, choose, new_transport
from loyalty_service.transport.server import LoyaltyServer
from loyalty_service.transport.servicers.all_servicers import all_servicers
from loyalty_service.transport.servicers.identify import IdentifyUseCase
from loyalty_service.transport.tls import Certificates, require_protection, tls_files
from loyalty_service.vitals import watch_forever
from loyalty_service.webhooks.postroom import deliver

if TYPE_CHECKING:
    from loyalty_service.observability.otlp import Otlp

BESIDE_S = 2.0
"""Time that what runs beside the calls may take to end."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    store: Store
    grpc_port: int


def configure_logging(settings: Settings) -> None:
    """Send structured lines to standard error: nothing else may print there."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer()
    )
    few = Few(every=level <= logging.DEBUG)
    shared: list[structlog.typing.Processor] = [
        name_call,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        # Last, because what comes before it makes text of exceptions.
        redact,
    ]
    structlog.configure(
        processors=[few.process, *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What libraries say, gRPC and asyncio above all, goes the same way.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *shared,
                renderer,
            ]
        )
    )
    handler.addFilter(_is_of_use)
    handler.addFilter(few.filter)
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    # A pipeline that breaks raises as well, and most often two calls only met one new row.
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def _is_of_use(record: logging.LogRecord) -> bool:
    """Leave out a header that gRPC shows, whatever it holds, and an answer that reached nobody."""
    kind = record.exc_info[0] if record.exc_info else None
    hung_up = kind is not None and kind.__name__ == "ExecuteBatchError"
    return record.msg != "Invalid encoding on %s" and not hung_up


def open_certificates(settings: Settings) -> Certificates | None:
    """
    Read the certificates of the gRPC port; absent when it is to speak plaintext.

    Raises:
        TransportSecurityError: They can't be used, or plaintext would cross a network.
    """
    files = tls_files(settings.tls_certificate, settings.tls_private_key, settings.tls_client_ca)
    require_protection(settings.grpc_host, files, allow_plaintext=settings.allow_plaintext)
    return None if files is None else Certificates(files)


def choose_transport(settings: Settings) -> Choice:
    """Tell what carries the calls; see `choose`."""
    return choose(settings.transport, settings.grpc_host, tls=settings.tls_certificate is not None)


def require_addresses(settings: Settings, workers: int = 1) -> None:
    """
    Try the ports before anything is started.

    Raises:
        AddressError: A port or the address can't be listened on.
    """
    host, port = settings.grpc_host, settings.grpc_port
    if port == settings.metrics_port != 0 and host == settings.metrics_host:
        raise AddressError("LOYALTY_GRPC_PORT and LOYALTY_METRICS_PORT must differ.")
    require_free(host, port, "LOYALTY_GRPC_PORT", shared=settings.share_port)
    for number in range(workers if settings.metrics_port else 0):
        require_free(settings.metrics_host, settings.metrics_port + number, "LOYALTY_METRICS_PORT")


def database_of(settings: Settings) -> Database:
    """
    Return the database that the settings name.

    Raises:
        OperatorError: The URL is of a kind that is not served.
    """
    loss, platform = settings.allow_data_loss, platform_of(settings.durability)
    url, file = settings.database_url, settings.database_file
    try:
        if not url:
            return Database.of_file(file, allow_data_loss=loss, platform=platform)
        return Database.from_text(url, allow_data_loss=loss, platform=platform)
    except ValueError as problem:
        raise OperatorError(f"LOYALTY_DATABASE_URL {problem}") from None


def require_own_files(settings: Settings) -> None:
    """
    Refuse files of an embedded database, or folders of them, that are open to everybody.

    Who may write to a folder puts another store, log or pepper in place; who may read a file
    learns the guests' data. A group may, because orchestrators mount volumes for the group of a
    container.

    Raises:
        OperatorError: Somebody may.
    """
    database = database_of(settings)
    if not database.embedded:
        return
    file = Path(database.url.database or "")
    beside = [file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm", "-journal")]
    for path in (settings.data_dir, file.parent):
        if path.exists() and path.stat().st_mode & stat.S_IWOTH:
            raise OperatorError(
                f"{path} can be written by every user of this machine, who could put another "
                f"database in place of this one: `chmod o-w {path}`"
            )
    others = stat.S_IROTH | stat.S_IWOTH
    exposed = [path for path in (file, *beside) if path.exists() and path.stat().st_mode & others]
    if exposed:
        raise OperatorError(
            f"{exposed[0]} can be read or changed by every user of this machine, and holds the "
            f"guests' data: `chmod 600 {' '.join(map(str, exposed))}`"
        )


def require_peppers(settings: Settings) -> Peppers:
    """
    Give the secrets that codes are digested with; a new one only to a store that needs no other.

    Raises:
        OperatorError: It is missing, and receipts and kept answers would be lost with a new one.
    """
    settings.make_data_dir()
    require_own_files(settings)
    database = database_of(settings)
    if settings.known_pepper() is None and database.embedded and needs_known_pepper(database):
        raise OperatorError(
            f"the database {database.url.database} is in use and its code pepper is missing: bring "
            f"{settings.pepper_file} back, or set LOYALTY_CODE_PEPPER. If it is lost for good, "
            f"`(umask 077; openssl rand -hex 32 > {settings.pepper_file})` makes another, with "
            "which no code or receipt issued so far is known, and `loyalty pepper accept` makes "
            "it the database's"
        )
    return settings.peppers()


@asynccontextmanager
async def open_store(settings: Settings, *, serves: bool = False) -> AsyncIterator[Store]:
    """
    Open the storage: the embedded database is brought up to date, another must be.

    Args:
        settings: Where it is.
        serves: Whether calls are served from it.

    Raises:
        OpenElsewhereError: It is to be served, and another process serves it.
        SchemaError: The database has another schema.
        UnreachableError: The database does not answer.
        UnsafeDatabaseError: The database may lose what it acknowledges.
        PepperError: The pepper is not the store's.
        OperatorError: The pepper is missing, or its file or the store's is open to others.
    """
    database = database_of(settings)
    fresh = settings.known_pepper() is None
    peppers = require_peppers(settings)
    # Whoever is refused must have changed nothing under the server that runs.
    with only_server(database) if serves else nullcontext():
        if database.embedded:
            migrate(database)
        else:
            require_current(database)
        database.require_durable()
        register(database, peppers, fresh=fresh)
        async with Store(database, peppers, settings.writers, serves=serves) as store:
            yield store


@asynccontextmanager
async def open_existing_store(settings: Settings) -> AsyncIterator[Store]:
    """
    Open the storage for those who work on what is there: nothing is created, nothing migrated.

    Codes are unknown in it where the pepper is missing.

    Raises:
        SchemaError: The database has another schema.
        UnreachableError: The database does not answer, or there is none.
        UnsafeDatabaseError: The database may lose what it acknowledges.
        OperatorError: The pepper's file or the store's is open to others.
    """
    database = database_of(settings)
    require_database(database)
    require_own_files(settings)
    require_current(database)
    database.require_durable()
    # A key must be revoked even by somebody who does not have the pepper.
    peppers = settings.known_peppers() or Peppers(secrets.token_bytes(PEPPER_BYTES))
    async with Store(database, peppers, settings.writers) as store:
        yield store


def _tell_start(settings: Settings, store: Store, port: int, choice: Choice) -> None:
    """Say in one line what runs where, as whoever compares two servers needs it."""
    database = database_of(settings)
    current, *others = (name_of(check_of(one)) for one in settings.peppers().known)
    log.info(
        "serving",
        version=told_version(),
        schema=newest(),
        database=database.shown,
        # Names of keyed digests: what `loyalty pepper list` shows, and no secret.
        pepper_check=current,
        other_pepper_checks=others,
        listening=authority(settings.grpc_host, port),
        transport=choice.name,
        **({"instead_of_native": choice.reason} if choice.reason else {}),
        **({} if database.embedded else {"waits_for_standby": store.replicated}),
        **({} if database.platform is None else {"durability": str(database.platform)}),
    )


@asynccontextmanager
async def serve(
    settings: Settings,
    *,
    identify: IdentifyUseCase = identify_member,
    sandbox: bool = False,
    dress: Callable[[Mapping[str, object]], Mapping[str, object]] = dict,
) -> AsyncIterator[Running]:
    """
    Serve gRPC until the context ends, then drain.

    Args:
        settings: Where, and from what.
        identify: The use case of that name; the sandbox has its own.
        sandbox: Whether the published sandbox keys are taken.
        dress: Puts something around the servicers; only the sandbox does.

    Raises:
        AddressError: A port or the address can't be listened on.
        SchemaError: The database has another schema.
        TransportSecurityError: The port can't be protected as the settings say.
        UnsafeDatabaseError: The database may lose what it acknowledges.
        OperatorError: A program's time zone can't be loaded, or see `open_store`.
    """
    certificates = open_certificates(settings)
    choice = choose_transport(settings)
    require_addresses(settings)
    if not sandbox:
        database_of(settings).warn_of_loss()
    async with open_store(settings, serves=True) as store:
        require_time_zones(store)
        warn_of_fractions(store)
        telemetry = Telemetry(
            settings.metrics_host, settings.metrics_port, measure=bool(settings.otlp_endpoint)
        )
        otlp = _open_otlp(settings, telemetry)
        server = LoyaltyServer(
            store,
            dress(all_servicers(identify)),
            sandbox=sandbox,
            reflection_on=settings.reflection,
            calls=telemetry.calls,
            tracing=Tracing() if otlp is None else otlp.tracing,
        )
        file = database_of(settings).url.database if database_of(settings).embedded else None
        telemetry.watch_store(store.stats, None if file is None else Path(file))
        telemetry.watch_service(lambda: bool(server.serving), store.clock)
        telemetry.watch_certificate(None if certificates is None else certificates.expires)
        credentials = None if certificates is None else certificates.credentials()
        transport = new_transport(choice.name, share_port=settings.share_port)
        port = await server.start(transport, settings.grpc_host, settings.grpc_port, credentials)
        _tell_start(settings, store, port, choice)
        beside = [
            asyncio.create_task(sweep_forever(store, settings.sweep_interval_s, telemetry.sweeps))
        ]
        if settings.webhooks:
            beside.append(asyncio.create_task(deliver(store, settings, telemetry.deliveries)))
        if telemetry.vitals is not None:
            beside.append(asyncio.create_task(watch_forever(store, telemetry.vitals)))
        try:
            yield Running(store, port)
        finally:
            for task in beside:
                task.cancel()
            # A webhook is let go of, so that another server takes it up at once.
            await asyncio.wait(beside, timeout=BESIDE_S)
            await server.stop(settings.shutdown_notice_s, settings.shutdown_grace_s)
            if otlp is not None:
                await asyncio.to_thread(otlp.close)
            telemetry.close()


def _open_otlp(settings: Settings, telemetry: Telemetry) -> Otlp | None:
    if not settings.otlp_endpoint or telemetry.registry is None:
        return None
    # Imported here because whoever has no collector must not pay for loading it.
    from loyalty_service.observability.otlp import Otlp  # noqa: PLC0415

    return Otlp(settings.otlp_endpoint, settings.trace_ratio, telemetry.registry)
