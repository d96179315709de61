"""Use cases as the server runs them, called on a unit of work like plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loyalty_service.application.codes import get_code as _get_code
from loyalty_service.application.codes import issue_code as _issue_code
from loyalty_service.application.incentives import redeem_promo_code as _redeem_promo_code
from loyalty_service.application.members import enroll_member as _enroll_member
from loyalty_service.application.operators import adjust_points as _adjust_points
from loyalty_service.application.operators import apply_program as _apply_program
from loyalty_service.application.operators import create_key as _create_key
from loyalty_service.application.operators import promo_codes as _promo_codes
from loyalty_service.application.operators import revoke_key as _revoke_key
from loyalty_service.application.operators import rotate_key as _rotate_key
from loyalty_service.application.orders import claim_receipt as _claim_receipt
from loyalty_service.application.orders import expire_overdue as _expire_overdue
from loyalty_service.application.orders import identify_member as _identify_member
from loyalty_service.application.orders import record_unclaimed_order as _record_unclaimed_order
from loyalty_service.application.orders import report_order as _report_order
from loyalty_service.application.perform import Answer, Run, UseCase, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import OPERATOR, Actor, ActorKind


def _run(use_case: UseCase[Any]) -> Callable[[Unit, Any, int], Answer]:
    """Give what runs a use case; its result is the answer's."""

    def run(unit: Unit, command: Any, now_ms: int) -> Answer:
        return perform(unit, now_ms, Run(use_case, command, by=_who_asks(command)))

    return run


def _result(use_case: UseCase[Any]) -> Callable[[Unit, Any, int], Any]:
    """Give what runs a use case for its result alone."""

    def run(unit: Unit, command: Any, now_ms: int) -> Any:
        return perform(unit, now_ms, Run(use_case, command, by=_who_asks(command))).result

    return run


def _who_asks(command: Any) -> Actor:
    key = getattr(command, "key", None)
    return OPERATOR if key is None else Actor(ActorKind.KEY, key.key_id)


adjust_points = _run(_adjust_points.adjust_points)
claim_receipt = _run(_claim_receipt.claim_receipt)
enroll_member = _run(_enroll_member.enroll_member)
identify_member = _run(_identify_member.identify_member)
issue_code = _run(_issue_code.issue_code)
redeem_promo_code = _run(_redeem_promo_code.redeem_promo_code)
record_unclaimed_order = _run(_record_unclaimed_order.record_unclaimed_order)
report_order = _run(_report_order.report_order)

apply_program = _result(_apply_program.apply_program)
create_key = _result(_create_key.create_key)
create_promo_codes = _result(_promo_codes.create_promo_codes)
release_promo_code = _result(_promo_codes.release_promo_code)
expire_code = _result(_expire_overdue.expire_code)
get_code = _result(_get_code.get_code)
revoke_key = _result(_revoke_key.revoke_key)
rotate_key = _result(_rotate_key.rotate_key)
void_overdue = _result(_expire_overdue.void_overdue)
