"""A scheduled transfer: it is made when its time comes, if it can be."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from bailiwick.kernel.domain import Aggregate, DomainError, Invalid
from bailiwick.kernel.money import Money
from bailiwick.payments.domain.journal import LONGEST_DESCRIPTION, JournalId
from bailiwick.payments.domain.terms import AlreadySettled, InvalidTime, SameWallet, positive
from bailiwick.payments.domain.wallet import WalletId

ScheduledTransferId = NewType("ScheduledTransferId", UUID)

FARTHEST = timedelta(days=366)


class ScheduleStatus(StrEnum):
    WAITING = "waiting"
    MADE = "made"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(eq=False, kw_only=True)
class ScheduledTransfer(Aggregate):
    """Whether there is enough is asked when it is due. `refusal` and `reason` say why it was not made."""

    id: ScheduledTransferId
    owner_id: UUID
    payer_wallet_id: WalletId
    payee_wallet_id: WalletId
    money: Money
    description: str
    due_at: datetime
    status: ScheduleStatus = ScheduleStatus.WAITING
    journal_id: JournalId | None = None
    refusal: str | None = None
    reason: str | None = None
    created_at: datetime
    ended_at: datetime | None = None

    @classmethod
    def plan(
        cls, id: ScheduledTransferId, owner_id: UUID, payer: WalletId, payee: WalletId, money: Money,
        description: str, due_at: datetime, now: datetime,
    ) -> Self:  # fmt: skip
        """Raises Invalid for what could never be made, and InvalidTime: within the next 366 days."""
        if not now < due_at <= now + FARTHEST:
            raise InvalidTime("schedule it for a time within the next 366 days", field="due_at")
        if payer == payee:
            raise SameWallet("a wallet cannot pay itself", field="to_wallet")
        if len(description) > LONGEST_DESCRIPTION:
            raise Invalid(f"a description has at most {LONGEST_DESCRIPTION} characters", field="description")
        return cls(
            id=id,
            owner_id=owner_id,
            payer_wallet_id=payer,
            payee_wallet_id=payee,
            money=positive(money),
            description=description,
            due_at=due_at,
            created_at=now,
        )

    @property
    def waits(self) -> bool:
        return self.status is ScheduleStatus.WAITING

    def made(self, journal_id: JournalId, now: datetime) -> None:
        self._end(ScheduleStatus.MADE, now)
        self.journal_id = journal_id

    def refused(self, refusal: DomainError, now: datetime) -> None:
        self._end(ScheduleStatus.REFUSED, now)
        self.refusal, self.reason = refusal.code, refusal.detail

    def cancel(self, now: datetime) -> None:
        """Raises AlreadySettled. Cancelling it again changes nothing."""
        if self.status is not ScheduleStatus.CANCELLED:
            self._end(ScheduleStatus.CANCELLED, now)

    def _end(self, status: ScheduleStatus, now: datetime) -> None:
        if not self.waits:
            raise AlreadySettled(f"the transfer is {self.status}", status=self.status)
        self.status, self.ended_at = status, now
