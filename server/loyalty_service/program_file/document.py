"""The operator's program file: YAML text in; a program, or every mistake and its place, out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)

from loyalty_service.domain.contracts import CONTRACTS, ES_ALONE
from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.limits import LIMITS, Limits
from loyalty_service.domain.program import (
    DEFAULT_LOCALE,
    FlagOrRefuse,
    Program,
    RedemptionRules,
    SpentPoints,
    Store,
    TakeOrRefuse,
)
from loyalty_service.domain.prompt_catalogue import NO_PROMPTS
from loyalty_service.domain.restrictions import OrderLimits, ReceiptLimits
from loyalty_service.program_file.earning import (
    GROUPS_MAX,
    PROMOTIONS_MAX,
    EarningEntry,
    GroupEntry,
    GroupName,
    PromotionEntry,
)
from loyalty_service.program_file.earning_records import group_from_json
from loyalty_service.program_file.es import EsEntry
from loyalty_service.program_file.expiry import ExpiryEntry
from loyalty_service.program_file.goals import GOALS_MAX, TIERS_MAX, GoalEntry, TierEntry
from loyalty_service.program_file.grants import GRANTS_MAX, GrantEntry
from loyalty_service.program_file.incentives import IncentiveEntry
from loyalty_service.program_file.mistakes import (
    note_detail,
    note_missing_of_contracts,
    note_repeated,
    note_unknown_names,
)
from loyalty_service.program_file.prompts import PromptsEntry
from loyalty_service.program_file.receipts import ReceiptsEntry, locale_of
from loyalty_service.program_file.retention import RetentionEntry, note_too_short
from loyalty_service.program_file.rule_words import RuleWords
from loyalty_service.program_file.rules import QUANTITY_MAX, Day, StoreGroup, check_once
from loyalty_service.program_file.source import Path, ProgramFileError, ProgramSource
from loyalty_service.program_file.values import (
    STORE_ID_MAX,
    Entry,
    Name,
    Points,
    Sum,
    Switch,
    TimeZone,
    one_of,
    refusal,
    text_of,
    whole_number,
)

STORES_MAX = 50_000
INCENTIVES_MAX = 5_000
CURRENCY_DIGITS_MAX = 4

# ISO 4217 currencies whose minor unit does not have two digits.
_CURRENCY_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


class RedemptionEntry(Entry):
    """Bounds and step of one redemption; the step comes first, for the others follow from it."""

    increment_points: Points
    increment_amount: Sum
    min_points: Points
    min_amount: Sum
    max_points: Points
    max_amount: Sum

    @field_validator("min_points", "max_points")
    @classmethod
    def _check_points(cls, points: int, info: ValidationInfo) -> int:
        if points % info.data.get("increment_points", 1):
            raise refusal("must be a multiple of increment_points")
        if points < info.data.get("min_points", 0):
            raise refusal("must be at least min_points")
        return points

    @field_validator("min_amount", "max_amount")
    @classmethod
    def _check_amount(cls, amount: int, info: ValidationInfo) -> int:
        points = info.data.get(f"{str(info.field_name)[:3]}_points")
        step = info.data.get("increment_points"), info.data.get("increment_amount")
        if points and step[0] and step[1] and amount * step[0] != points * step[1]:
            raise refusal("must be worth as much a point as increment_amount is")
        return amount


class IdentifyEntry(Entry):
    """What becomes of a guest whose selection can't be used now."""

    refuse_unusable: Switch = False
    redeem_by_loyalty_id: Switch = True
    phone_prefix: Annotated[
        str, text_of(0, 4, form=r"(\+[1-9][0-9]{0,2})?", hint="a country's prefix, as +1")
    ] = ""


class OrdersEntry(Entry):
    """What becomes of orders that are not as they should be."""

    repeated: Annotated[FlagOrRefuse, one_of(*get_args(FlagOrRefuse))] = "flag"


class ReceiptLimitsEntry(Entry):
    """How many receipts a member may claim, see docs/program-file.md."""

    per_day: PerOrder = None
    per_week: PerOrder = None
    per_month: PerOrder = None
    per_year: PerOrder = None


class ReturnsEntry(Entry):
    """What may come back of an order, see docs/program-file.md."""

    window_days: Annotated[int, whole_number(1, 3650)] = 90


class StoreEntry(Entry):
    """A place that sells."""

    id: Annotated[int, whole_number(1, STORE_ID_MAX)]
    name: Name
    time_zone: TimeZone | None = None
    loyalty: Switch = True
    groups: Annotated[list[StoreGroup], Field(max_length=20), AfterValidator(check_once)] = Field(
        default_factory=list
    )


_LIMIT_KEYS: dict[str, Any] = {
    limit.name.value: (Annotated[int, whole_number(1, limit.most)], limit.default)
    for limit in LIMITS.values()
}
LimitsEntry = create_model("LimitsEntry", __base__=Entry, **_LIMIT_KEYS)
"""What keys, members and orders may do: a key for each row of `domain.limits`."""


PerOrder = Annotated[int | None, whole_number(1, QUANTITY_MAX)]


class ProgramDocument(Entry):
    """A program file, amounts in minor units already; validate it with context `digits`."""

    brand: Annotated[
        str,
        text_of(
            1, 40, form=r"[a-z0-9]+(-[a-z0-9]+)*", hint="lower-case letters, digits, single dashes"
        ),
    ]
    region: Annotated[
        str, text_of(2, 2, form="[A-Z]{2}", hint="an ISO 3166 code of two capital letters")
    ]
    name: Name
    currency: Annotated[
        str, text_of(3, 3, form="[A-Z]{3}", hint="an ISO 4217 code of three capital letters")
    ]
    currency_digits: Annotated[int | None, whole_number(0, CURRENCY_DIGITS_MAX)] = None
    points_name: Annotated[str, text_of(1, 32)] = "points"
    time_zone: TimeZone
    locale: Annotated[str, BeforeValidator(locale_of)] = DEFAULT_LOCALE
    identifiers: Annotated[
        list[Annotated[str, one_of(*IdentifierKind)]],
        Field(min_length=1, max_length=len(IdentifierKind)),
    ] = Field(default_factory=lambda: ["code", "loyalty_id"])
    code_lifetime_s: Annotated[int, whole_number(30, 600)] = 300
    rollout_until: Day | None = None
    pending_lifetime_s: Annotated[int, whole_number(60, 2_592_000)] = 86_400
    contracts: Annotated[
        list[Annotated[str, one_of(*CONTRACTS)]], Field(max_length=len(CONTRACTS))
    ] = Field(default_factory=lambda: sorted(ES_ALONE))
    es: EsEntry = EsEntry()
    redemption: RedemptionEntry | None = None
    receipts: ReceiptsEntry | None = None
    groups: Annotated[dict[GroupName, GroupEntry], Field(max_length=GROUPS_MAX)] = Field(
        default_factory=dict
    )
    earning: EarningEntry = EarningEntry()
    promotions: Annotated[list[PromotionEntry], Field(max_length=PROMOTIONS_MAX)] = Field(
        default_factory=list
    )
    tiers: Annotated[list[TierEntry], Field(max_length=TIERS_MAX)] = Field(default_factory=list)
    goals: Annotated[list[GoalEntry], Field(max_length=GOALS_MAX)] = Field(default_factory=list)
    grants: Annotated[list[GrantEntry], Field(max_length=GRANTS_MAX)] = Field(default_factory=list)
    void_spent: Annotated[SpentPoints, one_of(*get_args(SpentPoints))] = "debt"
    offers_per_order: PerOrder = None
    rewards_per_order: PerOrder = None
    incentives_per_order: PerOrder = None
    same_offer_per_order: PerOrder = None
    identify: IdentifyEntry = IdentifyEntry()
    orders: OrdersEntry = OrdersEntry()
    unclaimed_offers: Annotated[FlagOrRefuse, one_of(*get_args(FlagOrRefuse))] = "flag"
    pending_days: Annotated[int, whole_number(1, 365)] = 30
    receipt_days: Annotated[int, whole_number(1, 3650)] = 30
    receipts_per_member: ReceiptLimitsEntry = ReceiptLimitsEntry()
    void_days: Annotated[int, whole_number(1, 3650)] = 90
    late_void: Annotated[FlagOrRefuse, one_of(*get_args(FlagOrRefuse))] = "flag"
    returns: ReturnsEntry = ReturnsEntry()
    void_by_other_partner: Annotated[FlagOrRefuse, one_of(*get_args(FlagOrRefuse))] = "flag"
    shared_email: Annotated[TakeOrRefuse, one_of(*get_args(TakeOrRefuse))] = "take"
    shared_phone: Annotated[TakeOrRefuse, one_of(*get_args(TakeOrRefuse))] = "take"
    shared_card: Annotated[TakeOrRefuse, one_of(*get_args(TakeOrRefuse))] = "take"
    future_birth_date: Annotated[TakeOrRefuse, one_of(*get_args(TakeOrRefuse))] = "take"
    expiry: ExpiryEntry = ExpiryEntry()
    limits: LimitsEntry = LimitsEntry()
    retention: RetentionEntry = RetentionEntry()
    rule_words: RuleWords = Field(default_factory=dict)
    prompts: PromptsEntry | None = None
    stores: Annotated[list[StoreEntry], Field(min_length=1, max_length=STORES_MAX)]
    incentives: Annotated[list[IncentiveEntry], Field(max_length=INCENTIVES_MAX)]


OF_MEMBERS = ("shared_email", "shared_phone", "shared_card", "future_birth_date")
"""What a program says of guests who enroll, in the same words as the file."""


def parse_program(text: str, file_name: str) -> Program:
    """
    Read a program file.

    Raises:
        ProgramFileError: The file has mistakes; it names all of them.
    """
    source = ProgramSource(text, file_name)
    values = source.values()
    digits = _currency_digits(values)
    note_repeated(source, values)
    note_unknown_names(source, values)
    note_missing_of_contracts(source, values)
    try:
        document = ProgramDocument.model_validate(values, context={"digits": digits})
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            if source.full:
                break
            note_detail(source, detail, ProgramDocument)
    if source.mistakes:
        raise ProgramFileError(file_name, source.mistakes.values())
    program = _program(document, digits)
    note_too_short(source, program)
    if source.mistakes:
        raise ProgramFileError(file_name, source.mistakes.values())
    return program


def program_file_error(
    text: str, file_name: str, refusals: Iterable[tuple[Path, str]]
) -> ProgramFileError:
    """Place refusals of a file that reads well: path and message of each, in *text*."""
    source = ProgramSource(text, file_name)
    for path, message in refusals:
        source.note(path, message)
    return ProgramFileError(file_name, source.mistakes.values())


def _currency_digits(values: object) -> int:
    """Find the digits before all else is checked, for amounts can't be read without them."""
    if not isinstance(values, dict):
        return 2
    digits = values.get("currency_digits")
    if type(digits) is int and 0 <= digits <= CURRENCY_DIGITS_MAX:
        return digits
    return _CURRENCY_DIGITS.get(str(values.get("currency")), 2)


def _program(document: ProgramDocument, digits: int) -> Program:
    stores = (_store(entry, document.time_zone) for entry in document.stores)
    groups = {
        name: group_from_json(name, entry.model_dump(exclude_none=True))
        for name, entry in document.groups.items()
    }
    incentives = (entry.incentive(groups) for entry in document.incentives)
    promotions = (entry.promotion(groups) for entry in document.promotions)
    tiers_that_end = {entry.id for entry in document.tiers if entry.kept is not None}
    redemption = document.redemption
    return Program(
        program_id=f"{document.brand}-{document.region.lower()}",
        brand=document.brand,
        region=document.region,
        name=document.name,
        currency=document.currency,
        currency_digits=digits,
        points_name=document.points_name,
        time_zone=document.time_zone,
        locale=document.locale,
        identifier_kinds=frozenset(IdentifierKind(word) for word in document.identifiers),
        code_lifetime_s=document.code_lifetime_s,
        rollout_until=document.rollout_until,
        pending_lifetime_s=document.pending_lifetime_s,
        redemption=RedemptionRules(**redemption.model_dump()) if redemption else None,
        prompts=document.prompts.prompts() if document.prompts else NO_PROMPTS,
        receipts=document.receipts.receipts() if document.receipts else None,
        contracts=frozenset(document.contracts),
        es=document.es.terms(),
        stores={store.store_id: store for store in stores},
        incentives={incentive.incentive_id: incentive for incentive in incentives},
        earning=document.earning.earning(groups),
        groups=groups,
        promotions={promotion.promotion_id: promotion for promotion in promotions},
        tiers={entry.id: entry.tier() for entry in document.tiers},
        goals={entry.id: entry.goal(groups, tiers_that_end) for entry in document.goals},
        grants={entry.id: entry.terms() for entry in document.grants},
        rule_words={name: entry.words() for name, entry in document.rule_words.items()},
        void_spent=document.void_spent,
        order_limits=OrderLimits(
            offers=document.offers_per_order,
            rewards=document.rewards_per_order,
            incentives=document.incentives_per_order,
            same_offer=document.same_offer_per_order,
        ),
        **document.identify.model_dump(),
        repeated_orders=document.orders.repeated,
        unclaimed_offers=document.unclaimed_offers,
        pending_days=document.pending_days,
        receipt_days=document.receipt_days,
        receipt_limits=ReceiptLimits(**document.receipts_per_member.model_dump()),
        void_days=document.void_days,
        late_void=document.late_void,
        return_days=document.returns.window_days,
        void_by_other_partner=document.void_by_other_partner,
        **{name: getattr(document, name) for name in OF_MEMBERS},
        expiry=document.expiry.expiry(),
        limits=Limits.of(dict(document.limits)),
        retention=document.retention.retention(),
    )


def _store(entry: StoreEntry, time_zone: str) -> Store:
    return Store(
        store_id=entry.id,
        name=entry.name,
        time_zone=entry.time_zone or time_zone,
        loyalty_enabled=entry.loyalty,
        groups=tuple(entry.groups),
    )
