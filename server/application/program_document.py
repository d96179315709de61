"""The operator's program file: YAML text in; a program, or every mistake and its place, out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal, NoReturn, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from server.domain.identifiers import IdentifierKind
from server.domain.program import (
    DEFAULT_LOCALE,
    LOCALES,
    Discount,
    DiscountKind,
    DiscountLevel,
    Incentive,
    Program,
    Prompt,
    Prompts,
    RedemptionRules,
    Store,
)

FILE_CHARACTERS_MAX = 16 * 1024 * 1024
STORES_MAX = 50_000
INCENTIVES_MAX = 5_000
PLUS_MAX = 100
POINTS_MAX = 1_000_000_000
AMOUNT_MINOR_MAX = 1_000_000_000
STORE_ID_MAX = 2**31 - 1
CURRENCY_DIGITS_MAX = 4

Path = tuple[int | str, ...]


# --- Mistakes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mistake:
    """
    One thing to correct in a program file.

    Attributes:
        line: Line of the file, from 1.
        column: Character of the line, from 1.
        field: Path of the field, for instance `incentives[2].points`; empty for the file.
        message: What the value must be, in English, without a full stop.
        source: The line as it stands in the file.
    """

    line: int
    column: int
    field: str
    message: str
    source: str


class ProgramFileError(Exception):
    """Raised when a program file can't be applied; it carries every mistake, in file order."""

    def __init__(self, file_name: str, mistakes: Iterable[Mistake]) -> None:
        self.file_name = file_name
        self.mistakes = tuple(sorted(mistakes, key=lambda found: (found.line, found.column)))
        super().__init__(file_name, self.mistakes)

    def __str__(self) -> str:
        """Show every mistake on its own line."""
        return "\n".join(render_mistakes(self))


def render_mistakes(
    error: ProgramFileError, *, mistakes_max: int | None = None, source: bool = False
) -> list[str]:
    """
    Write mistakes as lines for a terminal, `program.yaml:12:5: incentives[2].points: must be ...`.

    *source* adds the line of the file and a mark below the character. Mistakes beyond
    *mistakes_max* are counted in a last line.
    """
    shown = error.mistakes[:mistakes_max]
    lines = [line for mistake in shown for line in _render(error.file_name, mistake, source=source)]
    left = len(error.mistakes) - len(shown)
    return [*lines, f"{error.file_name}: {left:,} more mistakes"] if left else lines


def _render(file_name: str, mistake: Mistake, *, source: bool) -> Iterator[str]:
    field = f"{mistake.field}: " if mistake.field else ""
    yield f"{file_name}:{mistake.line}:{mistake.column}: {field}{mistake.message}"
    if source and mistake.source:
        number = f"{mistake.line:>6}"
        indent = re.sub(r"[^\t]", " ", mistake.source[: mistake.column - 1])
        yield f"{number} | {mistake.source}"
        yield f"{' ' * len(number)} | {indent}^"


def field_path(path: Path) -> str:
    """Write a path as an operator reads it: `incentives[2].plus["Kiosk vendor"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


# --- YAML ---------------------------------------------------------------------------------------

_YAML_TAG = "tag:yaml.org,2002:"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?")


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A scalar that is neither text nor a plain number nor true or false."""

    text: str


class _Source:
    """A program file's YAML, which knows the place of every value."""

    def __init__(self, text: str, file_name: str) -> None:
        self._file_name = file_name
        self._lines = text.splitlines()
        self._converted: dict[int, object] = {}
        self.mistakes: dict[tuple[Path, int, int], Mistake] = {}
        self._root = self._compose(text)

    def values(self) -> object:
        """Convert the YAML to plain values, exactly; note what YAML allows and the file doesn't."""
        return self._value(self._root, ())

    def note(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note a mistake, unless the same value has one already."""
        line, column = self._place(path, at_key=at_key)
        self._note_at(path, line, column, message)

    def _note_at(self, path: Path, line: int, column: int, message: str) -> None:
        source = self._lines[line - 1] if line <= len(self._lines) else ""
        mistake = Mistake(line, column, field_path(path), message, source)
        self.mistakes.setdefault((path, line, column), mistake)

    def _compose(self, text: str) -> Node:
        if len(text) > FILE_CHARACTERS_MAX:
            self._give_up(1, 1, f"must have at most {FILE_CHARACTERS_MAX:,} characters")
        try:
            root = _compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self._give_up(line, column, f"is not YAML: {_yaml_problem(error)}")
        except YAMLError as error:
            before = text[: getattr(error, "position", 0)].splitlines() or [""]
            problem = str(error).splitlines()[0]
            self._give_up(len(before), len(before[-1]) + 1, f"is not YAML: {problem}")
        except RecursionError:
            self._give_up(1, 1, "is nested too deeply")
        if root is None:
            self._give_up(1, 1, "is empty")
        return root

    def _give_up(self, line: int, column: int, message: str) -> NoReturn:
        self._note_at((), line, column, message)
        raise ProgramFileError(self._file_name, self.mistakes.values())

    def _value(self, node: Node, path: Path) -> object:
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._converted:  # An alias; or, while it is None, one inside itself.
            known = self._converted[id(node)]
            if known is None:
                self.note(path, "must not contain itself")
            return known
        self._converted[id(node)] = None
        self._converted[id(node)] = value = self._collection(node, path)
        return value

    def _collection(self, node: Node, path: Path) -> object:
        if node.tag not in {f"{_YAML_TAG}map", f"{_YAML_TAG}seq"}:
            return _Unreadable(str(node.tag))
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, item in node.value:
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if not isinstance(key, ScalarNode):
                self._note_at((*path, "?"), line, column, "must have plain text as its key")
            elif key.value in values:
                self._note_at((*path, key.value), line, column, "stands here a second time")
            else:
                values[key.value] = self._value(item, (*path, key.value))
        return values

    def _scalar(self, node: ScalarNode, path: Path) -> object:
        kind = str(node.tag).removeprefix(_YAML_TAG)
        if kind == "null":
            self.note(path, "has no value; fill it in or leave the key out")
            return None
        if kind in {"str", "timestamp"}:
            return str(node.value)
        if kind == "bool" and node.value.lower() in {"true", "false"}:
            return bool(node.value.lower() == "true")
        number = _NUMBER.fullmatch(node.value) if kind in {"int", "float"} else None
        if number is None:
            return _Unreadable(node.value)
        return Decimal(node.value) if number[1] else int(node.value)

    def _place(self, path: Path, *, at_key: bool) -> tuple[int, int]:
        key = node = self._root
        for part in path:
            child = _child(node, part)
            if child is None:
                at_key = True
                break
            key, node = child
        blank = isinstance(node, ScalarNode) and node.tag == f"{_YAML_TAG}null"
        mark = (key if at_key or blank else node).start_mark
        return mark.line + 1, mark.column + 1


def _compose(text: str) -> Node | None:
    yaml = YAML(typ="safe", pure=True)  # The round-trip type marks folds in the text itself.
    yaml.composer.warn_double_anchors = False  # Legal YAML: the latest anchor wins.
    root: Node | None = yaml.compose(text)
    return root


def _yaml_problem(error: MarkedYAMLError) -> str:
    return " ".join(part for part in (error.context, error.problem) if part)


def _child(node: Node, part: int | str) -> tuple[Node, Node] | None:
    """Find the key and the value that *part* names; a list's items are their own keys."""
    if isinstance(node, MappingNode):
        return next(((key, item) for key, item in node.value if key.value == part), None)
    if isinstance(node, ScalarNode) or not isinstance(part, int):
        return None
    item = node.value[part]
    return item, item


# --- Values -------------------------------------------------------------------------------------

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_BREAK = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# ISO 4217 currencies whose minor unit does not have two digits.
_CURRENCY_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def amount_text(minor: int, digits: int) -> str:
    """Write minor units as the amount an operator reads: 450 with 2 digits is `4.50`."""
    whole, rest = divmod(abs(minor), 10**digits)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{rest:0{digits}}" if digits else f"{sign}{whole}"


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("program_file", "{message}", {"message": message})


def _whole(least: int, most: int) -> BeforeValidator:
    def check(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise _wrong(f"must be a whole number from {least:,} to {most:,}")
        return value

    return BeforeValidator(check)


def _amount(least_minor: int) -> BeforeValidator:
    def check(value: object, info: ValidationInfo) -> int:
        digits: int = info.context["digits"] if info.context else 0
        minor = _minor_units(value, digits)
        if minor is None or not least_minor <= minor <= AMOUNT_MINOR_MAX:
            least, most = (amount_text(end, digits) for end in (least_minor, AMOUNT_MINOR_MAX))
            after = f"at most {digits} digits after the point" if digits else "no decimals"
            raise _wrong(f"must be an amount from {least} to {most} with {after}")
        return minor

    return BeforeValidator(check)


def _minor_units(value: object, digits: int) -> int | None:
    """Convert an amount in major units; None when it is none or has too many digits."""
    if type(value) is int:
        return value * int(10**digits)
    if type(value) is not Decimal or -int(value.as_tuple().exponent) > digits:
        return None
    return int(value.scaleb(digits))  # Exact: _NUMBER keeps values within 27 digits.


def _text(
    least: int, most: int, *, form: str | None = None, hint: str = "", breaks: bool = False
) -> BeforeValidator:
    control = _CONTROL_BUT_BREAK if breaks else _CONTROL

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise _wrong("must be text" + ("" if isinstance(value, dict | list) else ", in quotes"))
        if form and not re.fullmatch(form, value):
            raise _wrong(f"must be {hint}")
        if value != value.strip():
            raise _wrong("must not begin or end with blanks; a block text needs `>-` or `|-`")
        if control.search(value):
            raise _wrong("must not have control characters" + ("" if breaks else " or line breaks"))
        if not least <= len(value) <= most:
            raise _wrong(f"must have {least:,} to {most:,} characters")
        return value

    return BeforeValidator(check)


def _word(*words: str) -> BeforeValidator:
    listed = f"{', '.join(words[:-1])} or {words[-1]}"

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise _wrong(f"must be {listed}{_near(value, words)}")
        return value

    return BeforeValidator(check)


def _near(value: object, words: Iterable[str]) -> str:
    close = difflib.get_close_matches(value, list(words), n=1) if isinstance(value, str) else []
    return f"; did you mean `{close[0]}`?" if close else ""


@lru_cache(maxsize=256)
def _near_time_zone(value: str) -> str:
    return _near(value, available_timezones())


def _check_time_zone(value: object) -> str:
    near = ""
    if isinstance(value, str):
        try:
            return ZoneInfo(value).key
        except (LookupError, ValueError, OSError):
            near = _near_time_zone(value)
    raise _wrong(f"must be an IANA time zone such as America/Toronto{near}")


def _check_switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong("must be true or false")
    return value


def _plus_of_all(value: object) -> object:
    if not isinstance(value, str | dict):
        raise _wrong("must be a PLU in quotes, or a mapping of pos types to PLUs in quotes")
    return {"default": value} if isinstance(value, str) else value


Switch = Annotated[bool, BeforeValidator(_check_switch)]
TimeZone = Annotated[str, BeforeValidator(_check_time_zone)]
Name = Annotated[str, _text(1, 100)]
Points = Annotated[int, _whole(1, POINTS_MAX)]
Sum = Annotated[int, _amount(1)]


# --- The document -------------------------------------------------------------------------------


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class RedemptionEntry(_Entry):
    """Bounds and step of one redemption; the step comes first, for the others follow from it."""

    increment_points: Points
    increment_amount: Sum
    min_points: Points
    min_amount: Sum
    max_points: Points
    max_amount: Sum

    @field_validator("min_points", "max_points")
    @classmethod
    def _check_points(cls, points: int, info: ValidationInfo) -> int:
        if points % info.data.get("increment_points", 1):
            raise _wrong("must be a multiple of increment_points")
        if points < info.data.get("min_points", 0):
            raise _wrong("must be at least min_points")
        return points

    @field_validator("min_amount", "max_amount")
    @classmethod
    def _check_amount(cls, amount: int, info: ValidationInfo) -> int:
        points = info.data.get(f"{str(info.field_name)[:3]}_points")
        step = info.data.get("increment_points"), info.data.get("increment_amount")
        if points and step[0] and step[1] and amount * step[0] != points * step[1]:
            raise _wrong("must be worth as much a point as increment_amount is")
        return amount


class PromptEntry(_Entry):
    """What a till asks, says and prints; any of them may be empty."""

    code: Annotated[str, _text(0, 64)]
    message: Annotated[str, _text(0, 500, breaks=True)]
    receipt: Annotated[str, _text(0, 500, breaks=True)]


class LocalesEntry(_Entry):
    """A prompt in each language."""

    en_ca: PromptEntry = Field(alias="en-CA")
    en_us: PromptEntry = Field(alias="en-US")
    fr_ca: PromptEntry = Field(alias="fr-CA")


class PromptsEntry(_Entry):
    """The prompt catalogue."""

    anonymous: LocalesEntry
    anonymous_flagged: LocalesEntry | None = None


class StoreEntry(_Entry):
    """A place that sells."""

    id: Annotated[int, _whole(1, STORE_ID_MAX)]
    name: Name
    time_zone: TimeZone | None = None
    loyalty: Switch = True


class DiscountEntry(_Entry):
    """What an incentive takes off: a percentage or an amount."""

    percentage: Annotated[int | None, _whole(1, 100)] = None
    amount: Annotated[int | None, _amount(1)] = Field(default=None, validate_default=False)
    level: Annotated[Literal["cart", "product"], _word("cart", "product")] = "cart"


class IncentiveEntry(_Entry):
    """An offer or a reward."""

    id: Annotated[str, _text(1, 128)]
    engine_id: Annotated[str | None, _text(1, 128)] = None
    kind: Annotated[Literal["reward", "offer"], _word("reward", "offer")]
    name: Annotated[str, _text(1, 255)]
    points: Annotated[int, _whole(0, POINTS_MAX)] = Field(default=0, validate_default=True)
    discount: DiscountEntry | None = None
    price: Annotated[int | None, _amount(0)] = None
    plus: Annotated[
        dict[Annotated[str, _text(1, 64)], Annotated[str, _text(1, 64)]],
        Field(max_length=PLUS_MAX),
        BeforeValidator(_plus_of_all),
    ]
    retired: Switch = False

    @field_validator("points")
    @classmethod
    def _check_points(cls, points: int, info: ValidationInfo) -> int:
        kind = info.data.get("kind")
        if kind == "reward" and not points:
            raise _wrong("must be at least 1 on a reward")
        if kind == "offer" and points:
            raise _wrong("must be absent or 0 on an offer")
        return points

    @field_validator("discount")
    @classmethod
    def _check_discount(cls, discount: DiscountEntry | None) -> DiscountEntry | None:
        if discount and (discount.percentage is None) == (discount.amount is None):
            raise _wrong("must have either percentage or amount")
        return discount

    @field_validator("price")
    @classmethod
    def _check_price(cls, price: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("discount"):
            raise _wrong("must be absent beside a discount, which has no price")
        return price

    @field_validator("plus")
    @classmethod
    def _check_plus(cls, plus: dict[str, str]) -> dict[str, str]:
        if "default" not in plus:
            raise _wrong("must have the key default, for every other pos type")
        return plus


class ProgramDocument(_Entry):
    """A program file, amounts in minor units already; validate it with context `digits`."""

    brand: Annotated[
        str,
        _text(
            1, 40, form=r"[a-z0-9]+(-[a-z0-9]+)*", hint="lower-case letters, digits, single dashes"
        ),
    ]
    region: Annotated[
        str, _text(2, 2, form="[A-Z]{2}", hint="an ISO 3166 code of two capital letters")
    ]
    name: Name
    currency: Annotated[
        str, _text(3, 3, form="[A-Z]{3}", hint="an ISO 4217 code of three capital letters")
    ]
    currency_digits: Annotated[int | None, _whole(0, CURRENCY_DIGITS_MAX)] = None
    points_name: Annotated[str, _text(1, 32)] = "points"
    time_zone: TimeZone
    locale: Annotated[str, _word(*LOCALES)] = DEFAULT_LOCALE
    identifiers: Annotated[
        list[Annotated[str, _word(*IdentifierKind)]], Field(min_length=1, max_length=2)
    ] = list(IdentifierKind)
    code_lifetime_s: Annotated[int, _whole(30, 600)] = 300
    pending_lifetime_s: Annotated[int, _whole(60, 2_592_000)] = 86_400
    redemption: RedemptionEntry
    prompts: PromptsEntry
    stores: Annotated[list[StoreEntry], Field(min_length=1, max_length=STORES_MAX)]
    incentives: Annotated[list[IncentiveEntry], Field(max_length=INCENTIVES_MAX)]


# --- Parsing ------------------------------------------------------------------------------------


def parse_program(text: str, file_name: str) -> Program:
    """
    Read a program file.

    Raises:
        ProgramFileError: The file has mistakes; it names all of them.
    """
    source = _Source(text, file_name)
    values = source.values()
    digits = _currency_digits(values)
    _note_repeated(source, values)
    try:
        document = ProgramDocument.model_validate(values, context={"digits": digits})
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            _note_detail(source, detail)
    if source.mistakes:
        raise ProgramFileError(file_name, source.mistakes.values())
    return _program(document, digits)


def program_file_error(
    text: str, file_name: str, refusals: Iterable[tuple[Path, str]]
) -> ProgramFileError:
    """Place refusals of a file that reads well: path and message of each, in *text*."""
    source = _Source(text, file_name)
    for path, message in refusals:
        source.note(path, message)
    return ProgramFileError(file_name, source.mistakes.values())


def _currency_digits(values: object) -> int:
    """Find the digits before all else is checked, for amounts can't be read without them."""
    if not isinstance(values, dict):
        return 2
    digits = values.get("currency_digits")
    if type(digits) is int and 0 <= digits <= CURRENCY_DIGITS_MAX:
        return digits
    return _CURRENCY_DIGITS.get(str(values.get("currency")), 2)


def _note_repeated(source: _Source, values: object) -> None:
    if not isinstance(values, dict):
        return
    for section, key in (("stores", "id"), ("incentives", "id"), ("incentives", "engine_id")):
        entries = values.get(section)
        first: dict[int | str, int] = {}
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            value = entry.get(key) if isinstance(entry, dict) else None
            if isinstance(value, int | str) and first.setdefault(value, index) != index:
                source.note((section, index, key), f"is taken by {section}[{first[value]}]")
    listed = values.get("identifiers")
    words = listed[:10] if isinstance(listed, list) else []
    for index, word in enumerate(words):
        if word in words[:index]:
            source.note(("identifiers", index), "stands here a second time")


def _note_detail(source: _Source, detail: ErrorDetails) -> None:
    path = detail["loc"]
    match detail["type"]:
        case "missing":
            source.note(path, "is required", at_key=True)
        case "extra_forbidden":
            source.note(path, _unknown_key(path), at_key=True)
        case "model_type" | "dict_type":
            source.note(path, "must be a mapping, lines of `key: value`")
        case "list_type":
            source.note(path, "must be a list, lines that begin with `-`")
        case "too_long":
            source.note(path, f"must have at most {detail['ctx']['max_length']:,} entries")
        case "too_short":
            source.note(path, f"must have at least {detail['ctx']['min_length']:,} entries")
        case _ if path[-1:] == ("[key]",):
            source.note(path[:-1], f"as a key, {detail['msg']}", at_key=True)
        case _:
            source.note(path, detail["msg"])


def _unknown_key(path: Path) -> str:
    known = _known_keys(ProgramDocument, path[:-1])
    near = _near(path[-1], known)
    return f"is unknown{near}" if near else f"is unknown; known are {', '.join(known)}"


def _known_keys(model: type[BaseModel], path: Path) -> list[str]:
    known = {field.alias or name: field for name, field in model.model_fields.items()}
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return list(known)
    nested = next(_models(known[names[0]].annotation))
    return _known_keys(nested, tuple(names[1:]))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _program(document: ProgramDocument, digits: int) -> Program:
    stores = (_store(entry, document.time_zone) for entry in document.stores)
    incentives = (_incentive(entry) for entry in document.incentives)
    redemption = document.redemption.model_dump()
    return Program(
        program_id=f"{document.brand}-{document.region.lower()}",
        brand=document.brand,
        region=document.region,
        name=document.name,
        currency=document.currency,
        currency_digits=digits,
        points_name=document.points_name,
        time_zone=document.time_zone,
        locale=document.locale,
        identifier_kinds=frozenset(IdentifierKind(word) for word in document.identifiers),
        code_lifetime_s=document.code_lifetime_s,
        pending_lifetime_s=document.pending_lifetime_s,
        redemption=RedemptionRules(**redemption),
        prompts=_prompts(document.prompts),
        stores={store.store_id: store for store in stores},
        incentives={incentive.incentive_id: incentive for incentive in incentives},
    )


def _prompts(entry: PromptsEntry) -> Prompts:
    flagged = entry.anonymous_flagged
    return Prompts(
        anonymous=_locales(entry.anonymous),
        anonymous_flagged=_locales(flagged) if flagged else {},
    )


def _locales(entry: LocalesEntry) -> dict[str, Prompt]:
    prompts = entry.model_dump(by_alias=True)
    return {locale: Prompt(**prompts[locale]) for locale in LOCALES}


def _store(entry: StoreEntry, time_zone: str) -> Store:
    return Store(
        store_id=entry.id,
        name=entry.name,
        time_zone=entry.time_zone or time_zone,
        loyalty_enabled=entry.loyalty,
    )


def _incentive(entry: IncentiveEntry) -> Incentive:
    return Incentive(
        incentive_id=entry.id,
        engine_id=entry.engine_id,
        kind=entry.kind,
        display_name=entry.name,
        point_cost=entry.points,
        price=entry.price,
        discount=_discount(entry.discount) if entry.discount else None,
        plus=entry.plus,
        retired=entry.retired,
    )


def _discount(entry: DiscountEntry) -> Discount:
    level = DiscountLevel(entry.level)
    if entry.percentage is not None:
        return Discount(DiscountKind.PERCENTAGE, entry.percentage, level)
    return Discount(DiscountKind.AMOUNT, entry.amount or 0, level)


# --- The stored form ----------------------------------------------------------------------------

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProgramRecords:
    """
    A program as JSON objects to store, amounts in minor units; equal programs give equal records.

    Attributes:
        program: The program without its stores and incentives.
        stores: One object a store, by store ID.
        incentives: One object an incentive, by incentive ID.
    """

    program: Json
    stores: Mapping[int, Json]
    incentives: Mapping[str, Json]


def program_to_json(program: Program) -> ProgramRecords:
    """Take a program apart into the JSON objects that storage keeps."""
    document = {
        field.name: _plain(getattr(program, field.name))
        for field in fields(program)
        if field.name not in {"stores", "incentives"}
    }
    stores, incentives = program.stores, program.incentives
    return ProgramRecords(
        program=document,
        stores={key: store_to_json(stores[key]) for key in sorted(stores)},
        incentives={key: incentive_to_json(incentives[key]) for key in sorted(incentives)},
    )


def store_to_json(store: Store) -> Json:
    """Write one store as the JSON object that storage keeps."""
    document: Json = _plain(store)
    return document


def incentive_to_json(incentive: Incentive) -> Json:
    """Write one incentive as the JSON object that storage keeps."""
    document: Json = _plain(incentive)
    return document


def program_from_json(records: ProgramRecords) -> Program:
    """
    Put a stored program together.

    Keys written by a later version are ignored, and keys an earlier one did not write take the
    domain's default.
    """
    document = records.program
    prompts = {
        variant: {locale: Prompt(**_known(Prompt, texts)) for locale, texts in locales.items()}
        for variant, locales in _known(Prompts, document["prompts"]).items()
    }
    parts = {
        "identifier_kinds": frozenset(
            IdentifierKind(kind) for kind in document["identifier_kinds"]
        ),
        "redemption": RedemptionRules(**_known(RedemptionRules, document["redemption"])),
        "prompts": Prompts(**prompts),
        "stores": {key: store_from_json(store) for key, store in records.stores.items()},
        "incentives": {key: incentive_from_json(item) for key, item in records.incentives.items()},
    }
    return Program(**(_known(Program, document) | parts))


def store_from_json(document: Json) -> Store:
    """Read one stored store."""
    return Store(**_known(Store, document))


def incentive_from_json(document: Json) -> Incentive:
    """Read one stored incentive."""
    discount = document.get("discount")
    if discount is not None:
        discount = Discount(
            DiscountKind(discount["kind"]), discount["value"], DiscountLevel(discount["level"])
        )
    return Incentive(**(_known(Incentive, document) | {"discount": discount}))


def _known(kind: type, document: Json) -> Json:
    return {field.name: document[field.name] for field in fields(kind) if field.name in document}


def _plain(value: Any) -> Any:
    """Reduce a domain value to JSON's own types, always in the same order."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value)}
    if isinstance(value, frozenset):
        return sorted(_plain(item) for item in value)
    return value.value if isinstance(value, StrEnum) else value
