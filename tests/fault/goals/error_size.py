"""G28: the longest refusal of every kind, sent by a real server and read at both doors."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from loyalty.v1 import member_service_pb2
from loyalty_service.domain.errors import LoyaltyError, RequestInvalidError, RulesFailedError
from loyalty_service.sandbox.fixed_codes import FARHAN
from loyalty_service.transport.errors.catalogue import CATALOGUE
from tests.fault.goal import Goal, Trial
from tests.support.longest_errors import (
    WIDE,
    error_kinds,
    longest_error,
    most_failures,
    most_violations,
)
from tests.support.server import Caller, Front, Refusal, open_channel, run_front

TRAILER_BYTES_MAX = 4096
BODY_BYTES_MAX = 40_000
REQUEST_ID = "r" * 128
ASKED = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
ALPHABETS = ("a", "%", "é", "☕", WIDE)
"""One to four bytes a character, and one that three are needed for."""


def _refusals(trial: Trial) -> Iterator[LoyaltyError]:
    """Give the longest of every kind, then lists of any length with names of any length."""
    yield from map(longest_error, error_kinds())
    chance = trial.chance()
    for _ in range(trial.choose(300, 4)):
        violations, failures = most_violations(), most_failures()
        count = round(10 ** chance.uniform(0, 3))
        yield RequestInvalidError(tuple(chance.sample(violations, count)))
        broken = chance.sample(failures, count)
        yield RulesFailedError(
            tuple(replace(failure, incentive_id=_name(chance)) for failure in broken)
        )


def _name(chance: random.Random) -> str:
    return chance.choice(ALPHABETS) * chance.randint(1, 128)


class Reader:
    """Has the server refuse calls with errors of the trial's choice, and reads them as callers."""

    def __init__(self, trial: Trial, front: Front, edge: Caller) -> None:
        self._trial = trial
        self._front = front
        self._edge = edge
        self.longest_trailers = 0
        self.longest_body = 0
        self.fewest_told = 1000

    async def read(self, error: LoyaltyError) -> None:
        """Let every call be refused with an error, and read it at each door."""
        # A key of which Envoy sees nothing but refusals is a stranger's, who soon hears 429 only.
        await self._edge.members.GetMember(ASKED, metadata=self._edge.metadata())
        with patch("loyalty_service.transport.handling.parse", side_effect=error):
            straight = await self._ask(self._front.server.admin)
            through = await self._ask(self._edge)
            bodies = (
                await self._front.get(f"/loyalty/members/{FARHAN}"),
                await self._front.post(
                    "/client/users/anonymous/sessions", {"correlationId": "longest"}
                ),
            )
        row, name = CATALOGUE[type(error)], type(error).__name__
        require = self._trial.require
        require(straight.reason == row.reason, f"{name}: {straight}")
        require(_told(through) == _told(straight), f"{name}: Envoy made it {through}")
        require(straight.request_id == REQUEST_ID, f"{name}: request ID {straight.request_id}")
        size = max(straight.trailer_bytes, through.trailer_bytes)
        require(size <= TRAILER_BYTES_MAX, f"{name}: {size} bytes of trailers")
        self.longest_trailers = max(self.longest_trailers, size)
        self._count(error, straight)
        for answer in bodies:
            body = json.loads(answer.body)
            require(answer.status == body["statusCode"] == row.http, f"{name}: {answer.status}")
            words = {body.get("code"), body.get("errorCode")}
            require(words & {row.rbi, row.es}, f"{name}: {words}")
            require(len(answer.body) <= BODY_BYTES_MAX, f"{name}: a body of {len(answer.body)}")
            self.longest_body = max(self.longest_body, len(answer.body))

    async def _ask(self, caller: Caller) -> Refusal:
        return await caller.refused(caller.members.GetMember, ASKED, x_request_id=REQUEST_ID)

    def _count(self, error: LoyaltyError, refusal: Refusal) -> None:
        """Of a list the first are told, and how many there were."""
        if isinstance(error, RequestInvalidError):
            every = dict.fromkeys(violation.field for violation in error.violations)
            count, listed = len(error.violations), [*refusal.violations]
        elif isinstance(error, RulesFailedError):
            every = dict.fromkeys(f"{one.rule_id}/{one.incentive_id}" for one in error.failures)
            listed = [*dict.fromkeys(subject for _, subject in refusal.rules)]
            count = len(error.failures)
        else:
            return
        name = f"{type(error).__name__} of {count}"
        told = refusal.metadata.get("violations")
        self._trial.require(told == str(count), f"{name}: {told} are counted")
        self._trial.require(listed, f"{name}: none is told")
        self._trial.require(listed == [*every][: len(listed)], f"{name}: others than the first")
        if len(listed) < len(every):
            self.fewest_told = min(self.fewest_told, len(listed))


def _told(refusal: Refusal) -> Refusal:
    """Leave away what differs from call to call."""
    return replace(refusal, request_id="", trailer_bytes=0)


def _patient(config: dict[str, Any]) -> None:
    """Server and callers share a loop here, which a slow machine may keep from answering soon."""
    del config["static_resources"]["clusters"][0]["health_checks"]
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    for host in manager["typed_config"]["route_config"]["virtual_hosts"]:
        for route in host["routes"]:
            if route.get("route", {}).get("timeout") == "5s":
                route["route"]["timeout"] = "60s"


async def run(trial: Trial) -> None:
    """Read every refusal from the server itself, through Envoy, and as JSON in both dialects."""
    refusals = 0
    async with (
        run_front(trial.folder, adapt=_patient) as front,
        open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel,
    ):
        reader = Reader(trial, front, Caller(channel))
        for error in _refusals(trial):
            await reader.read(error)
            refusals += 1
    trial.figure("refusals", refusals)
    trial.figure("longest trailers", reader.longest_trailers)
    trial.figure("longest body", reader.longest_body)
    trial.figure("fewest told where some were left out", reader.fewest_told)


GOALS = (
    Goal(
        "G28",
        "Error size",
        "The longest gRPC error fits into 4 KiB, passes through Envoy, and counts what it leaves "
        "out.",
        run,
        databases=(),
    ),
)
