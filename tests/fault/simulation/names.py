"""What is kept of an answer that names a guest, and who puts the name back when it comes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Engine
from sqlmodel import Session

from loyalty.v1 import identify_service_pb2, member_service_pb2
from loyalty_service.storage.reads import SqlReader
from tests.support.stores import PEPPER

_NAMED: dict[str, tuple[type[Message], Callable[[Any], Message], tuple[str, ...]]] = {
    "identify": (
        identify_service_pb2.IdentifyMemberResponse,
        lambda answer: answer.loyalty_user,
        ("name",),
    ),
    "enroll": (
        member_service_pb2.EnrollMemberResponse,
        lambda answer: answer.member,
        ("name", "email", "locale", "birth_date", "phone", "card"),
    ),
}


def nameless(kind: str, body: bytes) -> bytes:
    """Give what is kept of an answer: it does not tell who the guest is."""
    if kind not in _NAMED:
        return body
    answer_class, person_of, names = _NAMED[kind]
    answer = answer_class.FromString(body)
    for name in names:
        person_of(answer).ClearField(name)
    return answer.SerializeToString()


class _Session:
    """A session that asks at once: nothing else happens in the world while it reads."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def exec(self, statement: Any) -> Any:
        return self._session.exec(statement)


class Look:
    """What is committed, for a handler that reads."""

    def __init__(self, engine: Engine) -> None:
        self._session = Session(engine)

    async def __aenter__(self) -> SqlReader:
        return SqlReader(_Session(self._session), PEPPER)  # type: ignore[arg-type]

    async def __aexit__(self, *_: object) -> None:
        self._session.close()
