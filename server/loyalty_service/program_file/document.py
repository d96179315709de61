"""The operator's program file: YAML text in; a program, or every mistake and its place, out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)

from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.limits import LIMITS, Limits
from loyalty_service.domain.program import (
    DEFAULT_LOCALE,
    LOCALES,
    Discount,
    DiscountKind,
    DiscountLevel,
    FlagOrRefuse,
    Incentive,
    Program,
    Prompt,
    Prompts,
    RedemptionRules,
    SpentPoints,
    Store,
    TakeOrRefuse,
    vendor_key,
)
from loyalty_service.program_file.mistakes import note_detail, note_repeated, note_unknown_stores
from loyalty_service.program_file.rules import Day, EarningEntry, RulesEntry
from loyalty_service.program_file.source import Path, ProgramFileError, ProgramSource
from loyalty_service.program_file.values import (
    POINTS_MAX,
    STORE_ID_MAX,
    Entry,
    Name,
    Points,
    Sum,
    Switch,
    TimeZone,
    amount_from,
    one_of,
    refusal,
    text_of,
    whole_amount,
    whole_number,
)

STORES_MAX = 50_000
INCENTIVES_MAX = 5_000
PLUS_MAX = 100
CURRENCY_DIGITS_MAX = 4

# ISO 4217 currencies whose minor unit does not have two digits.
_CURRENCY_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def _plus_of_all(value: object) -> object:
    if not isinstance(value, str | dict):
        raise refusal("must be a PLU in quotes, or a mapping of pos types to PLUs in quotes")
    if isinstance(value, dict):
        names = [vendor_key(name) for name in value if isinstance(name, str)]
        if len(set(names)) < len(names):
            raise refusal("must have each pos type once: case and outer blanks make no difference")
    return {"default": value} if isinstance(value, str) else value


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


class PromptEntry(Entry):
    """What a till asks, says and prints; any of them may be empty."""

    code: Annotated[str, text_of(0, 64)]
    message: Annotated[str, text_of(0, 500, breaks=True)]
    receipt: Annotated[str, text_of(0, 500, breaks=True)]


class LocalesEntry(Entry):
    """A prompt in each language."""

    en_ca: PromptEntry = Field(alias="en-CA")
    en_us: PromptEntry = Field(alias="en-US")
    fr_ca: PromptEntry = Field(alias="fr-CA")


class PromptsEntry(Entry):
    """The prompt catalogue."""

    anonymous: LocalesEntry
    anonymous_flagged: LocalesEntry | None = None


class IdentifyEntry(Entry):
    """What becomes of a guest whose selection can't be used now."""

    refuse_unusable: Switch = False


class OrdersEntry(Entry):
    """What becomes of orders that are not as they should be."""

    repeated: Annotated[FlagOrRefuse, one_of(*get_args(FlagOrRefuse))] = "flag"


class StoreEntry(Entry):
    """A place that sells."""

    id: Annotated[int, whole_number(1, STORE_ID_MAX)]
    name: Name
    time_zone: TimeZone | None = None
    loyalty: Switch = True


class DiscountEntry(Entry):
    """What an incentive takes off: a percentage or an amount."""

    percentage: Annotated[int | None, whole_number(1, 100)] = None
    amount: Annotated[int | None, whole_amount()] = Field(default=None, validate_default=False)
    level: Annotated[Literal["cart", "product"], one_of("cart", "product")] = "cart"


class IncentiveEntry(Entry):
    """An offer or a reward."""

    id: Annotated[str, text_of(1, 128)]
    engine_id: Annotated[str | None, text_of(1, 128)] = None
    kind: Annotated[Literal["reward", "offer"], one_of("reward", "offer")]
    name: Annotated[str, text_of(1, 255)]
    points: Annotated[int, whole_number(0, POINTS_MAX)] = Field(default=0, validate_default=True)
    discount: DiscountEntry | None = None
    price: Annotated[int | None, amount_from(0)] = None
    plus: Annotated[
        dict[Annotated[str, text_of(1, 64)], Annotated[str, text_of(1, 64)]],
        Field(max_length=PLUS_MAX),
        BeforeValidator(_plus_of_all),
    ]
    retired: Switch = False
    rules: RulesEntry = RulesEntry()

    @field_validator("points")
    @classmethod
    def _check_points(cls, points: int, info: ValidationInfo) -> int:
        kind = info.data.get("kind")
        if kind == "reward" and not points:
            raise refusal("must be at least 1 on a reward")
        if kind == "offer" and points:
            raise refusal("must be absent or 0 on an offer")
        return points

    @field_validator("discount")
    @classmethod
    def _check_discount(cls, discount: DiscountEntry | None) -> DiscountEntry | None:
        if discount and (discount.percentage is None) == (discount.amount is None):
            raise refusal("must have either percentage or amount")
        return discount

    @field_validator("price")
    @classmethod
    def _check_price(cls, price: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("discount"):
            raise refusal("must be absent beside a discount, which has no price")
        return price

    @field_validator("plus")
    @classmethod
    def _check_plus(cls, plus: dict[str, str]) -> dict[str, str]:
        if "default" not in plus:
            raise refusal("must have the key default, for every other pos type")
        return plus


_LIMIT_KEYS: dict[str, Any] = {
    limit.name.value: (Annotated[int, whole_number(1, limit.most)], limit.default)
    for limit in LIMITS.values()
}
LimitsEntry = create_model("LimitsEntry", __base__=Entry, **_LIMIT_KEYS)
"""What keys, members and orders may do: a key for each row of `domain.limits`."""


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
    locale: Annotated[str, one_of(*LOCALES)] = DEFAULT_LOCALE
    identifiers: Annotated[
        list[Annotated[str, one_of(*IdentifierKind)]], Field(min_length=1, max_length=2)
    ] = Field(default_factory=lambda: [kind.value for kind in IdentifierKind])
    code_lifetime_s: Annotated[int, whole_number(30, 600)] = 300
    rollout_until: Day | None = None
    pending_lifetime_s: Annotated[int, whole_number(60, 2_592_000)] = 86_400
    redemption: RedemptionEntry
    earning: EarningEntry = EarningEntry()
    void_spent: Annotated[SpentPoints, one_of(*get_args(SpentPoints))] = "debt"
    multiple_incentives: Switch = True
    identify: IdentifyEntry = IdentifyEntry()
    orders: OrdersEntry = OrdersEntry()
    unclaimed_offers: Annotated[FlagOrRefuse, one_of(*get_args(FlagOrRefuse))] = "flag"
    pending_days: Annotated[int, whole_number(1, 365)] = 30
    receipt_days: Annotated[int, whole_number(1, 3650)] = 30
    void_days: Annotated[int, whole_number(1, 3650)] = 90
    late_void: Annotated[FlagOrRefuse, one_of(*get_args(FlagOrRefuse))] = "flag"
    shared_email: Annotated[TakeOrRefuse, one_of(*get_args(TakeOrRefuse))] = "take"
    future_birth_date: Annotated[TakeOrRefuse, one_of(*get_args(TakeOrRefuse))] = "take"
    limits: LimitsEntry = LimitsEntry()
    prompts: PromptsEntry
    stores: Annotated[list[StoreEntry], Field(min_length=1, max_length=STORES_MAX)]
    incentives: Annotated[list[IncentiveEntry], Field(max_length=INCENTIVES_MAX)]


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
    note_unknown_stores(source, values)
    try:
        document = ProgramDocument.model_validate(values, context={"digits": digits})
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            note_detail(source, detail, ProgramDocument)
    if source.mistakes:
        raise ProgramFileError(file_name, source.mistakes.values())
    return _program(document, digits)


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
    incentives = (_incentive(entry) for entry in document.incentives)
    redemption = document.redemption.model_dump()
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
        redemption=RedemptionRules(**redemption),
        prompts=_prompts(document.prompts),
        stores={store.store_id: store for store in stores},
        incentives={incentive.incentive_id: incentive for incentive in incentives},
        earning=document.earning.earning(),
        void_spent=document.void_spent,
        multiple_incentives=document.multiple_incentives,
        refuse_unusable=document.identify.refuse_unusable,
        repeated_orders=document.orders.repeated,
        unclaimed_offers=document.unclaimed_offers,
        pending_days=document.pending_days,
        receipt_days=document.receipt_days,
        void_days=document.void_days,
        late_void=document.late_void,
        shared_email=document.shared_email,
        future_birth_date=document.future_birth_date,
        limits=Limits.of(dict(document.limits)),
    )


def _prompts(entry: PromptsEntry) -> Prompts:
    flagged = entry.anonymous_flagged
    return Prompts(
        anonymous=_locales(entry.anonymous),
        anonymous_flagged=_locales(flagged) if flagged else {},
    )


def _locales(entry: LocalesEntry) -> dict[str, Prompt]:
    prompts = entry.model_dump(by_alias=True)
    return {locale: Prompt(**prompts[locale]) for locale in LOCALES}


def _store(entry: StoreEntry, time_zone: str) -> Store:
    return Store(
        store_id=entry.id,
        name=entry.name,
        time_zone=entry.time_zone or time_zone,
        loyalty_enabled=entry.loyalty,
    )


def _incentive(entry: IncentiveEntry) -> Incentive:
    return Incentive(
        incentive_id=entry.id,
        engine_id=entry.engine_id,
        kind=entry.kind,
        display_name=entry.name,
        point_cost=entry.points,
        price=entry.price,
        discount=_discount(entry.discount) if entry.discount else None,
        plus=entry.plus,
        retired=entry.retired,
        rules=entry.rules.rules(),
    )


def _discount(entry: DiscountEntry) -> Discount:
    level = DiscountLevel(entry.level)
    if entry.percentage is not None:
        return Discount(DiscountKind.PERCENTAGE, entry.percentage, level)
    return Discount(DiscountKind.AMOUNT, entry.amount or 0, level)
