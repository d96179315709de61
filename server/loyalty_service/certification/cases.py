"""The cases as data: their schema, and how they are read from the files beside this module."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.events import AliasEvent

from loyalty_service.domain.operator_error import OperatorError

FOLDER = Path(__file__).with_name("cases")
REQUIREMENTS = Path(__file__).with_name("requirements.yaml")
REVISIONS = Path(__file__).with_name("revisions")

Level = Literal["MUST", "SHOULD"]
Side = Literal["till", "host"]
Feature = Literal[
    "kiosk", "pos", "rewards", "offers", "discounts", "receipts", "pay_at_counter", "validates",
    "offline", "switches_guests", "sessions", "purchases", "points_as_payment",
    "one_offer", "one_reward", "promo_codes", "lists",
]  # fmt: skip
CallName = Literal[
    "identify", "validate", "pending", "claim", "void", "unclaimed", "outcome", "order", "session",
    "issue", "code", "member", "receipt", "promo", "incentives", "content", "user", "search",
    "points", "return", "rescan", "status", "visit", "balance", "membership", "history", "reserve",
    "lower", "cancel", "reward", "redeem", "undo", "lock", "locks", "unlock", "trial", "purchase",
    "offline", "award", "adjust", "confirm",
]  # fmt: skip


def _answer(value: Any) -> Any:
    """Read the short forms: `422 OrderSelectionStatusUnclaimable`, `none`, and a status alone."""
    if isinstance(value, int):
        return {"status": value}
    if isinstance(value, str) and value != "none":
        status, _, code = value.partition(" ")
        return {"status": int(status)} | ({"code": code} if code else {})
    return value


class Strict(BaseModel):
    """What has no other fields than those it names."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Requirement(Strict):
    """
    What a case is for.

    Attributes:
        says: The requirement in a sentence of ours.
        source: Where it stands: the contract, and the number or page there.
    """

    says: str
    level: Level
    source: str


class Step(Strict):
    """
    One call that the kit makes of a host, and the answer that is right.

    Attributes:
        name: Label under which later steps find the answer: `{t.transactionId}`.
        show: What identifies the guest: a code or a member of the program, or `{t.user}`, or text.
        of: Label of the step whose transaction is called for, or a transaction's ID.
        order: Label of the till's own order; steps of one order have the same number at the till.
        promo: A promo code of the program, or what is typed as one.
        lines: What is bought, by the names of the program.
        pay: How it is paid.
        key: Label of an idempotency key; the same label is the same key.
        store: A store of the program.
        kiosk: Whether the kiosk calls instead of the till.
        at: `x-user-datetime`, where the till sends one.
        api_key: Whose key it carries, where not that of who makes such calls: `till`, or `single`
            for a till of the host's second program, which has one offer and one reward an order.
        body: What differs from an ordinary body; a null leaves a field out.
        fault: What the host does on purpose, where it can.
        wait_s: How long the kit waits for the answer.
        patient: Whether the call is made again while the host is not back.
        answer: Status, and what the body has besides; `none` where none may come.
        at_once: Two calls at the same time.
        answers: Their answers, in whichever order.
        advance: The host's clock moves so far; nothing is called.
    """

    call: CallName | None = None
    name: str = ""
    show: str = ""
    of: str = ""
    order: str = "one"
    promo: str = ""
    lines: tuple[str, ...] = ()
    quantity: int = 1
    discounts: tuple[str, ...] = ()
    pay: str = "card"
    mode: str = "EAT_IN"
    key: str = ""
    store: str = "open"
    kiosk: bool = False
    at: str = ""
    api_key: str = ""
    body: Mapping[str, Any] = Field(default_factory=dict)
    query: str = ""
    fault: str = ""
    wait_s: float | None = None
    patient: bool = False
    answer: Annotated[Any, BeforeValidator(_answer)] = Field(
        default_factory=lambda: {"status": 200}
    )
    at_once: tuple[Step, ...] = ()
    answers: tuple[Annotated[Any, BeforeValidator(_answer)], ...] = ()
    advance: str = ""


class Watched(Strict):
    """
    A call that a till must make, or must never make.

    Attributes:
        says: It in words; without a call it is said to people and not checked.
        call: Its name, or several.
        name: Label under which later ones find it.
        of: Label of the identify whose transaction it is for.
        send: What its request has.
        carries: Lines of the program that the order has.
        lacks: Lines of the program that the order has not.
        key: Pattern of the idempotency key.
        same_as: Label of the call that it repeats: the same request under the same key.
        another_than: Label of a call that it does not repeat.
        checks: What else is looked at, by the names in `looks.py`.
        wait: Least seconds since the call of that label was answered.
        answer: What the host's answer must have been.
        after: It came after the call of this label.
        before: It came before the call of this label, or there was no such call.
    """

    says: str
    call: CallName | tuple[CallName, ...] | None = None
    name: str = ""
    of: str = ""
    send: Mapping[str, Any] = Field(default_factory=dict)
    carries: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    key: str = ""
    same_as: str = ""
    another_than: str = ""
    checks: tuple[str, ...] = ()
    wait: Mapping[str, float] = Field(default_factory=dict)
    answer: Annotated[Any, BeforeValidator(_answer)] = Field(default_factory=dict)
    after: str = ""
    before: str = ""

    @property
    def calls(self) -> tuple[str, ...]:
        """Name the calls that it may be."""
        if self.call is None:
            return ()
        return (self.call,) if isinstance(self.call, str) else self.call


class Fault(Strict):
    """What the sandbox does to a till on purpose, bound to a code."""

    code: str
    kind: str
    on: Literal["identify", "validate", "pending", "claim", "void", "unclaimed"] = "identify"
    times: int = 1


class Watch(Strict):
    """
    What a cashier does at a till, and what the sandbox does meanwhile.

    Attributes:
        cashier: Each a word and what it is about: `scan plain`, `ring item`, `pay card`.
        faults: Bound while the case is tried.
        advance: How far the clock moves once the fault was played as often as it is bound.
    """

    cashier: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    advance: str = ""


class Case(Strict):
    """
    One requirement, and how a host or a till shows that it keeps it.

    Attributes:
        needs: What a till must have for it.
        host: What the host answers, or which fault it plays.
        must: What the till must do then, in this order.
        never: What it must not do.
        drive: The visit that the kit makes of a host.
        watch: The visit that the kit watches at a till.
    """

    id: str = Field(pattern=r"^[A-Z]+-[A-Za-z0-9.-]+$")
    title: str
    requirement: Requirement
    needs: tuple[Feature, ...] = ()
    cashier: str
    host: str
    must: tuple[Watched, ...] = ()
    never: tuple[Watched, ...] = ()
    drive: tuple[Step, ...] = ()
    watch: Watch | None = None

    @property
    def sides(self) -> tuple[Side, ...]:
        """Say who can be tried with it."""
        host: tuple[Side, ...] = ("host",) if self.drive else ()
        till: tuple[Side, ...] = ("till",) if self.watch else ()
        return till + host


class CaseFile(Strict):
    """What a file of cases has: where its requirements stand, and the cases in their order."""

    about: str
    order: int
    cases: tuple[Case, ...]


class Demand(Strict):
    """A MUST of a contract, with its cases, or the reason why it has none."""

    id: str
    contract: Literal["RBI", "ES"]
    says: str
    source: str
    cases: tuple[str, ...] = ()
    reason: str = ""


class _Composer(Composer):
    """Takes no aliases: a few lines of them can stand for more than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.parser.check_event(AliasEvent):
            at = self.parser.peek_event().start_mark
            raise ComposerError(None, None, "write it without aliases (*name)", at)
        return super().compose_node(parent, index)


def read_yaml(text: str) -> Any:
    """Read YAML without tags and aliases."""
    reader = YAML(typ="safe", pure=True)
    reader.Composer = _Composer
    return reader.load(text)


@cache
def all_cases() -> Mapping[str, Case]:
    """Read every case, in the order in which they are tried."""
    files = [_file(path) for path in sorted(FOLDER.glob("*.yaml"))]
    cases: dict[str, Case] = {}
    for file in sorted(files, key=lambda one: one.order):
        for case in file.cases:
            if case.id in cases:
                raise OperatorError(f"Case {case.id} is there twice.")
            cases[case.id] = case
    return cases


def _file(path: Path) -> CaseFile:
    try:
        return CaseFile.model_validate(read_yaml(path.read_text(encoding="utf-8")))
    except ValidationError as problem:
        raise OperatorError(f"{path.name}: {problem}") from None


@cache
def all_demands() -> tuple[Demand, ...]:
    """Read the list of every MUST of both contracts."""
    told = read_yaml(REQUIREMENTS.read_text(encoding="utf-8"))
    return tuple(Demand.model_validate(one) for one in told)


def digest(case: Case) -> str:
    """Give what changes when a case does; a new field that it does not use changes nothing."""
    said = case.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def revisions() -> Mapping[str, Mapping[str, str]]:
    """Read the frozen sets: the cases of each revision, with their digests."""
    return {
        path.stem: dict(read_yaml(path.read_text(encoding="utf-8")))
        for path in sorted(REVISIONS.glob("*.yaml"))
    }


def newest_revision() -> str:
    """Name the revision that a run is of, unless another is asked for."""
    return max(revisions())


def usable_revisions() -> tuple[str, ...]:
    """Name the revisions that can be run, the newest first: no case of theirs has changed since."""
    return tuple(name for name, frozen in sorted(revisions().items())[::-1] if not _changed(frozen))


def _changed(frozen: Mapping[str, str]) -> list[str]:
    """Name the cases that are not as they were frozen."""
    known = all_cases()
    return [
        name for name, told in frozen.items() if name not in known or digest(known[name]) != told
    ]


def cases_of(revision: str, side: Side, only: Iterable[str] = ()) -> tuple[Case, ...]:
    """
    Give the cases of a side.

    Raises:
        OperatorError: There is no such revision or case, or a case has changed since it was frozen
            or is there no more.
    """
    frozen = revisions().get(revision)
    if frozen is None:
        raise OperatorError(f"There is no revision {revision}: there is {', '.join(revisions())}.")
    known = all_cases()
    if changed := _changed(frozen):
        raise OperatorError(f"Changed since revision {revision}: {', '.join(changed)}.")
    wanted = tuple(only)
    unknown = [name for name in wanted if name not in frozen or side not in known[name].sides]
    if unknown:
        raise OperatorError(f"Revision {revision} has no case {', '.join(unknown)} of a {side}.")
    return tuple(
        case
        for case in known.values()
        if case.id in frozen and side in case.sides and (not wanted or case.id in wanted)
    )
