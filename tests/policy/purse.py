"""Wallets for a line of the table to be about, and what has been done with the money in them."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from bailiwick.kernel.money import Money
from bailiwick.payments.application.ports import PaymentsPorts
from bailiwick.payments.application.wallets import Drawer
from bailiwick.payments.domain import booking
from bailiwick.payments.domain.hold import Hold, HoldId
from bailiwick.payments.domain.journal import JournalId, Slip
from bailiwick.payments.domain.scheduled import ScheduledTransfer, ScheduledTransferId
from bailiwick.payments.domain.wallet import HouseAccount, Wallet, WalletId, WalletRules

OWN, ANOTHERS, FOR_THE_CALLER = "own", "another's", "for the caller"
HOUR = timedelta(hours=1)


def nobodys() -> dict[str, UUID]:
    kinds = ("wallet", "euros", "payee", "transfer", "hold", "scheduled")
    return {kind: uuid7() for kind in kinds}


async def filled(ports: PaymentsPorts, caller: UUID, other: UUID, about: str) -> Mapping[str, UUID]:
    """The ids of a wallet with money in it, of another in euros, and of a transfer, a hold and a scheduled
    transfer to the payee's wallet: that of a third person, or of the caller where they are for the caller."""
    ids = nobodys()
    if about not in (OWN, ANOTHERS, FOR_THE_CALLER):
        return ids
    owner = caller if about == OWN else other
    payee_id = caller if about == FOR_THE_CALLER else uuid7()
    now, hundred, one = ports.clock(), Money(10_000, "NAD"), Money(100, "NAD")
    slip = Slip(description="", effective_at=now, recorded_at=now, requested_by=None)

    def opened(kind: str, owner: UUID, currency: str) -> Wallet:
        return Wallet.open(WalletId(ids[kind]), owner, currency, WalletRules(), now)

    wallet, euros, payee = (
        opened("wallet", owner, "NAD"), opened("euros", owner, "EUR"), opened("payee", payee_id, "NAD")
    )  # fmt: skip
    async with ports.uow() as uow:
        drawer = Drawer(uow, await uow.wallets.several([HouseAccount.CASH.wallet_id("NAD")]), now)
        cash = drawer.of_the_house(HouseAccount.CASH, "NAD")
        deposit = booking.deposit(JournalId(uuid7()), cash, wallet, hundred, slip)
        transfer = booking.transfer(JournalId(ids["transfer"]), wallet, payee, one, slip)
        hold = Hold.place(HoldId(ids["hold"]), wallet, payee, one, "", HOUR, now)
        scheduled = ScheduledTransfer.plan(
            ScheduledTransferId(ids["scheduled"]), owner, wallet.id, payee.id, one, "", now + HOUR, now
        )
        for each in (wallet, euros, payee, deposit, transfer, hold):
            each.pull_events()
        for opened_wallet in (wallet, euros, payee):
            uow.wallets.add(opened_wallet)
        uow.journals.add(deposit)
        uow.journals.add(transfer)
        uow.holds.add(hold)
        uow.scheduled.add(scheduled)
        await uow.commit(None)
    return ids
