"""The texts of receipts in a program file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, create_model, model_validator

from loyalty_service.domain.program import LOCALES
from loyalty_service.domain.receipts import (
    PLACEHOLDER,
    PLACEHOLDERS,
    ReceiptBlocks,
    Receipts,
    ReceiptTexts,
    Texts,
)
from loyalty_service.domain.texts import vendor_key
from loyalty_service.program_file.values import Entry, refusal, text_of

LOCALES_MAX = 50
POS_TYPES_MAX = 100

Json = dict[str, Any]


def _placeholders(text: str) -> str:
    unknown = [name for name in PLACEHOLDER.findall(text) if name not in PLACEHOLDERS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise refusal(f"has {{{unknown[0]}}}, which stands for nothing; known are {known}")
    return text


def locale_of(value: object) -> str:
    """Take the name of a locale that numbers can be written for, `hr-HR` for instance."""
    if value in LOCALES:
        return str(value)
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - most files name no other.

    if not isinstance(value, str):
        raise refusal("must be a locale, as hr-HR")
    try:
        parsed = Locale.parse(value, sep="-")
    except (ValueError, UnknownLocaleError):
        raise refusal("must be a locale, as hr-HR") from None
    if str(parsed).replace("_", "-") != value:
        raise refusal(f"must be written {str(parsed).replace('_', '-')}")
    return value


_Text = Annotated[str | None, text_of(1, 500, breaks=True), AfterValidator(_placeholders)]
_KEYS: Json = {one.name: (_Text, None) for one in fields(ReceiptTexts)}


class _SomeTexts(Entry):
    """What has a text at least: of a locale without any there would be nothing to apply."""

    @model_validator(mode="after")
    def _check_some(self) -> Self:
        if not self.model_fields_set:
            raise refusal("must have at least one text")
        return self


TextsEntry = create_model("TextsEntry", __base__=_SomeTexts, **_KEYS)
"""The texts of one language: a key for each field of `ReceiptTexts`."""

_ByLocale = Annotated[
    dict[Annotated[str, BeforeValidator(locale_of)], TextsEntry],
    Field(max_length=LOCALES_MAX),
]


class BlocksEntry(Entry):
    """What is printed for a guest who has identified, and for one who has not."""

    claimed: _ByLocale = Field(default_factory=dict)
    unclaimed: _ByLocale = Field(default_factory=dict)


class ReceiptsEntry(BlocksEntry):
    """The texts of a program, and what tills of a vendor print in their place."""

    pos_types: Annotated[
        dict[Annotated[str, text_of(1, 64)], BlocksEntry], Field(max_length=POS_TYPES_MAX)
    ] = Field(default_factory=dict)

    def receipts(self) -> Receipts:
        """Give the texts as the domain has them."""
        own = {vendor_key(name): _blocks(entry) for name, entry in self.pos_types.items()}
        return Receipts(_blocks(self), own)


def _blocks(entry: BlocksEntry) -> ReceiptBlocks:
    return ReceiptBlocks(_texts(entry.claimed), _texts(entry.unclaimed))


def _texts(entries: Mapping[str, Any]) -> Texts:
    return {locale: ReceiptTexts(**entry.model_dump()) for locale, entry in entries.items()}


def receipts_from_json(document: Json | None) -> Receipts | None:
    """Read stored texts; keys of a later version are ignored."""
    if document is None:
        return None
    return Receipts(
        _stored(document["blocks"]),
        {name: _stored(one) for name, one in document["pos_types"].items()},
    )


def _stored(document: Json) -> ReceiptBlocks:
    known = {one.name for one in fields(ReceiptTexts)}

    def texts(stored: Json) -> Texts:
        return {
            locale: ReceiptTexts(**{name: one[name] for name in one if name in known})
            for locale, one in stored.items()
        }

    return ReceiptBlocks(texts(document["claimed"]), texts(document["unclaimed"]))
