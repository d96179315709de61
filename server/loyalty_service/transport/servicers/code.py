"""CodeService: one-time codes, in the RBI contract's OTP record."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from loyalty.v1 import code_service_pb2 as pb
from loyalty_service.application.codes.get_code import GetCode, get_code
from loyalty_service.application.codes.issue_code import IssueCode, IssuedCode, issue_code
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.records import Code
from loyalty_service.transport.call import Call


class CodeServicer:
    """Serves loyalty.v1.CodeService."""

    async def IssueCode(self, request: pb.IssueCodeRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = IssueCode(
            key=call.key,
            loyalty_id=request.loyalty_id,
            selection=tuple(
                (line.incentive_id, line.quantity if line.HasField("quantity") else 1)
                for line in request.order
            ),
            user_datetime=call.user_datetime(),
        )
        return await call.write(issue_code, command, _render_issued)

    async def GetCode(self, request: pb.GetCodeRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""

        def render(code: Code) -> pb.GetCodeResponse:
            return pb.GetCodeResponse(
                **_told(code),
                otp=request.otp,
                restaurant_id=None if code.store_id is None else str(code.store_id),
                transaction_id=code.transaction_id,
            )

        return await call.look_up(get_code, GetCode(call.key, request.otp), render)


def _render_issued(issued: IssuedCode) -> pb.IssueCodeResponse:
    return pb.IssueCodeResponse(**_told(issued.code), otp=issued.digits)


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
    }


def _selection(code: Code) -> Iterable[pb.SelectedIncentive]:
    return [
        pb.SelectedIncentive(incentive_id=incentive_id, quantity=quantity)
        for _kind, incentive_id, quantity in json.loads(code.selection)
    ]
