"""Show an app what became of a code."""

from __future__ import annotations

from server.application.reading import Reader
from server.application.wrong_codes import require_none_open
from server.domain.errors import CodeNotFoundError
from server.domain.guessing import scopes_of
from server.domain.keys import ApiKey
from server.domain.records import Code, CodeStatus

DEAD_OF_LATE_MS = 3_600_000
"""For this long after its end an app may ask about a code of its own, which is no guess."""


async def get_code(reader: Reader, key: ApiKey, digits: str, now_ms: int) -> Code | None:
    """
    Find a code that waits for a till or was used at one.

    Absent when there was none of late: that may be a guess, and is to be counted.

    Raises:
        CodeNotFoundError: The code was replaced or expired.
        TooManyWrongCodesError: The key asked about too many codes that there were not.
    """
    scopes = scopes_of(key.program_id, key.key_id)
    require_none_open(await reader.code_refusals(scopes), now_ms)
    code = await reader.code(key.program_id, digits)
    if code is None:
        return None
    if code.status is CodeStatus.CLAIMED:
        return code
    if code.status is CodeStatus.PENDING and code.expires_ms > now_ms:
        return code
    if code.expires_ms <= now_ms - DEAD_OF_LATE_MS:
        return None
    raise CodeNotFoundError
