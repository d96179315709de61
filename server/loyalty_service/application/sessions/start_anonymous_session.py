"""Open a session for a shopper who shows no loyalty ID."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.errors import CorrelationIdInvalidError
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.prompt_catalogue import Prompt
from loyalty_service.domain.prompts import anonymous_prompt, flag_is_on, session_locale
from loyalty_service.domain.sessions import DEFAULT_CHANNEL, Session, SessionStatus


@dataclass(frozen=True, slots=True)
class StartAnonymousSession:
    """The session as the till describes it."""

    key: ApiKey
    correlation_id: str
    external_identifier: str | None
    channel: str | None
    locale: str | None
    anonymous_flag: str | None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(sessions=((self.key.program_id, self.correlation_id),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        visit = self.correlation_id, self.external_identifier, self.channel
        return *visit, self.locale, self.anonymous_flag


@dataclass(frozen=True, slots=True)
class AnonymousSession:
    """The open session and what the till says."""

    session: Session
    program: Program
    prompt: Prompt


def start_anonymous_session(
    unit: Unit, command: StartAnonymousSession, now_ms: int
) -> Done[AnonymousSession]:
    """
    Open a session, or continue the open anonymous one of this correlation ID.

    Raises:
        StoreNotAllowedError: The session is in a store that the key is not for.
        CorrelationIdInvalidError: The session is closed or bound to a member.
        ContractNotServedError: The program does not serve the contract of sessions.
    """
    program = unit.catalog.programs[command.key.program_id]
    require_served(program.contracts, ES)
    locale = session_locale(command.locale, program)
    channel = (command.channel or "").strip() or DEFAULT_CHANNEL
    session = unit.session(program.program_id, command.correlation_id)
    if session is not None:
        command.key.require_stores(session.stores)
    if session is None:
        session = Session(
            program_id=program.program_id,
            correlation_id=command.correlation_id,
            status=SessionStatus.OPEN,
            member_number=None,
            external_identifier=command.external_identifier,
            channel=channel,
            locale=locale,
            anonymous_flag=command.anonymous_flag,
            created_ms=now_ms,
            updated_ms=now_ms,
            store_id=program.es.store_of(command.key.stores, program.stores),
        )
        unit.add(session)
    elif session.status is not SessionStatus.CLOSED and session.member_number is None:
        unit.change(
            session,
            status=SessionStatus.OPEN,
            external_identifier=command.external_identifier or session.external_identifier,
            channel=channel,
            locale=locale,
            anonymous_flag=command.anonymous_flag,
            updated_ms=now_ms,
        )
    else:
        raise CorrelationIdInvalidError
    silent = program.es.suppress_prompts.silences(command.key.partner, channel)
    flagged = flag_is_on(command.anonymous_flag)
    prompt = Prompt() if silent else anonymous_prompt(program, locale, flagged=flagged)
    return Done(AnonymousSession(session, program, prompt), stores=session.stores)
