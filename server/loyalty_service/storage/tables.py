"""
The tables. Instants are milliseconds since 1970, identifiers text, digests bytes.

These classes never leave the storage: the rest of the program speaks the records and values of
the domain, which have the same field names. Plain column types keep the raw drivers' values and
the classes' values the same.

It is longer than other modules, since the schema is looked up as a whole: one table after the
other, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    text,
)
from sqlmodel import Field, SQLModel

from loyalty_service.domain.ledger import ACCOUNTS, OWNED_KINDS, PROGRAM_KINDS, AccountKind

BigKey = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of exactly INTEGER."""


def _listed(kinds: Iterable[AccountKind]) -> str:
    return f"({', '.join(f'{kind:d}' for kind in kinds)})"


_OF_PROGRAM = f"kind IN {_listed(PROGRAM_KINDS)}"
_BELOW_ZERO = f"kind IN {_listed(kind for kind in OWNED_KINDS if ACCOUNTS[kind].least < 0)}"
_NOT_ABOVE_ZERO = f"kind IN {_listed(kind for kind in OWNED_KINDS if ACCOUNTS[kind].most <= 0)}"


def _numbered() -> Column[int]:
    return Column(BigKey, primary_key=True, autoincrement=True)


def _instant(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


def _bytes(*, nullable: bool = False, primary_key: bool = False) -> Column[bytes]:
    return Column(LargeBinary, nullable=nullable, primary_key=primary_key)


def _from_zero() -> Column[int]:
    return Column(BigInteger, nullable=False, server_default=text("0"))


def _owner_kind() -> Column[int]:
    return Column(Integer, nullable=False, server_default=text("1"))


def _owner_id() -> Column[str]:
    """
    Describe the ID of an owner, whose column is named as the first kind of owner is.

    So PostgreSQL touches no row.
    """
    return Column("transaction_id", Text, key="owner_id", nullable=False)


def _member_number(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, ForeignKey("member.number"), nullable=nullable)


class CatalogRevisionTable(SQLModel, table=True):
    """One row that counts the changes of programs, stores, incentives and keys."""

    __tablename__ = "catalog_revision"
    __table_args__ = (CheckConstraint("single = 1", name="catalog_revision_single"),)

    single: int = Field(default=1, primary_key=True, sa_type=Integer)
    revision: int = Field(sa_type=BigInteger)


class ProgramTable(SQLModel, table=True):
    """Programs, each as the normal form of its file without stores and incentives."""

    __tablename__ = "program"

    program_id: str = Field(primary_key=True, sa_type=Text)
    document: str = Field(sa_type=Text)


class StoreTable(SQLModel, table=True):
    """Stores of programs."""

    __tablename__ = "store"

    program_id: str = Field(primary_key=True, sa_type=Text, foreign_key="program.program_id")
    store_id: int = Field(primary_key=True, sa_type=BigInteger)
    document: str = Field(sa_type=Text)


class IncentiveTable(SQLModel, table=True):
    """Incentives of programs, retired ones included."""

    __tablename__ = "incentive"

    program_id: str = Field(primary_key=True, sa_type=Text, foreign_key="program.program_id")
    incentive_id: str = Field(primary_key=True, sa_type=Text)
    document: str = Field(sa_type=Text)


class ApiKeyTable(SQLModel, table=True):
    """API keys, as digests. *stores* is a JSON list, empty for all stores of the program."""

    __tablename__ = "api_key"

    key_id: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    program_id: str = Field(sa_type=Text, foreign_key="program.program_id")
    partner: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    stores: str = Field(sa_type=Text)
    created_ms: int = Field(sa_column=_instant())
    revoked_ms: int | None = Field(default=None, sa_column=_instant(nullable=True))


class MemberTable(SQLModel, table=True):
    """Enrolled guests."""

    __tablename__ = "member"
    __table_args__ = (Index("member_loyalty_id", "program_id", "loyalty_id", unique=True),)

    number: int | None = Field(default=None, sa_column=_numbered())
    program_id: str = Field(sa_type=Text, foreign_key="program.program_id")
    loyalty_id: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    email: str | None = Field(default=None, sa_type=Text)
    locale: str | None = Field(default=None, sa_type=Text)
    birth_date: str | None = Field(default=None, sa_type=Text)
    created_ms: int = Field(sa_column=_instant())
    segments: str | None = Field(default=None, sa_type=Text)


class MemberEmailTable(SQLModel, table=True):
    """Who enrolled first with each e-mail address, which is kept folded to compare."""

    __tablename__ = "member_email"

    program_id: str = Field(primary_key=True, sa_type=Text)
    email: str = Field(primary_key=True, sa_type=Text)
    member_number: int = Field(sa_column=_member_number())


class AccountTable(SQLModel, table=True):
    """
    Accounts of the ledger with their running balance and the head of their chain.

    A program's account is split into shards, so that writers do not queue for one row. Of the
    transfers of a member's account the first *untimed* are an older version's, whose times may go
    back.
    """

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint(
            f"{_OF_PROGRAM} OR {_BELOW_ZERO} OR balance >= 0",
            name="account_balance_not_negative",
        ),
        CheckConstraint(f"({_OF_PROGRAM}) = (member_number IS NULL)", name="account_owner"),
        CheckConstraint(f"NOT {_NOT_ABOVE_ZERO} OR balance <= 0", name="account_debt_not_positive"),
        Index(
            "account_of_member",
            "member_number",
            "kind",
            unique=True,
            sqlite_where=text("member_number IS NOT NULL"),
            postgresql_where=text("member_number IS NOT NULL"),
        ),
        Index(
            "account_of_program",
            "program_id",
            "kind",
            "shard",
            unique=True,
            sqlite_where=text("member_number IS NULL"),
            postgresql_where=text("member_number IS NULL"),
        ),
    )

    account_id: int | None = Field(default=None, sa_column=_numbered())
    program_id: str = Field(sa_type=Text, foreign_key="program.program_id")
    member_number: int | None = Field(default=None, sa_column=_member_number(nullable=True))
    kind: int = Field(sa_type=Integer)
    shard: int = Field(sa_type=Integer)
    balance: int = Field(sa_type=BigInteger)
    sequence: int = Field(sa_type=BigInteger)
    head: bytes = Field(sa_column=_bytes())
    moved_ms: int = Field(default=0, sa_column=_from_zero())
    untimed: int = Field(default=0, sa_column=_from_zero())


class TransferTable(SQLModel, table=True):
    """The ledger: transfers, never changed. The sequences and hashes are places in two chains."""

    __tablename__ = "transfer"
    __table_args__ = (
        CheckConstraint("points > 0", name="transfer_points_positive"),
        CheckConstraint("source_id <> destination_id", name="transfer_accounts_differ"),
        Index("transfer_source", "source_id", "transfer_id"),
        Index("transfer_destination", "destination_id", "transfer_id"),
    )

    transfer_id: int | None = Field(default=None, sa_column=_numbered())
    source_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("account.account_id"), nullable=False)
    )
    destination_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("account.account_id"), nullable=False)
    )
    points: int = Field(sa_type=BigInteger)
    cause: int = Field(sa_type=Integer)
    owner_kind: int = Field(default=1, sa_column=_owner_kind())
    owner_id: str = Field(sa_column=_owner_id())
    note: str = Field(sa_type=Text)
    effective_ms: int = Field(sa_column=_instant())
    recorded_ms: int = Field(sa_column=_instant())
    source_sequence: int = Field(sa_type=BigInteger)
    source_hash: bytes = Field(sa_column=_bytes())
    destination_sequence: int = Field(sa_type=BigInteger)
    destination_hash: bytes = Field(sa_column=_bytes())


class CodeTable(SQLModel, table=True):
    """One-time codes by keyed digest; a dead row is overwritten when its digits are drawn again."""

    __tablename__ = "code"
    __table_args__ = (
        Index(
            "code_pending_of_member",
            "member_number",
            sqlite_where=text("status = 1"),
            postgresql_where=text("status = 1"),
        ),
        Index(
            "code_pending",
            "expires_ms",
            sqlite_where=text("status = 1"),
            postgresql_where=text("status = 1"),
        ),
    )

    program_id: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_column=_bytes(primary_key=True))
    member_number: int = Field(sa_column=_member_number())
    loyalty_id: str = Field(sa_type=Text)
    status: int = Field(sa_type=Integer)
    selection: str = Field(sa_type=Text)
    lifetime_s: int = Field(sa_type=Integer)
    user_datetime: str | None = Field(default=None, sa_type=Text)
    created_ms: int = Field(sa_column=_instant())
    updated_ms: int = Field(sa_column=_instant())
    expires_ms: int = Field(sa_column=_instant())
    store_id: int | None = Field(default=None, sa_type=BigInteger)
    transaction_id: str | None = Field(default=None, sa_type=Text)
    claim_key: str | None = Field(default=None, sa_type=Text)
    answer: bytes | None = Field(default=None, sa_column=_bytes(nullable=True))
    partner: str | None = Field(default=None, sa_type=Text)


class TransactionTable(SQLModel, table=True):
    """Loyalty transactions."""

    __tablename__ = "loyalty_transaction"
    __table_args__ = (
        Index(
            "transaction_pending",
            "expires_ms",
            sqlite_where=text("status = 1"),
            postgresql_where=text("status = 1"),
        ),
        Index(
            "transaction_claimed_by_member",
            "member_number",
            sqlite_where=text("status = 2"),
            postgresql_where=text("status = 2"),
        ),
        Index(
            "transaction_of_member",
            "member_number",
            "transaction_id",
            sqlite_where=text("member_number IS NOT NULL"),
            postgresql_where=text("member_number IS NOT NULL"),
        ),
        Index(
            "transaction_receipt",
            "program_id",
            "receipt_digest",
            unique=True,
            sqlite_where=text("receipt_digest IS NOT NULL"),
            postgresql_where=text("receipt_digest IS NOT NULL"),
        ),
        Index(
            "transaction_order",
            "program_id",
            "order_digest",
            "status",
            "transaction_id",
            sqlite_where=text("order_digest IS NOT NULL"),
            postgresql_where=text("order_digest IS NOT NULL"),
        ),
    )

    transaction_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int | None = Field(default=None, sa_column=_member_number(nullable=True))
    status: int = Field(sa_type=Integer)
    store_id: int = Field(sa_type=BigInteger)
    pos_transaction_id: str = Field(sa_type=Text)
    pos_type: str = Field(sa_type=Text)
    supporting_pos: str | None = Field(default=None, sa_type=Text)
    terminal: str | None = Field(default=None, sa_type=Text)
    operator: str | None = Field(default=None, sa_type=Text)
    partner: str = Field(sa_type=Text)
    created_ms: int = Field(sa_column=_instant())
    updated_ms: int = Field(sa_column=_instant())
    expires_ms: int = Field(sa_column=_instant())
    channel: str | None = Field(default=None, sa_type=Text)
    service_mode: str | None = Field(default=None, sa_type=Text)
    basket: str | None = Field(default=None, sa_type=Text)
    points_earned: int = Field(default=0, sa_type=BigInteger)
    points_redeemed: int = Field(default=0, sa_type=BigInteger)
    claimed_ms: int | None = Field(default=None, sa_column=_instant(nullable=True))
    receipt_digest: bytes | None = Field(default=None, sa_column=_bytes(nullable=True))
    fingerprint: bytes | None = Field(default=None, sa_column=_bytes(nullable=True))
    answer: bytes | None = Field(default=None, sa_column=_bytes(nullable=True))
    refused_offers: str | None = Field(default=None, sa_type=Text)
    paid_store_id: int | None = Field(default=None, sa_type=BigInteger)
    order_digest: bytes | None = Field(default=None, sa_column=_bytes(nullable=True))
    business_day: str | None = Field(default=None, sa_type=Text)
    till_created: str | None = Field(default=None, sa_type=Text)
    promotions: str | None = Field(default=None, sa_type=Text)
    counted: str | None = Field(default=None, sa_type=Text)
    program_version: int | None = Field(default=None, sa_type=Integer)
    earned_by: str | None = Field(default=None, sa_type=Text)
    returned: str | None = Field(default=None, sa_type=Text)
    points_returned: int = Field(default=0, sa_column=_from_zero())


class RedemptionTable(SQLModel, table=True):
    """Incentives that claimed orders used."""

    __tablename__ = "redemption"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="redemption_quantity_positive"),
        Index(
            "redemption_of_member",
            "member_number",
            "incentive_id",
            "redeemed_ms",
            sqlite_where=text("voided_ms IS NULL"),
            postgresql_where=text("voided_ms IS NULL"),
        ),
        Index("redemption_of_transaction", "transaction_id"),
    )

    redemption_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    incentive_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=_member_number())
    transaction_id: str = Field(sa_type=Text, foreign_key="loyalty_transaction.transaction_id")
    quantity: int = Field(sa_type=Integer)
    redeemed_ms: int = Field(sa_column=_instant())
    voided_ms: int | None = Field(default=None, sa_column=_instant(nullable=True))
    grant_id: str | None = Field(default=None, sa_type=Text)


class GrantTable(SQLModel, table=True):
    """Incentives that were given to members; `grant` is a word of SQL."""

    __tablename__ = "member_grant"
    __table_args__ = (
        CheckConstraint("uses > 0", name="member_grant_uses_positive"),
        CheckConstraint("used BETWEEN 0 AND uses", name="member_grant_used_in_bounds"),
        Index("grant_of_member", "member_number", "incentive_id", "last_day"),
    )

    grant_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=_member_number())
    incentive_id: str = Field(sa_type=Text)
    origin: str = Field(sa_type=Text)
    uses: int = Field(sa_type=BigInteger)
    used: int = Field(sa_type=BigInteger)
    first_day: str = Field(sa_type=Text)
    last_day: str = Field(sa_type=Text)
    given_ms: int = Field(sa_column=_instant())
    activated_ms: int | None = Field(default=None, sa_column=_instant(nullable=True))
    withdrawn_ms: int | None = Field(default=None, sa_column=_instant(nullable=True))


class IncentiveUsageTable(SQLModel, table=True):
    """How often each incentive was redeemed, in shards for the same reason as accounts."""

    __tablename__ = "incentive_usage"

    program_id: str = Field(primary_key=True, sa_type=Text)
    incentive_id: str = Field(primary_key=True, sa_type=Text)
    shard: int = Field(primary_key=True, sa_type=Integer)
    quantity: int = Field(sa_type=BigInteger)


class HoldTable(SQLModel, table=True):
    """Points set aside for an owner: for one incentive of it, or for it as a whole."""

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("points > 0", name="hold_points_positive"),
        Index("hold_of_transaction", "owner_id", "status"),
    )

    hold_id: str = Field(primary_key=True, sa_type=Text)
    owner_kind: int = Field(default=1, sa_column=_owner_kind())
    owner_id: str = Field(sa_column=_owner_id())
    member_number: int = Field(sa_column=_member_number())
    incentive_id: str | None = Field(default=None, sa_type=Text)
    points: int = Field(sa_type=BigInteger)
    status: int = Field(sa_type=Integer)
    created_ms: int = Field(sa_column=_instant())
    expires_ms: int = Field(sa_column=_instant())
    ended_ms: int | None = Field(default=None, sa_column=_instant(nullable=True))


class BucketTable(SQLModel, table=True):
    """Points of members that go on one day each, where their program lets points go."""

    __tablename__ = "bucket"
    __table_args__ = (
        CheckConstraint("points >= 0 AND expired >= 0", name="bucket_points_not_negative"),
        Index(
            "bucket_of_member",
            "member_number",
            "gone_ms",
            "earned_day",
            "bucket_id",
            sqlite_where=text("points > 0"),
            postgresql_where=text("points > 0"),
        ),
        Index(
            "bucket_gone",
            "gone_ms",
            "bucket_id",
            sqlite_where=text("points > 0"),
            postgresql_where=text("points > 0"),
        ),
    )

    bucket_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=_member_number())
    earned_day: str = Field(sa_type=Text)
    last_day: str = Field(sa_type=Text)
    gone_ms: int = Field(sa_column=_instant())
    rolling: int = Field(sa_type=Integer)
    version: int = Field(sa_type=Integer)
    points: int = Field(sa_type=BigInteger)
    expired: int = Field(sa_type=BigInteger)


class BucketPartTable(SQLModel, table=True):
    """What an order, or another owner, brought into a bucket and has out of it."""

    __tablename__ = "bucket_part"
    __table_args__ = (
        CheckConstraint(
            "earned >= 0 AND held >= 0 AND burned >= 0", name="bucket_part_not_negative"
        ),
    )

    owner_kind: int = Field(primary_key=True, sa_type=Integer)
    owner_id: str = Field(primary_key=True, sa_type=Text)
    bucket_id: str = Field(primary_key=True, sa_type=Text, foreign_key="bucket.bucket_id")
    member_number: int = Field(sa_column=_member_number())
    earned: int = Field(sa_type=BigInteger)
    held: int = Field(sa_type=BigInteger)
    burned: int = Field(sa_type=BigInteger)


class GoalCardTable(SQLModel, table=True):
    """What is counted of members for goals, and their tiers; see `domain.goal_cards`."""

    __tablename__ = "goal_card"

    member_number: int = Field(
        sa_column=Column(
            BigInteger,
            ForeignKey("member.number"),
            primary_key=True,
            autoincrement=False,
            nullable=False,
        )
    )
    program_id: str = Field(sa_type=Text)
    counts: str = Field(sa_type=Text)
    tiers: str | None = Field(default=None, sa_type=Text)


class GoalAwardTable(SQLModel, table=True):
    """What goals gave members, and with which orders."""

    __tablename__ = "goal_award"
    __table_args__ = (
        CheckConstraint("lost_rounds BETWEEN 0 AND rounds", name="goal_award_rounds_in_bounds"),
        CheckConstraint("lost_points BETWEEN 0 AND points", name="goal_award_points_in_bounds"),
        Index("goal_award_of_member", "member_number", "goal_id"),
        Index("goal_award_of_order", "transaction_id", "goal_id", unique=True),
    )

    award_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=_member_number())
    goal_id: str = Field(sa_type=Text)
    period: int = Field(sa_type=Integer)
    transaction_id: str = Field(sa_type=Text, foreign_key="loyalty_transaction.transaction_id")
    day: int = Field(sa_type=Integer)
    rounds: int = Field(sa_type=BigInteger)
    points: int = Field(sa_type=BigInteger)
    tier: str | None = Field(default=None, sa_type=Text)
    awarded_ms: int = Field(sa_column=_instant())
    lost_rounds: int = Field(sa_type=BigInteger)
    lost_points: int = Field(sa_type=BigInteger)
    incentive_id: str | None = Field(default=None, sa_type=Text)


class ReservationTable(SQLModel, table=True):
    """Uses of incentives that open orders were accepted with; the quantity is 0 once it is over."""

    __tablename__ = "reservation"
    __table_args__ = (
        CheckConstraint("quantity >= 0", name="reservation_quantity_not_negative"),
        Index(
            "reservation_of_member",
            "member_number",
            "incentive_id",
            sqlite_where=text("quantity > 0"),
            postgresql_where=text("quantity > 0"),
        ),
        Index(
            "reservation_of_incentive",
            "program_id",
            "incentive_id",
            sqlite_where=text("quantity > 0"),
            postgresql_where=text("quantity > 0"),
        ),
    )

    transaction_id: str = Field(
        primary_key=True, sa_type=Text, foreign_key="loyalty_transaction.transaction_id"
    )
    incentive_id: str = Field(primary_key=True, sa_type=Text)
    point_cost: int = Field(primary_key=True, sa_type=BigInteger)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=_member_number())
    reserved_by: str = Field(sa_type=Text)
    store_id: int = Field(sa_type=BigInteger)
    quantity: int = Field(sa_type=Integer)
    first_order: int = Field(sa_type=Integer)
    reserved_ms: int = Field(sa_column=_instant())


class SessionTable(SQLModel, table=True):
    """Sessions of shoppers by correlation ID."""

    __tablename__ = "session"

    program_id: str = Field(primary_key=True, sa_type=Text)
    correlation_id: str = Field(primary_key=True, sa_type=Text)
    status: int = Field(sa_type=Integer)
    member_number: int | None = Field(default=None, sa_column=_member_number(nullable=True))
    external_identifier: str | None = Field(default=None, sa_type=Text)
    channel: str = Field(sa_type=Text)
    locale: str = Field(sa_type=Text)
    anonymous_flag: str | None = Field(default=None, sa_type=Text)
    created_ms: int = Field(sa_column=_instant())
    updated_ms: int = Field(sa_column=_instant())


class KeptAnswerTable(SQLModel, table=True):
    """Answers kept under idempotency keys; the table has kept its first name."""

    __tablename__ = "remembered_answer"

    scope: str = Field(primary_key=True, sa_type=Text)
    idempotency_key: str = Field(primary_key=True, sa_type=Text)
    method: str = Field(sa_type=Text)
    fingerprint: bytes = Field(sa_column=_bytes())
    answer: bytes = Field(sa_column=_bytes())
    created_ms: int = Field(sa_column=_instant())
    stores: str | None = Field(default=None, sa_type=Text)


class CodeTallyTable(SQLModel, table=True):
    """
    Codes shown in each hour within a scope of `domain.guessing`, right and wrong.

    An hour is split into shards for the same reason as accounts: a scope's count is their sum.
    """

    __tablename__ = "code_tally"
    __table_args__ = (Index("code_tally_hour", "hour"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    hour: int = Field(primary_key=True, sa_type=Integer)
    shard: int = Field(primary_key=True, sa_type=Integer)
    matched: int = Field(sa_type=BigInteger)
    failed: int = Field(sa_type=BigInteger)


class CodeMonthTable(SQLModel, table=True):
    """
    Wrong codes that regulars earned on each day (UTC) for a scope of `domain.guessing`, and spent.

    A day is split into shards for the same reason as accounts: a scope's count is their sum.
    """

    __tablename__ = "code_month"
    __table_args__ = (Index("code_month_day", "day"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    day: int = Field(primary_key=True, sa_type=Integer)
    shard: int = Field(primary_key=True, sa_type=Integer)
    regulars: int = Field(sa_type=BigInteger)
    spent: int = Field(sa_type=BigInteger)


class CodeRegularTable(SQLModel, table=True):
    """When each member last counted as a regular of an API key: once a month at most."""

    __tablename__ = "code_regular"
    __table_args__ = (Index("code_regular_counted", "counted_ms"),)

    key_id: str = Field(primary_key=True, sa_type=Text)
    member_number: int = Field(primary_key=True, sa_type=BigInteger)
    counted_ms: int = Field(sa_column=_instant())


class WrongCodeTable(SQLModel, table=True):
    """Wrong codes of late by keyed digest, so that the same one again counts once."""

    __tablename__ = "wrong_code"
    __table_args__ = (Index("wrong_code_failed", "failed_ms"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_column=_bytes(primary_key=True))
    failed_ms: int = Field(sa_column=_instant())


class CodeRefusalTable(SQLModel, table=True):
    """Scopes that showed too many wrong codes, and until when they may show none."""

    __tablename__ = "code_refusal"
    __table_args__ = (Index("code_refusal_until", "until_ms"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(sa_type=Text)
    program_id: str = Field(sa_type=Text)
    key_id: str = Field(sa_type=Text)
    store_id: int | None = Field(default=None, sa_type=BigInteger)
    terminal: str | None = Field(default=None, sa_type=Text)
    failed: int = Field(sa_type=BigInteger)
    matched: int = Field(sa_type=BigInteger)
    since_ms: int = Field(sa_column=_instant())
    until_ms: int = Field(sa_column=_instant())


class CodePepperTable(SQLModel, table=True):
    """Code peppers that the store was served with, each as a keyed digest that tells it."""

    __tablename__ = "code_pepper"

    check_value: bytes = Field(sa_column=_bytes(primary_key=True))
    known_ms: int = Field(sa_column=_instant())
    current_ms: int | None = Field(default=None, sa_column=_instant(nullable=True))


class PointsAssignmentTable(SQLModel, table=True):
    """Points that partners gave members beside any order, or took."""

    __tablename__ = "points_assignment"
    __table_args__ = (
        CheckConstraint("points <> 0", name="points_assignment_points_not_zero"),
        Index("points_assignment_of_member", "member_number", "assignment_id"),
    )

    assignment_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=_member_number())
    points: int = Field(sa_type=BigInteger)
    partner: str = Field(sa_type=Text)
    reference: str = Field(sa_type=Text)
    created_ms: int = Field(sa_column=_instant())


class PromoCodeTable(SQLModel, table=True):
    """Promo codes by keyed digest. *stores* is a JSON list, empty for all stores of the program."""

    __tablename__ = "promo_code"
    __table_args__ = (
        CheckConstraint(
            "points > 0 OR (points = 0 AND incentive_id IS NOT NULL)",
            name="promo_code_points_positive",
        ),
        CheckConstraint("uses BETWEEN 0 AND most_uses", name="promo_code_uses_in_bounds"),
        Index("promo_code_label", "program_id", "label"),
    )

    program_id: str = Field(primary_key=True, sa_type=Text, foreign_key="program.program_id")
    digest: bytes = Field(sa_column=_bytes(primary_key=True))
    label: str = Field(sa_type=Text)
    points: int = Field(sa_type=BigInteger)
    most_uses: int = Field(sa_type=BigInteger)
    most_per_member: int = Field(sa_type=BigInteger)
    uses: int = Field(sa_type=BigInteger)
    begins_ms: int | None = Field(default=None, sa_column=_instant(nullable=True))
    ends_ms: int | None = Field(default=None, sa_column=_instant(nullable=True))
    stores: str = Field(sa_type=Text)
    created_ms: int = Field(sa_column=_instant())
    incentive_id: str | None = Field(default=None, sa_type=Text)
    grant_uses: int | None = Field(default=None, sa_type=BigInteger)
    grant_days: int | None = Field(default=None, sa_type=BigInteger)


class PromoRedemptionTable(SQLModel, table=True):
    """Who used which promo code."""

    __tablename__ = "promo_redemption"
    __table_args__ = (
        CheckConstraint("uses >= 0", name="promo_redemption_uses_not_negative"),
        ForeignKeyConstraint(
            ["program_id", "digest"], ["promo_code.program_id", "promo_code.digest"]
        ),
    )

    program_id: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_column=_bytes(primary_key=True))
    member_number: int = Field(
        sa_column=Column(BigInteger, ForeignKey("member.number"), primary_key=True, nullable=False)
    )
    uses: int = Field(sa_type=BigInteger)
    redeemed_ms: int = Field(sa_column=_instant())


class RepairTable(SQLModel, table=True):
    """Repairs by operators: when, why, and as JSON what each changed."""

    __tablename__ = "repair"

    repair_id: str = Field(primary_key=True, sa_type=Text)
    repaired_ms: int = Field(sa_column=_instant())
    reason: str = Field(sa_type=Text)
    changes: str = Field(sa_type=Text)


class LimitTallyTable(SQLModel, table=True):
    """
    What keys, programs and members did in each period, for the limits of `domain.limits`.

    A count is split into shards for the same reason as accounts: it is their sum.
    """

    __tablename__ = "limit_tally"
    __table_args__ = (Index("limit_tally_since", "since_ms"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    since_ms: int = Field(primary_key=True, sa_type=BigInteger)
    name: str = Field(primary_key=True, sa_type=Text)
    shard: int = Field(primary_key=True, sa_type=Integer)
    amount: int = Field(sa_type=BigInteger)


class EventLaneTable(SQLModel, table=True):
    """
    How many events each lane has had; see `event_log.py`.

    It follows from the events, and is made again where they are copied to.
    """

    __tablename__ = "event_lane"

    lane: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False, nullable=False)
    )
    newest: int = Field(sa_type=BigInteger)


class EventTable(SQLModel, table=True):
    """
    What happened, never changed: see `domain.events`.

    Members are not referred to by a key of the database, which would be looked up for each row;
    the audit holds them against one another.
    """

    __tablename__ = "event"

    event_id: int = Field(sa_column=Column(BigKey, primary_key=True, autoincrement=False))
    unit: int = Field(sa_type=BigInteger)
    kind: int = Field(sa_type=Integer)
    effective_ms: int = Field(sa_column=_instant())
    recorded_ms: int = Field(sa_column=_instant())
    actor_kind: int = Field(sa_type=Integer)
    actor: str | None = Field(default=None, sa_type=Text)
    method: str | None = Field(default=None, sa_type=Text)
    request_id: str | None = Field(default=None, sa_type=Text)
    program_id: str | None = Field(default=None, sa_type=Text)
    member_number: int | None = Field(default=None, sa_type=BigInteger)
    subject: str | None = Field(default=None, sa_type=Text)
    before_state: int | None = Field(default=None, sa_type=Integer)
    after_state: int | None = Field(default=None, sa_type=Integer)
    available: int | None = Field(default=None, sa_type=BigInteger)
    available_sequence: int | None = Field(default=None, sa_type=BigInteger)
    held: int | None = Field(default=None, sa_type=BigInteger)
    held_sequence: int | None = Field(default=None, sa_type=BigInteger)
    debt: int | None = Field(default=None, sa_type=BigInteger)
    debt_sequence: int | None = Field(default=None, sa_type=BigInteger)
    reason: str | None = Field(default=None, sa_type=Text)
    detail: str | None = Field(default=None, sa_type=Text)


class ProgramVersionTable(SQLModel, table=True):
    """Every version of every program, as one JSON object with its stores and incentives."""

    __tablename__ = "program_version"

    program_id: str = Field(primary_key=True, sa_type=Text, foreign_key="program.program_id")
    version: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False, nullable=False)
    )
    applied_ms: int = Field(sa_column=_instant())
    document: str = Field(sa_type=Text)


class ServerTable(SQLModel, table=True):
    """
    Servers of a PostgreSQL database that are running; see `presence.py`.

    It tells of now, and is no part of a store: it is not copied, and empty after a crash.
    """

    __tablename__ = "server"
    server_id: str = Field(primary_key=True, sa_type=Text)
    clock: str = Field(sa_type=Text)
    beat: int = Field(sa_type=BigInteger)
    heard_ms: int = Field(sa_column=_instant())
    offset_ms: int | None = Field(default=None, sa_type=BigInteger)
    under_way: bytes = Field(sa_column=_bytes())
    peppers: bytes = Field(sa_column=_bytes())


OF_NOW = frozenset({str(ServerTable.__tablename__)})
"""Tables about the present moment: no backup or copy has their rows."""

DERIVED = frozenset({str(EventLaneTable.__tablename__)})
"""Tables that follow from others and are made again in a copy."""
