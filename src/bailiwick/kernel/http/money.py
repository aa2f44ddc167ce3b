"""Money as clients send and get it: whole minor units that say their scale."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bailiwick.kernel.domain import Invalid
from bailiwick.kernel.money import LARGEST_AMOUNT, Money

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class MoneyBody(BaseModel):
    """`{"amount": 1050, "currency": "NAD"}` is N$ 10.50. Who sends an exponent must send the right one."""

    model_config = ConfigDict(extra="forbid")

    amount: int = Field(ge=0, le=LARGEST_AMOUNT)
    currency: Currency
    exponent: int | None = Field(default=None, ge=0, le=4)

    def money(self) -> Money:
        """Raises UnknownCurrency, or Invalid for another exponent than that of the currency."""
        money = Money(self.amount, self.currency)
        if self.exponent is not None and self.exponent != money.exponent:
            raise Invalid(f"the exponent of {self.currency} is {money.exponent}", field="exponent")
        return money


@dataclass
class MoneyView:
    """An amount in minor units: `amount` / 10^`exponent` in major ones."""

    amount: int
    currency: str
    exponent: int

    @classmethod
    def of(cls, money: Money) -> "MoneyView":
        return cls(money.amount, money.currency, money.exponent)
