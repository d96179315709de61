"""Members who are erased while calls of the same batch know what was kept of them."""

from __future__ import annotations

from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.perform import Run, perform
from loyalty_service.application.unit import Unit
from tests.support.ledger import rows
from tests.support.orders import Till
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.purchases import start


async def test_what_was_erased_is_not_written_again(till: Till, database_url: str) -> None:
    """A later call of the batch changes the session, and leaves out what its till called it."""
    guest = await enroll(till.store)
    visit = await start(till, guest, external_identifier="Maya's table")
    command = EraseMember(PROGRAM_ID, guest, "She asked for it")

    def batch(unit: Unit, now_ms: int) -> None:
        session = unit.session(PROGRAM_ID, visit)
        assert session is not None
        perform(unit, now_ms, Run(erase_member, command))
        unit.change(session, updated_ms=now_ms)

    await till.store.write(batch, reads=command.reads())

    (kept,) = rows(database_url, "SELECT external_identifier, updated_ms FROM session")
    assert kept.external_identifier is None
    assert kept.updated_ms > till.now_ms
