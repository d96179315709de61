"""What operators give and take: within their limits, into debt, by a file, and told in events."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shlex
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loyalty_service.application.adjusters import Adjuster
from loyalty_service.application.operators.adjust_points import Adjusted, AdjustPoints
from loyalty_service.application.operators.adjust_points import adjust_points as adjust
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import (
    AmountBeyondLimitError,
    LimitExceededError,
    PointsInsufficientError,
    RequestInvalidError,
)
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.limits import LimitName, Limits
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.audit import audit as find_problems
from tests.support.commands import Commands
from tests.support.doing import adjust_points, create_key
from tests.support.ledger import audit, balances, execute, rows
from tests.support.programs import PROGRAM_ID, add_member, demo_program, enroll, put_program
from tests.support.stores import demo_store, open_store

ONE = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
TWO = "0d9b2f64-7c1e-4b5a-9f3d-2e8a6c5b7d10"
NOBODY = "00000000-0000-4000-8000-000000000000"
SMALL = Limits.of(
    {
        LimitName.POINTS_PER_OPERATOR_ADJUSTMENT.value: 100,
        LimitName.ADJUSTED_PER_OPERATOR_DAY.value: 250,
        LimitName.ADJUSTED_PER_ADMIN_DAY.value: 400,
    }
)


def _key(role: Role, name: str = "k") -> ApiKey:
    return ApiKey(name, PROGRAM_ID, "CA", "desk", role, frozenset())


def _doing(command: AdjustPoints) -> Callable[[Unit, int], Done[Adjusted]]:
    return lambda unit, now: adjust(unit, command, now)


async def _move(
    store: Store, points: int, by: Adjuster | None, *, allow_debt: bool = False, dry: bool = False
) -> None:
    command = AdjustPoints(
        PROGRAM_ID, ONE, points, "sorry", allow_debt=allow_debt, dry_run=dry, by=by
    )
    await store.write(lambda unit, now: adjust_points(unit, command, now))


@pytest.fixture
async def limited(database_url: str) -> AsyncIterator[Store]:
    """A store with a guest of 1,000 points, whose program has small limits."""
    async with demo_store(database_url, replace(demo_program(), limits=SMALL)) as store:
        await store.write(lambda unit, now: add_member(unit, now, 1_000, ONE))
        yield store
    audit(database_url)


async def test_operator_moves_no_more_at_once_than_allowed(limited: Store) -> None:
    """What is taken counts as what is given, and an admin may move more."""
    operator, admin = (Adjuster(_key(role, role)) for role in (Role.OPERATOR, Role.ADMIN))
    for points in (101, -101):
        with pytest.raises(AmountBeyondLimitError) as refused:
            await _move(limited, points, operator)
        assert refused.value.limit == "points_per_operator_adjustment"
    await _move(limited, 100, operator)
    await _move(limited, 101, admin)


async def test_day_of_an_operator_has_an_end(limited: Store) -> None:
    """Points of all adjustments of a key count together; another key has a day of its own."""
    mine, other = (Adjuster(_key(Role.OPERATOR, name)) for name in ("mine", "other"))
    for points in (100, -100, 50):
        await _move(limited, points, mine)
    with pytest.raises(LimitExceededError) as refused:
        await _move(limited, 1, mine)
    assert refused.value.limit == "adjusted_per_operator_day"
    await _move(limited, 100, other)


async def test_day_of_an_operator_is_one_on_all_servers(database_url: str) -> None:
    """Two servers that move points of many guests at once let a key have one day, not two."""
    program = replace(demo_program(), limits=SMALL)
    async with demo_store(database_url, program) as one, open_store(database_url) as two:
        wanted = CreateKey(PROGRAM_ID, "desk", Role.OPERATOR)
        made = await one.write(lambda unit, now: create_key(unit, wanted, now))
        mine = Adjuster(made.key)
        commands = [
            AdjustPoints(PROGRAM_ID, await enroll(one), 50, "sorry", by=mine) for _ in range(16)
        ]
        outcomes = await asyncio.gather(
            *(
                (one, two)[place % 2].write(_doing(command), reads=command.reads())
                for place, command in enumerate(commands)
            ),
            return_exceptions=True,
        )
    refused = [outcome for outcome in outcomes if isinstance(outcome, LimitExceededError)]
    assert len(refused) == len(outcomes) - 5
    assert [row.n for row in rows(database_url, "SELECT sum(points) AS n FROM transfer")] == [250]


async def test_day_of_a_person_has_an_end_unless_it_is_passed(limited: Store) -> None:
    """At the command line a person has an admin's day; --beyond-limits passes it and is flagged."""
    person = Adjuster(name="jo")
    await _move(limited, 400, person)
    with pytest.raises(LimitExceededError) as refused:
        await _move(limited, -1, person)
    assert refused.value.limit == "adjusted_per_admin_day"
    passed = AdjustPoints(PROGRAM_ID, ONE, 5, "sorry", beyond_limits=True, by=person)
    answer = await limited.write(lambda unit, now: adjust_points(unit, passed, now))
    assert [flag.reason for flag in answer.flags] == ["adjusted_per_admin_day"]


async def test_dry_run_changes_nothing_and_counts_nothing(
    limited: Store, database_url: str
) -> None:
    """What would be is told, and the whole day is still there afterwards."""
    operator = Adjuster(_key(Role.OPERATOR))
    before = rows(database_url, "SELECT count(*) AS n FROM transfer")
    for _ in range(5):
        await _move(limited, 100, operator, dry=True)
    assert rows(database_url, "SELECT count(*) AS n FROM transfer") == before
    with pytest.raises(AmountBeyondLimitError):
        await _move(limited, 101, operator, dry=True)
    await _move(limited, 100, operator)


async def test_more_than_there_is_becomes_a_debt_when_told(
    limited: Store, database_url: str
) -> None:
    """Without being told it is refused; what is owed is paid by what comes next."""
    with pytest.raises(PointsInsufficientError):
        await _move(limited, -1_200, None)
    await _move(limited, -1_200, None, allow_debt=True)
    kinds = "SELECT kind, balance FROM account WHERE member_number IS NOT NULL AND balance <> 0"
    assert [tuple(row) for row in rows(database_url, kinds)] == [(7, -200)]

    await _move(limited, 300, None)

    assert balances(database_url, ONE) == (100, 0)
    assert find_problems(Database.from_text(database_url)).all_hold
    with pytest.raises(RequestInvalidError):
        await _move(limited, -POINTS_MAX - 200, None, allow_debt=True)


async def test_event_tells_before_and_after(limited: Store, database_url: str) -> None:
    """Whoever asks who took the points reads what there was, what came of it, and why."""
    await _move(limited, -1_200, None, allow_debt=True)
    (event,) = rows(
        database_url,
        "SELECT reason, detail FROM event WHERE kind = 31 AND reason = 'sorry'",
    )
    assert json.loads(event.detail) == {
        "points": -1200,
        "before": {"available": 1000, "owed": 0},
        "after": {"available": 0, "owed": 200},
    }


@pytest.fixture
def loyalty(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Commands on a store with two members of 100 points."""

    async def fill() -> None:
        async with open_store(database_url) as store:
            await put_program(store)
            for loyalty_id in (ONE, TWO):
                await store.write(
                    lambda unit, now, chosen=loyalty_id: add_member(unit, now, 100, chosen)
                )

    asyncio.run(fill())
    yield Commands(monkeypatch, database_url)
    audit(database_url)


def _file(tmp_path: Path, *lines: str, head: str = "loyalty_id,points,reason") -> str:
    file = tmp_path / "adjust.csv"
    file.write_text("\n".join((head, *lines)) + "\n", encoding="utf-8")
    return str(file)


def _lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_file_of_members_is_resumed_by_its_key(
    loyalty: Commands, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line has a result; run again with the key, only what was not done is done."""
    file = _file(tmp_path, f"{ONE},5,", f"{NOBODY},5,", f"{TWO},-500,fraud", f"{ONE},6,")
    arguments = ("adjust", PROGRAM_ID, "--file", file, "--reason", "outage", "--yes")
    assert loyalty(*arguments) == 1
    told = capsys.readouterr()
    outcomes = [line["outcome"] for line in _lines(told.out)]
    assert outcomes == ["moved", "refused", "refused", "moved"]
    assert "4 lines: 16 points are given, 500 are taken." in told.err
    key = shlex.split(told.err.split("`")[1])[1]

    again = _file(tmp_path, f"{TWO},-50,fraud", f"{ONE},5,", f"{ONE},6,")
    assert again == file
    assert loyalty(*arguments, "--key", key) == 0

    outcomes = [line["outcome"] for line in _lines(capsys.readouterr().out)]
    assert outcomes == ["moved", "moved before", "moved before"]
    assert balances(database_url, ONE) == (111, 0)
    assert balances(database_url, TWO) == (50, 0)
    reasons = rows(database_url, "SELECT note FROM transfer WHERE note IN ('outage', 'fraud')")
    assert sorted(row.note for row in reasons) == ["fraud", "outage", "outage"]


def test_dry_run_of_a_file_moves_nothing(
    loyalty: Commands, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What each line would do is told, without a question and without a key being used."""
    file = _file(tmp_path, f"{ONE},5,a", f"{TWO},-500,b")
    assert loyalty("adjust", PROGRAM_ID, "--file", file, "--dry-run", "--allow-debt") == 0
    lines = _lines(capsys.readouterr().out)
    assert [line["outcome"] for line in lines] == ["would move"] * 2
    assert lines[1]["told"] == "Guest now has 0 points available and owes 400."
    assert balances(database_url, ONE) == (100, 0)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("x,5,a",), "line 2"),
        ((f"{ONE},5,a", f"{ONE},many,a"), "line 3"),
        ((f"{ONE},5,",), "line 2: reason"),
        ((f"{ONE},1,000,late",), "line 2: has 4 cells rather than 3"),
        ((f"{ONE},5",), "line 2: has 2 cells rather than 3"),
        ((f"{ONE},1_000,late",), "line 2: points"),
        ((f"{ONE},\N{ARABIC-INDIC DIGIT FIVE},late",), "line 2: points"),
        ((f'"{ONE},5,late',), "CSV file"),
        ((), "has no line"),
    ],
)
def test_mistake_in_a_file_moves_nothing(
    loyalty: Commands,
    database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lines: tuple[str, ...],
    told: str,
) -> None:
    """The whole file is read before anything moves, and the line is named."""
    assert loyalty("adjust", PROGRAM_ID, "--file", _file(tmp_path, *lines), "--yes") == 1
    assert told in capsys.readouterr().err
    assert balances(database_url, ONE) == (100, 0)


@pytest.mark.parametrize("head", ["loyalty_id,points,points", "loyalty_id,points,reasons"])
def test_columns_of_a_file_are_known_and_named_once(
    loyalty: Commands,
    database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    head: str,
) -> None:
    """Of two columns of one name nobody knows which counts, and a mistyped name says nothing."""
    file = _file(tmp_path, f"{ONE},5,6", head=head)
    assert loyalty("adjust", PROGRAM_ID, "--file", file, "--reason", "late", "--yes") == 1
    assert "may name loyalty_id, points, reason" in capsys.readouterr().err
    assert balances(database_url, ONE) == (100, 0)


def test_guest_named_like_a_formula_is_none_in_a_spreadsheet(
    loyalty: Commands, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed as CSV is opened in spreadsheets, and guests choose their names."""
    rename = "UPDATE member SET name = '=HYPERLINK(1)' WHERE loyalty_id = :one"
    execute(database_url, rename, one=ONE)
    file = _file(tmp_path, f"{ONE},-5,late")
    assert loyalty("adjust", PROGRAM_ID, "--file", file, "--yes") == 0
    (line,) = _lines(capsys.readouterr().out)
    assert line["told"] == "'=HYPERLINK(1) now has 95 points available."
    assert line["points"] == "-5"


@pytest.mark.parametrize(
    "wrong",
    [
        (ONE, "5", "--file", "x.csv", "--reason", "a"),
        (ONE, "--reason", "a"),
        (ONE, "5"),
        (ONE, "5", "--reason", "a", "--server", "https://loyalty.example"),
        (ONE, "5", "--reason", "a", "--server", "https://x", "--beyond-limits"),
    ],
    ids=["both", "neither", "no reason", "no key", "limits"],
)
def test_what_makes_no_sense_together_is_misuse(
    loyalty: Commands, database_url: str, wrong: tuple[str, ...]
) -> None:
    """A member or a file, a server with its key: anything else is refused before it begins."""
    assert loyalty("adjust", PROGRAM_ID, *wrong) == 2
    assert balances(database_url, ONE) == (100, 0)
