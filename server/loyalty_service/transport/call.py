"""One call on its way through the server: its caller, its deadline, and its answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from loyalty_service.application.key_uses import KeyUses
from loyalty_service.application.limits import Load
from loyalty_service.application.perform import (
    KEY_FORM,
    Answer,
    Keyed,
    Run,
    UseCase,
    idempotency_scope,
    perform,
    plain_key,
)
from loyalty_service.application.reading import Reader, Tail
from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.under_way import UnderWay
from loyalty_service.application.unit import Unit
from loyalty_service.domain.access_tokens import AccessTokens
from loyalty_service.domain.breaches import in_own_words
from loyalty_service.domain.clock import ClockCheck, now_ms
from loyalty_service.domain.errors import (
    DeadlinePassedError,
    RequestInvalidError,
    RulesFailedError,
)
from loyalty_service.domain.events import Actor, ActorKind
from loyalty_service.domain.flags import Mend
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Meant, fingerprint, is_repeat, read_by
from loyalty_service.domain.program import Catalog, Program
from loyalty_service.domain.till_time import (
    BELIEVED_MS,
    BELIEVED_PAID_MS,
    HOUR_MS,
    read_till_time,
    till_time,
)
from loyalty_service.observability.till_clocks import TillClocks
from loyalty_service.observability.trail import TRAIL
from loyalty_service.transport.headers import header_invalid
from loyalty_service.transport.persons import PLACES, named, nameless
from loyalty_service.transport.rpcs import RPCS
from loyalty_service.transport.shortened import is_shortened, recall

R = TypeVar("R")

DEADLINE_MAX_S = 4.5
"""Envoy and tills wait for 5 s: they must hear from the server before."""

READ_S = 0.5
"""Time that a look at what was committed may take."""

USER_DATETIME_MAX = 64


class Command(Protocol):
    """What every command of a use case can tell."""

    def reads(self) -> Reads:
        """Tell what the use case starts from."""


class Writing(Command, Meant, Protocol):
    """What every command of a use case that writes can tell."""


class Storage(Protocol):
    """What the transport uses of the store."""

    catalog: Catalog
    tokens: AccessTokens
    key_uses: KeyUses
    under_way: UnderWay
    embedded: bool
    clock: ClockCheck

    @property
    def feed(self) -> Tail:
        """What tells that there are more events."""

    async def write(
        self,
        work: Callable[[Unit, int], R],
        timeout_s: float = ...,
        reads: Reads = ...,
        caller: str = ...,
    ) -> R:
        """Run a unit of work and answer, or refuse, once its commit is durable."""

    def require_room(self, caller: str = ...) -> None:
        """Refuse what would only wait for a writer."""

    def read(self, caller: str = ...) -> Any:
        """Open a reader over one consistent state, when it is the caller's turn."""

    async def confirm(self, timeout_s: float = ..., caller: str = ...) -> None:
        """Return once all that was read so far is as durable as a commit."""

    async def require_fresh_catalog(self) -> None:
        """Make sure that what operators changed a while ago is known."""

    async def is_under_way(self, scope: str, key: str, longest_s: float) -> bool:
        """Tell whether a call with this key is under way on any server, or may be."""

    async def empty_log(self) -> bool:
        """Make sure that nothing which was written over is left in files of the database."""

    def refuses(self) -> str | None:
        """Tell why no call would be let in now, if none would."""


@dataclass(slots=True)
class Call:
    """
    A call that is authenticated.

    Attributes:
        method: `Service/Method`.
        request: The valid request, without unknown fields.
        until_s: When it must be answered, by the event loop's clock.
        tills: Hears of tills whose time is not believed.
        mends: What was put right in the request, because its order is paid.
        repeated: Set when the answer is an earlier call's.
        late_hours: Set when the till's time of a paid order is further off than that of another
            call may be, and believed.
    """

    key: ApiKey
    method: str
    request: Any
    metadata: Mapping[str, str]
    until_s: float
    storage: Storage
    tills: TillClocks = field(default_factory=TillClocks)
    mends: tuple[Mend, ...] = ()
    repeated: bool = field(default=False)
    late_hours: int | None = field(default=None)

    async def write(
        self,
        use_case: UseCase[R],
        command: Writing,
        render: Callable[[R], bytes],
        *,
        paid: bool = False,
        again: Callable[[Unit, Any, int], None] | None = None,
    ) -> bytes:
        """
        Run a use case exactly once for its idempotency key and give its rendered answer.

        One whose guest has *paid* is flagged beyond a limit, where others are refused. What it does
        even when it comes *again* is done besides.

        Raises:
            LoyaltyError: The use case refuses, or the key is malformed or was reused.
        """
        return await self._run(
            use_case, command, render, self._keyed(command), paid=paid, again=again
        )

    async def decide(
        self,
        use_case: UseCase[R],
        command: Command,
        render: Callable[[R], bytes],
    ) -> bytes:
        """
        Run a use case that changes nothing an idempotency key would have to protect.

        Raises:
            LoyaltyError: The use case refuses.
        """
        return await self._run(use_case, command, render, None)

    async def look_up(
        self,
        use_case: UseCase[R],
        command: Command,
        render: Callable[[R], bytes],
    ) -> bytes:
        """
        Run a use case that finds something, and may count that it was asked for in vain.

        Raises:
            LoyaltyError: The use case refuses.
        """
        run = Run(use_case, command, render, by=self._actor)
        return (await self._perform(run, command.reads())).body

    async def _run(
        self,
        use_case: UseCase[R],
        command: Command,
        render: Callable[[R], bytes],
        keyed: Keyed | None,
        *,
        paid: bool = False,
        again: Callable[[Unit, Any, int], None] | None = None,
    ) -> bytes:
        load = Load(self.key, paid)
        run = Run(
            use_case,
            command,
            render,
            keyed=keyed,
            caller=self.key,
            load=load,
            again=again,
            by=self._actor,
            nameless=partial(nameless, method) if (method := self._kept_as) in PLACES else None,
        )
        # What is embedded is read when it is asked for: nobody would fetch it ahead.
        reads = NOTHING if self.storage.embedded else load.reads(command.reads(), self.now_ms)
        if keyed is not None:
            kept_answers = (*reads.kept_answers, (keyed.scope, keyed.key))
            reads = reads._replace(kept_answers=kept_answers)
        answer = await self._perform(run, reads)
        self.repeated = answer.repeated
        kept_as = self._kept_as
        if not answer.repeated or not (is_shortened(answer.body) or kept_as in PLACES):
            return answer.body
        async with self.read() as reader:
            if is_shortened(answer.body):
                answer_class = RPCS[self.method].answer_class
                return await recall(reader, self.program, answer_class, answer.body)
            return await named(kept_as, answer.body, partial(reader.member, self.key.program_id))

    @property
    def _kept_as(self) -> str:
        return RPCS[self.method].kept_as

    @property
    def now_ms(self) -> int:
        """The time that the call goes by."""
        return self.storage.clock.believed_ms(now_ms())

    @property
    def _actor(self) -> Actor:
        trail = TRAIL.get()
        request_id = "" if trail is None else trail.request_id
        return Actor(ActorKind.KEY, self.key.key_id, self.method, request_id)

    async def _perform(self, run: Run[Any], reads: Reads) -> Answer:
        work = partial(perform, run=run)
        try:
            return await self.storage.write(work, self.left_s, reads, self.key.key_id)
        except RulesFailedError as error:
            own = self.program.rule_words
            raise RulesFailedError(
                tuple(in_own_words(failure, own) for failure in error.failures)
            ) from None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """
        Open a reader that must be done by the call's deadline.

        Raises:
            DeadlinePassedError: The call's time is over; nothing was changed.
        """
        try:
            async with asyncio.timeout(self.left_s), self.storage.read(self.key.key_id) as reader:
                yield reader
            # What is on the primary alone is lost when a standby is promoted.
            await self.storage.confirm(self.left_s, self.key.key_id)
        except TimeoutError:
            raise DeadlinePassedError from None

    async def is_under_way(self, idempotency_key: str) -> bool:
        """Tell whether a call of the same partner with this key is under way, or may be."""
        # What is left must do for a last look at what was committed.
        longest_s = max(0.0, self.left_s - READ_S)
        scope = idempotency_scope(self.key)
        return await self.storage.is_under_way(scope, idempotency_key, longest_s)

    @property
    def left_s(self) -> float:
        """Time left, whatever earlier parts of the call have taken."""
        return max(0.0, self.until_s - asyncio.get_running_loop().time())

    @property
    def program(self) -> Program:
        """The program of the caller's key."""
        return self.storage.catalog.programs[self.key.program_id]

    def user_datetime(self) -> str | None:
        """
        Give the guest's local time as sent in `x-user-datetime`.

        Raises:
            RequestInvalidError: It is no ISO 8601 date and time.
        """
        return None if self._told_time() is None else self.metadata["x-user-datetime"].strip()

    def local_time(self, store_id: int, *, paid: bool = False) -> datetime | None:
        """
        Give the guest's date and time in a store's place; absent where the store's own counts.

        That is where none is sent in `x-user-datetime`, or one that is too far from the server's
        clock to be believed. Of a *paid* order it may be further, and even be no time at all.

        Raises:
            RequestInvalidError: It is no ISO 8601 date and time, and the order is not paid.
        """
        store = self.program.past_store(store_id)
        if store is None:
            return None  # The call is refused for it, or was removed too long ago to tell.
        try:
            told = self._told_time()
        except RequestInvalidError:
            if not paid:
                raise
            self.tills.not_believed(self.key, store_id, None)
            return None
        if told is None:
            return None
        found = till_time(told, ZoneInfo(store.time_zone), self.now_ms)
        off_ms = None if found is None else found.off_ms
        if found is None or abs(found.off_ms) > (BELIEVED_PAID_MS if paid else BELIEVED_MS):
            self.tills.not_believed(self.key, store_id, off_ms)
            return None
        if abs(found.off_ms) > BELIEVED_MS:
            self.late_hours = -found.off_ms // HOUR_MS
        return found.wall

    def _told_time(self) -> datetime | None:
        """
        Read `x-user-datetime`; absent when not sent or blank.

        Raises:
            RequestInvalidError: It is no ISO 8601 date and time.
        """
        text = self.metadata.get("x-user-datetime")
        if text is None or not text.strip():
            return None
        # A fraction of a second may have any number of digits.
        if len(text) > USER_DATETIME_MAX:
            raise header_invalid("x-user-datetime", "must be at most 64 characters")
        try:
            return read_till_time(text)
        except ValueError:
            raise header_invalid("x-user-datetime", "must be an ISO 8601 date and time") from None

    def _keyed(self, command: Meant) -> Keyed | None:
        text = self.metadata.get("idempotency-key")
        if text is None:
            return None
        key = plain_key(text)
        if not KEY_FORM.fullmatch(key):
            raise header_invalid(
                "idempotency-key", "must be 1 to 255 printable ASCII characters, not all blank"
            )
        method = self._kept_as
        return Keyed(
            scope=idempotency_scope(self.key),
            key=key,
            method=method,
            fingerprint=fingerprint(method, command, read_by(self.program, command)),
            repeats_kept=partial(
                is_repeat, method=method, command=command, first=self._first_fingerprint
            ),
        )

    def _first_fingerprint(self) -> bytes:
        """Hash the request as the first version of `domain.meaning` did."""
        meaning = self._kept_as.encode() + self.request.SerializeToString(deterministic=True)
        return hashlib.sha256(meaning).digest()
