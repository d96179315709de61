"""What an operator describes: programs, their stores and incentives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from loyalty_service.domain.breaches import OwnWords
from loyalty_service.domain.clock import DAY_MS, rfc3339
from loyalty_service.domain.contracts import ES_ALONE
from loyalty_service.domain.earning_rules import PLAIN_EARNING, EarningRules, Promotion
from loyalty_service.domain.errors import StoreNotFoundError
from loyalty_service.domain.es_terms import PLAIN_ES, EsTerms
from loyalty_service.domain.expiry import NEVER, Expiry
from loyalty_service.domain.goals import Goal, Tier
from loyalty_service.domain.grants import GivenOn, GrantTerms
from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.incentive_names import Names, any_case
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.limits import NO_OWN_LIMITS, Limits
from loyalty_service.domain.money_off import MoneyOff
from loyalty_service.domain.products import Products
from loyalty_service.domain.prompt_catalogue import Prompts
from loyalty_service.domain.receipts import Receipts
from loyalty_service.domain.restrictions import (
    NO_ORDER_LIMITS,
    NO_RECEIPT_LIMITS,
    Granted,
    OrderLimits,
    ReceiptLimits,
    Rule,
)
from loyalty_service.domain.retention import KEEP_ALL, Retention
from loyalty_service.domain.texts import vendor_key

LOCALES = ("en-CA", "en-US", "fr-CA")
DEFAULT_LOCALE = "en-CA"

IncentiveKind = Literal["reward", "offer"]
SpentPoints = Literal["refuse", "debt"]
FlagOrRefuse = Literal["flag", "refuse"]
TakeOrRefuse = Literal["take", "refuse"]


class DiscountKind(StrEnum):
    """How a discount's value is read."""

    PERCENTAGE = "percentage"
    AMOUNT = "amount"


class DiscountLevel(StrEnum):
    """What a discount applies to."""

    CART = "cart"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class Discount:
    """
    A discount.

    Attributes:
        value: Percent, or minor units of the program's currency.
    """

    kind: DiscountKind
    value: int
    level: DiscountLevel

    def told_value(self, currency_digits: int) -> int:
        """
        Give the value as tills are told it: percent, or whole major units of the currency.

        The contract's `discountValue` is an integer. An amount that was stored with a fraction,
        which no program file has any more, is rounded down.
        """
        if self.kind is DiscountKind.PERCENTAGE:
            return self.value
        return self.value // int(10**currency_digits)


@dataclass(frozen=True, slots=True)
class Incentive:
    """
    An offer, which costs nothing, or a reward, which costs points.

    Attributes:
        incentive_id: Name in the catalogue (CMS), the wire's `incentiveId`.
        engine_id: Name in the loyalty engine, the wire's `loyaltyEngineId`; may be absent.
        kind: `reward` or `offer`.
        point_cost: Points one of it costs; 0 on offers.
        price: Price of one in minor units of the currency; absent when it has none.
        discount: What tills are told that it takes off; absent when it gives an item.
        plus: PLU by pos type; the key `default` serves every other.
        retired: Whether it is no longer offered; kept so that its kind stays known.
        rules: What its use is restricted to, one of each class at most, in the order of `Rule`.
        description: Tells guests more; absent where the program does not.
        more_info: Tells guests the terms.
        image: Address of a picture.
        takes_off: What it may take off an order; else the till alone decides.
    """

    incentive_id: str
    engine_id: str | None
    kind: IncentiveKind
    display_name: str
    point_cost: int
    price: int | None
    discount: Discount | None
    plus: Mapping[str, str]
    retired: bool = False
    rules: tuple[Rule, ...] = ()
    description: str | None = None
    more_info: str | None = None
    image: str | None = None
    takes_off: MoneyOff | None = None

    def plu(self, vendors: Iterable[str]) -> str:
        """Choose the PLU of the first vendor that has one of its own, or else the default."""
        own = {vendor_key(name): plu for name, plu in self.plus.items()}
        found = (own.get(vendor_key(vendor)) for vendor in vendors)
        return next(filter(None, found), None) or self.plus["default"]


@dataclass(frozen=True, slots=True)
class RedemptionRules:
    """Bounds of one redemption: points, and their worth in minor units of the currency."""

    min_points: int
    min_amount: int
    max_points: int
    max_amount: int
    increment_points: int
    increment_amount: int


@dataclass(frozen=True, slots=True)
class Store:
    """
    A place that sells.

    Attributes:
        time_zone: An IANA name.
        groups: Names that rates and rules know it by, together with others.
    """

    store_id: int
    name: str
    time_zone: str
    loyalty_enabled: bool
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """
    The loyalty scheme of one brand and region.

    Attributes:
        program_id: `<brand>-<region>` in lower case.
        region: ISO 3166 alpha-2 code of the country.
        currency: ISO 4217 code.
        currency_digits: Digits of the currency's minor unit.
        points_name: Word the wire calls the program's points by.
        identifier_kinds: Kinds of identifier that are switched on.
        code_lifetime_s: Life of a code in seconds.
        pending_lifetime_s: Life of an open transaction and its holds in seconds.
        redemption: What points are worth; absent where the program does not serve `es`.
        stores: By store ID.
        removed_stores: Those that it had before, as they were then; paid orders still come from
            them.
        incentives: By incentive ID, retired ones included.
        void_spent: What becomes of a void whose earned points are spent: it is refused, or leaves
            a debt that later points pay first. A program of before this choice refuses.
        order_limits: How many incentives an order may use.
        unclaimed_offers: What becomes of offers that do not hold in an order without a guest.
        pending_days: Days after which no report keeps a transaction open any longer.
        receipt_days: Days in which a receipt can be turned into points.
        receipt_limits: How many receipts a member may turn into points.
        void_days: Days after which a void of an order is late.
        late_void: What becomes of a late void.
        return_days: Days after which nothing of an order can come back.
        void_by_other_partner: What becomes of a void by another partner than the order's.
        shared_email: What becomes of a guest whose e-mail address a member has already.
        shared_phone, shared_card: As above; what guests are identified by is never shared.
        future_birth_date: What becomes of a guest who is not born yet.
        rollout_until: Last day (UTC) on which all members' codes earn wrong ones, as YYYY-MM-DD.
        redeem_by_loyalty_id: Whether a guest who is identified by loyalty ID may redeem; else only
            by a code.
        phone_prefix: What stands before phone numbers that tills tell without a country.
        refuse_unusable: Whether a code identifies nobody while its selection can't be used.
        repeated_orders: What becomes of a claim of an order that looks like a claimed one.
        limits: What its keys, members and orders may do; see `domain.limits`.
        expiry: When points go.
        receipts: What its receipts say; absent where they say what the server has ready.
        contracts: What it serves besides RBI's first contract; see `domain.contracts`.
        es: How it serves the calls of ES.
        groups: Products that rules and earning know by one name.
        promotions: By promotion ID, in the order of the file.
        goals, tiers: By their IDs, in the order of the file; a better tier comes later.
        rule_words: What its tills are told of broken rules in other words than ours.
        grants: What it gives to members, by the names of the file.
        retention: For how long it keeps what no rule needs any more.
        granted: Incentives that only those may use who were given them, by incentive ID.
    """

    program_id: str
    brand: str
    region: str
    name: str
    currency: str
    currency_digits: int
    points_name: str
    time_zone: str
    locale: str
    identifier_kinds: frozenset[IdentifierKind]
    code_lifetime_s: int
    pending_lifetime_s: int
    redemption: RedemptionRules | None
    prompts: Prompts
    stores: Mapping[int, Store]
    incentives: Mapping[str, Incentive]
    earning: EarningRules = PLAIN_EARNING
    void_spent: SpentPoints = "refuse"
    order_limits: OrderLimits = NO_ORDER_LIMITS
    unclaimed_offers: FlagOrRefuse = "flag"
    pending_days: int = 30
    receipt_days: int = 30
    receipt_limits: ReceiptLimits = NO_RECEIPT_LIMITS
    void_days: int = 90
    late_void: FlagOrRefuse = "flag"
    return_days: int = 90
    void_by_other_partner: FlagOrRefuse = "flag"
    shared_email: TakeOrRefuse = "take"
    shared_phone: TakeOrRefuse = "take"
    shared_card: TakeOrRefuse = "take"
    future_birth_date: TakeOrRefuse = "take"
    rollout_until: str | None = None
    refuse_unusable: bool = False
    redeem_by_loyalty_id: bool = True
    phone_prefix: str = ""
    repeated_orders: FlagOrRefuse = "flag"
    limits: Limits = NO_OWN_LIMITS
    expiry: Expiry = NEVER
    receipts: Receipts | None = None
    contracts: frozenset[str] = ES_ALONE
    es: EsTerms = PLAIN_ES
    removed_stores: Mapping[int, Store] = field(default_factory=dict)
    groups: Mapping[str, Products] = field(default_factory=dict)
    promotions: Mapping[str, Promotion] = field(default_factory=dict)
    goals: Mapping[str, Goal] = field(default_factory=dict)
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    rule_words: Mapping[str, OwnWords] = field(default_factory=dict)
    grants: Mapping[str, GrantTerms] = field(default_factory=dict)
    retention: Retention = KEEP_ALL
    granted: frozenset[str] = field(init=False, repr=False, compare=False)
    _names: Names = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the incentives, for orders name some otherwise than by their ID as written."""
        incentives = self.incentives.values()
        object.__setattr__(self, "_names", Names.of(incentives))
        granted = (one for one in incentives if any(isinstance(r, Granted) for r in one.rules))
        object.__setattr__(self, "granted", frozenset(one.incentive_id for one in granted))

    @property
    def has_goals(self) -> bool:
        """Whether something is counted for goals, or members have tiers."""
        return bool(self.goals or self.tiers)

    def keeps_apart(self, kind: IdentifierKind) -> bool:
        """Tell whether no two members may have the same phone number, or the same card."""
        shared = self.shared_card if kind is IdentifierKind.CARD else self.shared_phone
        return shared == "refuse" or kind in self.identifier_kinds

    def find_incentive(self, incentive_id: str | None, engine_id: str | None) -> Incentive | None:
        """
        Find an incentive, retired or not, by its ID or else by its engine ID.

        One that is a UUID is found in any case. Blanks around an ID are no part of it.
        """
        for told, names in (
            (incentive_id, self._names.incentive_ids),
            (engine_id, self._names.engine_ids),
        ):
            found = names.get(told or "") or names.get(any_case((told or "").strip()))
            if found is not None:
                return self.incentives[found]
        return None

    def find_by_plu(self, plu: str, vendors: Iterable[str]) -> Incentive | None:
        """
        Find what is offered under a PLU: that of the first vendor who has it, or else the default.

        None is found where several have it. Blanks around a PLU are no part of it.
        """
        plu = plu.strip()
        for vendor in (*map(vendor_key, vendors), "default"):
            if (vendor, plu) in self._names.plus:
                return self.incentives.get(self._names.plus[vendor, plu] or "")
        return None

    def open_until_ms(self, opened_ms: int, now_ms: int) -> int:
        """Tell until when a transaction stays open that is reported now."""
        return min(now_ms + self.pending_lifetime_s * 1000, opened_ms + self.pending_days * DAY_MS)

    @property
    def gives_with_orders(self) -> bool:
        """Whether members are given something when they order."""
        given = (
            one.by_itself or one.given_on is GivenOn.FIRST_ORDER for one in self.grants.values()
        )
        return any(given)

    def gives(self, given_on: GivenOn) -> list[GrantTerms]:
        """Tell what it gives members for something."""
        return [terms for terms in self.grants.values() if terms.given_on is given_on]

    def can_be_given(self, incentive_id: str) -> bool:
        """Tell whether it has such an incentive that only those may use who were given it."""
        return incentive_id in self.granted and not self.incentives[incentive_id].retired

    def rolls_out(self, now_ms: int) -> bool:
        """Tell whether the codes of all members earn wrong ones today."""
        return self.rollout_until is not None and rfc3339(now_ms)[:10] <= self.rollout_until

    def past_store(self, store_id: int) -> Store | None:
        """Find a store that the program has or has had."""
        return self.stores.get(store_id) or self.removed_stores.get(store_id)

    def store(self, store_id: int) -> Store:
        """
        Find a store.

        Raises:
            StoreNotFoundError: The program has no such store.
        """
        try:
            return self.stores[store_id]
        except KeyError:
            raise StoreNotFoundError(store_id) from None

    def store_of_report(self, store_id: int, opened_in: int) -> Store:
        """
        Find the store of a report; a removed one is taken where the transaction was opened there.

        Its guest was told that the order is open, or has paid. One that was removed before such
        were kept is taken to be in the program's own place.

        Raises:
            StoreNotFoundError: The program has no such store.
        """
        if store_id in self.stores or store_id != opened_in:
            return self.store(store_id)
        gone = Store(store_id, "", self.time_zone, loyalty_enabled=True)
        return self.removed_stores.get(store_id) or gone

    def store_of_unclaimed(self, store_id: int) -> Store:
        """
        Find the store of an order without a guest, which the program has or has had.

        Its guest has paid.

        Raises:
            StoreNotFoundError: The program has never had it.
        """
        return self.past_store(store_id) or self.store(store_id)


@dataclass(frozen=True, slots=True)
class Catalog:
    """
    All that is described rather than done: read by every call, changed by operators.

    Attributes:
        versions: The version of each program that this is.
        digests: The digests of each key, by its ID.
    """

    revision: int = 0
    programs: Mapping[str, Program] = field(default_factory=dict)
    keys: Mapping[bytes, ApiKey] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, tuple[bytes, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the keys by their IDs, for tokens name them so."""
        found: dict[str, tuple[bytes, ...]] = {}
        for digest, key in self.keys.items():
            found[key.key_id] = (*found.get(key.key_id, ()), digest)
        object.__setattr__(self, "digests", found)
