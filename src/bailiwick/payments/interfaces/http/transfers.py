"""The routes of transfers (now, many at once, on trial, at a later time) and of holds."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http.money import MoneyBody
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.times import Instant
from bailiwick.payments.application.holds import (
    CaptureHold,
    PlaceHold,
    VoidHold,
    capture_hold,
    place_hold,
    void_hold,
)
from bailiwick.payments.application.ports import PaymentsPorts
from bailiwick.payments.application.transfers import (
    MOST_IN_BULK,
    CancelScheduledTransfer,
    MakeTransfer,
    MakeTransfers,
    Outcome,
    Reverse,
    ScheduleTransfer,
    Transfer,
    cancel_scheduled_transfer,
    make_transfer,
    make_transfers,
    reverse,
    schedule_transfer,
)
from bailiwick.payments.domain.hold import LONGEST_HOLD, LONGEST_REFERENCE, Hold, HoldId
from bailiwick.payments.domain.journal import Journal, JournalId
from bailiwick.payments.domain.scheduled import ScheduledTransfer, ScheduledTransferId
from bailiwick.payments.domain.wallet import WalletId
from bailiwick.payments.infrastructure.queries import (
    HOLDS,
    SCHEDULED,
    HoldView,
    ScheduledTransferView,
    TransferView,
    one_hold,
    one_scheduled,
    one_transfer,
)
from bailiwick.payments.interfaces.http.wallets import Description

router = Router("payments", prefix="/api/v1")


class TransferBody(BaseModel):
    """Money from a wallet of the caller's to anybody's. Only operators date it back with `effective_at`."""

    model_config = ConfigDict(extra="forbid")

    from_wallet: WalletId
    to_wallet: WalletId
    amount: MoneyBody
    description: Description = ""
    effective_at: Instant | None = None

    def transfer(self) -> Transfer:
        return Transfer(
            self.from_wallet, self.to_wallet, self.amount.money(), self.description, self.effective_at
        )


class BulkBody(BaseModel):
    """1 to 100 transfers. `atomic`: all are made or none; else each that can be."""

    model_config = ConfigDict(extra="forbid")

    transfers: Annotated[list[TransferBody], Field(min_length=1, max_length=MOST_IN_BULK)]
    atomic: bool = True


class ReversalBody(BaseModel):
    """Why a mistake is set right."""

    model_config = ConfigDict(extra="forbid")

    description: Description = ""


class ScheduledTransferBody(BaseModel):
    """A transfer at a later time: within the next 366 days."""

    model_config = ConfigDict(extra="forbid")

    from_wallet: WalletId
    to_wallet: WalletId
    amount: MoneyBody
    due_at: Instant
    description: Description = ""


@dataclass
class OutcomeView:
    """What came of one transfer of many: the transfer, or the code and the words of the refusal."""

    transfer: TransferView | None = None
    refusal: str | None = None
    detail: str | None = None
    extra: dict[str, Any] | None = None

    @classmethod
    def of(cls, outcome: Outcome) -> "OutcomeView":
        if isinstance(outcome, Journal):
            return cls(TransferView.of(outcome))
        return cls(None, outcome.code, outcome.detail, outcome.extra)


@dataclass
class BulkView:
    """What came of each transfer, in their order."""

    transfers: list[OutcomeView]

    @classmethod
    def of(cls, outcomes: list[Outcome]) -> "BulkView":
        return cls([OutcomeView.of(outcome) for outcome in outcomes])


@router.post(
    "/transfers", status=201, view=TransferView.of, location="/api/v1/transfers/{id}", idempotent="required"
)
async def transfer(body: TransferBody, actor: Actor, ports: PaymentsPorts) -> Journal:
    """Transfer money from a wallet of the caller's to anybody's wallet."""
    return await make_transfer(MakeTransfer(body.transfer(), actor), ports)


@router.post("/transfers/dry-run", view=TransferView.of)
async def try_transfer(body: TransferBody, actor: Actor, ports: PaymentsPorts) -> Journal:
    """What `POST /transfers` would answer to the same now. Nothing is stored; the id is of no use."""
    return await make_transfer(MakeTransfer(body.transfer(), actor, dry_run=True), ports)


@router.post("/transfers/bulk", view=BulkView.of, idempotent="required")
async def transfer_in_bulk(body: BulkBody, actor: Actor, ports: PaymentsPorts) -> list[Outcome]:
    """Make up to 100 transfers in one commit."""
    transfers = [each.transfer() for each in body.transfers]
    return await make_transfers(MakeTransfers(transfers, actor, body.atomic), ports)


@router.get("/transfers/{transfer_id}")
async def read_transfer(transfer_id: JournalId, actor: Actor, database: Database) -> TransferView:
    """One movement of money, for those who take part in it, and for operators."""
    return await one_transfer(database, transfer_id, actor)


@router.post(
    "/transfers/{transfer_id}/reversal",
    status=201,
    view=TransferView.of,
    location="/api/v1/transfers/{id}",
    idempotent="required",
)
async def reverse_transfer(
    transfer_id: JournalId, body: ReversalBody, actor: Actor, ports: PaymentsPorts
) -> Journal:
    """Everybody gives back what they got, at most once. Needs `payments.operate`."""
    return await reverse(Reverse(transfer_id, actor, body.description), ports)


@router.get("/scheduled-transfers", listing=SCHEDULED)
async def list_scheduled(asked: ListRequest, actor: Actor, database: Database) -> Page[ScheduledTransferView]:
    """The caller's scheduled transfers, the next first."""
    return await SCHEDULED.page(database, asked, owner=actor.id)


@router.post(
    "/scheduled-transfers",
    status=201,
    view=ScheduledTransferView.of,
    location="/api/v1/scheduled-transfers/{id}",
    idempotent="required",
)
async def schedule(body: ScheduledTransferBody, actor: Actor, ports: PaymentsPorts) -> ScheduledTransfer:
    """Have a transfer made later. Whether there is enough is asked then."""
    command = ScheduleTransfer(
        body.from_wallet, body.to_wallet, body.amount.money(), body.description, body.due_at, actor
    )
    return await schedule_transfer(command, ports)


@router.get("/scheduled-transfers/{scheduled_id}")
async def read_scheduled(
    scheduled_id: ScheduledTransferId, actor: Actor, database: Database
) -> ScheduledTransferView:
    """One scheduled transfer of the caller's."""
    return await one_scheduled(database, scheduled_id, actor)


@router.delete("/scheduled-transfers/{scheduled_id}")
async def cancel_scheduled(scheduled_id: ScheduledTransferId, actor: Actor, ports: PaymentsPorts) -> None:
    """Cancel a transfer that has not been made yet."""
    await cancel_scheduled_transfer(CancelScheduledTransfer(scheduled_id, actor), ports)


class HoldBody(BaseModel):
    """Money of the caller's to be set aside for `expires_in` seconds, at most 7 days."""

    model_config = ConfigDict(extra="forbid")

    wallet: WalletId
    payee_wallet: WalletId
    amount: MoneyBody
    reference: Annotated[str, StringConstraints(max_length=LONGEST_REFERENCE)] = ""
    expires_in: int = Field(ge=1, le=int(LONGEST_HOLD.total_seconds()))


class CaptureBody(BaseModel):
    """Without an amount, all is taken."""

    model_config = ConfigDict(extra="forbid")

    amount: MoneyBody | None = None


@router.get("/holds", listing=HOLDS)
async def list_holds(asked: ListRequest, actor: Actor, database: Database) -> Page[HoldView]:
    """What is or was held of the caller's money, and for the caller of others'."""
    return await HOLDS.page(database, asked, owner=actor.id)


@router.post("/holds", status=201, view=HoldView.of, location="/api/v1/holds/{id}", idempotent="required")
async def hold(body: HoldBody, actor: Actor, ports: PaymentsPorts) -> Hold:
    """Set money aside for somebody, who captures or voids it in time. Then it is free again."""
    lasts = timedelta(seconds=body.expires_in)
    command = PlaceHold(body.wallet, body.payee_wallet, body.amount.money(), body.reference, lasts, actor)
    return await place_hold(command, ports)


@router.get("/holds/{hold_id}")
async def read_hold(hold_id: HoldId, actor: Actor, database: Database) -> HoldView:
    """One hold, for who pays, for who is to get it, and for operators."""
    return await one_hold(database, hold_id, actor)


@router.post("/holds/{hold_id}/capture", view=HoldView.of, idempotent="required")
async def capture(hold_id: HoldId, body: CaptureBody, actor: Actor, ports: PaymentsPorts) -> Hold:
    """Take what is held, or a part of it, for good. For the payee and for operators."""
    amount = None if body.amount is None else body.amount.money()
    return await capture_hold(CaptureHold(hold_id, amount, actor), ports)


@router.post("/holds/{hold_id}/void", view=HoldView.of, idempotent="required")
async def void(hold_id: HoldId, actor: Actor, ports: PaymentsPorts) -> Hold:
    """Free all that is held. For the payee and for operators."""
    return await void_hold(VoidHold(hold_id, actor), ports)
