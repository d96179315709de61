"""
What ad hoc calls share: their business unit, and the partner's own reference as a key.

A partner that names what it does by a reference of its own gets the first answer when it sends the
same again, in whichever session of the member.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from loyalty_service.application.perform import NaturalKey, Repeated, idempotency_scope
from loyalty_service.application.unit import Unit
from loyalty_service.domain.account_errors import BusinessUnitUnknownError, ReferenceReusedError
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member

REWARD = "AccountService/IssueAdhocReward"
REDEMPTION = "AccountService/IssueAdhocRedemption"
VOID = "AccountService/VoidAdhocTransaction"
"""Words by which kept answers tell what they answer; they are kept for ever."""


def require_business_unit(program: Program, business_unit: str | None) -> str | None:
    """
    Give the business unit of an ad hoc call; one that the program does not use is not looked at.

    Raises:
        RequestInvalidError: The program has business units, and none is named.
        BusinessUnitUnknownError: It has no such one.
    """
    known = program.es.business_units
    if not known:
        return business_unit
    if business_unit is None or not business_unit.strip():
        raise RequestInvalidError((FieldViolation("business_unit", "is required"),))
    if business_unit not in known:
        raise BusinessUnitUnknownError(business_unit)
    return business_unit


def reference_key(
    key: ApiKey, reference: str | None, method: str, member: Member, *meaning: Any
) -> NaturalKey | None:
    """Name the answer to a call by the partner's reference; absent where it gives none."""
    if reference is None:
        return None

    def fingerprint(number: int) -> bytes:
        told = json.dumps([method, number, *meaning], separators=(",", ":"))
        return hashlib.sha256(told.encode()).digest()

    # What was done for a member who was merged since was done for whom they lead to.
    also = frozenset(map(fingerprint, member.others))
    place = reference_place(key, reference)
    return NaturalKey(*place, method, fingerprint(member.number), fresh=True, also=also)


def reference_place(key: ApiKey, reference: str) -> tuple[str, str]:
    """Give the scope and key under which the answer is kept."""
    # No partner's scope has a colon before its slash: a program's ID has none.
    return f"adhoc:{idempotency_scope(key)}", reference


def answer_to(unit: Unit, named: NaturalKey | None, reference: str | None) -> Repeated | None:
    """
    Find what the same call was answered under its reference.

    Raises:
        ReferenceReusedError: The partner has used the reference for something else.
    """
    if named is None or reference is None:
        return None
    kept = unit.kept_answer(named.scope, named.key)
    if kept is None:
        return None
    if not named.repeats(kept.fingerprint):
        raise ReferenceReusedError(reference)
    return Repeated(kept.answer, frozenset(json.loads(kept.stores or "[]")))
