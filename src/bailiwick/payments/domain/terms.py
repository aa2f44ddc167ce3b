"""The terms on which money moves, and what is refused, by name. `extra` of a refusal says what would be
allowed; amounts are in minor units."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Self

from bailiwick.kernel.domain import Conflict, Forbidden, Invalid, NotFound
from bailiwick.kernel.money import EXPONENTS, InvalidAmount, Money

MOST_AT_ONCE = 10**15
"""Minor units of one movement: also the smallest machine counts them exactly."""

LONGEST_RATE = 20
MOST_BASIS_POINTS = 10_000


def positive(money: Money) -> Money:
    """An amount that can be moved. Raises InvalidAmount."""
    if not 1 <= money.amount <= MOST_AT_ONCE:
        raise InvalidAmount(
            f"move at least 1 and at most {MOST_AT_ONCE} minor units", field="amount", most=MOST_AT_ONCE
        )
    return money


@dataclass(frozen=True)
class Fees:
    """What the payer of a transfer pays on top: hundredths of a percent, and a fixed part in minor units."""

    basis_points: int = 0
    fixed: int = 0

    def on(self, amount: Money) -> Money:
        """Rounded commercially, to the nearest minor unit, a half up."""
        share = (amount.amount * self.basis_points + MOST_BASIS_POINTS // 2) // MOST_BASIS_POINTS
        return Money(share + self.fixed, amount.currency)


@dataclass(frozen=True)
class Rate:
    """How much of another currency one unit buys, both in major units. Never a float."""

    value: Decimal

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises Invalid for what is no number above 0, or longer than 20 characters."""
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal(0)
        if not value.is_finite() or value <= 0 or len(text) > LONGEST_RATE:
            raise Invalid("a rate is a decimal number above 0, such as 18.4512", field="rate")
        return cls(value)

    def convert(self, amount: Money, currency: str) -> Money:
        """Rounded down: what is too small to be paid stays with the house. Raises InvalidAmount."""
        target = Money(0, currency)
        major = amount.decimal * self.value
        minor = major.scaleb(EXPONENTS[target.currency]).to_integral_value(ROUND_DOWN)
        return positive(Money(int(minor), currency))

    def __str__(self) -> str:
        return str(self.value)


class NoWallet(NotFound):
    """No such wallet, or none of the caller's."""


class NoWalletInCurrency(Conflict):
    """The payer has no wallet in this currency, and would have to open one."""


class InsufficientBalance(Conflict):
    """There is too little in the wallet: `available` is what may be paid from it."""


class WalletFrozen(Conflict):
    """Nothing goes out of a frozen wallet. Money may come in, and what is held already may be captured."""


class LimitExceeded(Conflict):
    """That is more than may leave the wallet in one day (UTC): `left_today` still may."""


class WalletExists(Conflict):
    """One person has one wallet in a currency, not two."""


class HouseWallet(Conflict):
    """The wallets of the house have no limits to be changed."""


class SameWallet(Invalid):
    """A wallet cannot pay itself."""


class InvalidTime(Invalid):
    """Money moves neither in the future nor, but for operators, in the past."""


class AlreadyReversed(Conflict):
    """A journal is reversed at most once."""


class NotReversible(Conflict):
    """This journal cannot be reversed: `allowed` are the kinds that can."""


class HoldOver(Conflict):
    """Nothing is held any more: it was captured, voided, or is out of time. `status` says which."""


class MoreThanHeld(Conflict):
    """That is more than is held: `held` may be captured."""


class MoreThanCaptured(Conflict):
    """That is more than is left of what was captured: `left` may be refunded."""


class OnlyForPayee(Forbidden):
    """Whoever is to get the money captures or voids the hold, not whoever pays."""


class AlreadySettled(Conflict):
    """The scheduled transfer has been made, refused or cancelled. `status` says which."""


class KeyReused(Conflict):
    """This key was used for something else."""
