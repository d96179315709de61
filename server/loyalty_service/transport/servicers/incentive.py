"""IncentiveService: what guests may use, in the words of the RBI contract where it has some."""

from __future__ import annotations

from loyalty.v1 import incentive_service_pb2 as pb
from loyalty.v1 import order_pb2
from loyalty_service.application.incentives.list_incentives import (
    IncentivePage,
    KnownOrder,
    Listed,
    ListIncentives,
    list_incentives,
    offered,
)
from loyalty_service.application.incentives.redeem_promo_code import (
    RedeemedPromoCode,
    RedeemPromoCode,
    redeem_promo_code,
)
from loyalty_service.application.incentives.take_grant import (
    TakeGrant,
    TakenGrant,
    take_grant,
)
from loyalty_service.domain.breaches import Breach, RuleFailure, in_own_words
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.grants import FOR_GOOD, GrantState
from loyalty_service.domain.program import Incentive, Program
from loyalty_service.domain.texts import label
from loyalty_service.transport.call import Call
from loyalty_service.transport.servicers.goals import goals_told
from loyalty_service.transport.servicers.identify import discount_details

_KINDS = {"reward": order_pb2.OrderLine.reward, "offer": order_pb2.OrderLine.offer}

_STATES = {
    GrantState.OFFERED: pb.ListedIncentive.OFFERED,
    GrantState.ACTIVATED: pb.ListedIncentive.ACTIVATED,
}

_MISSING = {
    Breach.MINIMUM_SPEND.value.code: "amount",
    Breach.CART_REQUIREMENT.value.code: "quantity",
    Breach.POINT_BALANCE.value.code: "points",
}


class IncentiveServicer:
    """Serves loyalty.v1.IncentiveService."""

    async def ListIncentives(self, request: pb.ListIncentivesRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        store_id = request.store_id if request.HasField("store_id") else None
        local_time = None if store_id is None else call.local_time(store_id)
        command = ListIncentives(
            key=call.key,
            loyalty_id=request.loyalty_id or None,
            store_id=store_id,
            order=_known_order(request),
            usable_only=request.omit_invalids,
            local_time=local_time,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        vendors = (request.supporting_pos, request.pos_type)

        def render(page: IncentivePage) -> bytes:
            return pb.ListIncentivesResponse(
                incentives=[_listed(one, page.program, vendors) for one in page.incentives],
                next_page_token=page.next_page_token,
                goals=goals_told(page.goals),
            ).SerializeToString()

        return await call.decide(list_incentives, command, render)

    async def RedeemPromoCode(self, request: pb.RedeemPromoCodeRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        pos = request.pos_vendor
        command = RedeemPromoCode(
            key=call.key,
            loyalty_id=request.loyalty_id or None,
            promo_code=request.promo_code,
            store_id=pos.store_id,
            terminal=label(pos.terminal) or None,
            transaction_id=label(pos.transaction_id) or None,
        )
        return await call.write(redeem_promo_code, command, _render_redeemed)

    async def TakeGrant(self, request: pb.TakeGrantRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        terms = call.program.grants.get(request.grant.strip().lower())
        if terms and terms.points is not None and "idempotency-key" not in call.metadata:
            # Whoever sends it again without one buys it again.
            raise RequestInvalidError((FieldViolation("idempotency-key", "is required"),))
        command = TakeGrant(call.key, request.loyalty_id, request.grant)
        return await call.write(take_grant, command, _render_taken)

    async def GetContent(self, request: pb.GetContentRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        page = offered(call.program, call.now_ms, request.page_size, request.page_token)
        return pb.GetContentResponse(
            content=[_content(one.incentive, request.pos_type) for one in page.incentives],
            next_page_token=page.next_page_token,
        ).SerializeToString()


def _render_redeemed(redeemed: RedeemedPromoCode) -> bytes:
    return pb.RedeemPromoCodeResponse(
        loyalty_id=redeemed.loyalty_id or "",
        points=redeemed.available_points,
        points_earned=redeemed.earned_points,
        sanity_id=redeemed.grant.incentive_id if redeemed.grant else redeemed.incentive_id,
        grant_id=redeemed.grant.grant_id if redeemed.grant else None,
    ).SerializeToString()


def _render_taken(taken: TakenGrant) -> bytes:
    grant = taken.grant
    return pb.TakeGrantResponse(
        loyalty_id=taken.loyalty_id,
        id=grant.grant_id,
        sanity_id=grant.incentive_id,
        state=_STATES.get(taken.state),
        uses=grant.left,
        valid_from=grant.first_day,
        valid_until=None if grant.last_day == FOR_GOOD else grant.last_day,
        points_used=taken.points_used,
        points=taken.available_points,
    ).SerializeToString()


def _known_order(request: pb.ListIncentivesRequest) -> KnownOrder:
    mode = order_pb2.TransactionDetails.ServiceMode
    subtotal = request.subtotal_amount if request.HasField("subtotal_amount") else None
    products = tuple(plu.strip() for plu in request.products)
    return KnownOrder(
        service_mode=mode.Name(request.service_mode) if request.service_mode else None,
        subtotal=subtotal,
        # Of an order that costs nothing so far it is known that it has none.
        products=products if products or subtotal == 0 else None,
        payment_method=request.payment_method.strip() or None,
    )


def _listed(one: Listed, program: Program, vendors: tuple[str, str]) -> pb.ListedIncentive:
    incentive = one.incentive
    listed = pb.ListedIncentive(
        id=incentive.engine_id or incentive.incentive_id,
        name=incentive.display_name,
        type=pb.ListedIncentive.GLOBAL,
        sanity_id=incentive.incentive_id,
        kind=_KINDS[incentive.kind],
        points=incentive.point_cost,
        plu=incentive.plu(filter(None, vendors)),
        description=incentive.description,
        image=incentive.image,
        errors=[_error(failure, program) for failure in one.failures],
    )
    if incentive.price is not None:
        listed.price = incentive.price / 10**program.currency_digits
    grant = one.grant
    if grant is not None and one.state is not None:
        listed.id = grant.grant_id
        listed.type = pb.ListedIncentive.PERSONALIZED
        listed.state = _STATES[one.state]
        listed.uses = grant.left
        listed.valid_from = grant.first_day
        if grant.last_day != FOR_GOOD:
            listed.valid_until = grant.last_day
    if incentive.discount is not None:
        listed.discount.CopyFrom(discount_details(incentive, program))
    return listed


def _error(failure: RuleFailure, program: Program) -> pb.ListedIncentive.Error:
    told = in_own_words(failure, program.rule_words)
    error = pb.ListedIncentive.Error(code=told.code, rule_id=told.rule_id, message=told.message)
    if failure.missing is not None:
        setattr(error.missing, _MISSING[failure.code], failure.missing)
    return error


def _content(incentive: Incentive, pos_type: str) -> pb.ContentEntry:
    entry = pb.ContentEntry(
        title=incentive.display_name,
        description=incentive.description or "",
        more_info=incentive.more_info or "",
        image=incentive.image or "",
        plu=incentive.plu(filter(None, (pos_type,))),
        type=_KINDS[incentive.kind],
    )
    if incentive.point_cost:
        entry.rules.add(type="loyaltyPoints", points=incentive.point_cost)
    return entry
