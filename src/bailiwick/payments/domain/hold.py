"""A hold: a part of a wallet's money is set aside for somebody, who takes it or does not."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from bailiwick.kernel.domain import Aggregate, Invalid
from bailiwick.kernel.money import Money
from bailiwick.payments.contract import HoldEnded, MoneyHeld
from bailiwick.payments.domain.terms import HoldOver, MoreThanCaptured, MoreThanHeld, SameWallet, positive
from bailiwick.payments.domain.wallet import Wallet, WalletId

HoldId = NewType("HoldId", UUID)

LONGEST_REFERENCE = 100
LONGEST_HOLD = timedelta(days=7)


class HoldStatus(StrEnum):
    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(eq=False, kw_only=True)
class Hold(Aggregate):
    """Open until it is captured, voided, or out of time. `captured` and `refunded` are in minor units."""

    id: HoldId
    wallet_id: WalletId
    owner_id: UUID | None
    payee_wallet_id: WalletId
    payee_id: UUID | None
    money: Money
    captured: int = 0
    refunded: int = 0
    status: HoldStatus = HoldStatus.OPEN
    reference: str
    held_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    @classmethod
    def place(
        cls, id: HoldId, payer: Wallet, payee: Wallet, money: Money, reference: str,
        lasts: timedelta, now: datetime,
    ) -> Self:  # fmt: skip
        """Set money aside. Refuses as a payment does. `lasts` is at least a second, at most 7 days."""
        if len(reference) > LONGEST_REFERENCE:
            raise Invalid(f"a reference has at most {LONGEST_REFERENCE} characters", field="reference")
        if not timedelta(seconds=1) <= lasts <= LONGEST_HOLD:
            raise Invalid("money is held for at least a second and at most 7 days", field="expires_in")
        if payer.id == payee.id:
            raise SameWallet("a wallet cannot pay itself", field="payee_wallet")
        assert payer.owner_id is not None, "nobody holds the house's money"
        payee.check(money)
        payer.set_aside(money, now)
        hold = cls(
            id=id,
            wallet_id=payer.id,
            owner_id=payer.owner_id,
            payee_wallet_id=payee.id,
            payee_id=payee.owner_id,
            money=money,
            reference=reference,
            held_at=now,
            expires_at=now + lasts,
        )
        held = MoneyHeld(
            occurred_at=now,
            hold_id=id,
            wallet_id=payer.id,
            owner_id=payer.owner_id,
            amount=money.amount,
            currency=money.currency,
        )
        hold._record(held)
        return hold

    @classmethod
    def forestalled(cls, id: HoldId, wallet_id: WalletId, currency: str, now: datetime) -> Self:
        """One that was released before it was placed: it is over, and can never be placed."""
        return cls(
            id=id,
            wallet_id=wallet_id,
            owner_id=None,
            payee_wallet_id=wallet_id,
            payee_id=None,
            money=Money(0, currency),
            status=HoldStatus.VOIDED,
            reference="",
            held_at=now,
            expires_at=now,
            ended_at=now,
        )

    @property
    def was_forestalled(self) -> bool:
        """Whether it was released before it was placed, so that nothing was ever held."""
        return self.owner_id is None

    def is_for(self, money: Money, reference: str) -> bool:
        """Whether it was placed for this."""
        return self.money == money and self.reference == reference

    def capture(self, amount: Money | None, now: datetime) -> Money:
        """What is taken: all, or `amount`. Raises HoldOver or MoreThanHeld."""
        if self.status is HoldStatus.OPEN and now >= self.expires_at:
            raise HoldOver("the time of this hold has passed", status=HoldStatus.EXPIRED)
        taken = self.money if amount is None else positive(amount)
        if self.money < taken:
            raise MoreThanHeld("that is more than is held", held=self.money.amount)
        self._end(HoldStatus.CAPTURED, taken.amount, now)
        return taken

    def void(self, payer: Wallet, now: datetime) -> None:
        """Raises HoldOver."""
        self._end(HoldStatus.VOIDED, 0, now)
        payer.set_free(self.money)

    def expire(self, payer: Wallet, now: datetime) -> None:
        """Raises HoldOver."""
        self._end(HoldStatus.EXPIRED, 0, now)
        payer.set_free(self.money)

    def refund(self, amount: Money) -> None:
        """Raises MoreThanCaptured."""
        left = Money(self.captured - self.refunded, self.money.currency)
        if left < positive(amount):
            raise MoreThanCaptured("that is more than is left to refund", left=left.amount)
        self.refunded += amount.amount

    def _end(self, status: HoldStatus, captured: int, now: datetime) -> None:
        if self.status is not HoldStatus.OPEN:
            raise HoldOver(f"the hold is {self.status}", status=self.status)
        assert self.owner_id is not None
        self.status, self.captured, self.ended_at = status, captured, now
        ended = HoldEnded(
            occurred_at=now,
            hold_id=self.id,
            wallet_id=self.wallet_id,
            owner_id=self.owner_id,
            captured=captured,
            currency=self.money.currency,
            expired=status is HoldStatus.EXPIRED,
        )
        self._record(ended)
