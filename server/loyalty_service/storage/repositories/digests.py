"""How codes are digested, with every pepper that the server knows."""

from __future__ import annotations

from loyalty_service.domain.codes import code_digest
from loyalty_service.storage.repositories.records import Basis, Records


class Digests(Records):
    """Digests of a unit of work; those of one code under several peppers belong together."""

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._digests: dict[bytes, tuple[bytes, ...]] = {}
        """By a digest of the current pepper, those of the same digits under every pepper."""

    def code_digest(self, program_id: str, code: str) -> bytes:
        """See `Unit.code_digest`."""
        return self.code_digests(program_id, code)[0]

    def code_digests(self, program_id: str, code: str) -> tuple[bytes, ...]:
        """Digest a code with every pepper known, the current one first."""
        digest, *others = (code_digest(one, program_id, code) for one in self._basis.peppers.known)
        if others:
            self._digests[digest] = (digest, *others)
        return (digest, *others)

    def _under_every_pepper(self, digest: bytes) -> tuple[bytes, ...]:
        return self._digests.get(digest, (digest,))
