"""The test program of a host: its store, members, codes and products, by the names cases use."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from loyalty_service.certification.cases import Feature, Strict, read_yaml
from loyalty_service.domain.operator_error import OperatorError

SANDBOX_PROGRAM = Path(__file__).with_name("sandbox.yaml")

T = TypeVar("T", bound=Strict)


class FileError(OperatorError):
    """Raised when a file of the caller's can't be used; the message says why."""


class GuestCode(Strict):
    """
    A code to show: its digits, or what the app's call makes a new one of.

    Several digits are codes that work once: each is shown once in a run.

    Attributes:
        points: What its member has when it is shown, where that is the same each time.
    """

    digits: str | tuple[str, ...] = ()
    member: str = ""
    selects: tuple[str, ...] = ()
    issue: bool = False
    points: int | None = None


class Product(Strict):
    """
    A line of an order.

    Attributes:
        price: In the currency's units.
        cost: Points that it takes.
        earns: Whether its price earns points.
    """

    productId: str  # noqa: N815 - the contract's spelling.
    productType: Literal["combo", "item", "reward", "offer"]  # noqa: N815
    price: float = 0
    tax: float = 0
    name: str = ""
    incentiveId: str = ""  # noqa: N815
    loyaltyEngineId: str = ""  # noqa: N815
    kiosk: str = ""
    cost: int = 0
    earns: bool = True


class PromoCode(Strict):
    """
    A promo code, as it is typed.

    Attributes:
        points: What it gives a member.
    """

    code: str
    points: int = 0


class TestProgram(Strict):
    """
    What a host has for tests.

    Attributes:
        can: What else it can do: `faults`, `clock`, the calls that are not in every contract, and
            `single` where it has the same once more in a program of one offer and one reward an
            order.
        partner: Who gives points, as the points key's partner is called.
        time_zone: IANA name of the stores' zone; without it a till's own time is not judged.
    """

    __test__ = False  # pytest need not look inside.

    name: str
    currency: str
    points_per_unit: int
    can: tuple[str, ...] = ()
    time_zone: str = ""
    stores: Mapping[str, int]
    pos_types: Mapping[str, str]
    members: Mapping[str, str]
    codes: Mapping[str, GuestCode]
    products: Mapping[str, Product]
    promo_codes: Mapping[str, PromoCode] = Field(default_factory=dict)
    partner: str = ""
    session: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_what_there_is(self) -> Self:
        for name, code in self.codes.items():
            if (code.member or code.issue) and code.member not in self.members:
                raise ValueError(f"codes.{name}: there is no member {code.member or 'named'}")
            if unknown := [one for one in code.selects if one not in self.products]:
                raise ValueError(f"codes.{name}: there is no product {', '.join(unknown)}")
        return self

    def known(self) -> dict[str, Any]:
        """Give what cases may refer to."""
        return {
            "currency": self.currency,
            "points_per_unit": self.points_per_unit,
            "time_zone": self.time_zone,
            "store": dict(self.stores),
            "pos_type": dict(self.pos_types),
            "member": dict(self.members),
            "code": {name: code.model_dump() for name, code in self.codes.items()},
            "promo_code": {name: one.model_dump() for name, one in self.promo_codes.items()},
            "session": dict(self.session),
            **{name: product.model_dump() for name, product in self.products.items()},
        }


def _readable(text: str) -> str:
    if any(unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for one in text):
        raise ValueError("has characters that nobody sees")
    return text


Name = Annotated[str, Field(max_length=100), AfterValidator(_readable)]
"""What reports, the board and the terminal show as it is."""


FEATURES: Mapping[Feature, str] = {
    "pos": "has a cashier",
    "kiosk": "is used by guests themselves",
    "rewards": "takes rewards",
    "offers": "takes offers",
    "discounts": "takes discounts",
    "receipts": "reports orders without a guest",
    "pay_at_counter": "sends unpaid orders to the counter",
    "validates": "calls Validate",
    "offline": "keeps paid orders while there is no network",
    "switches_guests": "goes on with the first guest when another one's code is shown",
    "sessions": "opens sessions of the ES contract",
    "purchases": "sends the purchases of its sessions",
    "points_as_payment": "sets points of a session's member aside, to pay with them",
    "one_offer": "takes one offer in an order",
    "one_reward": "takes one reward in an order",
    "promo_codes": "takes promo codes",
    "lists": "asks what a guest may use",
}
"""What each word of a profile says of a till."""


class Profile(Strict):
    """What a till has: the cases that need something else are not for it."""

    name: Name = Field(min_length=1)
    vendor: Name = ""
    version: Name = ""
    has: tuple[Feature, ...] = ()


def read_program(path: Path | None) -> TestProgram:
    """
    Read a test program; the sandbox's unless another is named.

    Raises:
        FileError: It can't be read, or is not one.
    """
    return _read(TestProgram, path or SANDBOX_PROGRAM)


def read_profile(path: Path) -> Profile:
    """
    Read a till's profile.

    Raises:
        FileError: It can't be read, or is not one.
    """
    return _read(Profile, path)


def _read(kind: type[T], path: Path) -> T:
    try:
        return kind.model_validate(read_yaml(path.read_text(encoding="utf-8")))
    except OSError as problem:
        raise FileError(f"{path} can't be read: {problem.strerror}.") from None
    except ValidationError as problem:
        said = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'the file'}: {error['msg']}"
            for error in problem.errors()
        )
        raise FileError(f"{path}: {said}.") from None
    except Exception as problem:  # noqa: BLE001 - Whatever YAML finds wrong.
        raise FileError(f"{path} is not YAML: {problem}") from None
