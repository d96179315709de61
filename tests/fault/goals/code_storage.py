"""G21: a tester who has the whole database, and not the pepper."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlmodel import SQLModel

from loyalty_service.application.codes.issue_code import IssuedCode, issue_code
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.orders.claim_receipt import ClaimReceipt
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.orders.record_unclaimed_order import (
    RecordUnclaimedOrder,
    record_unclaimed_order,
)
from loyalty_service.application.perform import Keyed, Run, perform
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.basket import Basket, BasketLine
from loyalty_service.domain.codes import CODE_COUNT, code_digest
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.keys import Role, key_digest
from loyalty_service.storage.databases import Database
from loyalty_service.storage.repositories.seal import Seal, SealError
from loyalty_service.storage.store import Store
from tests.fault.goal import Goal, Trial
from tests.support.doing import claim_receipt, create_key
from tests.support.ledger import rows
from tests.support.programs import (
    KEY,
    PROGRAM_ID,
    add_member,
    demo_program,
    identify_command,
    issue_command,
    put_program,
)
from tests.support.stores import PEPPER, open_store

HASHES: tuple[Callable[..., Any], ...] = (
    hashlib.md5,
    hashlib.sha1,
    hashlib.sha256,
    hashlib.sha512,
    hashlib.blake2b,
    partial(hashlib.blake2b, digest_size=32),
)
FORMS = (
    "{code}",
    "{program}|{code}",
    "{program}:{code}",
    "{program}/{code}",
    "{program}{code}",
    "{code}{program}",
    "code|{program}|{code}",
)
GUESSED_PEPPERS = (b"", b"pepper", b"secret", PROGRAM_ID.encode(), b"0" * 32)
RANDOM_BITS_MIN = 128

_NAMES = str.maketrans("0123456789", "abcdefghij")
_TOKEN = re.compile(rb"(?<![0-9A-Za-z.-])[0-9]{6}(?![0-9A-Za-z.-])")


@dataclass(slots=True)
class Secrets:
    """What was given out and nobody may find in the database."""

    codes: set[str] = field(default_factory=set)
    receipts: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Loot:
    """What the tester got: every value of every row, and the bytes of the files."""

    blobs: set[bytes] = field(default_factory=set)
    texts: list[bytes] = field(default_factory=list)
    sealed: list[tuple[str, str, bytes]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def tokens(self) -> set[str]:
        """Give all numbers of six digits that stand by themselves."""
        return {
            found.decode() for text in (*self.texts, *self.raw) for found in _TOKEN.findall(text)
        }


def _loot(database_url: str) -> Loot:
    loot = Loot()
    for table in SQLModel.metadata.tables:
        for row in rows(database_url, f'SELECT * FROM "{table}"'):  # noqa: S608 - our own names.
            for name, value in row._mapping.items():
                if isinstance(value, int) and name != "hour":
                    loot.texts.append(b"%d" % value)
                elif isinstance(value, bytes | memoryview):
                    loot.blobs.add(bytes(value))
                elif isinstance(value, str):
                    loot.texts.append(value.encode())
            if table == "remembered_answer":
                loot.sealed.append((row.scope, row.idempotency_key, bytes(row.answer)))
    database = Database.from_text(database_url)
    if database.embedded:
        file = Path(database.url.database or "")
        loot.raw = [path.read_bytes() for path in file.parent.glob(f"{file.name}*")]
    return loot


def _word(number: int) -> str:
    """Name something without digits, so that those that are found are a secret's."""
    return str(number).translate(_NAMES)


def _live(unit: Unit, now_ms: int, numbers: range, secrets: Secrets) -> None:
    """Issue codes and use most of them, each under an idempotency key that keeps the answer."""
    for n in numbers:
        loyalty_id = add_member(unit, now_ms)
        issued: list[str] = []

        def render(result: IssuedCode, issued: list[str] = issued) -> bytes:
            issued.append(result.digits)
            return f'{{"otp":"{result.digits}"}}'.encode()

        keyed = Keyed("demo/partner", _word(n), "CodeService/IssueCode", b"fingerprint")
        perform(unit, now_ms, Run(issue_code, issue_command(loyalty_id), render, keyed))
        secrets.codes.update(issued)
        if n % 4:
            command = identify_command(issued[0], _word(n))
            with suppress(LoyaltyError, Refused):  # A guess below may have used it before.
                perform(unit, now_ms, Run(identify_member, command, _name_of))
        if n % 10 == 0:
            command = identify_command(f"{n * 7919 % CODE_COUNT:06d}", _word(n))
            # By a key of its own, or this one would have to wait.
            command = replace(command, key=replace(KEY, key_id=_word(n)))
            with suppress(LoyaltyError, Refused):  # It may happen to be somebody's, used or not.
                perform(unit, now_ms, Run(identify_member, command, _name_of))


def _name_of(identified: Any) -> bytes:
    return f'{{"name":"{identified.member.name}"}}'.encode()


def _receipts(unit: Unit, now_ms: int, numbers: range, secrets: Secrets) -> None:
    """Give out receipts, of which half are turned into points."""
    lines = (BasketLine("a", "plu", "product", 1, price=500),)
    basket = Basket(lines, (), (), demo_program().currency)
    loyalty_id = add_member(unit, now_ms)
    for n in numbers:
        pos = identify_command("", _word(n)).point_of_sale
        command = RecordUnclaimedOrder(KEY, "till", "takeout", pos, basket, "{}")
        given: list[str] = []

        def render(result: Any, given: list[str] = given) -> bytes:
            given.append(result.receipt_code)
            return f'{{"receiptCode":"{result.receipt_code}"}}'.encode()

        keyed = Keyed(
            "demo/partner", f"r{_word(n)}", "TransactionService/RecordUnclaimedOrder", b"print"
        )
        perform(unit, now_ms, Run(record_unclaimed_order, command, render, keyed))
        secrets.receipts.update(given)
        if n % 2:
            claim_receipt(unit, ClaimReceipt(KEY, loyalty_id, given[0]), now_ms)


async def _fill(trial: Trial, store: Store, secrets: Secrets) -> set[str]:
    """Let everything happen that leaves a trace; return numbers that are no secrets."""
    codes, others = trial.choose((10_000, 200), (300, 10))
    await put_program(store)
    known = _loot(store._database.url.render_as_string(hide_password=False)).tokens()
    for first in range(0, codes, 250):
        part = range(first, min(first + 250, codes))
        await store.write(
            lambda unit, now, part=part: _live(unit, now, part, secrets), timeout_s=120
        )
    await store.write(lambda unit, now: _receipts(unit, now, range(others), secrets), timeout_s=120)
    for n in range(others):
        command = CreateKey(PROGRAM_ID, f"vendor-{_word(n)}", Role.TILL)
        created = await store.write(
            lambda unit, now, command=command: create_key(unit, command, now)
        )
        secrets.keys.add(created.secret)
    return known


def _digests(code: str) -> Iterator[bytes]:
    """Give what a careless server would keep of a code."""
    for form in FORMS:
        text = form.format(program=PROGRAM_ID, code=code).encode()
        for hashed in HASHES:
            yield hashed(text).digest()
    for pepper in GUESSED_PEPPERS:
        yield code_digest(pepper, PROGRAM_ID, code)


def _brute_force(loot: Loot, codes: Sequence[str] | range) -> set[str]:
    """Digest codes in every way that needs no pepper, and look each up among all that is kept."""
    blobs = loot.blobs | {text for text in loot.texts if len(text) in {32, 40, 64, 128}}
    found = set()
    for code in codes:
        digits = f"{int(code):06d}"
        for digest in _digests(digits):
            if digest in blobs or digest.hex().encode() in blobs:
                found.add(digits)
    return found


def _opened(loot: Loot) -> int:
    """Count the sealed answers that open without the pepper, or are not sealed at all."""
    count = 0
    for scope, key, sealed in loot.sealed:
        count += b"otp" in sealed or b"receiptCode" in sealed
        for pepper in GUESSED_PEPPERS:
            try:
                Seal(pepper).open(sealed, scope, key)
            except SealError:
                continue
            count += 1
    return count


def _control(trial: Trial, secrets: Secrets) -> None:
    """Try the tester on a careless database: whoever finds nothing there proves nothing here."""
    codes = sorted(secrets.codes)[: len(FORMS) * len(HASHES)]
    careless = Loot(texts=[b'{"otp": "314159"}', hashlib.sha1(b"271828").hexdigest().encode()])  # noqa: S324
    ways = [(form, hashed) for form in FORMS for hashed in HASHES]
    for code, (form, hashed) in zip(codes, ways, strict=False):
        careless.blobs.add(hashed(form.format(program=PROGRAM_ID, code=code).encode()).digest())
    found = _brute_force(careless, [*codes, "271828"])
    trial.require(found == {*codes, "271828"}, "the tester misses codes with a plain digest")
    trial.require(careless.tokens() == {"314159"}, "the tester misses codes in plain text")


def _require_keys(trial: Trial, loot: Loot, keys: set[str]) -> None:
    """Of a key nothing is kept but SHA-256, which its randomness makes safe."""
    everything = b"\n".join([*loot.texts, *loot.blobs, *loot.raw])
    found = sum(key.encode() in everything or key[3:].encode() in everything for key in keys)
    trial.figure("API keys recovered", found)
    trial.require(not found, f"{found} API keys are in the database")
    random_bits = min(8 * len(base64.urlsafe_b64decode(key[3:])) for key in keys)
    trial.figure("random bits of a key", random_bits)
    trial.require(random_bits >= RANDOM_BITS_MIN, f"a key has only {random_bits} random bits")
    trial.require(all(key_digest(key) in loot.blobs for key in keys), "no digest of a key is kept")
    other = [
        digest(key.encode()).digest()
        for key in keys
        for digest in HASHES
        if digest is not hashlib.sha256
    ]
    trial.require(not loot.blobs & set(other), "a key is kept in another way as well")


async def run(trial: Trial) -> None:
    """
    Fill a store and give a tester all of it but the pepper.

    They digest all million codes in every way that needs no secret, look for digits in the clear
    in rows and in the very bytes of the files, and try to open the sealed answers.
    """
    secrets = Secrets()
    url = trial.new_database()
    async with open_store(url) as store:
        known = await _fill(trial, store, secrets)
        loot = _loot(url)  # While it is open, so that the log is there as well.
    _control(trial, secrets)
    digested = {code_digest(PEPPER, PROGRAM_ID, code) for code in secrets.codes}
    trial.require(digested <= loot.blobs, "the codes are not in what the tester has")
    tried = range(CODE_COUNT) if trial.full else sorted(secrets.codes)
    recovered = _brute_force(loot, tried) | (loot.tokens() & (secrets.codes - known))
    trial.figure("codes issued", len(secrets.codes))
    trial.figure("codes digested", len(tried))
    trial.figure("codes recovered", len(recovered & secrets.codes))
    trial.require(not recovered, f"{len(recovered)} codes were found, {sorted(recovered)[:3]}")
    everything = b"\n".join([*loot.texts, *loot.raw])
    receipts = sum(receipt.encode() in everything for receipt in secrets.receipts)
    receipts += sum(
        hashlib.sha256(receipt.encode()).digest() in loot.blobs for receipt in secrets.receipts
    )
    trial.figure("receipts recovered", receipts)
    trial.require(not receipts, f"{receipts} receipts were found")
    opened = _opened(loot)
    trial.figure("sealed answers opened", f"{opened} of {len(loot.sealed)}")
    trial.require(loot.sealed and not opened, f"{opened} answers could be read")
    trial.require(PEPPER not in everything, "the pepper is in the database")
    _require_keys(trial, loot, secrets.keys)


GOALS = (
    Goal(
        "G21",
        "Code storage",
        "Somebody who has the whole database but not the pepper learns no code, receipt or API "
        "key.",
        run,
        any_database=True,
    ),
)
