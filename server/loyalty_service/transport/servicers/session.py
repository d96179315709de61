"""SessionService: how visits of the ES contract begin."""

from __future__ import annotations

from loyalty.v1 import session_service_pb2 as pb
from loyalty_service.application.sessions.start_anonymous_session import (
    AnonymousSession,
    StartAnonymousSession,
    start_anonymous_session,
)
from loyalty_service.application.sessions.start_session import (
    StartedSession,
    StartSession,
    start_session,
)
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.es_identifiers import es_identifier
from loyalty_service.domain.program import Program
from loyalty_service.domain.redeeming import most_redeemable, worth
from loyalty_service.domain.texts import without_controls
from loyalty_service.transport.call import Call


class SessionServicer:
    """Serves loyalty.v1.SessionService."""

    async def StartAnonymousSession(  # noqa: N802 - the contract's name.
        self, request: pb.StartAnonymousSessionRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = StartAnonymousSession(
            key=call.key,
            correlation_id=request.correlation_id,
            external_identifier=_optional(request, "external_identifier", 255),
            channel=_optional(request, "channel", 64),
            locale=_optional(request, "locale", 64),
            anonymous_flag=_optional(request, "anonymous_session_id", 128),
        )
        return await call.write(start_anonymous_session, command, _render)

    async def StartSession(  # noqa: N802 - the contract's name.
        self, request: pb.StartSessionRequest, call: Call
    ) -> bytes:
        """See the contract."""
        told = call.metadata.get("x-identifier-type", "")
        command = StartSession(
            key=call.key,
            kind=es_identifier(told, call.key.role, call.program.identifier_kinds),
            identifier=request.identifier.strip(),
            correlation_id=request.correlation_id,
            external_identifier=_optional(request, "external_identifier", 255),
            channel=_optional(request, "channel", 64),
            locale=_optional(request, "locale", 64),
            store_id=request.store_id if request.HasField("store_id") else None,
        )
        return await call.write(start_session, command, _render_started)


def _render(opened: AnonymousSession) -> bytes:
    return pb.StartAnonymousSessionResponse(
        loyalty_id="anonymous",
        membership_type="N",
        status="NO_CARD",
        prompt=opened.prompt.code,
        is_valid=True,
        prompt_message=opened.prompt.message,
        receipt_message=opened.prompt.receipt,
        points_balance=0,
        user_max_redeem_dollars=0,
        redemption_rules=_redemption_rules(opened.program),
        session_correlation_id=opened.session.correlation_id,
        receipt_preference="UNKNOWN",
    ).SerializeToString()


def _render_started(opened: StartedSession) -> bytes:
    member, session, rules = opened.member, opened.session, opened.program.redemption
    may_redeem = session.earn_only is None and not member.kept_from & Blocked.REDEEM
    most = most_redeemable(rules, member.spendable) if rules is not None and may_redeem else 0
    suspended = member.kept_from & Blocked.BOTH == Blocked.BOTH
    return pb.StartSessionResponse(
        account_id=member.loyalty_id,
        loyalty_id=member.loyalty_id,
        membership_type=opened.program.es.membership_type,
        status="SUSPENDED" if suspended else "ACTIVE",
        prompt=opened.prompt.code,
        is_valid=True,
        prompt_message=opened.prompt.message,
        receipt_message=opened.prompt.receipt,
        points_balance=member.whole,
        user_max_redeem_dollars=(
            worth(rules, most) / 10**opened.program.currency_digits if rules is not None else 0
        ),
        redemption_rules=_redemption_rules(opened.program),
        session_correlation_id=session.correlation_id,
        receipt_preference="UNKNOWN",
    ).SerializeToString()


def _redemption_rules(program: Program) -> pb.RedemptionRules:
    rules = program.redemption
    if rules is None:
        raise TypeError(f"program {program.program_id} has sessions and no redemption")
    unit = 10**program.currency_digits
    return pb.RedemptionRules(
        min_redeem_points=rules.min_points,
        min_redeem_amount=rules.min_amount / unit,
        max_redeem_points=rules.max_points,
        max_redeem_amount=rules.max_amount / unit,
        redeem_increment_points=rules.increment_points,
        redeem_increment_amount=rules.increment_amount / unit,
        currency=program.currency,
    )


def _optional(
    request: pb.StartAnonymousSessionRequest | pb.StartSessionRequest,
    name: str,
    characters_max: int,
) -> str | None:
    """Give what is kept of an optional field: as a rule it refuses no call, whatever it holds."""
    if not request.HasField(name):
        return None
    return without_controls(getattr(request, name), characters_max)
