"""How money is moved, now or later: by people among themselves, and by the house."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from bailiwick.kernel.application import Actor
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.jobs import Job
from bailiwick.kernel.money import Money
from bailiwick.payments.application.ports import PaymentsPorts, PaymentsUnitOfWork
from bailiwick.payments.application.wallets import Drawer
from bailiwick.payments.contract import PaymentsPermission
from bailiwick.payments.domain import booking
from bailiwick.payments.domain.journal import Journal, JournalId, Slip
from bailiwick.payments.domain.scheduled import ScheduledTransfer, ScheduledTransferId
from bailiwick.payments.domain.terms import AlreadyReversed, InvalidTime, Rate
from bailiwick.payments.domain.wallet import HouseAccount, Wallet, WalletId

MOST_IN_BULK = 100

Outcome = Journal | DomainError
"""What came of a transfer: the journal, or the refusal."""


@dataclass(frozen=True)
class Transfer:
    """What is to be transferred. `effective_at` is for operators, who may date it back."""

    from_wallet: WalletId
    to_wallet: WalletId
    amount: Money
    description: str = ""
    effective_at: datetime | None = None


@dataclass(frozen=True)
class MakeTransfer:
    """With `dry_run` nothing is stored: what comes back, or is refused, is what would be."""

    transfer: Transfer
    by: Actor
    dry_run: bool = False


async def make_transfer(command: MakeTransfer, ports: PaymentsPorts) -> Journal:
    _may_date_back(command.by, command.transfer)
    async with ports.uow() as uow:
        wallets = await uow.wallets.several(concerned([command.transfer], ports))
        [outcome] = book(uow, wallets, [command.transfer], command.by.id, ports)
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome if command.dry_run else await uow.commit(outcome)


@dataclass(frozen=True)
class MakeTransfers:
    """At most 100 transfers in one commit. With `atomic` all are made or none."""

    transfers: Sequence[Transfer]
    by: Actor
    atomic: bool


async def make_transfers(command: MakeTransfers, ports: PaymentsPorts) -> list[Outcome]:
    """What came of each, in their order. If they are made together, the first refusal is raised, and says in
    `index` which it is about."""
    for transfer in command.transfers:
        _may_date_back(command.by, transfer)
    async with ports.uow() as uow:
        wallets = await uow.wallets.several(concerned(command.transfers, ports))
        outcomes = book(uow, wallets, command.transfers, command.by.id, ports)
        for index, outcome in enumerate(outcomes):
            if command.atomic and isinstance(outcome, DomainError):
                outcome.extra["index"] = index
                raise outcome
        return await uow.commit(outcomes)


def concerned(transfers: Sequence[Transfer], ports: PaymentsPorts) -> set[WalletId]:
    """Every wallet that is needed for them, those of the house for fees too."""
    people = {id for transfer in transfers for id in (transfer.from_wallet, transfer.to_wallet)}
    costs = [ports.fees.on(transfer.amount) for transfer in transfers]
    return people | {HouseAccount.FEES.wallet_id(cost.currency) for cost in costs if cost.amount}


def book(
    uow: PaymentsUnitOfWork,
    wallets: dict[WalletId, Wallet],
    transfers: Sequence[Transfer],
    owner_id: UUID,
    ports: PaymentsPorts,
) -> list[Outcome]:
    """Each in its turn, or why not. `wallets` are those that are concerned, as far as they exist."""
    drawer = Drawer(uow, wallets, ports.clock())
    outcomes: list[Outcome] = []
    for transfer in transfers:
        try:
            journal = _booked(drawer, transfer, owner_id, ports)
            uow.journals.add(journal)
            outcomes.append(journal)
        except DomainError as refusal:
            outcomes.append(refusal)
    return outcomes


def _booked(drawer: Drawer, transfer: Transfer, owner_id: UUID, ports: PaymentsPorts) -> Journal:
    payer = drawer.own(transfer.from_wallet, owner_id, "from_wallet")
    payee = drawer.of_anybody(transfer.to_wallet, "to_wallet")
    cost = ports.fees.on(transfer.amount)
    fee = (drawer.of_the_house(HouseAccount.FEES, cost.currency), cost) if cost.amount else None
    slip = Slip(
        description=transfer.description,
        effective_at=transfer.effective_at or drawer.now,
        recorded_at=drawer.now,
        requested_by=owner_id,
    )
    return booking.transfer(JournalId(ports.new_id()), payer, payee, transfer.amount, slip, fee)


def _may_date_back(by: Actor, transfer: Transfer) -> None:
    if transfer.effective_at is not None and not by.may(PaymentsPermission.OPERATE):
        raise InvalidTime("only operators date a transfer back", field="effective_at")


@dataclass(frozen=True)
class Deposit:
    """Somebody has brought `amount` to the house."""

    wallet_id: WalletId
    amount: Money
    by: Actor
    description: str = ""
    effective_at: datetime | None = None


async def deposit(command: Deposit, ports: PaymentsPorts) -> Journal:
    command.by.require(PaymentsPermission.OPERATE)
    slip, currency = _slip(command, ports), command.amount.currency
    async with ports.uow() as uow:
        ids = [command.wallet_id, HouseAccount.CASH.wallet_id(currency)]
        drawer = Drawer(uow, await uow.wallets.several(ids), slip.recorded_at)
        payee = drawer.of_anybody(command.wallet_id, "wallet")
        cash = drawer.of_the_house(HouseAccount.CASH, currency)
        payee.check(command.amount)
        journal = booking.deposit(JournalId(ports.new_id()), cash, payee, command.amount, slip)
        uow.journals.add(journal)
        return await uow.commit(journal)


@dataclass(frozen=True)
class Withdraw:
    """Somebody has got `amount` from the house."""

    wallet_id: WalletId
    amount: Money
    by: Actor
    description: str = ""
    effective_at: datetime | None = None


async def withdraw(command: Withdraw, ports: PaymentsPorts) -> Journal:
    command.by.require(PaymentsPermission.OPERATE)
    slip, currency = _slip(command, ports), command.amount.currency
    async with ports.uow() as uow:
        ids = [command.wallet_id, HouseAccount.CASH.wallet_id(currency)]
        drawer = Drawer(uow, await uow.wallets.several(ids), slip.recorded_at)
        payer = drawer.of_anybody(command.wallet_id, "wallet")
        cash = drawer.of_the_house(HouseAccount.CASH, currency)
        journal = booking.withdrawal(JournalId(ports.new_id()), payer, cash, command.amount, slip)
        uow.journals.add(journal)
        return await uow.commit(journal)


@dataclass(frozen=True)
class Convert:
    """Sell `amount` to the house, at `rate`, for what goes into the other wallet."""

    from_wallet: WalletId
    to_wallet: WalletId
    amount: Money
    rate: Rate
    by: Actor
    description: str = ""
    effective_at: datetime | None = None


async def convert(command: Convert, ports: PaymentsPorts) -> Journal:
    """Raises CurrencyMismatch where the amount is not in the currency of the wallet that pays."""
    command.by.require(PaymentsPermission.OPERATE)
    slip = _slip(command, ports)
    async with ports.uow() as uow:
        people = await uow.wallets.several([command.from_wallet, command.to_wallet])
        drawer = Drawer(uow, people, slip.recorded_at)
        payer = drawer.of_anybody(command.from_wallet, "from_wallet")
        payee = drawer.of_anybody(command.to_wallet, "to_wallet")
        payer.check(command.amount)
        # Which currencies they are is known only now.
        currencies = [payer.currency, payee.currency]
        house = await uow.wallets.several([HouseAccount.EXCHANGE.wallet_id(each) for each in currencies])
        drawer.wallets.update(house)
        takes, gives = (drawer.of_the_house(HouseAccount.EXCHANGE, each) for each in currencies)
        journal = booking.conversion(
            JournalId(ports.new_id()), payer, (takes, gives), payee, command.amount, command.rate, slip
        )
        uow.journals.add(journal)
        return await uow.commit(journal)


@dataclass(frozen=True)
class Reverse:
    """Set a mistake right: everybody gives back what they got."""

    journal_id: JournalId
    by: Actor
    description: str = ""


async def reverse(command: Reverse, ports: PaymentsPorts) -> Journal:
    """Raises AlreadyReversed, NotReversible, and InsufficientBalance where it has been spent."""
    command.by.require(PaymentsPermission.OPERATE)
    now = ports.clock()
    slip = Slip(
        description=command.description, effective_at=now, recorded_at=now, requested_by=command.by.id
    )
    async with ports.uow() as uow:
        undone = await uow.journals.get(command.journal_id)
        if await uow.journals.is_reversed(undone.id):
            raise AlreadyReversed("this has been reversed before")
        wallets = await uow.wallets.several([entry.wallet_id for entry in undone.entries])
        journal = booking.reversal(JournalId(ports.new_id()), undone, wallets, slip)
        uow.journals.add(journal)
        return await uow.commit(journal)


def _slip(command: Deposit | Withdraw | Convert, ports: PaymentsPorts) -> Slip:
    now = ports.clock()
    return Slip(
        description=command.description,
        effective_at=command.effective_at or now,
        recorded_at=now,
        requested_by=command.by.id,
    )


@dataclass(frozen=True)
class RunScheduledTransfer(Job):
    """Make a scheduled transfer, unless it has been cancelled."""

    queue: ClassVar[str] = "payments.transfers"

    scheduled_id: ScheduledTransferId


async def run_scheduled_transfer(command: RunScheduledTransfer, ports: PaymentsPorts) -> None:
    """What the business refuses is refused for good, and its owner can read why."""
    async with ports.uow() as uow:
        scheduled = await uow.scheduled.get(command.scheduled_id)
        if scheduled.waits:
            transfers = [_transfer(scheduled)]
            wallets = await uow.wallets.several(concerned(transfers, ports))
            [outcome] = book(uow, wallets, transfers, scheduled.owner_id, ports)
            if isinstance(outcome, DomainError):
                scheduled.refused(outcome, ports.clock())
            else:
                scheduled.made(outcome.id, ports.clock())
        await uow.commit(None)


def _transfer(scheduled: ScheduledTransfer) -> Transfer:
    return Transfer(
        scheduled.payer_wallet_id, scheduled.payee_wallet_id, scheduled.money, scheduled.description
    )


@dataclass(frozen=True)
class ScheduleTransfer:
    from_wallet: WalletId
    to_wallet: WalletId
    amount: Money
    description: str
    due_at: datetime
    by: Actor


async def schedule_transfer(command: ScheduleTransfer, ports: PaymentsPorts) -> ScheduledTransfer:
    """Raises NoWallet and CurrencyMismatch now; whether there is enough is asked when it is due."""
    now = ports.clock()
    async with ports.uow() as uow:
        drawer = Drawer(uow, await uow.wallets.several([command.from_wallet, command.to_wallet]), now)
        payer = drawer.own(command.from_wallet, command.by.id, "from_wallet")
        payee = drawer.of_anybody(command.to_wallet, "to_wallet")
        for wallet in (payer, payee):
            wallet.check(command.amount)
        scheduled = ScheduledTransfer.plan(
            ScheduledTransferId(ports.new_id()),
            command.by.id,
            payer.id,
            payee.id,
            command.amount,
            command.description,
            command.due_at,
            now,
        )
        uow.scheduled.add(scheduled)
        uow.enqueue(RunScheduledTransfer(scheduled.id), delay=command.due_at - now)
        return await uow.commit(scheduled)


@dataclass(frozen=True)
class CancelScheduledTransfer:
    scheduled_id: ScheduledTransferId
    by: Actor


async def cancel_scheduled_transfer(command: CancelScheduledTransfer, ports: PaymentsPorts) -> None:
    """Raises AlreadySettled for one that has been made or refused."""
    async with ports.uow() as uow:
        scheduled = await uow.scheduled.owned(command.scheduled_id, command.by.id)
        scheduled.cancel(ports.clock())
        await uow.commit(None)
