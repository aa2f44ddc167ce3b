"""Money: integer minor units of a currency. No amount of money is ever a float."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Self

from bailiwick.kernel.deprecation import keep_old_name
from bailiwick.kernel.domain import Invalid

LARGEST_AMOUNT = 2**63 - 1
"""In minor units: what a 64-bit column holds."""

LARGEST: int  # its old name, of which type checkers know no other way

# ISO 4217, the active codes by their minor units, as of 2024-06.
_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR
MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD
SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG
""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS: dict[str, int] = {code: exponent for exponent, text in _CODES.items() for code in text.split()}
"""How many decimal places the minor unit of each currency has."""


class UnknownCurrency(Invalid):
    """Not an active ISO 4217 code."""


class CurrencyMismatch(Invalid):
    """Amounts of different currencies do not add up: convert one first."""


class InvalidAmount(Invalid):
    """Not a number of minor units that can be stored."""


@dataclass(frozen=True, slots=True)
class Money:
    """`Money(1050, "NAD")` is N$ 10.50. Amounts may be negative: whether one may be is the domain's rule."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in EXPONENTS:
            raise UnknownCurrency(f"{self.currency!r} is not a currency", field="currency")
        if type(self.amount) is not int or abs(self.amount) > LARGEST_AMOUNT:
            raise InvalidAmount("an amount is a whole number of minor units", field="amount")

    @classmethod
    def of(cls, decimal: Decimal, currency: str) -> Self:
        """From a decimal amount of major units. Raises InvalidAmount where it has too many places."""
        if currency not in EXPONENTS:
            raise UnknownCurrency(f"{currency!r} is not a currency", field="currency")
        if not decimal.is_finite():
            raise InvalidAmount("an amount is finite", field="amount")
        minor = Fraction(decimal) * 10 ** EXPONENTS[currency]
        if minor.denominator != 1:
            raise InvalidAmount(f"{currency} has {EXPONENTS[currency]} decimal places", field="amount")
        return cls(minor.numerator, currency)

    @property
    def exponent(self) -> int:
        return EXPONENTS[self.currency]

    @property
    def decimal(self) -> Decimal:
        """In major units, exactly."""
        return Decimal(self.amount).scaleb(-self.exponent)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.amount - self._same(other), self.currency)

    def __neg__(self) -> Self:
        return type(self)(-self.amount, self.currency)

    def __mul__(self, times: int) -> Self:
        return type(self)(self.amount * times, self.currency)

    def __lt__(self, other: Self) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Self) -> bool:
        return self.amount <= self._same(other)

    def __str__(self) -> str:
        return f"{self.decimal:.{self.exponent}f} {self.currency}"

    def split(self, weights: list[int]) -> list[Self]:
        """Share out by weights (each at least 0, not all 0), losing nothing.

        The largest-remainder method (Hamilton): each part is at most one minor unit from its exact share,
        and earlier parts come first among equals. Raises InvalidAmount for weights that share out nothing.
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise InvalidAmount("weights are at least 0, and one is more")
        floors = [self.amount * weight // total for weight in weights]
        remainders = [self.amount * weight % total for weight in weights]
        order = sorted(range(len(weights)), key=lambda i: (-remainders[i], i))
        for i in order[: self.amount - sum(floors)]:
            floors[i] += 1
        return [type(self)(part, self.currency) for part in floors]

    def _same(self, other: "Money") -> int:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{other.currency} cannot be combined with {self.currency}")
        return other.amount


keep_old_name(__name__, "LARGEST", "LARGEST_AMOUNT", since="0.2.0", until="0.4.0")
