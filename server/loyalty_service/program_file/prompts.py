"""The prompt catalogue in a program file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from loyalty_service.domain.program import LOCALES
from loyalty_service.domain.prompt_catalogue import Prompt, Prompts
from loyalty_service.program_file.values import Entry, text_of


class PromptEntry(Entry):
    """What a till asks, says and prints; any of them may be empty."""

    code: Annotated[str, text_of(0, 64)]
    message: Annotated[str, text_of(0, 500, breaks=True)]
    receipt: Annotated[str, text_of(0, 500, breaks=True)]


class LocalesEntry(Entry):
    """A prompt in each language."""

    en_ca: PromptEntry = Field(alias="en-CA")
    en_us: PromptEntry = Field(alias="en-US")
    fr_ca: PromptEntry = Field(alias="fr-CA")


class PromptsEntry(Entry):
    """The prompt catalogue."""

    anonymous: LocalesEntry
    anonymous_flagged: LocalesEntry | None = None
    no_email: LocalesEntry | None = None

    def prompts(self) -> Prompts:
        """Give the catalogue as the domain has it."""
        flagged, no_email = self.anonymous_flagged, self.no_email
        return Prompts(
            anonymous=_locales(self.anonymous),
            anonymous_flagged=_locales(flagged) if flagged else {},
            no_email=_locales(no_email) if no_email else {},
        )


def _locales(entry: LocalesEntry) -> dict[str, Prompt]:
    prompts = entry.model_dump(by_alias=True)
    return {locale: Prompt(**prompts[locale]) for locale in LOCALES}
