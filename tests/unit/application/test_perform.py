"""A call under a key is done once, whatever the use case says and whoever was faster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.application.limits import ROW_BYTES, Load
from loyalty_service.application.perform import (
    Answer,
    Done,
    Keyed,
    NaturalKey,
    Repeated,
    Run,
    idempotency_scope,
    perform,
    plain_key,
)
from loyalty_service.application.unit import Refused
from loyalty_service.domain.errors import (
    IdempotencyKeyReusedError,
    LimitExceededError,
    LoyaltyError,
    StoreNotAllowedError,
    TransactionNotFoundError,
)
from loyalty_service.domain.events import OPERATOR, Actor, Event, EventKind
from loyalty_service.domain.flags import Flag, FlagKind
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.limits import LIMITS, Limit, LimitName
from loyalty_service.domain.program import Catalog
from loyalty_service.domain.records import KeptAnswer
from tests.support.programs import demo_program

KEYED = Keyed("program/partner", "key-1", "Service/Method", b"meaning")
KEPT = KeptAnswer("program/partner", "key-1", "Service/Method", b"meaning", b"before", 1)
NOW_MS = 1000
PROGRAM = replace(demo_program(), program_id="program")
LIMITED = ApiKey("id", "program", "CA", "partner", Role.TILL, frozenset({9999}))
REFUSAL = TransactionNotFoundError("t-1")


class FakeUnit:
    """Knows an answer from the *known_from*-th time on that it is asked, and keeps the rest."""

    def __init__(
        self, known: KeptAnswer | None = None, known_from: int = 1, written_today: int = 0
    ) -> None:
        self.catalog = Catalog(1, {"program": PROGRAM})
        self.rows = self.bytes_written = 0
        self.added: list[tuple[str, str, int]] = []
        self.events: list[Event] = []
        self.asked: list[tuple[str, str]] = []
        self.kept: list[KeptAnswer] = []
        self._written_today = written_today
        self.changed: list[tuple[object, dict[str, Any]]] = []
        self._known = known
        self._known_from = known_from

    def kept_answer(self, scope: str, key: str) -> KeptAnswer | None:
        """Find the answer, once it is there."""
        self.asked.append((scope, key))
        return self._known if len(self.asked) >= self._known_from else None

    def add(self, record: KeptAnswer) -> None:
        """Note what is kept, and that it is a row of ten bytes."""
        self.rows += 1
        self.bytes_written += 10
        self.kept.append(record)

    def append(self, event: Event, by: Actor, now_ms: int) -> None:
        """Note what happened."""
        assert (by, now_ms) == (OPERATOR, NOW_MS)
        self.events.append(event)

    def counted(self, limit: Limit, scope: str, now_ms: int) -> int:
        """Tell what was written today."""
        assert (scope.partition("/")[0], now_ms) in {("key", NOW_MS), ("program", NOW_MS)}
        return self._written_today if limit.name is LimitName.ROWS_PER_KEY_DAY else 0

    def counts(self, scope: str, since_ms: int) -> dict[str, int]:
        """Tell what was written today."""
        assert since_ms == LIMITS[LimitName.ROWS_PER_KEY_DAY].since_ms(NOW_MS)
        rows = self._written_today if scope.startswith("key/") else 0
        return {LimitName.ROWS_PER_KEY_DAY.value: rows}

    def count_all(self, scope: str, since_ms: int, amounts: dict[str, int]) -> None:
        """Note what is counted."""
        assert since_ms == LIMITS[LimitName.ROWS_PER_KEY_DAY].since_ms(NOW_MS)
        self.added += [(name, scope, amount) for name, amount in amounts.items()]

    def change(self, record: object, **values: Any) -> None:
        """Note what is changed."""
        self.changed.append((record, values))


def _run(
    unit: FakeUnit,
    outcome: object,
    keyed: Keyed | None = KEYED,
    caller: ApiKey | None = None,
    load: Load | None = None,
) -> Answer:
    """Run a use case that ends so; it is told what the call said."""

    def use_case(given: Any, command: object, now_ms: int) -> Any:
        assert (given, command, now_ms) == (unit, "command", NOW_MS)
        if load is not None:
            given.add(KEPT)
        if isinstance(outcome, LoyaltyError | Refused):
            raise outcome
        return outcome

    doing: Any = unit
    render: Any = lambda result: f"<{result}>".encode()  # noqa: E731
    return perform(doing, NOW_MS, Run(use_case, "command", render, keyed, caller, load))


def test_first_call_is_done_and_its_answer_kept() -> None:
    """The answer of a first call is kept with all that tells whether another call is the same."""
    unit = FakeUnit()

    assert _run(unit, Done("done")) == Answer(b"<done>", repeated=False)
    assert unit.kept == [replace(KEPT, answer=b"<done>", created_ms=NOW_MS, stores="[]")]
    assert unit.changed == []


def test_call_without_a_key_is_done_and_nothing_kept() -> None:
    """Without a key nothing is looked up and nothing is kept."""
    unit = FakeUnit(KEPT)

    assert _run(unit, Done("done"), None) == Answer(b"<done>", repeated=False)
    assert (unit.asked, unit.kept, unit.changed) == ([], [], [])


def test_refusal_without_a_key_looks_nothing_up() -> None:
    """A refused call without a key is refused, whatever is kept for others."""
    unit = FakeUnit(KEPT)

    with pytest.raises(TransactionNotFoundError):
        _run(unit, REFUSAL, None)
    assert unit.asked == []


def test_call_again_is_answered_as_before() -> None:
    """A call that was answered is not done again."""
    unit = FakeUnit(KEPT)

    assert _run(unit, Done("again")) == Answer(b"before", repeated=True)
    assert unit.asked == [("program/partner", "key-1")]
    assert (unit.kept, unit.changed) == ([], [])


def test_other_call_under_the_key_is_refused() -> None:
    """A key is the key of one request."""
    unit = FakeUnit(KEPT)
    other = Keyed("program/partner", "key-1", "Service/Method", b"other")

    with pytest.raises(IdempotencyKeyReusedError) as refusal:
        _run(unit, Done("other"), other)
    assert refusal.value.idempotency_key == "key-1"


@pytest.mark.parametrize("late", [REFUSAL, Refused(REFUSAL)])
def test_call_that_is_late_gets_the_answer_of_its_twin(late: object) -> None:
    """What is refused because its twin was faster is answered as the twin was."""
    unit = FakeUnit(KEPT, known_from=2)

    assert _run(unit, late) == Answer(b"before", repeated=True)
    assert (unit.kept, unit.changed) == ([], [])


@pytest.mark.parametrize(
    ("acted_in", "given"), [("[9999]", True), ("[1001, 9999]", False), ("[]", True), (None, True)]
)
def test_kept_answer_is_for_keys_of_its_stores(acted_in: str | None, given: bool) -> None:  # noqa: FBT001
    """A key limited to some stores gets no answer of another, also where its twin was faster."""
    for known_from, outcome in ((1, Done("again")), (2, REFUSAL), (2, Refused(REFUSAL))):
        unit = FakeUnit(replace(KEPT, stores=acted_in), known_from)
        if given:
            assert _run(unit, outcome, caller=LIMITED) == Answer(b"before", repeated=True)
        else:
            with pytest.raises(StoreNotAllowedError):
                _run(unit, outcome, caller=LIMITED)
        assert (unit.kept, unit.changed) == ([], [])


@pytest.mark.parametrize("keyed", [KEYED, None])
def test_whatever_is_answered_is_for_keys_of_its_stores(keyed: Keyed | None) -> None:
    """Under a key or without one, first or again, a limited key hears of its own stores alone."""
    own, others = frozenset({9999}), frozenset({9999, 1001})
    for outcome in (Repeated(b"known", own), Done("done", stores=own)):
        assert isinstance(_run(FakeUnit(), outcome, keyed, LIMITED), Answer)
    for outcome in (Repeated(b"known", others), Done("done", stores=others)):
        unit = FakeUnit()
        with pytest.raises(StoreNotAllowedError):
            _run(unit, outcome, keyed, LIMITED)
        assert unit.kept == []


def test_stores_of_a_call_are_kept_with_its_answer() -> None:
    """What a call acted in is known whether it was done or repeated by the use case."""
    unit = FakeUnit()
    _run(unit, Done("done", stores=frozenset({2, 1})))
    _run(unit, Repeated(b"known", frozenset({3})))
    assert [record.stores for record in unit.kept] == ["[1, 2]", "[3]"]


def test_refused_call_leaves_its_key_free() -> None:
    """A refusal is raised on, also one that keeps what was written."""
    unit = FakeUnit()

    with pytest.raises(TransactionNotFoundError):
        _run(unit, REFUSAL)
    with pytest.raises(Refused):
        _run(unit, Refused(REFUSAL))
    assert (unit.kept, unit.changed) == ([], [])


def test_repeat_that_the_use_case_knows_is_kept_under_the_key() -> None:
    """What a use case itself answers as before is a repeat, and the key gets that answer too."""
    unit = FakeUnit()

    assert _run(unit, Repeated(b"known", frozenset())) == Answer(b"known", repeated=True)
    assert [record.answer for record in unit.kept] == [b"known"]
    assert unit.changed == []


def test_answer_is_kept_under_a_natural_key() -> None:
    """What a call is known by without a key keeps the bytes that the caller gets."""
    unit = FakeUnit()
    natural = NaturalKey("transaction:program", "t-1", "Service/Method", b"meaning")
    kept = replace(KEPT, scope=natural.scope, idempotency_key=natural.key, stores="[]")

    assert _run(unit, Done("done", natural), None) == Answer(b"<done>", repeated=False)
    assert unit.kept == [replace(kept, answer=b"<done>", created_ms=NOW_MS)]


def test_answer_takes_the_place_of_an_earlier_one() -> None:
    """Of a natural key the last answer counts, and one row is kept."""
    unit = FakeUnit(replace(KEPT))
    natural = NaturalKey("transaction:program", "t-1", "Service/Other", b"another meaning")

    assert _run(unit, Done("done", natural), None) == Answer(b"<done>", repeated=False)
    assert unit.kept == []
    ((_, values),) = unit.changed
    assert values == {
        "method": "Service/Other",
        "fingerprint": b"another meaning",
        "answer": b"<done>",
        "created_ms": NOW_MS,
        "stores": "[]",
    }


def test_keys_belong_to_a_partner_of_a_program() -> None:
    """Two partners, or one partner in two programs, have keys of their own."""
    key = ApiKey("id", "brand", "CA", "tills", Role.TILL, frozenset())

    assert idempotency_scope(key) == "brand/tills"


def _load(*, paid: bool) -> Load:
    return Load(LIMITED, paid)


@pytest.mark.parametrize("refused", [False, True])
def test_all_that_a_call_writes_is_counted(refused: bool) -> None:  # noqa: FBT001
    """Rows and bytes count for key and program, the kept answer's too, and when it is refused."""
    unit = FakeUnit()
    if refused:
        with pytest.raises(Refused):
            _run(unit, Refused(REFUSAL), load=_load(paid=False))
    else:
        _run(unit, Done("done"), load=_load(paid=False))
    rows = 1 if refused else 2
    assert unit.added == [
        (LimitName.BYTES_PER_KEY_DAY, "key/id", rows * (10 + ROW_BYTES)),
        (LimitName.ROWS_PER_KEY_DAY, "key/id", rows),
        (LimitName.BYTES_PER_PROGRAM_DAY, "program/program", rows * (10 + ROW_BYTES)),
        (LimitName.ROWS_PER_PROGRAM_DAY, "program/program", rows),
    ]


def test_call_of_no_load_is_not_counted() -> None:
    """What operators and the sweeper write is no caller's."""
    unit = FakeUnit(written_today=10**12)
    assert _run(unit, Done("done")).flags == ()
    assert unit.added == []


def test_call_beyond_a_day_is_refused_or_flagged_if_paid() -> None:
    """A guest who has paid is not sent away; the use case's own flags are told as well."""
    own = Flag(FlagKind.TILL_TIME, "hours passed", {})
    with pytest.raises(LimitExceededError):
        _run(FakeUnit(written_today=10**12), Done("done"), load=_load(paid=False))
    limit = PROGRAM.limits[LimitName.ROWS_PER_KEY_DAY]
    answer = _run(FakeUnit(written_today=limit), Done("done", flags=(own,)), load=_load(paid=True))
    assert [flag.kind for flag in answer.flags] == [FlagKind.TILL_TIME, FlagKind.BEYOND_LIMIT]
    answer = _run(FakeUnit(written_today=limit - 1), Done("done"), load=_load(paid=True))
    assert answer.flags == ()


def test_natural_key_that_is_new_is_not_looked_up() -> None:
    """Nothing can be kept under it yet, so a look would be in vain."""
    for fresh, asked in ((True, []), (False, [("transaction", "1")])):
        unit = FakeUnit()
        key = NaturalKey("transaction", "1", "Service/Method", b"meaning", fresh=fresh)
        _run(unit, Done("done", kept_as=key), keyed=None)
        assert unit.asked == asked


def test_events_tell_of_what_was_done() -> None:
    """Each event of the use case is appended, with who did it and when."""
    event = Event(EventKind.MEMBER_ENROLLED, "program")
    unit = FakeUnit()
    _run(unit, Done("done", events=(event,)))
    assert unit.events == [event]


def test_what_is_done_again_is_done_beside_the_kept_answer() -> None:
    """A call that comes again gets its first answer, and does what every call of its kind does."""
    unit: Any = FakeUnit(KEPT)
    done: list[object] = []

    def never(*_: object) -> Done[str]:
        raise AssertionError

    run = Run(never, "command", keyed=KEYED, again=lambda *given: done.append(given))
    assert perform(unit, NOW_MS, run) == Answer(b"before", repeated=True)
    assert done == [(unit, "command", NOW_MS)]


def test_blanks_around_a_key_are_no_part_of_it() -> None:
    """HTTP drops them, gRPC does not; blanks within a key stay."""
    assert plain_key(" \tkey 1 ") == "key 1"
