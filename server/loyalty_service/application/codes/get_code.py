"""Show an app what became of a code that its own partner issued."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.codes.wrong_codes import count_wrong_code, require_no_wait
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import CodeNotFoundError
from loyalty_service.domain.guessing import scopes_of
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.records import Code, CodeStatus

USED_SHOWN_MS = 60_000
"""
For this long after its end a used code is still shown.

An app that polls every 2 seconds learns of a use in the last one. Much longer would multiply the
codes that a guess can hit.
"""

DEAD_OF_LATE_MS = 3_600_000
"""For this long after its end an app may ask about a code of its own, which is not a guess."""


@dataclass(frozen=True, slots=True)
class GetCode:
    """The digits that an app asks about, and who asks."""

    key: ApiKey
    digits: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        place = (self.key.program_id, self.digits)
        return Reads(codes=(place,), shown=((*place, self.key.key_id),))


def get_code(unit: Unit, command: GetCode, now_ms: int) -> Done[Code]:
    """
    Find a code that waits for a till or was used at one.

    It changes nothing, and yet no reader can do it: what is looked at and what is counted must be
    one, or many who ask at once would see more than they are allowed.

    Raises:
        Refused: The partner had no such code of late, with `CodeNotFoundError`; it is counted.
        CodeNotFoundError: The code was replaced or expired, or its use is no news any more.
        TooManyWrongCodesError: The key asked about too many codes that there were not.
    """
    key = command.key
    scopes = scopes_of(key.program_id, key.key_id)
    require_no_wait(unit, scopes, now_ms)
    digest = unit.code_digest(key.program_id, command.digits)
    code = unit.code(key.program_id, digest)
    if code is None or not _is_own(code, key, now_ms):
        raise count_wrong_code(unit, scopes, digest, now_ms, CodeNotFoundError())
    if not _is_shown(code, now_ms):
        raise CodeNotFoundError
    return Done(code)


def _is_own(code: Code, key: ApiKey, now_ms: int) -> bool:
    """Tell whether a partner asks about a code of its own, live or of late."""
    issued = code.partner is None or code.partner == key.partner
    return issued and code.expires_ms + DEAD_OF_LATE_MS > now_ms


def _is_shown(code: Code, now_ms: int) -> bool:
    if code.status is CodeStatus.CLAIMED:
        return code.expires_ms + USED_SHOWN_MS > now_ms
    return code.status is CodeStatus.PENDING and code.expires_ms > now_ms
