"""CodeService: one-time codes, in the RBI contract's OTP record."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from loyalty.v1 import code_service_pb2 as pb
from loyalty_service.application.codes.get_code import GetCode, get_code
from loyalty_service.application.codes.issue_code import (
    IssueCode,
    IssuedCode,
    Selected,
    issue_code,
)
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Code
from loyalty_service.domain.till_time import read_till_time
from loyalty_service.transport.call import Call


class CodeServicer:
    """Serves loyalty.v1.CodeService."""

    async def IssueCode(self, request: pb.IssueCodeRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = IssueCode(
            key=call.key,
            loyalty_id=request.loyalty_id,
            selection=tuple(map(_selected, request.order)),
            user_datetime=_user_datetime(request, call),
            store_id=_store_id(request.restaurant_id, call.program),
        )
        return await call.write(issue_code, command, _render_issued)

    async def GetCode(self, request: pb.GetCodeRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""

        def render(code: Code) -> bytes:
            return pb.GetCodeResponse(
                **_told(code),
                otp=request.otp,
                transaction_id=code.transaction_id,
            ).SerializeToString()

        return await call.look_up(get_code, GetCode(call.key, request.otp), render)


def _selected(line: pb.SelectedIncentive) -> Selected:
    return Selected(
        incentive_id=line.incentive_id or line.product_id,
        quantity=line.quantity if line.HasField("quantity") else 1,
        engine_id=line.incentive.id,
    )


def _user_datetime(request: pb.IssueCodeRequest, call: Call) -> str | None:
    """
    Give the guest's local time: that of the header, or else of the body.

    Raises:
        RequestInvalidError: It is no ISO 8601 date and time.
    """
    told = request.user_date_time.strip()
    sent = call.user_datetime()
    if sent is not None or not told:
        return sent
    try:
        read_till_time(told)
    except ValueError:
        words = "must be an ISO 8601 date and time"
        raise RequestInvalidError((FieldViolation("user_date_time", words),)) from None
    return told


def _store_id(told: str, program: Program) -> int | None:
    """Read which store the guest is in; what names none of the program tells nothing."""
    number = told.strip()
    if not (number.isascii() and number.isdigit()):
        return None
    return int(number) if int(number) in program.stores else None


def _render_issued(issued: IssuedCode) -> bytes:
    return pb.IssueCodeResponse(**_told(issued.code), otp=issued.digits).SerializeToString()


def _told(code: Code) -> dict[str, Any]:
    """Give the fields that a code has in every answer."""
    return {
        "updated_at": rfc3339(code.updated_ms),
        "created_at": rfc3339(code.created_ms),
        "loyalty_id": code.loyalty_id,
        "expiry": code.lifetime_s,
        "order": _selection(code),
        "status": pb.GetCodeResponse.Status.Name(code.status),
        "user_date_time": code.user_datetime,
        "restaurant_id": None if code.store_id is None else str(code.store_id),
    }


def _selection(code: Code) -> Iterable[pb.SelectedIncentive]:
    return [
        pb.SelectedIncentive(incentive_id=incentive_id, quantity=quantity)
        for _kind, incentive_id, quantity in json.loads(code.selection)
    ]
