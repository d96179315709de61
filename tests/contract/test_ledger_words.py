"""Whatever a transfer is made of has a word in the contract: else no list could show it."""

from __future__ import annotations

from loyalty.v1 import member_service_pb2 as pb
from loyalty_service.domain.ledger import AccountKind, Cause


def test_every_account_has_a_word() -> None:
    """The numbers are the ledger's."""
    told = {f"ACCOUNT_{one.name}": one.value for one in AccountKind}
    assert dict(pb.Transfer.Account.items()) == {"ACCOUNT_UNSPECIFIED": 0} | told


def test_every_cause_has_a_word() -> None:
    """The numbers are the ledger's."""
    told = {f"CAUSE_{one.name}": one.value for one in Cause}
    assert dict(pb.Transfer.Cause.items()) == {"CAUSE_UNSPECIFIED": 0} | told
