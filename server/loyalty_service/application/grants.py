"""
The verbs of grants: give one, take it back, and what an order does with those of its guest.

A grant is given once for each origin, which names what it is for: an order, a goal with its
window, a birthday with its year. Nothing else decides whether somebody has it already.

Each verb expects a locked member. None refuses anything: who may refuse looks before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta

from loyalty_service.application.points import capture, hold
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.grants import (
    FOR_GOOD,
    GivenOn,
    Grant,
    GrantTerms,
    grant_id_of,
    in_order_of_use,
)
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member, Redemption, Transaction
from loyalty_service.domain.visit import GrantsLeft, History

OPEN_DAYS = 400
"""Days after its last one in which an order may still use a grant: none stays open for longer."""


def give(
    unit: Unit,
    member: Member,
    incentive_id: str,
    *,
    uses: int,
    first_day: date,
    last_day: date | None,
    origin: str,
    now_ms: int,
    activated: bool = True,
) -> tuple[Grant, tuple[Event, ...]]:
    """
    Give a member an incentive of the program, once for each origin.

    *uses*, at least 1, is how often it may be used, from *first_day* to *last_day*, both included;
    None is for good. The days are those of the store that it is used in. *origin* names what it is
    for, such as `goal/coffee-stamps/2026-11`, within the member and the incentive: called again
    with the same one this gives nothing more and tells no event. One that was taken back is given
    again. A grant that is not *activated* waits until the member does that.

    The incentive should have the rule `granted`; nothing uses up grants of others.
    Returns the grant, and the events for the use case's `Done`.
    """
    ends = FOR_GOOD if last_day is None else last_day.isoformat()
    grant_id = grant_id_of(member.program_id, member.loyalty_id, incentive_id, origin)
    grant = unit.grant(grant_id)
    if grant is not None and grant.withdrawn_ms is None:
        return grant, ()
    if grant is None:
        grant = Grant(
            grant_id=grant_id,
            program_id=member.program_id,
            member_number=member.number,
            incentive_id=incentive_id,
            origin=origin,
            uses=uses,
            used=0,
            first_day=first_day.isoformat(),
            last_day=ends,
            given_ms=now_ms,
            activated_ms=now_ms if activated else None,
        )
        unit.add(grant)
    else:
        unit.change(
            grant,
            uses=max(uses, grant.used),
            first_day=first_day.isoformat(),
            last_day=ends,
            activated_ms=now_ms if activated else None,
            withdrawn_ms=None,
        )
    return grant, (_told(EventKind.GRANT_GIVEN, member, grant),)


def take_back(
    unit: Unit, member: Member, incentive_id: str, origin: str, now_ms: int
) -> tuple[Event, ...]:
    """
    Take back what is left of the grant that a member has for an origin, as a whole.

    What was used stays used until its order is void; then it is taken back as well.
    Where there is no such grant, nothing happens.
    Returns the events for the use case's `Done`: none where nothing was left.
    """
    grant = unit.grant(grant_id_of(member.program_id, member.loyalty_id, incentive_id, origin))
    if grant is None or grant.withdrawn_ms is not None:
        return ()
    if grant.left:
        return withdraw(unit, member, grant, now_ms)
    unit.change(grant, withdrawn_ms=now_ms)
    return ()


def withdraw(unit: Unit, member: Member, grant: Grant, now_ms: int) -> tuple[Event, ...]:
    """Take back what is left of a grant that something is left of; see `take_back`."""
    unit.change(grant, withdrawn_ms=now_ms)
    return (_told(EventKind.GRANT_WITHDRAWN, member, grant),)


def activate(
    unit: Unit, member: Member, grant: Grant, now_ms: int
) -> tuple[Grant, tuple[Event, ...]]:
    """Let a grant be used that was only offered; one that may be used already stays as it is."""
    if grant.activated_ms is not None:
        return grant, ()
    kept = _kept(unit, grant)
    unit.change(kept, activated_ms=now_ms)
    return kept, (_told(EventKind.GRANT_ACTIVATED, member, kept),)


def buy(
    unit: Unit, program: Program, member: Member, terms: GrantTerms, origin: str, now_ms: int
) -> tuple[Grant, tuple[Event, ...]]:
    """
    Sell a grant for the points of its terms, which the member has.

    The points are gone at once, whether it is used or not. They are burned for the grant, so that
    those which come back have their old day.
    """
    grant, events = give_by_terms(unit, program, member, terms, origin, now_ms)
    hold(unit, member, grant.owner, terms.points or 0, now_ms, expires_ms=now_ms)
    capture(unit, member, grant.owner, now_ms)
    return grant, events


def grants_left(
    unit: Unit,
    member: Member | None,
    histories: Mapping[str, History],
    incentive_ids: Collection[str],
    place: tuple[date, str],
    besides: str = "",
) -> Mapping[str, GrantsLeft]:
    """
    Tell how often a member may use incentives that they were given, by incentive.

    *place* is the day, and the time zone of the store. What the open transaction *besides* was
    accepted with is not reserved for others.
    """
    left: dict[str, GrantsLeft] = {}
    if member is None or not incentive_ids:
        return left
    day, _ = place
    for grant in known_grants(unit, member, incentive_ids, day):
        usable, offered, _ = left.get(grant.incentive_id, GrantsLeft(0, 0))
        if grant.covers(day):
            if grant.activated_ms is None:
                offered += grant.left
            else:
                usable += grant.left
        left[grant.incentive_id] = GrantsLeft(usable, offered)
    for name, found in left.items():
        if histories[name].member_reserved and found.usable:
            reserved = _reserved_of(unit, member, name, place, besides)
            left[name] = found._replace(reserved=reserved)
    return left


def can_use(
    unit: Unit, member: Member, incentive_id: str, place: tuple[date, str], besides: str
) -> bool:
    """Tell whether a member has a use left that no open order but *besides* was accepted with."""
    day, _ = place
    known = known_grants(unit, member, (incentive_id,), day)
    usable = sum(one.left for one in known if one.covers(day) and one.activated_ms is not None)
    return usable > 0 and usable > _reserved_of(unit, member, incentive_id, place, besides)


def _reserved_of(
    unit: Unit, member: Member, incentive_id: str, place: tuple[date, str], besides: str
) -> int:
    """
    Tell how many of what a member can use on a day other open orders were accepted with.

    An order of an earlier day pays first with what is over by now, as `use_grants` has it.
    """
    day, time_zone = place
    over: dict[str, int] = {}
    reserved = 0
    for accepted_ms, quantity in unit.reserved_by(member, incentive_id, besides):
        accepted = day_of(accepted_ms, time_zone)
        unpaid = quantity
        for grant in known_grants(unit, member, (incentive_id,), accepted):
            if grant.activated_ms and grant.covers(accepted) and not grant.covers(day):
                paid = min(over.setdefault(grant.grant_id, grant.left), unpaid)
                over[grant.grant_id] -= paid
                unpaid -= paid
        reserved += unpaid
    return reserved


def use_grants(
    unit: Unit,
    member: Member,
    incentive_id: str,
    quantity: int,
    day: date,
    named: frozenset[str],
    accepted: date | None = None,
) -> list[tuple[str | None, int]]:
    """
    Use up grants of a member for an order of a day, those first that it *named*, then what ends.

    An order pays with what it was *accepted* with on an earlier day, though that be over by now:
    what the member was given since is for other orders.
    Returns how many of the order's uses each grant pays for. An order that was accepted before a
    grant was over or was taken back is honoured: then the one that ended last pays, or none.
    """
    days = {day if accepted is None else accepted, day}
    found = {
        one.grant_id: one
        for known_on in days
        for one in known_grants(unit, member, (incentive_id,), known_on)
        if one.activated_ms
    }
    usable = in_order_of_use((one for one in found.values() if any(map(one.covers, days))), named)
    over = in_order_of_use(
        one for one in found.values() if one.last_day < day.isoformat() and one not in usable
    )
    paid: list[tuple[str | None, int]] = []
    left = quantity
    for grant in (*usable, *reversed(over)):
        number = min(left, grant.left)
        if number > 0:
            unit.change(_kept(unit, grant), used=grant.used + number)
            paid.append((grant.grant_id, number))
            left -= number
    if left > 0:
        paid.append((None, left))
    return paid


def return_grant(unit: Unit, redemption: Redemption) -> None:
    """Give back the uses of a grant with the order that is void, until the grant's old last day."""
    if redemption.grant_id is None:
        return
    grant = unit.grant(redemption.grant_id)
    if grant is not None:
        unit.change(grant, used=max(0, grant.used - redemption.quantity))


def _kept(unit: Unit, grant: Grant) -> Grant:
    """Keep a grant that until now only followed from the calendar."""
    known = unit.grant(grant.grant_id)
    if known is None:
        unit.add(grant)
        return grant
    return known


def known_grants(
    unit: Unit, member: Member, incentive_ids: Collection[str], day: date
) -> list[Grant]:
    """
    Find the grants that an order of a day can use, or may have been accepted with.

    What a member has by the calendar is among them; it is kept once it is used.
    """
    since = max(day, date.min + timedelta(OPEN_DAYS)) - timedelta(OPEN_DAYS)
    known = list(unit.grants(member, incentive_ids, since.isoformat()))
    program = unit.catalog.programs[member.program_id]
    due = due_grants(program, member, incentive_ids, day, unit.as_of_ms)
    kept = unit.kept_grants([one.grant_id for one in due])
    return known + [one for one in due if one.grant_id not in kept]


def due_grants(
    program: Program, member: Member, incentive_ids: Collection[str], day: date, now_ms: int
) -> list[Grant]:
    """Give what a member has by the calendar on a day, whether any of it is kept or not."""
    born = date.fromisoformat(member.birth_date) if member.birth_date else None
    enrolled = day_of(member.created_ms, program.time_zone)
    found = []
    for terms in program.grants.values():
        asked = terms.by_calendar and terms.incentive_id in incentive_ids
        due = terms.due(day, born, enrolled) if asked else None
        if due is not None:
            name = terms.incentive_id, terms.origin(due.occasion)
            found.append(
                Grant(
                    grant_id=grant_id_of(member.program_id, member.loyalty_id, *name),
                    program_id=member.program_id,
                    member_number=member.number,
                    incentive_id=terms.incentive_id,
                    origin=terms.origin(due.occasion),
                    uses=terms.uses,
                    used=0,
                    first_day=due.first_day.isoformat(),
                    last_day=due.last_day.isoformat(),
                    given_ms=now_ms,
                    activated_ms=None if terms.activate else now_ms,
                )
            )
    return found


def give_for(
    unit: Unit, program: Program, member: Member, given_on: GivenOn, now_ms: int
) -> tuple[Event, ...]:
    """Give a member what the program gives for something, from today on, once."""
    events: tuple[Event, ...] = ()
    for terms in program.gives(given_on):
        events += give_by_terms(unit, program, member, terms, terms.origin(), now_ms)[1]
    return events


def give_for_first_order(
    unit: Unit, program: Program, member: Member, now_ms: int
) -> tuple[Event, ...]:
    """Give a member what comes after the first order, before that order is claimed."""
    if not program.gives(GivenOn.FIRST_ORDER) or unit.has_paid_order(member):
        return ()
    return give_for(unit, program, member, GivenOn.FIRST_ORDER, now_ms)


def take_back_without_order(
    unit: Unit, program: Program, member: Member, transaction: Transaction, now_ms: int
) -> tuple[Event, ...]:
    """
    Take back what came after the first order of a member who has none but one that is void.

    What the program gave when the order was paid counts, too: it may give it no more.
    """
    version = transaction.program_version
    same = version is None or version == unit.catalog.versions.get(program.program_id)
    given = {one.terms_id: one for one in program.gives(GivenOn.FIRST_ORDER)}
    if (same and not given) or unit.claimed_orders(member, transaction.transaction_id):
        return ()
    if version is not None and not same:
        then = unit.program_of(program.program_id, version)
        for one in () if then is None else then.gives(GivenOn.FIRST_ORDER):
            given.setdefault(one.terms_id, one)
    events: tuple[Event, ...] = ()
    for terms in given.values():
        events += take_back(unit, member, terms.incentive_id, terms.origin(), now_ms)
    return events


def give_by_terms(
    unit: Unit, program: Program, member: Member, terms: GrantTerms, origin: str, now_ms: int
) -> tuple[Grant, tuple[Event, ...]]:
    """Give a member an incentive from today on, for as long as terms say; see `give`."""
    today = day_of(now_ms, program.time_zone)
    return give(
        unit,
        member,
        terms.incentive_id,
        uses=terms.uses,
        first_day=today,
        last_day=terms.last_day(today),
        origin=origin,
        now_ms=now_ms,
        activated=not terms.activate,
    )


def _told(kind: EventKind, member: Member, grant: Grant) -> Event:
    return Event(kind, member.program_id, member, subject=grant.grant_id)
