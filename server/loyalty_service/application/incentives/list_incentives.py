"""Show which offers and rewards a guest may use here and now, and what is nearly met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from loyalty_service.application.grants import grants_left, known_grants
from loyalty_service.application.orders.period_uses import used_in_periods
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket, BasketLine, Payment
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.breaches import Breach, RuleFailure
from loyalty_service.domain.clock import moment_ms, wall_clock
from loyalty_service.domain.errors import FieldViolation, MemberNotFoundError, RequestInvalidError
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.goal_cards import Progress, progress_of
from loyalty_service.domain.grants import Grant, GrantState, in_order_of_use
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.products import Products
from loyalty_service.domain.program import Incentive, Program, Store
from loyalty_service.domain.records import Member
from loyalty_service.domain.restrictions import (
    CartExclusion,
    CartRequirement,
    DateSpan,
    Granted,
    MinimumSpend,
    Rule,
    StoreGroups,
    Stores,
)
from loyalty_service.domain.rules import MEMBER_RULES, evaluate, needs_history, not_activated
from loyalty_service.domain.visit import NO_GRANTS, MemberFacts, Visit

PAGE_SIZE_DEFAULT = 200
PAGE_SIZE_MAX = 500

FIXABLE = frozenset(
    breach.value.code
    for breach in (
        Breach.MINIMUM_SPEND,
        Breach.CART_REQUIREMENT,
        Breach.CART_EXCLUSION,
        Breach.PAYMENT_METHOD,
        Breach.SERVICE_MODE,
        Breach.LIMIT_PER_ORDER,
        Breach.GRANT_NOT_ACTIVATED,
        Breach.POINT_BALANCE,
        Breach.NOT_LOGGED_IN,
    )
)
"""Codes of what the guest can still change; what breaks another rule is not shown."""


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """
    What is known of an order that is still open.

    Attributes:
        subtotal: In minor units; absent where it is not told.
        products: PLUs, each as often as it is bought; absent where they are not told.
        payment_method: Type of payment; absent where it is not told.
    """

    service_mode: str | None = None
    subtotal: int | None = None
    products: tuple[str, ...] | None = None
    payment_method: str | None = None

    def knows(self, rule: Rule) -> bool:
        """Tell whether enough is known to judge by a rule."""
        if isinstance(rule, MinimumSpend):
            return self.subtotal is not None and rule.of is None
        if isinstance(rule, CartRequirement):
            priced = any(demand.amount is not None for demand in rule.demands)
            return not priced and self._tells(demand.any_of for demand in rule.demands)
        if isinstance(rule, CartExclusion):
            return self._tells((rule.products,))
        return True  # Of the others it is only asked what is told.

    def _tells(self, named: Iterable[Products]) -> bool:
        """Tell whether it is known which products it has; of no category that is."""
        return self.products is not None and not any(one.categories for one in named)

    def basket(self, currency: str) -> Basket:
        """Make an order of it, in which nothing counts but what is known."""
        lines = [BasketLine(plu, plu, "item", 1) for plu in self.products or ()]
        if self.subtotal:
            lines.append(BasketLine("", "", "item", 1, self.subtotal))
        paid = self.payment_method
        payments = () if paid is None else (Payment(paid.strip().upper(), 1),)
        return Basket(tuple(lines), payments, (), currency)


@dataclass(frozen=True, slots=True)
class ListIncentives:
    """
    Who asks, where, and about which order.

    Attributes:
        loyalty_id: Absent while nobody has identified.
        store_id: Absent where the store is not told.
        usable_only: Whether what lacks anything is left out.
        local_time: The caller's, in the store's place; absent where none is believed.
    """

    key: ApiKey
    loyalty_id: str | None
    store_id: int | None
    order: KnownOrder
    usable_only: bool
    local_time: datetime | None
    page_size: int
    page_token: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        if self.loyalty_id is None:
            return NOTHING
        return Reads(members=((self.key.program_id, self.loyalty_id.lower()),))


@dataclass(frozen=True, slots=True)
class Listed:
    """
    An incentive, and why it can't be used as the order is.

    Attributes:
        grant: What the member was given it by; absent for what everybody may use.
        state: What has become of that.
    """

    incentive: Incentive
    failures: tuple[RuleFailure, ...]
    grant: Grant | None = None
    state: GrantState | None = None


@dataclass(frozen=True, slots=True)
class IncentivePage:
    """
    One page of incentives; the token is empty on the last.

    Attributes:
        goals: How far the guest has come with each goal that counts today: on the first page.
    """

    program: Program
    incentives: tuple[Listed, ...]
    next_page_token: str
    goals: tuple[Progress, ...] = ()


def list_incentives(unit: Unit, command: ListIncentives, now_ms: int) -> Done[IncentivePage]:
    """
    Judge the incentives of one page, each as if it were the only one of the order.

    A member who is kept from redeeming can use none: nothing is listed but their goals.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores.
        RequestInvalidError: The page token is not one of this listing's.
    """
    program = unit.catalog.programs[command.key.program_id]
    store = None
    if command.store_id is not None:
        store = program.store(command.store_id)
        command.key.require_store(store.store_id)
    member = None
    if command.loyalty_id is not None:
        member = unit.member(program.program_id, command.loyalty_id.lower())
        if member is None:
            raise MemberNotFoundError(command.loyalty_id.lower())
    page, token = page_of(program, command.page_size or PAGE_SIZE_DEFAULT, command.page_token)
    if member is not None and Blocked.REDEEM in member.kept_from:
        page, token = (), ""
    shown = [one for one in page if _is_for(one, store, member)]
    uses = tuple(_use(one, store, command.order) for one in shown)
    visit = _visit(unit, program, store, member, command, uses, now_ms)
    judged = (
        Listed(incentive, evaluate((use,), visit))
        for incentive, use in zip(shown, uses, strict=True)
    )
    given = [one.incentive_id for one in shown if one.incentive_id in program.granted]
    listed = _with_grants(unit, member, judged, given, visit) if given else judged
    goals: tuple[Progress, ...] = ()
    if member is not None and program.goals and not command.page_token:
        today = day_of(now_ms, program.time_zone).toordinal()
        goals = progress_of(program.goals.values(), member.goal_card, today)
    return Done(IncentivePage(program, tuple(_shown(listed, command, member)), token, goals))


def page_of(program: Program, size: int, token: str) -> tuple[Sequence[Incentive], str]:
    """
    Give what the program offers of one page, and the token of the next.

    Raises:
        RequestInvalidError: The token names nothing of the program.
    """
    names = sorted(program.incentives)
    start = 0
    if token:
        if token not in program.incentives:
            message = "must be the next_page_token of this listing"
            raise RequestInvalidError((FieldViolation("page_token", message),))
        start = names.index(token) + 1
    end = start + min(size, PAGE_SIZE_MAX)
    page = [program.incentives[name] for name in names[start:end]]
    more = names[end - 1] if end < len(names) else ""
    return [incentive for incentive in page if not incentive.retired], more


def offered(program: Program, now_ms: int, size: int, token: str) -> IncentivePage:
    """
    Show what the program offers today, whoever may use it.

    Raises:
        RequestInvalidError: The page token is not one of this listing's.
    """
    page, more = page_of(program, size or PAGE_SIZE_MAX, token)
    today = wall_clock(None, ZoneInfo(program.time_zone), now_ms).date()
    live = tuple(Listed(one, ()) for one in page if _is_live(one, today))
    return IncentivePage(program, live, more)


def _is_live(incentive: Incentive, today: date) -> bool:
    spans = (rule for rule in incentive.rules if isinstance(rule, DateSpan))
    return not any(
        (span.start and today < span.start) or (span.end and today > span.end) for span in spans
    )


def _is_for(incentive: Incentive, store: Store | None, member: Member | None) -> bool:
    """Tell whether an incentive can be for somebody here, whatever its rules say."""
    if member is None and any(isinstance(rule, Granted) for rule in incentive.rules):
        return False
    if incentive.kind == "reward":
        return store is None or store.loyalty_enabled
    # Whether an offer that asks about the guest is theirs is not known while nobody is.
    return member is not None or not any(isinstance(rule, MEMBER_RULES) for rule in incentive.rules)


def _use(incentive: Incentive, store: Store | None, order: KnownOrder) -> IncentiveUse:
    """Use an incentive once, by those of its rules that enough is known for."""
    rules = tuple(
        rule
        for rule in incentive.rules
        if order.knows(rule) and (store is not None or not isinstance(rule, Stores | StoreGroups))
    )
    return IncentiveUse(replace(incentive, rules=rules), 1)


def _visit(
    unit: Unit,
    program: Program,
    store: Store | None,
    member: Member | None,
    command: ListIncentives,
    uses: tuple[IncentiveUse, ...],
    now_ms: int,
) -> Visit:
    zone = ZoneInfo(program.time_zone if store is None else store.time_zone)
    needs = needs_history(uses)
    facts = None
    if member is not None:
        orders = unit.claimed_orders(member, "") if needs.claimed_orders else 0
        facts = MemberFacts.of(member, zone, orders)
    local_now = wall_clock(command.local_time, zone, now_ms)
    histories = unit.histories(
        program.program_id, member, needs, besides="", reserving=None, lock=False
    )
    place = local_now.date(), zone.key
    asked = unit, member, facts, uses, needs, histories, *place
    return Visit(
        local_time=local_now,
        now_ms=moment_ms(command.local_time, zone.key, now_ms),
        store_id=0 if store is None else store.store_id,
        store_groups=frozenset() if store is None else frozenset(store.groups),
        service_mode=command.order.service_mode,
        basket=command.order.basket(program.currency),
        member=facts,
        histories=histories,
        used_in=used_in_periods(*asked),
        grants=grants_left(unit, member, histories, needs.granted, place),
        whole=True,
    )


def _with_grants(
    unit: Unit, member: Member | None, judged: Iterator[Listed], given: Sequence[str], visit: Visit
) -> Iterator[Listed]:
    """
    List what a member was given once for each grant that is not over, what ends first first.

    What open orders were accepted with is theirs: it is not listed.
    """
    day = visit.local_time.date()
    grants = [] if member is None else in_order_of_use(known_grants(unit, member, given, day))
    for one in judged:
        name = one.incentive.incentive_id
        if name not in given:
            yield one
            continue
        reserved = visit.grants.get(name, NO_GRANTS).reserved
        for grant in grants:
            state = grant.state(day)
            if grant.incentive_id != name or state not in _TO_USE:
                continue
            taken = min(reserved, grant.left) if state is GrantState.ACTIVATED else 0
            reserved -= taken
            if taken < grant.left:
                left = replace(grant, used=grant.used + taken)
                yield replace(one, failures=_of_grant(one, state), grant=left, state=state)


def _of_grant(one: Listed, state: GrantState) -> tuple[RuleFailure, ...]:
    """Tell what keeps a grant from being used: that another one can be used is nothing for it."""
    failures = tuple(failure for failure in one.failures if failure.code not in _OF_GRANTS)
    lacks = len(failures) < len(one.failures)
    if state is GrantState.OFFERED:
        return (*failures, not_activated(one.incentive.incentive_id))
    return one.failures if lacks else failures


_TO_USE = frozenset({GrantState.OFFERED, GrantState.ACTIVATED})
_OF_GRANTS = frozenset({Breach.NOT_GRANTED.value.code, Breach.GRANT_NOT_ACTIVATED.value.code})


def _shown(
    listed: Iterator[Listed], command: ListIncentives, member: Member | None
) -> Iterator[Listed]:
    for one in listed:
        failures = one.failures
        if member is None and one.incentive.kind == "offer":
            failures = tuple(
                failure for failure in failures if failure.code != Breach.NOT_LOGGED_IN.value.code
            )
        fixable = all(failure.code in FIXABLE for failure in failures)
        if fixable and not (failures and command.usable_only):
            yield replace(one, failures=failures)
