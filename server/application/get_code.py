"""Show an app what became of a code."""

from __future__ import annotations

from server.application.reading import Reader
from server.domain.errors import CodeNotFoundError
from server.domain.keys import ApiKey
from server.domain.records import Code, CodeStatus


async def get_code(reader: Reader, key: ApiKey, digits: str, now_ms: int) -> Code:
    """
    Find a code that waits for a till or was used at one.

    Raises:
        CodeNotFoundError: The code was never issued, was replaced or expired.
    """
    code = await reader.code(key.program_id, digits)
    if code is None or code.status in {CodeStatus.REPLACED, CodeStatus.EXPIRED}:
        raise CodeNotFoundError
    if code.status is CodeStatus.PENDING and code.expires_ms <= now_ms:
        raise CodeNotFoundError
    return code
