"""Turn a promo code into points or a grant for a member."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from loyalty_service.application.blocks import require_may
from loyalty_service.application.find_member import find_member
from loyalty_service.application.grants import give as give_grant
from loyalty_service.application.limits import key_scope, require_one_more
from loyalty_service.application.members.assign_points import give
from loyalty_service.application.perform import Done, NaturalKey, Repeated
from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.codes import digested_promo, plain_promo_code
from loyalty_service.domain.errors import (
    FieldViolation,
    PromoCodeAlreadyRedeemedError,
    PromoCodeInvalidError,
    PromoCodeNotFoundError,
    RequestInvalidError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.gifts import PromoCode, PromoRedemption
from loyalty_service.domain.grants import Grant
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.limits import LIMITS, LimitName
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member

AGAIN_MS = 15 * 60_000
"""For this long the same code of the same order gets the first answer."""

METHOD = "IncentiveService/RedeemPromoCode"

_WRONG = LIMITS[LimitName.WRONG_PROMO_CODES_PER_KEY_MINUTE]


@dataclass(frozen=True, slots=True)
class RedeemPromoCode:
    """
    The code as it was typed, the member, and where it was.

    Attributes:
        loyalty_id: Absent while nobody has identified.
        terminal: Absent where it is not told.
        transaction_id: The caller's own number of the order; absent where it is not told.
    """

    key: ApiKey
    loyalty_id: str | None
    promo_code: str
    store_id: int
    terminal: str | None
    transaction_id: str | None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        if self.loyalty_id is None:
            return NOTHING
        return Reads(members=((self.key.program_id, self.loyalty_id.lower()),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        place = self.store_id, self.terminal, self.transaction_id
        return (self.loyalty_id or "").lower(), plain_promo_code(self.promo_code), *place


@dataclass(frozen=True, slots=True)
class RedeemedPromoCode:
    """
    What the code gave.

    Attributes:
        loyalty_id: Absent where nobody was named.
        grant: The incentive that it gave; absent where it gave points alone.
        incentive_id: The incentive that a guest without a name may use.
    """

    loyalty_id: str | None
    available_points: int
    earned_points: int
    grant: Grant | None = None
    incentive_id: str | None = None


def redeem_promo_code(
    unit: Unit, command: RedeemPromoCode, now_ms: int
) -> Done[RedeemedPromoCode] | Repeated:
    """
    Give a member the points of a promo code and its incentive, once.

    Raises:
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores.
        MemberNotFoundError: No member has this loyalty ID.
        LimitExceededError: The key has shown too many wrong codes in a minute; this one was not
            looked at. Or the member or the key was given a day's worth of points.
        Refused: There is no such code, with `PromoCodeNotFoundError`; it is counted.
        PromoCodeInvalidError: It can't be used now, or not in this store.
        PromoCodeAlreadyRedeemedError: It was used as often as it can be, by the member or by all.
        RequestInvalidError: It gives points, and no member is named; or the member would have more
            points than one can.
    """
    key = command.key
    program = unit.catalog.programs[key.program_id]
    store = program.store(command.store_id)
    key.require_store(store.store_id)
    member = None
    if command.loyalty_id is not None:
        member = find_member(unit, program.program_id, command.loyalty_id)
        require_may(member, Blocked.EARN)
    digest = unit.code_digest(
        program.program_id, digested_promo(plain_promo_code(command.promo_code))
    )
    again = _natural_key(command, digest)
    if again is not None:
        kept = unit.kept_answer(again.scope, again.key)
        if kept is not None and kept.created_ms > now_ms - AGAIN_MS:
            return Repeated(kept.answer, frozenset({store.store_id}))
    require_one_more(unit, program, _WRONG, key_scope(key.key_id), now_ms)
    code = unit.promo_code(program.program_id, digest)
    if code is None:
        unit.count(_WRONG, key_scope(key.key_id), 1, now_ms)
        raise Refused(PromoCodeNotFoundError())
    _require_usable(program, code, store.store_id, now_ms)
    if member is None:
        return _used_by_nobody(unit, program, code, store.store_id, again)
    redemption = _require_unused(unit, code, member)
    events: tuple[Event, ...] = ()
    if code.points:
        *_, told = give(unit, program, key, member, code.points, key.partner, code.label, now_ms)
        events = (told,)
    grant, given = _granted(unit, program, code, member, now_ms)
    unit.change(code, uses=code.uses + 1)
    if redemption is None:
        unit.add(PromoRedemption(code.program_id, code.digest, member.number, 1, now_ms))
    else:
        unit.change(redemption, uses=redemption.uses + 1, redeemed_ms=now_ms)
    return Done(
        RedeemedPromoCode(member.loyalty_id, member.spendable, code.points, grant),
        kept_as=again,
        stores=frozenset({store.store_id}),
        events=events + given,
    )


def _used_by_nobody(
    unit: Unit, program: Program, code: PromoCode, store_id: int, again: NaturalKey | None
) -> Done[RedeemedPromoCode]:
    """Use a code for a guest who has not identified: it gives no points, but its incentive."""
    if code.incentive_id not in program.granted:
        words = "is required: the code gives a member something"
        raise RequestInvalidError((FieldViolation("loyalty_id", words),))
    if code.uses >= code.most_uses:
        raise PromoCodeAlreadyRedeemedError
    unit.change(code, uses=code.uses + 1)
    return Done(
        RedeemedPromoCode(None, 0, 0, incentive_id=code.incentive_id),
        kept_as=again,
        stores=frozenset({store_id}),
        events=(Event(EventKind.PROMO_CODE_USED, code.program_id, subject=code.label),),
    )


def _granted(
    unit: Unit, program: Program, code: PromoCode, member: Member, now_ms: int
) -> tuple[Grant | None, tuple[Event, ...]]:
    """Give what a code gives besides points; what the program has no more is given to nobody."""
    if code.incentive_id is None or not program.can_be_given(code.incentive_id):
        return None, ()
    today = day_of(now_ms, program.time_zone)
    days = code.grant_days
    return give_grant(
        unit,
        member,
        code.incentive_id,
        uses=code.grant_uses or 1,
        first_day=today,
        last_day=None if days is None else today + timedelta(days=days - 1),
        origin=f"promo-code/{new_id(now_ms)}",
        now_ms=now_ms,
    )


def _require_usable(program: Program, code: PromoCode, store_id: int, now_ms: int) -> None:
    """Refuse a code before or after its time, in another store, and one that gives nothing more."""
    stores = json.loads(code.stores)
    early = code.begins_ms is not None and now_ms < code.begins_ms
    late = code.ends_ms is not None and now_ms >= code.ends_ms
    gone = code.incentive_id is not None and not program.can_be_given(code.incentive_id)
    if early or late or (stores and store_id not in stores) or (gone and not code.points):
        raise PromoCodeInvalidError


def _require_unused(unit: Unit, code: PromoCode, member: Member) -> PromoRedemption | None:
    """Find how often a member used a code; refuse one that is used up."""
    redemption = unit.promo_redemption(code, member.number)
    others = (unit.promo_redemption(code, number) for number in member.others)
    used = sum(one.uses for one in (redemption, *others) if one is not None)
    if used >= code.most_per_member or code.uses >= code.most_uses:
        raise PromoCodeAlreadyRedeemedError
    return redemption


def _natural_key(command: RedeemPromoCode, digest: bytes) -> NaturalKey | None:
    """Name the use of a code for an order; nothing where the order is not told."""
    if command.terminal is None or command.transaction_id is None:
        return None
    place = (
        digest.hex(),
        (command.loyalty_id or "").lower(),
        command.store_id,
        command.terminal,
        command.transaction_id,
    )
    scope = f"promo/{command.key.program_id}/{command.key.partner}"
    return NaturalKey(scope, json.dumps(place), METHOD)
