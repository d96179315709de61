"""What a program says about the calls of the ES contract."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SuppressedPrompts:
    """
    Whose tills ask and show nothing to shoppers in a session.

    Attributes:
        partners: Partners of API keys.
        pos_types: Kinds of till: the channel of a session, in any case.
    """

    partners: tuple[str, ...] = ()
    pos_types: tuple[str, ...] = ()

    def silences(self, partner: str, channel: str) -> bool:
        """Tell whether a till of a partner stays silent in a session of this channel."""
        told = channel.casefold()
        return partner in self.partners or any(told == one.casefold() for one in self.pos_types)


@dataclass(frozen=True, slots=True)
class EsTerms:
    """
    How a program serves the calls of the ES contract.

    Attributes:
        session_lifetime_s: Seconds after which an idle session expires.
        reservation_lifetime_s: Life of a reservation in seconds.
        business_units: Names that ad hoc calls must have one of; empty where they need none.
        adhoc_rewards: IDs of rewards that ad hoc calls may give; empty where any may be given.
        membership_type: What tills are told that members are.
        store_id: Where a session is that names no store and whose key has not one alone.
        saf_window_days: Days for which an order that was taken offline may be sent.
        confirmation_window_days: Days for which earned points wait until an order is confirmed.
        near_miss_within: Percent of a threshold that may be missing for a shopper to be told.
        suppress_prompts: Whose tills stay silent.
    """

    session_lifetime_s: int = 86_400
    reservation_lifetime_s: int = 900
    business_units: tuple[str, ...] = ()
    adhoc_rewards: tuple[str, ...] = ()
    membership_type: str = "M"
    store_id: int | None = None
    saf_window_days: int = 30
    confirmation_window_days: int = 30
    near_miss_within: int = 20
    suppress_prompts: SuppressedPrompts = SuppressedPrompts()

    def store_of(self, of_key: Collection[int], of_program: Iterable[int]) -> int:
        """
        Tell where a session is that names no store: the lowest one that its key is for.

        *of_key* are the stores that the key is limited to, if it is.
        """
        if self.store_id is not None and (not of_key or self.store_id in of_key):
            return self.store_id
        return min(of_key or of_program)


PLAIN_ES = EsTerms()
