"""Open a session for a member, or find whose an anonymous one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.perform import Done
from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.sessions.members_of_sessions import Named, find_named
from loyalty_service.application.unit import Unit
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.errors import CorrelationIdInvalidError
from loyalty_service.domain.es_identifiers import EsIdentifier
from loyalty_service.domain.identifiers import is_uuid
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.prompt_catalogue import Prompt
from loyalty_service.domain.prompts import member_prompt, session_locale
from loyalty_service.domain.records import Member
from loyalty_service.domain.sessions import DEFAULT_CHANNEL, Session, SessionStatus


@dataclass(frozen=True, slots=True)
class StartSession:
    """
    The visit as the till describes it.

    Attributes:
        kind: What *identifier* is.
        store_id: Where it is; absent where the till does not say.
    """

    key: ApiKey
    kind: EsIdentifier
    identifier: str
    correlation_id: str
    external_identifier: str | None
    channel: str | None
    locale: str | None
    store_id: int | None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        place = self.key.program_id
        sessions = ((place, self.correlation_id),)
        if self.kind.is_id and is_uuid(self.identifier):
            return Reads(members=((place, self.identifier.lower()),), sessions=sessions)
        return NOTHING  # Whose it is must be found out first: members are locked before sessions.

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        visit = self.correlation_id, self.external_identifier, self.channel, self.locale
        return self.kind.value, self.identifier, *visit, self.store_id


@dataclass(frozen=True, slots=True)
class StartedSession:
    """The open session, whose it is, and what the till says."""

    session: Session
    program: Program
    member: Member
    prompt: Prompt


def start_session(unit: Unit, command: StartSession, now_ms: int) -> Done[StartedSession]:
    """
    Open a session for a member, or continue the one of this correlation ID.

    An anonymous session may become a member's, once: never another's, and never nobody's again.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        CorrelationIdInvalidError: The session is closed, or another member's.
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores, or the session is in another.
        LoyaltyError: What `find_named` raises.
    """
    program = unit.catalog.programs[command.key.program_id]
    require_served(program.contracts, ES)
    store_id = told_store(program, command)
    named = find_named(unit, program, command.key, command.kind, command.identifier, now_ms)
    session = unit.session(program.program_id, command.correlation_id)
    if session is not None:
        command.key.require_stores(session.stores)
    locale = session_locale(command.locale, program, named.member.locale)
    channel = (command.channel or "").strip() or DEFAULT_CHANNEL
    if session is None:
        session = Session(
            program_id=program.program_id,
            correlation_id=command.correlation_id,
            status=SessionStatus.OPEN,
            member_number=named.member.number,
            external_identifier=command.external_identifier,
            channel=channel,
            locale=locale,
            anonymous_flag=None,
            created_ms=now_ms,
            updated_ms=now_ms,
            earn_only=named.earn_only,
            store_id=store_id,
        )
        unit.add(session)
    elif session.status is not SessionStatus.CLOSED and _may_be(session, named):
        # Who has shown a card once has shown it, whatever they say later in the same visit.
        shown = session.member_number is not None and session.earn_only is None
        unit.change(
            session,
            status=SessionStatus.OPEN,
            member_number=named.member.number,
            external_identifier=command.external_identifier or session.external_identifier,
            channel=channel,
            locale=locale,
            updated_ms=now_ms,
            earn_only=None if shown else named.earn_only,
            store_id=store_id,
        )
    else:
        raise CorrelationIdInvalidError
    silent = program.es.suppress_prompts.silences(command.key.partner, channel)
    prompt = Prompt() if silent else member_prompt(program, named.member, locale)
    return Done(
        StartedSession(session, program, named.member, prompt), stores=frozenset({store_id})
    )


def told_store(program: Program, command: StartSession) -> int:
    """
    Tell where a session is: where its till says, or else where its key is.

    Raises:
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores.
    """
    if command.store_id is None:
        return program.es.store_of(command.key.stores, program.stores)
    store = program.store(command.store_id)
    command.key.require_store(store.store_id)
    return store.store_id


def _may_be(session: Session, named: Named) -> bool:
    # Whoever was merged into the member since the session began is that member now.
    return session.member_number in {None, named.member.number, *named.member.others}
