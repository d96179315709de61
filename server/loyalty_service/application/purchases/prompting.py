"""What the till of a session says about its purchase."""

from __future__ import annotations

from loyalty_service.application.aging import next_going
from loyalty_service.application.orders.earnings import PaidOrder
from loyalty_service.application.purchases.near_misses import near_misses
from loyalty_service.application.purchases.purchase import POS_TYPE, Purchase
from loyalty_service.application.unit import Unit
from loyalty_service.domain.earning import Earned
from loyalty_service.domain.presentation import claimed_presentation
from loyalty_service.domain.prompt_catalogue import Prompt
from loyalty_service.domain.prompts import anonymous_prompt, flag_is_on
from loyalty_service.domain.purchases import NearMiss, missed_prompt, near_miss_prompt
from loyalty_service.domain.records import Member
from loyalty_service.domain.sessions import Session

Said = tuple[Prompt, tuple[NearMiss, ...]]


def said_of(
    unit: Unit,
    purchase: Purchase,
    session: Session,
    order: PaidOrder,
    member: Member | None,
    worth: Earned,
) -> Said:
    """Choose what a till says, and which promotions are near; a silent till says nothing."""
    program = order.program
    if program.es.suppress_prompts.silences(purchase.key.partner, session.channel):
        return Prompt(), ()
    locale = purchase.locale_in(session)
    near = near_misses(unit, order, member, worth)
    if member is None:
        flagged = flag_is_on(session.anonymous_flag)
        prompt = anonymous_prompt(program, locale, flagged=flagged)
        if flagged and worth.points:
            prompt = missed_prompt(worth.points, locale, prompt.receipt)
        return prompt, near
    if not near:
        return Prompt(), ()
    return near_miss_prompt(near[0], locale, program.currency, program.currency_digits), near


def receipt_of(
    unit: Unit,
    purchase: Purchase,
    session: Session,
    order: PaidOrder,
    member: Member,
    earned: int,
    redeemed: int,
) -> str:
    """Word what a purchase did to its member's points, for the receipt."""
    told = claimed_presentation(
        order.program,
        purchase.locale_in(session),
        POS_TYPE,
        session.correlation_id,
        earned,
        redeemed,
        member.spendable,
        next_going(unit, member),
    )
    lines = (told.points_earned, told.points_redeemed, told.total_points, told.points_expiring)
    return "\n".join(line for line in lines if line)
