"""The part of a program file that describes an incentive."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from loyalty_service.domain.program import (
    Discount,
    DiscountKind,
    DiscountLevel,
    Incentive,
)
from loyalty_service.domain.promotions import COUNTED_AS
from loyalty_service.domain.texts import vendor_key
from loyalty_service.program_file.money_off import TakesOffEntry, money_off_of
from loyalty_service.program_file.rule_records import Groups
from loyalty_service.program_file.rules import RulesEntry
from loyalty_service.program_file.values import (
    POINTS_MAX,
    Entry,
    Switch,
    amount_from,
    one_of,
    refusal,
    text_of,
    whole_amount,
    whole_number,
)

PLUS_MAX = 100


def _plus_of_all(value: object) -> object:
    if not isinstance(value, str | dict):
        raise refusal("must be a PLU in quotes, or a mapping of pos types to PLUs in quotes")
    if isinstance(value, dict):
        names = [vendor_key(name) for name in value if isinstance(name, str)]
        if len(set(names)) < len(names):
            raise refusal("must have each pos type once: case and outer blanks make no difference")
    return {"default": value} if isinstance(value, str) else value


class DiscountEntry(Entry):
    """What an incentive takes off: a percentage or an amount."""

    percentage: Annotated[int | None, whole_number(1, 100)] = None
    amount: Annotated[int | None, whole_amount()] = Field(default=None, validate_default=False)
    level: Annotated[Literal["cart", "product"], one_of("cart", "product")] = "cart"


class IncentiveEntry(Entry):
    """An offer or a reward."""

    id: Annotated[str, text_of(1, 128)]
    engine_id: Annotated[str | None, text_of(1, 128)] = None
    kind: Annotated[Literal["reward", "offer"], one_of("reward", "offer")]
    name: Annotated[str, text_of(1, 255)]
    points: Annotated[int, whole_number(0, POINTS_MAX)] = Field(default=0, validate_default=True)
    discount: DiscountEntry | None = None
    price: Annotated[int | None, amount_from(0)] = None
    plus: Annotated[
        dict[Annotated[str, text_of(1, 64)], Annotated[str, text_of(1, 64)]],
        Field(max_length=PLUS_MAX),
        BeforeValidator(_plus_of_all),
    ]
    retired: Switch = False
    takes_off: TakesOffEntry | None = None
    rules: RulesEntry = RulesEntry()
    description: Annotated[str | None, text_of(1, 500, breaks=True)] = None
    more_info: Annotated[str | None, text_of(1, 500, breaks=True)] = None
    image: Annotated[
        str | None,
        text_of(1, 500, form=r"https://\S+", hint="an address that begins with https://"),
    ] = None

    @field_validator("id")
    @classmethod
    def _check_id(cls, incentive_id: str) -> str:
        if incentive_id.startswith(COUNTED_AS):
            raise refusal(f"must not begin with {COUNTED_AS}, by which earned points are counted")
        return incentive_id

    @field_validator("points")
    @classmethod
    def _check_points(cls, points: int, info: ValidationInfo) -> int:
        kind = info.data.get("kind")
        if kind == "reward" and not points:
            raise refusal("must be at least 1 on a reward")
        if kind == "offer" and points:
            raise refusal("must be absent or 0 on an offer")
        return points

    @field_validator("discount")
    @classmethod
    def _check_discount(cls, discount: DiscountEntry | None) -> DiscountEntry | None:
        if discount and (discount.percentage is None) == (discount.amount is None):
            raise refusal("must have either percentage or amount")
        return discount

    @field_validator("price")
    @classmethod
    def _check_price(cls, price: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("discount"):
            raise refusal("must be absent beside a discount, which has no price")
        return price

    @field_validator("plus")
    @classmethod
    def _check_plus(cls, plus: dict[str, str]) -> dict[str, str]:
        if "default" not in plus:
            raise refusal("must have the key default, for every other pos type")
        return plus

    def incentive(self, groups: Groups) -> Incentive:
        """Make the offer or reward."""
        return Incentive(
            incentive_id=self.id,
            engine_id=self.engine_id,
            kind=self.kind,
            display_name=self.name,
            point_cost=self.points,
            price=self.price,
            discount=_discount(self.discount) if self.discount else None,
            plus=self.plus,
            retired=self.retired,
            rules=self.rules.rules(groups),
            description=self.description,
            more_info=self.more_info,
            image=self.image,
            takes_off=None if self.takes_off is None else money_off_of(self.takes_off, groups),
        )


def _discount(entry: DiscountEntry) -> Discount:
    level = DiscountLevel(entry.level)
    if entry.percentage is not None:
        return Discount(DiscountKind.PERCENTAGE, entry.percentage, level)
    return Discount(DiscountKind.AMOUNT, entry.amount or 0, level)
