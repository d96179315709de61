"""What a help desk finds: members by what guests say of themselves, orders by what receipts say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from loyalty_service.application.members.enroll_member import EnrollMember, enroll_member
from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.members.search_members import SearchMembers, search_members
from loyalty_service.application.orders.identify_member import IdentifyMember, identify_member
from loyalty_service.application.orders.search_orders import SearchOrders, search_orders
from loyalty_service.application.reading import MemberFilter, MemberPlace, OrderFilter
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import (
    MemberNotFoundError,
    RequestInvalidError,
    StoreNotAllowedError,
)
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.ledger import Cause
from loyalty_service.domain.member_terms import TermKind, words_of
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.domain.visit import PointOfSale
from loyalty_service.storage import search_reads
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import downgrade, migrate
from loyalty_service.storage.search_reads import members_query, orders_query
from loyalty_service.storage.store import Store
from tests.support.ledger import execute_many, rows
from tests.support.orders import CLAIMED, DAY_MS, START_MS, Till, basket, item
from tests.support.programs import KEY, PROGRAM_ID, demo_program, other_program, put_program
from tests.support.stores import demo_store

OTHER_KEY = replace(KEY, program_id="demo-us", region="US")
GUESTS = (
    ("Zoë Ångström", "zoe@example.com"),
    ("Zoe O'Brien", "zoe.obrien@example.com"),
    ("Jean-Luc Łukasz", "JL@Example.com"),
    ("Anna Annabel Smith", "anna.smith@example.org"),
    ("Smith Anna", None),
)


async def enroll(store: Store, name: str, email: str | None = None, key: ApiKey = KEY) -> str:
    """Enroll a guest; return their loyalty ID."""
    command = EnrollMember(key, name, email, None, None)
    done = await store.write(lambda unit, now: enroll_member(unit, command, now))
    return done.result.loyalty_id


async def names(store: Store, query: str, *kinds: TermKind, **words: Any) -> list[str]:
    """Search for members, page after page; return their names in order."""
    command = SearchMembers(PROGRAM_ID, query, frozenset(kinds), by_loyalty_id=False, exact=False)
    command = replace(command, **words)
    found: list[str] = []
    while True:
        async with store.read() as reader:
            page = await search_members(reader, command)
        found += [one.name for one in page.members]
        if not page.next_page_token:
            return found
        command = replace(command, page_token=page.next_page_token)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("zoe", ["Zoë Ångström", "Zoe O'Brien"]),
        ("ZOË", ["Zoë Ångström", "Zoe O'Brien"]),
        ("angs", ["Zoë Ångström"]),
        ("obrien", ["Zoe O'Brien"]),
        ("o\u2019brien zo", ["Zoe O'Brien"]),
        ("luc jean", ["Jean-Luc Łukasz"]),
        ("lukasz", ["Jean-Luc Łukasz"]),
        ("jl@EXAMPLE", ["Jean-Luc Łukasz"]),
        ("anna", ["Anna Annabel Smith", "Smith Anna"]),
        ("smith anna", ["Anna Annabel Smith", "Smith Anna"]),
        ("smith annab", ["Anna Annabel Smith"]),
        ("nobody", []),
    ],
)
async def test_members_are_found_whatever_the_case_and_the_accents(
    database_url: str, query: str, expected: list[str]
) -> None:
    """Each word is the beginning of a word of the name, in any order, or of the address."""
    async with demo_store(database_url) as store:
        for name, email in GUESTS:
            await enroll(store, name, email)

        assert await names(store, query) == expected
        assert await names(store, query, page_size=1) == expected


@pytest.mark.any_database
async def test_search_is_of_one_field_of_whole_words_and_of_one_program(database_url: str) -> None:
    """A field keeps others out, a whole word those that go on, and a program all others."""
    async with demo_store(database_url) as store:
        await put_program(store, other_program())
        loyalty_id = await enroll(store, "Anna", "ann@example.com")
        await enroll(store, "Ann")
        await enroll(store, "Annette", key=OTHER_KEY)

        assert await names(store, "ann") == ["Ann", "Anna"]
        assert await names(store, "ann", exact=True) == ["Ann"]
        assert await names(store, "ann", TermKind.EMAIL) == ["Anna"]
        assert await names(store, "ann", TermKind.NAME) == ["Ann", "Anna"]
        assert await names(store, "ann@example.com", exact=True) == ["Anna"]
        assert await names(store, loyalty_id.upper()) == ["Anna"]
        assert await names(store, loyalty_id, program_id="demo-us") == []
        assert await names(store, "ann", program_id="demo-us") == ["Annette"]
        for query, words in (
            ("!?", {}),
            ("anna", {"by_loyalty_id": True}),
            ("a@b", {"kinds": frozenset({TermKind.NAME})}),
            ("a b c d e f g h i", {}),
            ("anna", {"page_token": "x"}),
        ):
            with pytest.raises(RequestInvalidError):
                await names(store, query, **words)


async def test_members_are_found_by_what_they_are_called_now(database_url: str) -> None:
    """By a new name, phone and card at once, by an old one no more, and by none once erased."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, "Anna Smith", "anna@example.com")

        def change(unit: Unit, _: int) -> None:
            member = unit.member(PROGRAM_ID, loyalty_id)
            assert member is not None
            unit.change_member(member, name="Zoe", phone="+15551234567", card="AB-12 99")

        await store.write(change)
        for query, kinds in (
            ("zoe", ()),
            ("+1 (555) 123-4567", ()),
            ("555 123", ()),
            ("ab1299", (TermKind.CARD,)),
            ("555123", (TermKind.PHONE,)),
            ("anna@", ()),
        ):
            assert await names(store, query, *kinds) == ["Zoe"], query
        assert await names(store, "smith") == []
        erase = EraseMember(PROGRAM_ID, loyalty_id, "asked")
        await store.write(lambda unit, now: erase_member(unit, erase, now))
        for query in ("zoe", "555", "anna@", "erased"):
            assert await names(store, query) == []
    assert rows(database_url, "SELECT * FROM member_term") == []


async def test_page_token_is_good_for_its_own_search(database_url: str) -> None:
    """With the token of another search, or a changed one, nobody learns where that search was."""
    async with demo_store(database_url) as store:
        for name, email in GUESTS:
            await enroll(store, name, email)
        command = SearchMembers(
            PROGRAM_ID, "zoe", frozenset(), by_loyalty_id=False, exact=False, page_size=1
        )
        async with store.read() as reader:
            token = (await search_members(reader, command)).next_page_token
            assert token
            assert "zoe" not in token
            for other in (
                replace(command, query="zo", page_token=token),
                replace(command, program_id="demo-us", page_token=token),
                replace(command, page_token=token[:-4] + "AAAA"),
            ):
                with pytest.raises(RequestInvalidError):
                    await search_members(reader, other)


async def test_search_looks_at_so_many_and_goes_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks for what is rare among many gets short pages, and in the end all of them."""
    monkeypatch.setattr(search_reads, "LOOKED_AT", 3)
    async with demo_store(database_url) as store:
        for number in range(7):
            await enroll(store, f"Anna {'Rare' if number in {0, 6} else 'Plain'}{number}")

        assert await names(store, "rare anna") == ["Anna Rare0", "Anna Rare6"]
        assert len(await names(store, "anna plain")) == 5

        till = Till(store)
        guest = await enroll(store, "Guest")
        for number in range(8):
            till.now_ms = START_MS + number * 1000
            await open_order(till, guest, str(number), operator="rare" if number == 0 else "me")
        assert [one.pos_transaction_id for one in await found(store, store_id=9999)] == [
            str(number) for number in reversed(range(8))
        ]
        assert [one.pos_transaction_id for one in await found(store, operator="rare")] == ["0"]
        assert [one.pos_transaction_id for one in await found(store, partner="nobody")] == []


async def test_members_of_an_older_schema_are_found(database_url: str) -> None:
    """The way up makes the terms of all members that there are."""
    async with demo_store(database_url) as store:
        for name, email in GUESTS:
            await enroll(store, name, email)
    database = Database.from_text(database_url)
    before = rows(database_url, "SELECT * FROM member_term ORDER BY 1, 2, 3")
    downgrade(database, "0017")
    migrate(database)

    assert before
    assert rows(database_url, "SELECT * FROM member_term ORDER BY 1, 2, 3") == before


async def open_order(
    till: Till, guest: str, number: str, *, store_id: int = 9999, operator: str | None = None
) -> str:
    """Identify a guest for an order; return the transaction."""
    pos = PointOfSale(number, store_id, "Partner", None, "T1", operator)
    told = await till.call(identify_member, IdentifyMember(till.key, guest, pos))
    return str(told.result.transaction_id)


async def found(store: Store, **words: Any) -> Sequence[Any]:
    """Search for orders, page after page."""
    command = SearchOrders(**{"page_size": 2, **words})
    orders: list[Any] = []
    while True:
        async with store.read() as reader:
            page = await search_orders(reader, demo_program(), command)
        orders += [one.transaction for one in page.orders]
        if not page.next_page_token:
            return orders
        command = replace(command, page_token=page.next_page_token)


async def test_orders_are_found_by_what_is_known_of_them(till: Till) -> None:
    """By store, day, number, guest, partner, person and state, by all of them together."""
    store = till.store
    first, second = await enroll(store, "First"), await enroll(store, "Second")
    opened = {}
    for day, guest, number, store_id, operator in (
        (0, first, "100", 9999, "Ann"),
        (0, second, "101", 9999, "Bob"),
        (1, first, "100", 1001, "Ann"),
        (2, first, "102", 9999, None),
    ):
        till.now_ms = START_MS + day * DAY_MS
        place = (day, number)
        opened[place] = await open_order(till, guest, number, store_id=store_id, operator=operator)
    till.now_ms = START_MS
    await till.update(opened[0, "100"], CLAIMED, basket(item(1000)))
    receipt = await till.unclaimed(basket(item(500)))

    async def places(**words: Any) -> list[tuple[int, str]]:
        names = {transaction: place for place, transaction in opened.items()}
        ids = [one.transaction_id for one in await found(store, **words)]
        return [names.get(one, (9, "receipt")) for one in ids]

    assert receipt.transaction_id
    newest = [(2, "102"), (1, "100"), (9, "receipt"), (0, "101"), (0, "100")]
    assert sorted(await places()) == sorted(newest)
    assert (await places())[:2] == newest[:2]
    assert await places(store_id=1001) == [(1, "100")]
    assert await places(pos_transaction_id="100") == [(1, "100"), (0, "100")]
    assert await places(pos_transaction_id="100", store_id=9999) == [(0, "100")]
    assert await places(operator="Ann", last_day="2023-11-14") == [(0, "100")]
    assert await places(loyalty_id=second.upper()) == [(0, "101")]
    assert await places(first_day="2023-11-15") == [(2, "102"), (1, "100")]
    assert await places(first_day="2023-11-15", last_day="2023-11-15") == [(1, "100")]
    assert await places(partner="somebody") == []
    assert len(await places(partner="partner")) == 5
    assert await places(statuses=frozenset({CLAIMED})) == [(0, "100")]
    assert await places(statuses=frozenset({TransactionStatus.UNCLAIMED})) == [(9, "receipt")]
    assert await places(stores=frozenset({1001})) == [(1, "100")]
    assert await places(stores=frozenset({1001}), store_id=1001) == [(1, "100")]
    assert await places(loyalty_id=first, store_id=9999, operator="Ann") == [(0, "100")]
    for words, problem in (
        ({"first_day": "2023-02-30"}, RequestInvalidError),
        ({"last_day": "9999-12-31"}, RequestInvalidError),
        ({"page_token": "x"}, RequestInvalidError),
        ({"loyalty_id": new_id(1)}, MemberNotFoundError),
        ({"store_id": 9999, "stores": frozenset({1001})}, StoreNotAllowedError),
    ):
        with pytest.raises(problem):
            await found(store, **words)


async def test_order_tells_what_it_moved(till: Till) -> None:
    """Its own transfers are told, the oldest first, and none of others of the same guest."""
    guest = await enroll(till.store, "Guest")
    order = await till.identify(guest)
    other = await till.identify(guest)
    for one in (order, other):
        await till.update(one, CLAIMED, basket(item(1000)))
    await till.void(order)

    async with till.store.read() as reader:
        entry = await reader.transaction(order)
        assert entry is not None
        moved = await reader.transfers_of_order(entry.transaction, 10)

    assert [(one.cause, one.points) for one in moved] == [(Cause.EARN, 100), (Cause.REVERSE, 100)]


PLANS = {
    "store": (OrderFilter(PROGRAM_ID, store_id=7), "transaction_of_store"),
    "day of a store": (
        OrderFilter(PROGRAM_ID, store_id=7, from_ms=1, until_ms=2),
        "transaction_of_store",
    ),
    "number": (OrderFilter(PROGRAM_ID, pos_transaction_id="7"), "transaction_of_number"),
    "number in a store": (
        OrderFilter(PROGRAM_ID, pos_transaction_id="7", store_id=7),
        "transaction_of_number",
    ),
    "operator": (OrderFilter(PROGRAM_ID, operator="op 7"), "transaction_of_operator"),
    "member": (OrderFilter(PROGRAM_ID, member_number=7), "transaction_of_member"),
    "partner": (OrderFilter(PROGRAM_ID, partner="acme"), "loyalty_transaction"),
    "days": (OrderFilter(PROGRAM_ID, from_ms=1, until_ms=2), "loyalty_transaction"),
}


async def test_searches_walk_an_index(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of orders and members no search reads all."""
    monkeypatch.setattr(search_reads, "LOOKED_AT", 50)  # As few of them as of 100 million.
    async with demo_store(database_url) as store:
        await enroll(store, "Guest")
    fill(database_url, 4000)

    for name, (wanted, index) in PLANS.items():
        plan = explain(database_url, orders_query(wanted, new_id(START_MS * 2), 50))
        assert index in plan, (name, plan)
        _require_walk(name, plan)
    for words in (("anna",), ("smith", "anna")):
        wanted_members = MemberFilter(PROGRAM_ID, words, frozenset(TermKind), exact=False)
        plan = explain(database_url, members_query(wanted_members, MemberPlace("anna", 1), 20))
        assert "member_term_found" in plan, plan
        _require_walk("members", plan)


def _require_walk(name: str, plan: str) -> None:
    """Refuse a plan that reads a table from end to end."""
    for table in ("loyalty_transaction", "member_term", "member"):
        assert f"Seq Scan on {table} " not in plan, (name, plan)
        assert f"SCAN {table}\n" not in f"{plan}\n", (name, plan)


def fill(database_url: str, count: int, members: int = 4000) -> None:
    """Add members and orders without points, as many as an index is worth."""
    execute_many(
        database_url,
        "INSERT INTO member (program_id, loyalty_id, name, created_ms)"
        " VALUES (:program, :id, :name, 0)",
        [
            {"program": PROGRAM_ID, "id": new_id(number), "name": f"Anna {number}"}
            for number in range(members)
        ],
    )
    numbers = [row[0] for row in rows(database_url, "SELECT number FROM member")]
    execute_many(
        database_url,
        "INSERT INTO member_term (member_number, kind, term, program_id)"
        " VALUES (:number, 1, :term, :program)",
        [
            {"number": number, "term": term, "program": PROGRAM_ID}
            for number in numbers
            for term in (f"anna{number}", f"smith{number % 10}")
        ],
    )
    execute_many(
        database_url,
        "INSERT INTO loyalty_transaction (transaction_id, program_id, member_number, status,"
        " store_id, pos_transaction_id, pos_type, operator, partner, created_ms, updated_ms,"
        " expires_ms, points_earned, points_redeemed) VALUES (:id, :program, :member, 2, :store,"
        " :pos, 'Partner', :operator, 'partner', :time, :time, :time, 0, 0)",
        [
            {
                "id": new_id(START_MS + number),
                "program": PROGRAM_ID,
                "member": numbers[number % len(numbers)],
                "store": number % 100,
                "pos": str(number % 500),
                "operator": f"op {number % 50}",
                "time": START_MS + number,
            }
            for number in range(count)
        ],
    )
    if not database_url.startswith("sqlite"):
        _analyze(database_url)


def _analyze(database_url: str) -> None:
    for table in ("member", "member_term", "loyalty_transaction"):
        execute_many(database_url, f"ANALYZE {table}", [{}])


def explain(database_url: str, query: Any) -> str:
    """Give the plan of a query, as the database tells it."""
    embedded = database_url.startswith("sqlite")
    dialect = sqlite.dialect() if embedded else postgresql.dialect()  # type: ignore[no-untyped-call]
    sql = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    words = "EXPLAIN QUERY PLAN" if embedded else "EXPLAIN"
    plan = rows(database_url, f"{words} {sql}".replace(":", "\\:"))
    return "\n".join(str(row[3] if embedded else row[0]) for row in plan)


def test_words_are_folded_as_people_type_them() -> None:
    """Letters of other scripts stay, marks and case go, and a name's apostrophe joins."""
    assert words_of("  Søren  MÜLLER-Weiß ") == ("soren", "muller", "weiss")
    assert words_of("D\u2019Arcy d'arcy") == ("darcy",)
    assert words_of("山田 太郎") == ("山田", "太郎")
    assert words_of("---") == ()
