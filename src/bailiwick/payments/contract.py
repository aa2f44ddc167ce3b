"""What the rest of the system may know about payments. Other contexts import this file and no other."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from bailiwick.kernel.domain import Event
from bailiwick.kernel.money import Money


class PaymentsPermission(StrEnum):
    """What a role may allow in this context."""

    OPERATE = "payments.operate"
    """Deposit, withdraw, convert, reverse, freeze, set limits, and see every wallet."""


class JournalKind(StrEnum):
    """Why money moved."""

    TRANSFER = "transfer"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    CAPTURE = "capture"
    REFUND = "refund"
    CONVERSION = "conversion"
    REVERSAL = "reversal"


@dataclass(frozen=True, kw_only=True)
class WalletOpened(Event):
    """Somebody has a wallet in a currency. `owner_id` is None for a wallet of the house."""

    wallet_id: UUID
    owner_id: UUID | None
    currency: str

    def audience(self) -> UUID | None:
        return self.owner_id


@dataclass(frozen=True, kw_only=True)
class WalletFrozen(Event):
    """Nothing goes out of a wallet any more."""

    wallet_id: UUID
    owner_id: UUID | None

    def audience(self) -> UUID | None:
        return self.owner_id


@dataclass(frozen=True, kw_only=True)
class WalletThawed(Event):
    """A wallet that was frozen is as before."""

    wallet_id: UUID
    owner_id: UUID | None

    def audience(self) -> UUID | None:
        return self.owner_id


@dataclass(frozen=True, kw_only=True)
class MoneyMoved(Event):
    """A journal was posted. `amount` is what the payee gets, in minor units; fees come on top.

    `payee_id` is the owner of the wallet that it went to, None for a wallet of the house.
    """

    journal_id: UUID
    kind: JournalKind
    payer_wallet_id: UUID
    payee_wallet_id: UUID
    payee_id: UUID | None
    amount: int
    currency: str

    def audience(self) -> UUID | None:
        return self.payee_id


@dataclass(frozen=True, kw_only=True)
class MoneyHeld(Event):
    """A part of a wallet's money is set aside until `hold_id` is captured, voided or expired."""

    hold_id: UUID
    wallet_id: UUID
    owner_id: UUID
    amount: int
    currency: str

    def audience(self) -> UUID:
        return self.owner_id


@dataclass(frozen=True, kw_only=True)
class HoldEnded(Event):
    """A hold was captured (wholly or partly), voided, or expired. `captured` is in minor units."""

    hold_id: UUID
    wallet_id: UUID
    owner_id: UUID
    captured: int
    currency: str
    expired: bool = False

    def audience(self) -> UUID:
        return self.owner_id


class Payments(Protocol):
    """The questions that other contexts may ask, and what they may have done with their customers' money.

    Whoever asks makes the key, a new id for each thing to be done. The same key has the same effect, once,
    whatever is repeated. Money is captured into the wallet of the house for sales.
    """

    async def hold(self, key: UUID, payer_id: UUID, amount: Money, reference: str, expires_in: int) -> None:
        """Set money of the payer's wallet in that currency aside, for `expires_in` seconds (1 to 7 days).

        `reference` (at most 100 characters) says to people what for. Raises a Conflict where there is no
        such wallet, too little in it, or it may not pay; or where `release` was asked before.
        """
        ...

    async def release(self, key: UUID) -> None:
        """Void what `hold` was asked to do under this key: nothing, if it has not been or is over.

        A `hold` that comes later under this key is refused. Raises Conflict where it has been captured.
        """
        ...

    async def capture(self, key: UUID) -> None:
        """Take all of what is held under this key. Raises Conflict where nothing is held any more."""
        ...

    async def refund(self, key: UUID, hold: UUID, amount: Money, reference: str) -> None:
        """Give back from what was captured of `hold`: at most as much as was, in all refunds together.

        Raises NotFound for a hold that never was, Conflict for more than is left to refund.
        """
        ...
