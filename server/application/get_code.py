"""Show an app what became of a code that its own partner issued."""

from __future__ import annotations

from server.application.reading import Reader
from server.application.wrong_codes import require_none_open
from server.domain.errors import CodeNotFoundError
from server.domain.guessing import scopes_of
from server.domain.keys import ApiKey
from server.domain.records import Code, CodeStatus

USED_SHOWN_MS = 60_000
"""
For this long after its end a used code is still shown.

An app that polls every 2 seconds learns of a use in the last one. Much longer would multiply the
codes that a guess can hit.
"""

DEAD_OF_LATE_MS = 3_600_000
"""For this long after its end an app may ask about a code of its own, which is no guess."""


async def get_code(reader: Reader, key: ApiKey, digits: str, now_ms: int) -> Code | None:
    """
    Find a code that waits for a till or was used at one.

    Absent when the partner had none of late: that may be a guess, and is to be counted.

    Raises:
        CodeNotFoundError: The code was replaced or expired, or its use is no news any more.
        TooManyWrongCodesError: The key asked about too many codes that there were not.
    """
    scopes = scopes_of(key.program_id, key.key_id)
    require_none_open(await reader.code_refusals(scopes), now_ms)
    code = await reader.code(key.program_id, digits)
    if code is None or not _is_own(code, key, now_ms):
        return None
    if not _is_shown(code, now_ms):
        raise CodeNotFoundError
    return code


def _is_own(code: Code, key: ApiKey, now_ms: int) -> bool:
    """Tell whether a partner asks about a code of its own, live or of late."""
    issued = code.partner is None or code.partner == key.partner
    return issued and code.expires_ms + DEAD_OF_LATE_MS > now_ms


def _is_shown(code: Code, now_ms: int) -> bool:
    if code.status is CodeStatus.CLAIMED:
        return code.expires_ms + USED_SHOWN_MS > now_ms
    return code.status is CodeStatus.PENDING and code.expires_ms > now_ms
