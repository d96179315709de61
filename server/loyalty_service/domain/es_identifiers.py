"""What tills of the ES contract name a member by."""

from __future__ import annotations

from enum import StrEnum

from loyalty_service.domain.es_errors import IdentifierTypeInvalidError
from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.keys import Role


class EsIdentifier(StrEnum):
    """
    Kinds of identifier that our members have.

    An account is a member, so both have the same ID. ES knows more kinds: `EXTERNAL_ID`,
    `PARTNER_LINK_ID` and `EXTERNAL_AGENT_ID` name nobody here.
    """

    ACCOUNT_ID = "ACCOUNT_ID"
    LOYALTY_ID = "LOYALTY_ID"
    EMAIL = "EMAIL"
    PHONE_NUMBER = "PHONE_NUMBER"

    @property
    def needs(self) -> IdentifierKind:
        """What a program must identify guests by, in the words of its file."""
        return _NEEDS[self]

    @property
    def is_id(self) -> bool:
        """Whether it may be the ID of a member."""
        return self in {EsIdentifier.ACCOUNT_ID, EsIdentifier.LOYALTY_ID}


_NEEDS = {
    EsIdentifier.ACCOUNT_ID: IdentifierKind.LOYALTY_ID,
    EsIdentifier.LOYALTY_ID: IdentifierKind.LOYALTY_ID,
    EsIdentifier.EMAIL: IdentifierKind.EMAIL,
    EsIdentifier.PHONE_NUMBER: IdentifierKind.PHONE,
}


def es_identifier(told: str, role: Role, kinds: frozenset[IdentifierKind]) -> EsIdentifier:
    """
    Read what kind of identifier a caller says that it sends, by the kinds that a program takes.

    Where it does not say, a till sends loyalty IDs and everybody else account IDs.

    Raises:
        IdentifierTypeInvalidError: Nobody can be identified by it in this program.
    """
    word = told.strip().upper()
    if not word:
        word = EsIdentifier.LOYALTY_ID if role is Role.TILL else EsIdentifier.ACCOUNT_ID
    taken = [one for one in EsIdentifier if one.needs in kinds]
    if word not in taken:
        raise IdentifierTypeInvalidError(", ".join(taken))
    return EsIdentifier(word)
