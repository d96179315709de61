"""The part of a program file that words what tills are told of broken rules."""

from __future__ import annotations

from typing import Annotated

from pydantic import model_validator

from loyalty_service.domain.breaches import BREACHES, OwnWords
from loyalty_service.program_file.values import Entry, one_of, refusal, text_of

Word = Annotated[str | None, text_of(1, 64, form=r"[!-~]+", hint="printable ASCII without blanks")]


class OwnWordsEntry(Entry):
    """What is told in place of ours; what is left out stays."""

    code: Word = None
    rule_id: Word = None
    message: Annotated[str | None, text_of(1, 200)] = None

    @model_validator(mode="after")
    def _check_any(self) -> OwnWordsEntry:
        if not self.model_fields_set:
            raise refusal("must have code, rule_id or message")
        return self

    def words(self) -> OwnWords:
        """Give them as the domain has them."""
        return OwnWords(self.code, self.rule_id, self.message)


RuleWords = dict[Annotated[str, one_of(*BREACHES)], OwnWordsEntry]
"""Words by the name of a way to break a rule."""
