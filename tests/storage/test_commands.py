"""Commands of operators: what they create, what they refuse, and what they print."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shlex
import uuid
from collections.abc import Iterator
from contextvars import Context
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loyalty_service import bootstrap
from loyalty_service.bootstrap import database_of
from loyalty_service.cli import main
from loyalty_service.config import Settings
from loyalty_service.domain.clock import DAY_MS, now_ms
from loyalty_service.domain.errors import DeadlinePassedError, LoyaltyError, StorageUnavailableError
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.program import Catalog
from loyalty_service.sandbox.demo_data import PROGRAM_FILE
from loyalty_service.storage import fresh_catalog, writer
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.peppers import PepperError
from loyalty_service.storage.store import Store
from tests.support.databases import Backend, fresh_database
from tests.support.ledger import audit, balances, execute, rows
from tests.support.orders import Till
from tests.support.postgres import Postgres
from tests.support.programs import PROGRAM_ID, add_member, demo_program, put_program
from tests.support.silence import listening
from tests.support.stores import PEPPER, open_store

MEMBER = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
ANOTHER = "another pepper of thirty-two letters"
OTHER = "0d9b2f64-7c1e-4b5a-9f3d-2e8a6c5b7d10"
COFFEE = "3e9a71a8-75f8-493a-bb2a-e13f92052427"
CROISSANT = "b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364"
NOBODY = "00000000-0000-4000-8000-000000000000"
ON_WHAT_IS_THERE = (
    ("keys", "list"),
    ("keys", "create", "demo-ca", "acme", "--role", "till"),
    ("keys", "rotate", "key"),
    ("keys", "revoke", "key"),
    ("guesses",),
    ("guesses", "--forgive", "key"),
    ("adjust", "demo-ca", MEMBER, "5", "--reason", "gift"),
    ("pepper", "list"),
    ("pepper", "reseal"),
    ("pepper", "forget", "5f0c21aa", "--yes"),
    ("pepper", "accept", "--yes"),
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find their data in a folder of the test's own."""
    monkeypatch.setenv("LOYALTY_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command as a terminal does."""
    return Run(monkeypatch)


class Run:
    """Runs commands in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str) -> int:
        """Run a command; return its exit code."""
        self._monkeypatch.setattr("sys.argv", ["loyalty", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return code or 0


@pytest.mark.parametrize("arguments", ON_WHAT_IS_THERE, ids=" ".join)
def test_command_creates_no_store(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """A mistyped folder is told of, not filled with an empty store."""
    assert run(*arguments) == 1

    problem = f"there is no database at {tmp_path / 'data' / 'loyalty.db'}\n"
    assert capsys.readouterr().err == problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", ON_WHAT_IS_THERE, ids=" ".join)
def test_command_migrates_nothing(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """An older schema is refused and stays: a server of an older version may be at work on it."""
    database = database_of(Settings(data_dir=tmp_path / "data"))
    migrate(database, "0001")

    assert run(*arguments) == 1

    assert "has schema 0001 and this version needs" in capsys.readouterr().err
    assert migrate(database, "0001") == ("0001", "0001")
    assert not (tmp_path / "data" / "code-pepper").exists()


@pytest.mark.parametrize("arguments", ON_WHAT_IS_THERE, ids=" ".join)
def test_command_asks_for_a_schema(
    run: Run,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    """An empty PostgreSQL is told of in a line."""
    url = postgres.empty_database()
    monkeypatch.setenv("LOYALTY_DATABASE_URL", url)
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())

    assert run(*arguments) == 1

    told = capsys.readouterr().err
    assert "loyalty migrate" in told
    assert told.count("\n") == 1
    postgres.drop(url)


def test_look_at_a_program_creates_no_store(run: Run, tmp_path: Path) -> None:
    """`apply --dry-run` shows what the first program would be, and leaves nothing behind."""
    assert run("apply", str(PROGRAM_FILE), "--dry-run") == 0
    assert list(tmp_path.iterdir()) == []


def test_first_program_makes_the_store(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """`apply` and `keys create` are all that a new store needs."""
    assert run("apply", str(PROGRAM_FILE), "--yes") == 0
    assert run("keys", "create", "demo-ca", "acme", "--role", "till") == 0
    assert "lk_" in capsys.readouterr().out
    assert run("keys", "list") == 0
    assert "acme" in capsys.readouterr().out


def test_keys_are_revoked_without_the_pepper(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has lost the pepper can still shut a thief out; none is made meanwhile."""
    run("apply", str(PROGRAM_FILE), "--yes")
    run("keys", "create", "demo-ca", "acme", "--role", "till")
    key_id = capsys.readouterr().err.partition("Key ")[2].split()[0]
    pepper = tmp_path / "data" / "code-pepper"
    pepper.unlink()

    assert run("keys", "revoke", key_id) == 0
    assert not pepper.exists()


def test_tables_are_told_in_full(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A narrow terminal or a pipe cuts nothing off: a key's name is there to be copied."""
    monkeypatch.setenv("COLUMNS", "40")
    run("apply", str(PROGRAM_FILE), "--yes")
    partner = "a partner [bold] whose name :cat: is long " * 3
    run("keys", "create", "demo-ca", partner, "--role", "till", "--store", "9999")
    key_id = capsys.readouterr().err.partition("Key ")[2].split()[0]

    assert run("keys", "list") == 0

    (line,) = (line for line in capsys.readouterr().out.splitlines() if key_id in line)
    for cell in ("demo-ca", partner.strip(), "till", "9999", "live since 20"):
        assert cell in line
    assert len(line) < 250


def test_waits_of_an_unknown_key_are_not_forgiven(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped key is told of: who waits would go on waiting."""
    run("apply", str(PROGRAM_FILE), "--yes")

    assert run("guesses", "--forgive", "nokey") == 1
    assert capsys.readouterr().err == "No key is called nokey: `loyalty keys list` names them.\n"


def test_question_that_nobody_answers_changes_nothing(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script without a terminal learns that nothing was changed, and how to say yes."""
    monkeypatch.setattr("sys.stdin", io.StringIO())

    assert run("apply", str(PROGRAM_FILE)) == 1

    assert (
        "Nobody answered, so nothing was changed; a script says --yes." in capsys.readouterr().err
    )


def test_day_that_is_none_is_named_by_its_option(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """An order is looked for by days, and the message names what was typed wrong."""
    run("apply", str(PROGRAM_FILE), "--yes")
    capsys.readouterr()

    assert run("find", "order", PROGRAM_ID, "--from", "tuesday") == 2

    assert "--from: must be a day, as 2026-12-31" in capsys.readouterr().err


async def test_server_without_tls_moves_no_points(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where TLS is not spoken no call was made: the command says so, and not that it may have."""
    (key := tmp_path / "key").write_text("lk_key")

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ended = await asyncio.to_thread(
            run, "adjust", PROGRAM_ID, str(uuid.uuid4()), "5", "--reason", "late",
            "--server", f"https://127.0.0.1:{port}", "--api-key-file", str(key),
        )  # fmt: skip

    assert ended == 1
    assert "Nothing was changed: check the address" in capsys.readouterr().err


def test_unknown_program_is_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped program is not told as a member that is missing."""
    run("apply", str(PROGRAM_FILE), "--yes")

    assert run("adjust", "nope", MEMBER, "5", "--reason", "gift") == 1
    assert "\nThere is no program nope: " in capsys.readouterr().err


@pytest.fixture
def members(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store of each kind, set for commands, with two members of 100 points; return its URL."""

    async def fill(url: str) -> None:
        async with open_store(url) as store:
            await put_program(store)
            for loyalty_id in (MEMBER, OTHER):
                await store.write(
                    lambda unit, now, chosen=loyalty_id: add_member(unit, now, 100, chosen)
                )

    with fresh_database(backend) as url:
        asyncio.run(fill(url))
        monkeypatch.setenv("LOYALTY_DATABASE_URL", url)
        monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
        yield url
        audit(url)


@pytest.mark.usefixtures("members")
def test_promo_codes_are_made_listed_and_released(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Codes are shown once and listed by label; a use is released for the member who made it."""
    made = ("promo-codes", "create", PROGRAM_ID, "--points", "500", "--label", "spring")
    assert run(*made, "--count", "3") == 0
    codes = capsys.readouterr().out.split()
    assert len({code for code in codes if len(code) == 12}) == 3
    day = ("--from", "2026-01-01", "--until", "2030-12-31")
    assert run(*made, "--code", "spring-26", "--most-uses", "10", *day, "--store", "9999") == 0
    assert capsys.readouterr().out == "SPRING-26\n"
    assert run(*made, "--code", "SPRING-26") == 1
    assert "There is a code SPRING-26 already." in capsys.readouterr().err
    assert run("promo-codes", "list", PROGRAM_ID) == 0
    told = capsys.readouterr().out
    assert "SPRING-26" not in told
    lines = [line.split() for line in told.splitlines() if "spring" in line]
    assert sorted(lines) == [
        ["spring", "1", "500", "0", "10", "2026-01-01T05:00Z", "2031-01-01T05:00Z"],
        ["spring", "3", "500", "0", "3"],
    ]
    for code, member, words in (
        ("SPRING-26", MEMBER, "The member has not used this code."),
        ("NOTHING", MEMBER, "demo-ca has no such code."),
        ("SPRING-26", NOBODY, f"demo-ca has no member {NOBODY}."),
    ):
        assert run("promo-codes", "release", PROGRAM_ID, code, member) == 1
        assert words in capsys.readouterr().err


@pytest.mark.usefixtures("members")
def test_grants_are_given_listed_and_withdrawn(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Members get an incentive once for what it is for; what the calendar gives is listed, too."""
    give = (
        "grants",
        "give",
        PROGRAM_ID,
        CROISSANT,
        MEMBER,
        "--reason",
        "sorry",
        "--for",
        "case 17",
    )
    assert run(*give, "--uses", "2", "--until", "2090-12-31") == 0
    grant = capsys.readouterr().out.strip()
    assert run(*give, "--uses", "2") == 0
    assert capsys.readouterr().out.strip() == grant
    assert run("grants", "list", PROGRAM_ID, MEMBER) == 0
    told = capsys.readouterr().out
    assert [line.split()[2:5] for line in told.splitlines() if CROISSANT in line] == [
        ["activated", "0", "2"],
        ["offered", "0", "1"],
    ]
    assert "2090-12-31" in told
    withdraw = ("grants", "withdraw", PROGRAM_ID, MEMBER, grant, "--reason", "mistake")
    assert run(*withdraw) == 0
    assert run(*withdraw) == 1
    assert "no grant" in capsys.readouterr().err
    assert run("grants", "list", PROGRAM_ID, MEMBER) == 0
    assert "withdrawn" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("member", "incentive", "words"),
    [
        (NOBODY, CROISSANT, f"demo-ca has no member {NOBODY}."),
        (MEMBER, COFFEE, "with the rule granted"),
    ],
)
@pytest.mark.usefixtures("members")
def test_nothing_is_given_by_mistake(
    run: Run, capsys: pytest.CaptureFixture[str], member: str, incentive: str, words: str
) -> None:
    """Nobody can be given what everybody may use, and one unknown member stops all."""
    give = ("grants", "give", PROGRAM_ID, incentive, MEMBER, member, "--reason", "sorry")
    assert run(*give) == 1
    assert words in capsys.readouterr().err
    assert run("grants", "list", PROGRAM_ID, MEMBER) == 0
    assert "operator/" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        ("--code", "a b"),
        ("--code", "SPRING", "--count", "2"),
        ("--from", "soon"),
        ("--from", "2027-01-05", "--until", "2026-12-01"),
        ("--points", "0"),
    ],
)
@pytest.mark.usefixtures("members")
def test_malformed_promo_code_is_misuse(run: Run, wrong: tuple[str, ...]) -> None:
    """A code that nobody could type, and what makes no sense together, is told as misuse."""
    made = ("promo-codes", "create", PROGRAM_ID, "--points", "500", "--label", "spring")
    assert run(*made, *wrong) == 2


def test_adjustment_sent_again_moves_points_once(
    run: Run, members: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command with the same key prints the same outcome and moves nothing more."""
    once = ("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift", "--key", "case 17")
    assert run(*once) == 0
    first = capsys.readouterr()
    assert run("adjust", PROGRAM_ID, MEMBER, "1", "--reason", "gift") == 0
    assert "Idempotency key: " in capsys.readouterr().err

    assert run(*once) == 0

    again = capsys.readouterr()
    assert first.out == again.out == "Guest now has 105 points available.\n"
    assert first.err == "Idempotency key: case 17\n"
    assert "no points moved again" in again.err
    assert balances(members, MEMBER) == (106, 0)


def test_command_by_a_clock_that_is_ahead_lets_no_points_go(
    run: Run, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator's own machine may be a year ahead: PostgreSQL's clock is known to the command."""
    url = postgres.new_database()
    monkeypatch.setenv("LOYALTY_DATABASE_URL", url)
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
    terms = replace(demo_program(), expiry=Expiry(ExpiryPolicy.ISSUE_DATE, days=30))

    async def fill() -> None:
        async with open_store(url) as store:
            await put_program(store, terms)
            await store.write(lambda unit, now: add_member(unit, now, 100, MEMBER))

    asyncio.run(fill())
    year_on = [now_ms() + 366 * DAY_MS]
    for module in (writer, fresh_catalog):
        monkeypatch.setattr(module, "now_ms", lambda: year_on[0])

    # As in a process of its own: a call that a test before this one traced is no part of it.
    adjusted = Context().run(run, "adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift")

    assert adjusted == 0
    assert balances(url, MEMBER) == (105, 0)
    ((newest_ms,),) = rows(url, "SELECT max(recorded_ms) AS newest FROM transfer")
    assert newest_ms < now_ms() + DAY_MS
    audit(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://loyalty:SECRET WORD@127.0.0.1:1/loyalty",
        "postgresql://loyalty:SECRET@127.0.0.1:1/loyalty?sslmod=verify-full",
        "postgresql://loyalty@127.0.0.1:1/loyalty?password=SECRET",
        "postgresql://loyalty@127.0.0.1:1/loyalty?sslpassword=SECRET",
        "postgresql://loyalty:SECRET@[127.0.0.1:1/loyalty",
    ],
)
def test_password_of_a_url_is_never_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    """Whatever is wrong with a URL, its password stays out of what a terminal and a log keep."""
    monkeypatch.setenv("LOYALTY_DATABASE_URL", url)
    assert run("keys", "list") == 1
    told = "".join(capsys.readouterr())
    assert "SECRET" not in told
    assert "fault in loyalty" not in told
    assert told.startswith("LOYALTY_DATABASE_URL has ") or "does not answer" in told


def test_names_are_printed_as_they_are(
    run: Run, members: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that looks like markup changes nothing of what is done and told."""
    name = "Bob [/b] [red]:smile:"
    execute(members, "UPDATE member SET name = :name", name=name)
    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift") == 0
    assert capsys.readouterr().out == f"{name} now has 105 points available.\n"

    assert run("keys", "create", PROGRAM_ID, name, "--role", "till") == 0

    told = capsys.readouterr()
    assert f" for {name}. " in told.err
    assert told.out.startswith("lk_")


@pytest.mark.parametrize(
    "other",
    [(OTHER, "5", "gift"), (MEMBER, "6", "gift"), (MEMBER, "5", "a gift")],
    ids=["member", "points", "reason"],
)
def test_key_of_another_adjustment_is_refused(
    run: Run, members: str, capsys: pytest.CaptureFixture[str], other: tuple[str, str, str]
) -> None:
    """A key stands for one member, number of points and reason; nothing moves for others."""
    loyalty_id, points, reason = other
    key = ("--key", "k")
    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift", *key) == 0
    capsys.readouterr()

    assert run("adjust", PROGRAM_ID, loyalty_id, points, "--reason", reason, *key) == 1

    assert (
        "Idempotency key k was used with another request: use a new one." in capsys.readouterr().err
    )
    assert balances(members, MEMBER) == (105, 0)
    assert balances(members, OTHER) == (100, 0)


@pytest.mark.parametrize("problem", [DeadlinePassedError(), StorageUnavailableError()], ids=repr)
def test_adjustment_without_an_outcome_tells_how_to_repeat_it(
    run: Run,
    members: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problem: LoyaltyError,
) -> None:
    """Points moved too late to be told of move no second time with the command that is named."""
    write = Store.write

    async def write_and_lose(store: Store, *work: Any, **more: Any) -> Any:
        outcome = await write(store, *work, **more)
        if isinstance(outcome, Catalog):
            return outcome
        raise problem

    with monkeypatch.context() as lossy:
        lossy.setattr(Store, "write", write_and_lose)
        assert run("adjust", PROGRAM_ID, MEMBER, "--reason", "it's late", "--", "-5") == 1
    assert balances(members, MEMBER) == (95, 0)
    told = capsys.readouterr()
    assert told.out == ""
    program, *arguments = shlex.split(told.err.split("`")[1])

    assert program == "loyalty"
    assert run(*arguments) == 0

    assert capsys.readouterr().out == "Guest now has 95 points available.\n"
    assert balances(members, MEMBER) == (95, 0)


def test_malformed_idempotency_key_is_misuse(
    run: Run, members: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that no call could carry is refused before anything is opened."""
    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift", "--key", "\x00") == 2

    assert "1 to 255 printable ASCII characters" in capsys.readouterr().err
    assert balances(members, MEMBER) == (100, 0)


def test_adjustment_with_another_pepper_is_refused(
    run: Run, members: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An outcome sealed with another pepper could not be opened by the servers': nothing moves."""
    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift", "--key", "k") == 0
    capsys.readouterr()
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", ANOTHER)

    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift") == 1

    told = capsys.readouterr().err
    assert "is not the database's: it opens none of its kept answers" in told
    assert "`loyalty pepper accept`" in told
    assert balances(members, MEMBER) == (105, 0)


def test_server_with_another_pepper_is_refused(
    run: Run, members: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would call right codes wrong; whoever lost the pepper says so once, with no server on."""
    run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift")

    async def start() -> None:
        async with bootstrap.open_store(Settings()):
            assert balances(members, MEMBER) == (105, 0)

    asyncio.run(start())
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", ANOTHER)
    with pytest.raises(PepperError, match=r"was served with the code pepper \w{8}"):
        asyncio.run(start())

    async def accept_beside_a_server() -> None:
        async with open_store(members):
            with listening():
                assert await asyncio.to_thread(run, "pepper", "accept", "--yes") == 1
                assert await asyncio.to_thread(run, "pepper", "accept") == 1

    asyncio.run(accept_beside_a_server())
    told = capsys.readouterr().err
    assert told.count("is open elsewhere: stop the servers first") == 2
    assert "Accept this?" not in told
    assert run("pepper", "accept", "--yes", "--reason", "the old one is lost") == 0

    (event,) = rows(members, "SELECT reason, detail FROM event WHERE kind = 56")
    assert event.reason == "the old one is lost"
    assert "given_up" in event.detail
    asyncio.run(start())
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
    with pytest.raises(PepperError):
        asyncio.run(start())


@pytest.mark.parametrize("text", ["", " ", "two\nlines", "x" * 257, "\x1b[31m"])
def test_text_that_is_kept_must_be_readable(
    run: Run, members: str, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """A reason or partner that nobody could read later is refused by name, an absent one too."""
    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", text) == 2
    assert "--reason" in capsys.readouterr().err
    assert balances(members, MEMBER) == (100, 0)

    assert run("keys", "create", PROGRAM_ID, text, "--role", "till") == 2
    assert "for 'partner'" in capsys.readouterr().err
    assert run("keys", "list") == 0
    assert "till" not in capsys.readouterr().out


@pytest.mark.parametrize("key", ["", "  "])
def test_empty_idempotency_key_is_refused(
    run: Run, members: str, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    """A variable that is not set must not make a new key each time."""
    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift", "--key", key) == 2
    assert "--key" in capsys.readouterr().err
    assert balances(members, MEMBER) == (100, 0)


def test_adjustment_needs_the_pepper(
    run: Run, members: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the pepper its outcome could not be opened again, so nothing moves."""
    monkeypatch.delenv("LOYALTY_CODE_PEPPER")

    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift") == 1

    assert "set LOYALTY_CODE_PEPPER" in capsys.readouterr().err
    assert balances(members, MEMBER) == (100, 0)


def test_adjustment_beyond_a_limit_names_the_way(
    run: Run, members: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is refused more points than an order may earn reads which option gives them."""
    assert members
    arguments = ("adjust", PROGRAM_ID, MEMBER, "1000000", "--reason", "gift")
    assert run(*arguments) == 1
    said = capsys.readouterr().err
    assert "points_per_order" in said
    assert "--beyond-limits allows it" in said
    assert run(*arguments, "--beyond-limits") == 0


def test_apply_tells_of_open_orders_at_a_store_that_it_removes(
    run: Run, tmp_path: Path, members: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever closes a store sees what is still to be paid there, before and after agreeing."""

    async def open_orders() -> None:
        async with open_store(members) as store:
            till = Till(store)
            for _ in range(2):
                await till.identify(MEMBER)

    asyncio.run(open_orders())
    text = PROGRAM_FILE.read_text(encoding="utf-8")
    smaller = tmp_path / "smaller.yaml"
    smaller.write_text(
        text.replace("  - id: 9999\n    name: Sandbox store, Toronto\n", ""), encoding="utf-8"
    )
    told = "2 orders are open at store 9999: their claims are still taken, and flagged."
    for how in ("--dry-run", "--yes"):
        assert run("apply", str(smaller), how, "--allow-removals") == 0
        assert told in " ".join(capsys.readouterr().out.split())
    assert run("apply", str(PROGRAM_FILE), "--yes") == 0
    assert "open at store" not in capsys.readouterr().out


def test_apply_tells_who_has_what_it_removes(
    run: Run, tmp_path: Path, members: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Members who have a grant of a retired incentive, and those in a removed tier, are counted."""
    text = PROGRAM_FILE.read_text(encoding="utf-8")
    give = ("grants", "give", PROGRAM_ID, CROISSANT, MEMBER, OTHER, "--reason", "sorry")
    assert run(*give) == 0
    (member,) = rows(members, "SELECT min(number) AS number FROM member")
    card = "INSERT INTO goal_card VALUES (:number, :program, '{}', :tiers)"
    tiers = '[["gold",1,3000000]]'
    execute(members, card, number=member.number, program=PROGRAM_ID, tiers=tiers)
    smaller = tmp_path / "smaller.yaml"
    without_gold = re.sub(r"\n  - {id: gold, name: Gold,.*", "", text).replace(
        "gives: {tier: gold}", "gives: {points: 1}"
    )
    retired = re.sub(rf"(  - id: {CROISSANT}\n)", r"\1    retired: true\n", without_gold).replace(
        "tiers: [gold]", "tiers: [green]"
    )
    smaller.write_text(retired, encoding="utf-8")
    capsys.readouterr()

    for how in ("--dry-run", "--yes"):
        assert run("apply", str(smaller), how) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert f"2 members have a grant of incentive {CROISSANT}, which is retired" in told
        assert "1 member has tier gold, which is removed" in told
    assert run("apply", str(smaller), "--yes") == 0
    assert "which is" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("currency: USD", "currency: must stay CAD"),
        ("currency: CAD\ncurrency_digits: 3", "must stay 2"),
    ],
)
def test_apply_keeps_the_currency_of_what_was_booked(
    run: Run,
    tmp_path: Path,
    members: str,
    capsys: pytest.CaptureFixture[str],
    other: str,
    told: str,
) -> None:
    """Once points were moved another currency is refused."""
    assert members
    changed = tmp_path / "changed.yaml"
    text = PROGRAM_FILE.read_text(encoding="utf-8")
    changed.write_text(text.replace("currency: CAD", other), encoding="utf-8")
    for how in ("--dry-run", "--yes"):
        assert run("apply", str(changed), how) == 1
        assert told in " ".join(capsys.readouterr().err.split())


def test_apply_changes_a_currency_in_which_nothing_was_booked(run: Run, tmp_path: Path) -> None:
    """Until there are orders or points it is only a mistake that is put right."""
    changed = tmp_path / "changed.yaml"
    text = PROGRAM_FILE.read_text(encoding="utf-8")
    changed.write_text(text.replace("currency: CAD", "currency: USD"), encoding="utf-8")
    for file in (PROGRAM_FILE, changed):
        assert run("apply", str(file), "--yes") == 0


def test_apply_tells_which_points_go_before_terms_change(
    run: Run, tmp_path: Path, members: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Points that members have get a day, or another one, only once an operator has seen it."""
    text = PROGRAM_FILE.read_text(encoding="utf-8")

    def file_with(terms: str) -> str:
        file = tmp_path / "terms.yaml"
        file.write_text(f"{text}\nexpiry: {terms}\n", encoding="utf-8")
        return str(file)

    def points() -> int:
        (kept,) = rows(members, "SELECT coalesce(sum(points), 0) AS points FROM bucket")
        return int(kept.points)

    carried = "{policy: issue_date, days: 30, carried_over: {until: 2041-07-01}}"
    assert run("adjust", "demo-ca", MEMBER, "5", "--reason", "gift") == 0
    (there,) = rows(members, "SELECT sum(balance) AS points FROM account WHERE kind IN (1, 2)")
    capsys.readouterr()

    assert run("apply", file_with(carried), "--dry-run") == 0
    assert f"2041-07: {there.points:,} points of" in capsys.readouterr().out
    assert run("apply", file_with(carried), "--yes") == 1
    assert "--change-expiry besides --yes applies it" in " ".join(capsys.readouterr().err.split())
    assert points() == 0

    assert run("apply", file_with(carried), "--yes", "--change-expiry") == 0
    assert points() == there.points
    (kept,) = rows(members, "SELECT DISTINCT last_day FROM bucket")
    assert kept.last_day == "2041-07-01"
    capsys.readouterr()
    tiers = carried[:-1] + ", by_tier: {green: {days: 9000, end_of: year}}}"
    assert run("apply", file_with(tiers), "--dry-run") == 0
    told = capsys.readouterr().out
    assert "expiry.by_tier.green.days: (none) -> 9000" in told
    assert f"-12: {there.points:,} points of" in told
    assert run("apply", file_with(tiers), "--yes") == 1
    capsys.readouterr()
    later = carried.replace("2041", "2042")
    assert run("apply", file_with(later), "--dry-run") == 0
    assert f"2042-07: {there.points:,} points of" in capsys.readouterr().out
    assert run("apply", file_with("{policy: none}"), "--yes", "--change-expiry") == 0
    assert "Points go no more." in capsys.readouterr().out
    assert points() == 0
    audit(members)


def test_member_is_exported_and_erased(
    run: Run, members: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The export is one JSON; once erased, it tells of nobody, and points are as they were."""
    file = tmp_path / "member.json"
    assert run("members", "export", PROGRAM_ID, MEMBER, "--to", str(file)) == 0
    assert json.loads(file.read_text())["member"]["name"] == "Guest"
    assert file.stat().st_mode & 0o077 == 0
    for other in (tmp_path / "open.json", tmp_path / "link.json"):
        theirs = tmp_path / "theirs"
        theirs.touch(mode=0o644)
        if other.name == "link.json":
            other.symlink_to(theirs)
        else:
            other.touch(mode=0o666)
        assert run("members", "export", PROGRAM_ID, MEMBER, "--to", str(other)) == 1
        assert other.read_text() == ""
    capsys.readouterr()
    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift", "--key", "case 17") == 0
    before = balances(members, MEMBER)

    erase = ("members", "erase", PROGRAM_ID, MEMBER, "--reason", "asked", "--yes")
    assert run(*erase) == 0

    assert balances(members, MEMBER) == before
    capsys.readouterr()
    assert run("members", "export", PROGRAM_ID, MEMBER) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["member"]["name"] == "erased"
    assert [event["reason"] for event in told["events"] if event["kind"] == "MEMBER_ERASED"] == [
        "asked"
    ]
    assert run("adjust", PROGRAM_ID, MEMBER, "5", "--reason", "gift", "--key", "case 17") == 0
    assert capsys.readouterr().out == "erased now has 105 points available.\n"


@pytest.mark.usefixtures("members")
def test_nobody_is_erased_by_mistake(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown member or program, and an answer that is no, change nothing."""
    erase = ("--reason", "asked", "--yes")
    assert run("members", "erase", PROGRAM_ID, NOBODY, *erase) == 1
    assert run("members", "erase", "nowhere", MEMBER, *erase) == 1
    assert run("members", "export", PROGRAM_ID, NOBODY) == 1
    capsys.readouterr()
    monkeypatch.setattr("typer.confirm", lambda *_question, **_options: False)
    assert run("members", "erase", PROGRAM_ID, MEMBER, "--reason", "asked") == 1
    assert run("members", "export", PROGRAM_ID, MEMBER) == 0
    assert json.loads(capsys.readouterr().out)["member"]["name"] == "Guest"


def test_member_is_changed_and_blocked(
    run: Run, members: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help desk is told what was done, and misuse changes nothing."""
    about, why = (PROGRAM_ID, MEMBER), ("--reason", "ticket 7")
    assert run("members", "update", *about, "--name", "Ada", "--phone", "+14165550123", *why) == 0
    assert capsys.readouterr().out == "Ada was changed: name, phone.\n"
    assert run("members", "block", *about, "--redeem", *why) == 0
    assert capsys.readouterr().out == "Ada is blocked: redeem.\n"
    assert run("members", "unblock", *about, *why) == 0
    assert capsys.readouterr().out == "Ada may earn and redeem.\n"
    assert run("members", "update", *about, "--phone", "555", *why) == 1
    assert run("members", "update", *about, *why) == 2
    assert run("members", "block", *about, *why) == 2
    assert run("members", "block", "nowhere", MEMBER, "--earn", *why) == 1
    told = rows(members, "SELECT name, phone, blocked FROM member WHERE loyalty_id = :m", m=MEMBER)
    assert [tuple(row) for row in told] == [("Ada", "+14165550123", None)]


def test_webhooks_are_added_listed_rotated_and_removed(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret is shown once, and a wrong address or type is refused with what is wrong."""
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
    migrate(database_of(Settings()))
    assert run("apply", str(PROGRAM_FILE), "--yes") == 0
    asyncio.run(_first_start())
    capsys.readouterr()
    added = run("webhooks", "add", PROGRAM_ID, "https://shop.example/hook")
    shown = capsys.readouterr()
    (name,) = re.findall(r"Webhook ([0-9a-f-]{36})", shown.err)
    assert added == 0
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", shown.out.strip())

    assert run("webhooks", "list") == 0
    listed = capsys.readouterr().out
    assert "shop.example" in listed.replace("\n", "")
    assert "whsec_" not in listed
    assert run("webhooks", "rotate", name, "--reason", "yearly") == 0
    assert capsys.readouterr().out.strip() != shown.out.strip()
    assert run("webhooks", "deliveries", name) == 0
    assert run("webhooks", "deliveries", "another") == 1
    assert "There is no webhook another." in capsys.readouterr().err
    assert run("webhooks", "replay", name) == 0
    assert run("webhooks", "enable", name) == 0
    assert run("webhooks", "remove", name, "--reason", "shop closed") == 0
    kept = rows(
        database_of(Settings()).url.render_as_string(hide_password=False),
        "SELECT kind, reason FROM event WHERE kind > 90",
    )
    assert [one.reason for one in kept] == [None, "yearly", "shop closed"]
    assert run("webhooks", "rotate", name) == 1
    assert "There is no webhook" in capsys.readouterr().err
    assert run("webhooks", "add", PROGRAM_ID, "https://10.0.0.1/") == 2
    assert run("webhooks", "add", PROGRAM_ID, "http://10.0.0.1/") == 2
    assert "LOYALTY_WEBHOOK_PRIVATE_ADDRESSES" in capsys.readouterr().err.replace("\n", "")
    assert run("webhooks", "add", PROGRAM_ID, "https://a.example/", "--type", "loyalty.x") == 2


async def _first_start() -> None:
    async with bootstrap.open_store(Settings(), serves=True):
        pass
