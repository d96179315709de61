"""Wrong codes are counted by all servers together, and who shows too many must wait."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from loyalty_service.application.codes.get_code import DEAD_OF_LATE_MS, USED_SHOWN_MS
from loyalty_service.application.operators.look import waits_of
from loyalty_service.application.perform import Keyed
from loyalty_service.cli import main
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.clock import now_ms as wall_clock_ms
from loyalty_service.domain.errors import (
    CodeAlreadyUsedError,
    CodeNotFoundError,
    LoyaltyError,
    StoreNotAllowedError,
    TooManyWrongCodesError,
)
from loyalty_service.domain.guessing import (
    FIRST_WAIT_MS,
    FREE,
    LATE_COUNTED,
    MONTH_MS,
    ScopeKind,
    wait_ms,
)
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.records import CodeStatus
from loyalty_service.observability.trail import TRAIL, Trail
from tests.support.guessing import app_of, enroll_regular, tills_of
from tests.support.ledger import count_rows, execute, rows
from tests.support.programs import enroll, identify_command, issue, tireless_program
from tests.support.stores import PEPPER, demo_store, open_store, writers_busy

KEY = ScopeKind.KEY
FREE_KEY, FREE_TERMINAL = FREE[ScopeKind.KEY], FREE[ScopeKind.TERMINAL]
LIFETIME_MS = 300_000


async def test_guesser_must_wait_longer_and_longer(database_url: str) -> None:
    """Beyond what is free each wrong code lengthens the wait, from 30 seconds up to a day."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        assert await tills.guess(FREE_KEY + 1) == [CodeNotFoundError] * (FREE_KEY + 1)
        for n in range(1, 4):
            refused = await tills.show("999999")
            assert isinstance(refused, TooManyWrongCodesError)
            assert refused.retry_after_ms == wait_ms(KEY, n)
            tills.now_ms += wait_ms(KEY, n) - 1
            assert (await tills.show("999999")).retry_after_ms == 1
            tills.now_ms += 1
            assert await tills.guess(1, first=900_000 + n) == [CodeNotFoundError]
        assert wait_ms(KEY, 3) == DAY_MS


async def test_wait_that_a_clock_ahead_began_is_over_when_it_is_right(database_url: str) -> None:
    """A server that started a year ahead made tills wait; they do not wait for that year."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        tills.now_ms += 365 * DAY_MS
        await tills.guess(FREE_KEY + 1)
        assert isinstance(await tills.show("999999"), TooManyWrongCodesError)
        tills.now_ms -= 365 * DAY_MS
        async with store.read() as reader:
            assert not (await reader.guessing(tills.now_ms)).waits
        live = await issue(store, await enroll(store))
        assert not isinstance(await tills.show(live), LoyaltyError)


async def test_codes_that_a_clock_ahead_counted_do_not_count_when_it_is_right(
    database_url: str,
) -> None:
    """Wrong codes of a server that started days ahead take nothing of what is free today."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        tills.now_ms += 3 * DAY_MS
        await tills.guess(FREE_KEY + 1)
        tills.now_ms -= 3 * DAY_MS
        found = await tills.guess(FREE_KEY + 1, first=800_000)
        assert found == [CodeNotFoundError] * (FREE_KEY + 1)
        assert isinstance(await tills.show("999999"), TooManyWrongCodesError)


async def test_right_and_wrong_are_refused_alike_while_waiting(database_url: str) -> None:
    """During a wait a live code is not looked at; afterwards it is good, a loyalty ID always."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        loyalty_id = await enroll(store)
        live = await issue(store, loyalty_id)
        await tills.guess(FREE_KEY + 1)
        right, wrong = await tills.show(live), await tills.show("000777")
        assert right == wrong == TooManyWrongCodesError("key", FIRST_WAIT_MS)
        assert not isinstance(await tills.show(loyalty_id), LoyaltyError)
        tills.now_ms += FIRST_WAIT_MS
        assert not isinstance(await tills.show(live), LoyaltyError)


async def test_new_code_resets_nothing(database_url: str) -> None:
    """Issuing codes, as many as one likes, neither ends a wait nor forgets a wrong code."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        await tills.guess(FREE_KEY)
        loyalty_id = await enroll(store)
        for _ in range(3):
            await issue(store, loyalty_id)
        await tills.guess(1, first=500)
        assert isinstance(await tills.show(await issue(store, loyalty_id)), TooManyWrongCodesError)


async def test_wait_is_for_one_terminal_and_one_key(database_url: str) -> None:
    """A terminal that guesses waits alone; another vendor is let alone in the same store."""
    async with demo_store(database_url) as store:
        tills, others = await tills_of(store), await tills_of(store, "other")
        await tills.guess(FREE_TERMINAL + 1, terminal="kiosk-1")
        refused = await tills.show("000900", terminal="kiosk-1")
        assert isinstance(refused, TooManyWrongCodesError)
        assert refused.scope == "terminal"
        assert type(await tills.show("000900", terminal="kiosk-2")) is CodeNotFoundError
        await tills.guess(FREE_KEY, first=100)
        assert isinstance(await tills.show("000901"), TooManyWrongCodesError)
        assert type(await others.show("000901", terminal="kiosk-1")) is CodeNotFoundError


async def test_absent_terminal_is_one_terminal(database_url: str) -> None:
    """Tills of a store that do not tell their terminals are counted, and wait, as one."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        await tills.guess(FREE_TERMINAL, terminal=None)
        assert type(await tills.show("000900", terminal="")) is CodeNotFoundError
        assert (await tills.show("000901")).scope == "terminal"
        assert type(await tills.show("000901", store_id=1001)) is CodeNotFoundError
        assert type(await tills.show("000901", terminal="till-1")) is CodeNotFoundError


async def test_terminal_that_waited_stops_nobody_else(database_url: str) -> None:
    """Of what a terminal shows after it had to wait, only a few count for its store and key."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        await tills.guess(FREE_TERMINAL + 1, terminal="kiosk-1")
        for n in range(1, 4):
            tills.now_ms += wait_ms(ScopeKind.TERMINAL, n)
            assert await tills.guess(1, first=100 + n, terminal="kiosk-1") == [CodeNotFoundError]
        assert (await tills.show("000200", terminal="kiosk-1")).retry_after_ms == DAY_MS
        counted = FREE_TERMINAL + 1 + LATE_COUNTED
        place = f"key/{tills.key.key_id}"
        for scope in (place, f"{place}/9999"):
            assert list(_tallies(database_url, scope)) == [counted]
        assert await tills.guess(FREE_KEY - counted, first=200) == [CodeNotFoundError] * (
            FREE_KEY - counted
        )
        assert not isinstance(await tills.right(terminal="till-1"), LoyaltyError)


async def test_terminal_with_regulars_goes_on_while_its_key_waits(database_url: str) -> None:
    """Where regulars show codes, codes are looked at while the key waits, as many as earned."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        regulars = [await enroll_regular(store, ScopeKind.TERMINAL) for _ in range(3)]
        for regular in regulars:
            assert not isinstance(await tills.right(regular, terminal="till-1"), LoyaltyError)
        assert not isinstance(await tills.right(terminal="till-2"), LoyaltyError)
        await tills.guess(FREE_KEY + 1)
        assert (await tills.right(terminal="till-2")).scope == "key"
        waits = rows(database_url, "SELECT scope, until_ms FROM code_refusal ORDER BY scope")
        for n in range(2):
            assert type(await tills.show(f"55555{n}", terminal="till-1")) is CodeNotFoundError
            assert not isinstance(await tills.right(regulars[0], terminal="till-1"), LoyaltyError)
        # What goes on meanwhile does not lengthen the wait of the others.
        assert waits == rows(
            database_url, "SELECT scope, until_ms FROM code_refusal ORDER BY scope"
        )
        assert type(await tills.show("555553", terminal="till-1")) is CodeNotFoundError
        assert (await tills.right(regulars[0], terminal="till-1")).scope == "key"


@pytest.mark.parametrize("lacking", ["month", "order", "nothing"])
async def test_only_regulars_earn_a_key_wrong_codes(database_url: str, lacking: str) -> None:
    """Codes issued to oneself earn nothing: a member must be a month old and have paid."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        members = [await enroll_regular(store, KEY) for _ in range(10)]
        if lacking == "month":
            execute(database_url, "UPDATE member SET created_ms = created_ms + 7200000")
        elif lacking == "order":
            execute(database_url, "UPDATE loyalty_transaction SET status = 3")
        for n, member in enumerate(members):
            assert not isinstance(await tills.right(member, terminal=f"till-{n}"), LoyaltyError)
        free = FREE_KEY + (lacking == "nothing")
        assert await tills.guess(free + 1) == [CodeNotFoundError] * (free + 1)
        assert isinstance(await tills.show("999999", terminal="another"), TooManyWrongCodesError)


async def test_regular_counts_once_a_month_for_a_key(database_url: str) -> None:
    """However often and wherever a regular comes, a key earns one wrong code in a month."""
    async with demo_store(database_url) as store:
        tills, others = await tills_of(store), await tills_of(store, "other")
        regular = await enroll_regular(store)
        for n in range(3):
            assert not isinstance(await tills.right(regular, terminal=f"till-{n}"), LoyaltyError)
        assert not isinstance(await others.right(regular), LoyaltyError)
        assert _regulars(database_url, tills.key.key_id) == 1
        assert _regulars(database_url, others.key.key_id) == 1
        code = await issue(store, regular)
        later = "UPDATE code SET created_ms = created_ms + :n, expires_ms = expires_ms + :n"
        execute(database_url, later, n=MONTH_MS)
        tills.now_ms += MONTH_MS
        assert not isinstance(await tills.show(code), LoyaltyError)
        assert _regulars(database_url, tills.key.key_id) == 2
        assert count_rows(database_url, "code_regular") == 2


async def test_regular_counts_once_on_two_servers(database_url: str) -> None:
    """One regular at two servers, one code after the other, is counted once."""
    async with demo_store(database_url) as one, open_store(database_url) as two:
        tills = await tills_of(one)
        await two.refresh_catalog()
        regular = await enroll_regular(one)
        assert not isinstance(await tills.right(regular), LoyaltyError)
        assert not isinstance(await replace(tills, store=two).right(regular), LoyaltyError)
    assert _regulars(database_url, tills.key.key_id) == 1


def _regulars(database_url: str, key_id: str) -> int:
    statement = "SELECT sum(regulars) AS regulars FROM code_month WHERE scope LIKE :scope"
    (row,) = rows(database_url, statement, scope=f"key/{key_id}%")
    return int(row.regulars)


async def test_stores_and_terminals_at_will_earn_nothing(database_url: str) -> None:
    """Who names another store and terminal each time is held by the key."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        outcomes = [
            type(await tills.show(f"{n:06d}", (9999, 1001, 1002, 1003)[n % 4], f"t{n}"))
            for n in range(FREE_KEY + 3)
        ]
        assert outcomes.count(CodeNotFoundError) == FREE_KEY + 1
        assert outcomes[-1] is TooManyWrongCodesError


async def test_same_wrong_code_again_counts_once_for_a_moment(database_url: str) -> None:
    """A retry or a guest who insists counts once; later the same digits are a new guess."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        for _ in range(3 * FREE_TERMINAL):
            assert type(await tills.show("424242")) is CodeNotFoundError
        for _ in range(FREE_TERMINAL):
            tills.now_ms += LIFETIME_MS // 10
            assert type(await tills.show("424242")) is CodeNotFoundError
        assert isinstance(await tills.show("424242"), TooManyWrongCodesError)


async def test_code_used_or_replaced_of_late_is_no_guess(database_url: str) -> None:
    """Digits that are drawn for nobody, because their time is not over, count for nothing."""
    async with demo_store(database_url, tireless_program()) as store:
        tills = await tills_of(store)
        loyalty_id = await enroll(store)
        for _ in range(FREE_KEY + 1):
            replaced = await issue(store, loyalty_id)
            used = await issue(store, loyalty_id)
            tills.now_ms = wall_clock_ms()
            assert not isinstance(await tills.show(used), LoyaltyError)
            assert type(await tills.show(used)) is CodeAlreadyUsedError
            assert type(await tills.show(replaced)) is CodeNotFoundError
    assert count_rows(database_url, "wrong_code") == 0


async def test_old_used_code_is_a_guess(database_url: str) -> None:
    """A code that was used and whose time is over is counted like one that never was."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        used = await issue(store, await enroll(store))
        await tills.show(used)
        tills.now_ms += LIFETIME_MS + 1000
        assert type(await tills.show(used)) is CodeAlreadyUsedError
    assert count_rows(database_url, "wrong_code") == 1


async def test_right_codes_earn_wrong_ones(database_url: str) -> None:
    """Right codes earn their terminal wrong ones, and their key where regulars come."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        for n in range(20):
            member = None if n % 10 else await enroll_regular(store, KEY)
            assert not isinstance(await tills.right(member, terminal="till-1"), LoyaltyError)
        assert TooManyWrongCodesError not in await tills.guess(FREE_TERMINAL + 5, terminal="till-1")
        assert (await tills.show("999999", terminal="till-1")).scope == "terminal"
        assert TooManyWrongCodesError not in await tills.guess(
            FREE_KEY - FREE_TERMINAL - 2, first=100, store_id=1001
        )
        assert isinstance(await tills.show("999999", terminal="till-2"), TooManyWrongCodesError)


async def test_day_later_all_is_forgotten(database_url: str) -> None:
    """What was counted a day and an hour ago counts no more, and the sweeper deletes it."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        await tills.guess(FREE_KEY + 1)
        tills.now_ms += DAY_MS + 3_600_000
        assert await tills.guess(FREE_KEY + 1, first=100) == [CodeNotFoundError] * (FREE_KEY + 1)
        assert not isinstance(
            await (await tills_of(store)).right(await enroll_regular(store)), LoyaltyError
        )
        later = tills.now_ms + 2 * DAY_MS
        while await store.write(lambda unit, _now: unit.forget_counts(later, 7)):
            pass
        for table in ("code_tally", "wrong_code", "code_refusal"):
            assert count_rows(database_url, table) == 0
        assert count_rows(database_url, "code_month")
        assert count_rows(database_url, "code_regular")
        later += MONTH_MS
        while await store.write(lambda unit, _now: unit.forget_counts(later, 7)):
            pass
    for table in ("code_month", "code_regular"):
        assert count_rows(database_url, table) == 0


async def test_wait_of_a_key_is_known_for_a_day(database_url: str) -> None:
    """That a key had to wait is kept for a day, for its codes to be looked at one by one."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        await tills.guess(FREE_KEY + 1)
        over = tills.now_ms + 2 * FIRST_WAIT_MS
        for later, kept in ((over, 1), (over + DAY_MS, 0)):
            await store.write(lambda unit, _now, at=later: unit.forget_counts(at, 100))
            assert len(rows(database_url, "SELECT * FROM code_refusal")) == kept


async def test_program_under_attack_frees_nobody_but_the_honest(database_url: str) -> None:
    """Thieves with many keys together cost one another what is free; an honest key goes on."""
    async with demo_store(database_url) as store:
        honest = await tills_of(store, "honest")
        honest.now_ms = wall_clock_ms()
        for _ in range(10):
            regular = await enroll_regular(store, KEY)
            assert not isinstance(await honest.right(regular), LoyaltyError)
        thieves = [await tills_of(store, f"thief-{n}") for n in range(9)]
        for number, thief in enumerate(thieves[:8]):
            await thief.guess(FREE[ScopeKind.PROGRAM] // 8 + 1, first=1000 * number)
        assert type(await thieves[8].show("777777")) is CodeNotFoundError
        refused = await thieves[8].show("777778")
        assert refused == TooManyWrongCodesError("key", refused.retry_after_ms)
        assert refused.retry_after_ms > 23 * 3_600_000
        honest.now_ms = wall_clock_ms()
        assert type(await honest.show("666666")) is CodeNotFoundError
        assert not isinstance(await honest.right(), LoyaltyError)


@pytest.mark.parametrize("tries", [200])
async def test_guesses_at_once_on_two_servers_are_counted_exactly(
    database_url: str, tries: int
) -> None:
    """Of 200 simultaneous guesses at two servers as many are looked at as one after the other."""
    async with demo_store(database_url) as one, open_store(database_url) as two:
        tills = await tills_of(one)
        await two.refresh_catalog()
        elsewhere = replace(tills, store=two)
        outcomes = await asyncio.gather(
            *((tills, elsewhere)[n % 2].show(f"{n:06d}", terminal=f"t{n}") for n in range(tries))
        )
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds.count(CodeNotFoundError) == FREE_KEY + 1
    assert kinds.count(TooManyWrongCodesError) == tries - FREE_KEY - 1
    (counted,) = _tallies(database_url, f"key/{tills.key.key_id}")
    assert counted == FREE_KEY + 1


def _tallies(database_url: str, scope: str) -> Sequence[int]:
    statement = "SELECT sum(failed) AS failed FROM code_tally WHERE scope = :scope"
    return [int(row.failed) for row in rows(database_url, statement, scope=scope)]


async def test_refused_call_leaves_its_idempotency_key_free(database_url: str) -> None:
    """A wrong code is counted and yet keeps nothing under the call's idempotency key."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        command = replace(identify_command("123123"), key=tills.key)
        keyed = Keyed("scope", "key", "IdentifyService/IdentifyMember", b"fingerprint")
        assert type(await tills.run(command, keyed)) is CodeNotFoundError
    assert count_rows(database_url, "remembered_answer") == 0
    assert count_rows(database_url, "wrong_code") == 1


async def test_refusal_after_commit_keeps_its_batch_whole(database_url: str) -> None:
    """A wrong code among right ones of a batch is counted and undoes none of them."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        codes = [await issue(store, await enroll(store)) for _ in range(4)]
        tills.now_ms = wall_clock_ms()
        outcomes = await asyncio.gather(*(tills.show(code) for code in [*codes, "000001"]))
    assert [isinstance(outcome, LoyaltyError) for outcome in outcomes] == [False] * 4 + [True]
    assert count_rows(database_url, "loyalty_transaction") == 4


async def test_app_that_asks_for_codes_at_random_must_wait(database_url: str) -> None:
    """Asking what became of codes tells live ones, so what is in vain is counted too."""
    async with demo_store(database_url) as store:
        app = await app_of(store)
        dead = await issue(store, await enroll(store))
        app.now_ms = wall_clock_ms() + LIFETIME_MS + DEAD_OF_LATE_MS // 2
        for _ in range(FREE_KEY):
            app.now_ms += 10
            assert type(await app.ask(dead)) is CodeNotFoundError
        assert count_rows(database_url, "wrong_code") == 0
        for n in range(FREE_KEY + 1):
            assert type(await app.ask(f"{n:06d}")) is CodeNotFoundError
        assert isinstance(await app.ask("999999"), TooManyWrongCodesError)


async def test_used_code_is_shown_to_its_app_no_longer_than_needed(database_url: str) -> None:
    """An app sees that its code was used until shortly after its end; an hour later it guesses."""
    async with demo_store(database_url) as store:
        app = await app_of(store)
        issued_ms = wall_clock_ms()
        used = await issue(store, await enroll(store))
        await (await tills_of(store)).show(used)
        app.now_ms = issued_ms + LIFETIME_MS + USED_SHOWN_MS - 1
        assert (await app.ask(used)).status is CodeStatus.CLAIMED

        app.now_ms = wall_clock_ms() + LIFETIME_MS + USED_SHOWN_MS
        assert type(await app.ask(used)) is CodeNotFoundError
        assert count_rows(database_url, "wrong_code") == 0

        app.now_ms = wall_clock_ms() + LIFETIME_MS + DEAD_OF_LATE_MS
        assert type(await app.ask(used)) is CodeNotFoundError
    assert count_rows(database_url, "wrong_code") == 1


async def test_used_codes_of_old_tell_a_thief_nothing(database_url: str) -> None:
    """Who asks for all digits learns no member from codes that were used long ago, and waits."""
    async with demo_store(database_url) as store:
        app, tills = await app_of(store), await tills_of(store)
        used = [await issue(store, await enroll(store)) for _ in range(FREE_KEY + 2)]
        for digits in used:
            assert not isinstance(await tills.show(digits), LoyaltyError)
        app.now_ms = wall_clock_ms() + DAY_MS
        outcomes = [type(await app.ask(digits)) for digits in used]
    assert outcomes == [CodeNotFoundError] * (FREE_KEY + 1) + [TooManyWrongCodesError]


@pytest.mark.parametrize("state", ["live", "used", "replaced"])
async def test_code_is_unknown_to_all_partners_but_its_own(database_url: str, state: str) -> None:
    """What another partner issued looks like a code that nobody has, and asking is a guess."""
    async with demo_store(database_url) as store:
        stranger = await tills_of(store, "other", Role.APP)
        loyalty_id = await enroll(store)
        digits = await issue(store, loyalty_id)
        if state == "used":
            await (await tills_of(store)).show(digits)
        elif state == "replaced":
            await issue(store, loyalty_id)
        stranger.now_ms = wall_clock_ms()
        assert type(await stranger.ask(digits)) is CodeNotFoundError
        assert count_rows(database_url, "wrong_code") == 1


async def test_code_from_before_its_partner_was_kept_is_anybodys(database_url: str) -> None:
    """A code that an older version issued is shown to every app of the program until its end."""
    async with demo_store(database_url) as store:
        app = await tills_of(store, "other", Role.APP)
        digits = await issue(store, await enroll(store))
        execute(database_url, "UPDATE code SET partner = NULL")
        app.now_ms = wall_clock_ms()
        assert (await app.ask(digits)).status is CodeStatus.PENDING


@pytest.mark.parametrize("tries", [200])
async def test_codes_asked_for_at_once_on_two_servers_are_counted_exactly(
    database_url: str, tries: int
) -> None:
    """Of 200 questions at once as many are looked at as one after the other, and after a wait 1."""
    async with demo_store(database_url) as one, open_store(database_url) as two:
        app = await app_of(one)
        await two.refresh_catalog()
        elsewhere = replace(app, store=two)
        for waits, looked_at in enumerate([FREE_KEY + 1, 1, 1]):
            asked = ((app, elsewhere)[n % 2].ask(f"{tries * waits + n:06d}") for n in range(tries))
            kinds = [type(outcome) for outcome in await asyncio.gather(*asked)]
            assert kinds.count(CodeNotFoundError) == looked_at
            assert kinds.count(TooManyWrongCodesError) == tries - looked_at
            app.now_ms += wait_ms(KEY, waits + 1)
            elsewhere.now_ms = app.now_ms
    (counted,) = _tallies(database_url, f"key/{app.key.key_id}")
    assert counted == FREE_KEY + 3


async def test_live_code_is_not_looked_at_once_a_guess_was_one_too_many(database_url: str) -> None:
    """Of questions at once those behind the last wrong one learn nothing, live codes included."""
    async with demo_store(database_url) as store:
        app = await app_of(store)
        live = [await issue(store, await enroll(store)) for _ in range(10)]
        app.now_ms = wall_clock_ms()
        asked = [f"{n:06d}" for n in range(FREE_KEY + 1)] + live
        async with writers_busy(store):
            outcomes = asyncio.gather(*map(app.ask, asked))
            await asyncio.sleep(0)
        kinds = [type(outcome) for outcome in await outcomes]
    assert kinds == [CodeNotFoundError] * (FREE_KEY + 1) + [TooManyWrongCodesError] * len(live)


async def test_app_that_polls_its_own_code_is_never_counted(database_url: str) -> None:
    """Polling a live code, and the use of it, counts for nothing, right or wrong."""
    async with demo_store(database_url) as store:
        app, tills = await app_of(store), await tills_of(store)
        digits = await issue(store, await enroll(store))
        for _ in range(3 * FREE_KEY):
            app.now_ms = wall_clock_ms()
            assert (await app.ask(digits)).status is CodeStatus.PENDING
        tills.now_ms = wall_clock_ms()
        assert not isinstance(await tills.show(digits), LoyaltyError)
        for _ in range(3 * FREE_KEY):
            assert (await app.ask(digits)).status is CodeStatus.CLAIMED
    statement = "SELECT count(*) AS rows FROM code_tally WHERE scope = :scope"
    (counted,) = rows(database_url, statement, scope=f"key/{app.key.key_id}")
    assert counted.rows == 0
    assert count_rows(database_url, "wrong_code") == 0


async def test_operator_sees_and_ends_a_wait(database_url: str) -> None:
    """Waits are listed with what led to them, and end for a key that is forgiven."""
    async with demo_store(database_url) as store:
        tills, others = await tills_of(store), await tills_of(store, "other")
        await tills.guess(FREE_KEY + 1)
        await others.guess(FREE_KEY + 1)
        async with store.read() as reader:
            found = await reader.code_waits()
        assert {refusal.scope.key_id for refusal in found} == {tills.key.key_id, others.key.key_id}
        assert {refusal.tally.failed for refusal in found} == {FREE_KEY + 1}
        ended = await store.write(lambda unit, _now: unit.forgive_codes(tills.key.key_id))
        assert ended == 2  # Of the key and of its store.
        assert await tills.guess(FREE_KEY, first=100) == [CodeNotFoundError] * FREE_KEY
        assert isinstance(await others.show("000900"), TooManyWrongCodesError)


async def test_key_for_some_stores_is_told_of_waits_there(database_url: str) -> None:
    """It learns of its stores and of itself, not of other keys or what others do elsewhere."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        await tills.guess(FREE_KEY + 1)

        async def told(key: ApiKey, store_id: int | None = None) -> set[str]:
            async with store.read() as reader:
                found = await waits_of(reader, key, store_id, tills.now_ms)
            return {wait.scope.kind.value for wait in found}

        other = replace(tills.key, key_id=new_id(1))
        here, elsewhere = (replace(other, stores=frozenset({one})) for one in (9999, 1001))
        assert await told(other) == {"key", "store"}
        assert await told(other, 9999) == await told(here) == await told(here, 9999) == {"store"}
        assert await told(elsewhere) == await told(elsewhere, 1001) == set()
        assert await told(replace(elsewhere, key_id=tills.key.key_id)) == {"key"}
        with pytest.raises(StoreNotAllowedError):
            await told(elsewhere, 9999)


async def test_wait_is_logged_without_digits(database_url: str) -> None:
    """The log tells who must wait and by which call, and neither digits nor digests."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        token = TRAIL.set(Trail({"x-request-id": "kiosk-7"}))
        with capture_logs() as logged:
            await tills.guess(FREE_KEY + 1, first=314_000)
        TRAIL.reset(token)
    told = [line for line in logged if line["event"] == "code guessing refused"]
    assert {line["scope"] for line in told} == {"key", "store"}
    assert all(line["key_id"] == tills.key.key_id for line in told)
    assert all(line["log_level"] == "warning" for line in told)
    assert {line["partner"] for line in told} == {tills.key.partner}
    assert {line["request_id"] for line in told} == {"kiosk-7"}
    assert all(line["trace_id"] for line in told)
    assert "3140" not in str(told)


def _command(monkeypatch: pytest.MonkeyPatch, database_url: str, *arguments: str) -> None:
    monkeypatch.setenv("LOYALTY_DATABASE_URL", database_url)
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
    monkeypatch.setattr("sys.argv", ["loyalty", "guesses", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def test_command_lists_and_ends_waits(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`loyalty guesses` names the key that must wait, until it is forgiven."""

    async def guess() -> str:
        async with demo_store(database_url) as store:
            tills = await tills_of(store)
            await tills.guess(FREE_KEY + 1)
            return tills.key.key_id

    key_id = asyncio.run(guess())
    _command(monkeypatch, database_url)
    listed = capsys.readouterr().out
    assert re.search(rf"{key_id} .*T\d\d:\d\d:\d\dZ *$", listed, re.MULTILINE), listed
    _command(monkeypatch, database_url, "--forgive", key_id)
    assert capsys.readouterr().out == f"2 waits of key {key_id} ended.\n"
    _command(monkeypatch, database_url)
    assert capsys.readouterr().out == "Nobody must wait.\n"
