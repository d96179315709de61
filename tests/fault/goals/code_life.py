"""G22: codes at the very end of their life, used by many at once, and drawn by chance alone."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections import Counter
from dataclasses import replace
from unittest.mock import patch

from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.codes import CODE_COUNT, CODE_DIGITS, new_code
from loyalty_service.domain.errors import (
    CodeAlreadyUsedError,
    CodeNotFoundError,
    DeadlinePassedError,
    LoyaltyError,
    ServerBusyError,
    StorageUnavailableError,
)
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.source import ProgramFileError
from loyalty_service.sandbox.demo_data import PROGRAM_FILE
from loyalty_service.storage.store import Store
from tests.fault.goal import Goal, Trial
from tests.support.doing import identify_member
from tests.support.ledger import count_rows
from tests.support.programs import KEY, demo_program, enroll, identify_command, issue, put_program
from tests.support.stores import open_store

LIFETIME_MAX_S = 600
USES = 200
UNDECIDED = (DeadlinePassedError, ServerBusyError, StorageUnavailableError)
"""What a till is told when the database keeps it waiting for too long."""

CHI_SQUARE_MAX = 27.88
"""Of nine degrees of freedom: a fair generator goes beyond it once in a thousand runs."""


async def _show(store: Store, digits: str, at_ms: int) -> LoyaltyError | None:
    """Show a code for a new order, with a new key that has shown no wrong one, at any time."""
    command = replace(identify_command(digits), key=replace(KEY, key_id=str(uuid.uuid4())))
    try:
        await store.write(
            lambda unit, _now: identify_member(unit, command, at_ms),
            timeout_s=60,
            reads=command.reads(),
        )
    except LoyaltyError as error:
        return error
    return None


def _require_limit(trial: Trial) -> None:
    """No program file gets a longer life in, and is told which field is wrong."""
    text = PROGRAM_FILE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("code_lifetime_s")]
    longest = "\n".join([*lines, f"code_lifetime_s: {LIFETIME_MAX_S}\n"])
    accepted = parse_program(longest, "program.yaml").code_lifetime_s
    trial.require(accepted == LIFETIME_MAX_S, "the longest life is not taken")
    for asked in (LIFETIME_MAX_S + 1, 86_400, 10**9):
        try:
            parse_program("\n".join([*lines, f"code_lifetime_s: {asked}\n"]), "program.yaml")
        except ProgramFileError as error:
            named = {mistake.field for mistake in error.mistakes}
            trial.require(named == {"code_lifetime_s"}, f"{asked} s: {named} are named")
        else:
            trial.require(None, f"a life of {asked} s was taken")


async def _require_end(trial: Trial, store: Store, lifetime_s: int) -> None:
    """A code works a second before its end and fails a second after, and at the end itself."""
    outcomes: Counter[str] = Counter()
    for offset_ms, works in ((-1000, True), (-1, True), (0, False), (1, False), (1000, False)):
        for _ in range(trial.choose(20, 2)):
            before = now_ms()
            digits = await issue(store, await enroll(store))
            after = now_ms()
            # Issued between the two: the later edge for what must fail, the earlier for the rest.
            edge = (before if works else after) + lifetime_s * 1000
            error = await _show(store, digits, edge + offset_ms)
            expected = error is None if works else isinstance(error, CodeNotFoundError)
            trial.require(expected, f"{offset_ms} ms from its end a code gave {error!r}")
            outcomes["worked" if error is None else "failed"] += 1
    trial.figure(f"at {lifetime_s} s", f"{outcomes['worked']} worked, {outcomes['failed']} failed")


async def _require_one_use(trial: Trial, one: Store, two: Store) -> None:
    """Of 200 uses of a code at once at two servers one succeeds; none does later."""
    rounds = trial.choose(20, 1)
    for _ in range(rounds):
        digits = await issue(one, await enroll(one))
        errors = await asyncio.gather(
            *(_show((one, two)[n % 2], digits, now_ms()) for n in range(USES))
        )
        won = errors.count(None)
        used = sum(isinstance(error, CodeAlreadyUsedError) for error in errors)
        undecided = sum(isinstance(error, UNDECIDED) for error in errors)
        trial.require(won == 1, f"{won} uses won")
        trial.require(won + used + undecided == USES, f"{used} were told, {undecided} undecided")
        late = await _show(one, digits, now_ms())
        trial.require(isinstance(late, CodeAlreadyUsedError), f"a second use gave {late!r}")
    trial.figure("rounds of 200 uses", rounds)


def _require_chance(trial: Trial) -> None:
    """Codes come from the operating system's generator, each digit as often as the others."""
    with patch.object(secrets, "randbelow", return_value=7) as drawn:
        trial.require(new_code() == "000007", "codes are not drawn by `secrets`")
        trial.require(drawn.call_count == 1, "a code takes more than one draw")
    count = trial.choose(100_000, 20_000)
    codes = [new_code() for _ in range(count)]
    worst = max(
        sum((n - count / 10) ** 2 for n in _digits(codes, place)) / (count / 10)
        for place in range(CODE_DIGITS)
    )
    trial.figure("chi-square, 9 degrees", f"{worst:.1f}")
    # Six places are looked at: twice the bound is beyond what chance does in a lifetime.
    trial.require(worst <= 2 * CHI_SQUARE_MAX, f"digits are not equally likely: {worst:.1f}")
    often = len(set(codes)) < count * (1 - count / CODE_COUNT)  # By chance, half as many repeat.
    trial.require(not often, "codes repeat more often than by chance")


def _digits(codes: list[str], place: int) -> list[int]:
    counts = Counter(code[place] for code in codes)
    return [counts[digit] for digit in "0123456789"]


async def run(trial: Trial) -> None:
    """Ask for too long a life, show codes at the edge of theirs, and one 200 times at once."""
    _require_limit(trial)
    _require_chance(trial)
    url = trial.new_database()
    async with open_store(url) as one, open_store(url) as two:
        for lifetime_s in (LIFETIME_MAX_S, 30):
            await put_program(one, replace(demo_program(), code_lifetime_s=lifetime_s))
            await _require_end(trial, one, lifetime_s)
        await put_program(one)
        await two.refresh_catalog()
        opened = count_rows(url, "loyalty_transaction")
        await _require_one_use(trial, one, two)
        opened = count_rows(url, "loyalty_transaction") - opened
        trial.require(opened == trial.choose(20, 1), f"{opened} transactions were opened")


GOALS = (
    Goal(
        "G22",
        "Code life",
        "A code lives for 10 minutes at most, works once, and is drawn by chance alone.",
        run,
        any_database=True,
    ),
)
