"""The servicer of every service, by the service's name."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.transport.servicers.account import AccountServicer
from loyalty_service.transport.servicers.code import CodeServicer
from loyalty_service.transport.servicers.event import EventServicer
from loyalty_service.transport.servicers.identify import IdentifyServicer, IdentifyUseCase
from loyalty_service.transport.servicers.incentive import IncentiveServicer
from loyalty_service.transport.servicers.member import MemberServicer
from loyalty_service.transport.servicers.operator import OperatorServicer
from loyalty_service.transport.servicers.purchase import PurchaseServicer
from loyalty_service.transport.servicers.session import SessionServicer
from loyalty_service.transport.servicers.token import TokenServicer
from loyalty_service.transport.servicers.transaction import TransactionServicer


def all_servicers(identify: IdentifyUseCase = identify_member) -> Mapping[str, object]:
    """Make the servicers that a server needs."""
    return {
        "SessionService": SessionServicer(),
        "PurchaseService": PurchaseServicer(),
        "TokenService": TokenServicer(),
        "AccountService": AccountServicer(),
        "IdentifyService": IdentifyServicer(identify),
        "TransactionService": TransactionServicer(),
        "CodeService": CodeServicer(),
        "MemberService": MemberServicer(),
        "IncentiveService": IncentiveServicer(),
        "OperatorService": OperatorServicer(),
        "EventService": EventServicer(),
    }
