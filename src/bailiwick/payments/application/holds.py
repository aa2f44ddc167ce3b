"""Holds: money set aside, then taken or given back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from bailiwick.kernel.application import Actor
from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.jobs import Job
from bailiwick.kernel.money import Money
from bailiwick.payments.application.ports import PaymentsPorts, PaymentsUnitOfWork
from bailiwick.payments.application.wallets import Drawer
from bailiwick.payments.contract import PaymentsPermission
from bailiwick.payments.domain import booking
from bailiwick.payments.domain.hold import Hold, HoldId, HoldStatus
from bailiwick.payments.domain.journal import JournalId, Slip
from bailiwick.payments.domain.terms import HoldOver, KeyReused, NoWalletInCurrency, OnlyForPayee
from bailiwick.payments.domain.wallet import HouseAccount, Wallet, WalletId


@dataclass(frozen=True)
class ExpireHold(Job):
    """Free what is still held when the time of a hold has passed."""

    queue: ClassVar[str] = "payments.holds"

    hold_id: HoldId


async def expire_hold(command: ExpireHold, ports: PaymentsPorts) -> None:
    now = ports.clock()
    async with ports.uow() as uow:
        hold = await uow.holds.find(command.hold_id)
        if hold is not None and hold.status is HoldStatus.OPEN:
            if now < hold.expires_at:
                uow.enqueue(command, delay=hold.expires_at - now)
            else:
                hold.expire((await uow.wallets.several([hold.wallet_id]))[hold.wallet_id], now)
        await uow.commit(None)


@dataclass(frozen=True)
class PlaceHold:
    """Set `amount` of the caller's wallet aside for the payee, for as long as it `lasts`."""

    wallet_id: WalletId
    payee_wallet_id: WalletId
    amount: Money
    reference: str
    lasts: timedelta
    by: Actor


async def place_hold(command: PlaceHold, ports: PaymentsPorts) -> Hold:
    now = ports.clock()
    async with ports.uow() as uow:
        wallets = await uow.wallets.several([command.wallet_id, command.payee_wallet_id])
        drawer = Drawer(uow, wallets, now)
        payer = drawer.own(command.wallet_id, command.by.id, "wallet")
        payee = drawer.of_anybody(command.payee_wallet_id, "payee_wallet")
        id = HoldId(ports.new_id())
        hold = Hold.place(id, payer, payee, command.amount, command.reference, command.lasts, now)
        return await uow.commit(placed(uow, hold))


def placed(uow: PaymentsUnitOfWork, hold: Hold) -> Hold:
    """Store a new hold, and have it end when its time has passed."""
    uow.holds.add(hold)
    uow.enqueue(ExpireHold(hold.id), delay=hold.expires_at - hold.held_at)
    return hold


@dataclass(frozen=True)
class CaptureHold:
    """Take what is held, or a part of it."""

    hold_id: HoldId
    amount: Money | None
    by: Actor


async def capture_hold(command: CaptureHold, ports: PaymentsPorts) -> Hold:
    """Raises HoldOver and MoreThanHeld; OnlyForPayee for a hold of the house, which the shop takes itself."""
    async with ports.uow() as uow:
        hold = _for_payee(await uow.holds.find(command.hold_id), command.by)
        if hold.payee_id is None:
            raise OnlyForPayee("what is held for an order is taken by the order")
        wallets = await uow.wallets.several([hold.wallet_id, hold.payee_wallet_id])
        take(uow, wallets, hold, command.amount, command.by.id, ports)
        return await uow.commit(hold)


def take(
    uow: PaymentsUnitOfWork,
    wallets: Mapping[WalletId, Wallet],
    hold: Hold,
    amount: Money | None,
    by: UUID | None,
    ports: PaymentsPorts,
) -> None:
    """Move what is held, or `amount` of it, to the payee."""
    now = ports.clock()
    slip = Slip(description=hold.reference, effective_at=now, recorded_at=now, requested_by=by)
    payer, payee = wallets[hold.wallet_id], wallets[hold.payee_wallet_id]
    uow.journals.add(booking.capture(JournalId(ports.new_id()), hold, payer, payee, amount, slip))


@dataclass(frozen=True)
class VoidHold:
    """Give all back to the payer."""

    hold_id: HoldId
    by: Actor


async def void_hold(command: VoidHold, ports: PaymentsPorts) -> Hold:
    """Raises HoldOver."""
    async with ports.uow() as uow:
        hold = _for_payee(await uow.holds.find(command.hold_id), command.by)
        hold.void((await uow.wallets.several([hold.wallet_id]))[hold.wallet_id], ports.clock())
        return await uow.commit(hold)


def _for_payee(hold: Hold | None, by: Actor) -> Hold:
    """The hold, for whoever is to get the money, and for operators. The payer may know of it, no more."""
    if hold is None or hold.was_forestalled:
        raise NotFound("no such hold")
    if by.id == hold.payee_id or by.may(PaymentsPermission.OPERATE):
        return hold
    if by.id == hold.owner_id:
        raise OnlyForPayee("only who is to get the money can do this")
    raise NotFound("no such hold")


@dataclass(frozen=True)
class HousePayments:
    """Answers `Payments`. The key of a hold is its id, so what is repeated finds what was done.

    What a key stands for is read last: whatever somebody quicker has done under it since is then found,
    rather than missed in the wallets it has already changed.
    """

    ports: PaymentsPorts

    async def hold(self, key: UUID, payer_id: UUID, amount: Money, reference: str, expires_in: int) -> None:
        id, now, lasts = HoldId(key), self.ports.clock(), timedelta(seconds=expires_in)
        async with self.ports.uow() as uow:
            payer = await uow.wallets.of_owner(payer_id, amount.currency)
            known = await uow.holds.find(id)
            if known is not None:
                _same(known, payer_id, amount, reference)
                return
            if payer is None:
                currency = amount.currency
                raise NoWalletInCurrency(f"the payer has no wallet in {currency}", currency=currency)
            house = await uow.wallets.several([HouseAccount.SALES.wallet_id(amount.currency)])
            payee = Drawer(uow, house, now).of_the_house(HouseAccount.SALES, amount.currency)
            placed(uow, Hold.place(id, payer, payee, amount, reference, lasts, now))
            await uow.commit(None)

    async def release(self, key: UUID) -> None:
        now = self.ports.clock()
        async with self.ports.uow() as uow:
            hold = await uow.holds.find(HoldId(key))
            if hold is None:
                currency = self.ports.currency
                uow.holds.add(
                    Hold.forestalled(HoldId(key), HouseAccount.SALES.wallet_id(currency), currency, now)
                )
            elif hold.status is HoldStatus.OPEN:
                hold.void((await uow.wallets.several([hold.wallet_id]))[hold.wallet_id], now)
            elif hold.status is HoldStatus.CAPTURED:
                raise HoldOver("this has been captured: refund it", status=hold.status)
            await uow.commit(None)

    async def capture(self, key: UUID) -> None:
        async with self.ports.uow() as uow:
            hold = await uow.holds.find(HoldId(key))
            if hold is None or hold.status is HoldStatus.VOIDED:
                raise HoldOver("nothing is held under this key", status=hold and hold.status)
            if hold.captured < hold.money.amount:
                wallets = await uow.wallets.several([hold.wallet_id, hold.payee_wallet_id])
                take(uow, wallets, hold, None, hold.owner_id, self.ports)
            await uow.commit(None)

    async def refund(self, key: UUID, hold: UUID, amount: Money, reference: str) -> None:
        now = self.ports.clock()
        async with self.ports.uow() as uow:
            captured = await uow.holds.find(HoldId(hold))
            if captured is None or captured.was_forestalled:
                raise NotFound("no such hold")
            wallets = await uow.wallets.several([captured.wallet_id, captured.payee_wallet_id])
            done = await uow.journals.of_key(key)
            if done is not None:
                if (done.hold_id, done.amount) != (hold, amount):
                    raise KeyReused("something else was refunded under this key")
                return
            payer, payee = wallets[captured.wallet_id], wallets[captured.payee_wallet_id]
            slip = Slip(description=reference, effective_at=now, recorded_at=now, requested_by=None)
            id = JournalId(self.ports.new_id())
            uow.journals.add(booking.refund(id, captured, payee, payer, amount, slip, key))
            await uow.commit(None)


def _same(known: Hold, payer_id: UUID, amount: Money, reference: str) -> None:
    """Raises HoldOver for what was released, KeyReused for what was asked for something else."""
    if known.status is HoldStatus.VOIDED:
        raise HoldOver("this has been released", status=known.status)
    if not known.is_for(amount, reference) or known.owner_id != payer_id:
        raise KeyReused("something else is held under this key")
