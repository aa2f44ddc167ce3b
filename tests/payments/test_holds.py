"""Holds and scheduled transfers: what waits, what ends it, and what comes too late."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.messaging.tables import events, work
from bailiwick.kernel.money import CurrencyMismatch
from bailiwick.payments.application.holds import (
    CaptureHold,
    ExpireHold,
    PlaceHold,
    VoidHold,
    capture_hold,
    expire_hold,
    place_hold,
    void_hold,
)
from bailiwick.payments.application.transfers import (
    CancelScheduledTransfer,
    RunScheduledTransfer,
    ScheduleTransfer,
    cancel_scheduled_transfer,
    run_scheduled_transfer,
    schedule_transfer,
)
from bailiwick.payments.application.wallets import SetFreeze, set_freeze
from bailiwick.payments.domain.hold import Hold, HoldId, HoldStatus
from bailiwick.payments.domain.scheduled import ScheduledTransfer, ScheduleStatus
from bailiwick.payments.domain.terms import (
    AlreadySettled,
    HoldOver,
    InsufficientBalance,
    InvalidTime,
    LimitExceeded,
    MoreThanHeld,
    NoWallet,
    OnlyForPayee,
    WalletFrozen,
)
from tests.payments.bank import TELLER, Bank, Customer, nad

HOUR = timedelta(hours=1)
ENDED = select(events.c.payload).where(events.c.type == "payments.HoldEnded")
DUE = select(work.c.available_at).where(work.c.queue == "payments.holds")


async def held(payer: Customer, payee: Customer, amount: int, lasts: timedelta = HOUR) -> Hold:
    command = PlaceHold(payer.wallet, payee.wallet, nad(amount), "shoes", lasts, payer.actor)
    return await place_hold(command, payer.bank.ports)


async def found(bank: Bank, id: HoldId) -> Hold:
    hold = await bank.ports.uow().holds.find(id)
    assert hold is not None
    return hold


async def test_what_is_held_cannot_be_spent_until_it_is_free_again(bank: Bank) -> None:
    ada, shop = await bank.person(100), await bank.person()
    hold = await held(ada, shop, 70)
    assert await ada.has() == (100, 70)
    with pytest.raises(InsufficientBalance) as refused:
        await ada.pay(shop, 31)
    assert refused.value.extra == {"available": 30}
    await void_hold(VoidHold(hold.id, shop.actor), bank.ports)
    await ada.pay(shop, 31)
    assert (await ada.has(), await shop.has()) == ((69, 0), (31, 0))


async def test_what_is_captured_goes_to_the_payee_and_the_rest_is_free(bank: Bank) -> None:
    ada, shop = await bank.person(100), await bank.person()
    hold = await held(ada, shop, 70)
    with pytest.raises(MoreThanHeld) as refused:
        await capture_hold(CaptureHold(hold.id, nad(71), shop.actor), bank.ports)
    assert refused.value.extra == {"held": 70}
    captured = await capture_hold(CaptureHold(hold.id, nad(50), shop.actor), bank.ports)
    assert (captured.status, captured.captured) == (HoldStatus.CAPTURED, 50)
    assert (await ada.has(), await shop.has()) == ((50, 0), (50, 0))
    [(ended,)] = await bank.database.all(ENDED)
    assert (ended["captured"], ended["expired"]) == (50, False)


async def test_a_hold_that_is_over_stays_over(bank: Bank) -> None:
    ada, shop = await bank.person(100), await bank.person()
    captured, voided = await held(ada, shop, 10), await held(ada, shop, 10)
    await capture_hold(CaptureHold(captured.id, None, shop.actor), bank.ports)
    await void_hold(VoidHold(voided.id, TELLER), bank.ports)
    for hold, status in ((captured, "captured"), (voided, "voided")):
        with pytest.raises(HoldOver) as refused:
            await capture_hold(CaptureHold(hold.id, None, shop.actor), bank.ports)
        assert refused.value.extra == {"status": status}
        with pytest.raises(HoldOver):
            await void_hold(VoidHold(hold.id, shop.actor), bank.ports)
        await expire_hold(ExpireHold(hold.id), bank.ports)
    assert (await ada.has(), await shop.has()) == ((90, 0), (10, 0))


async def test_a_hold_expires_by_itself(bank: Bank) -> None:
    ada, shop = await bank.person(100), await bank.person()
    hold = await held(ada, shop, 70)
    await bank.work()
    assert await ada.has() == (100, 70)
    bank.wait(HOUR)
    await bank.work()
    assert (await ada.has(), (await found(bank, hold.id)).status) == ((100, 0), HoldStatus.EXPIRED)
    [(ended,)] = await bank.database.all(ENDED)
    assert ended["expired"] is True


async def test_a_job_that_comes_early_comes_again(bank: Bank) -> None:
    ada, shop = await bank.person(100), await bank.person()
    hold = await held(ada, shop, 70)
    await expire_hold(ExpireHold(hold.id), bank.ports)
    assert (await ada.has(), len(await bank.database.all(DUE))) == ((100, 70), 2)


async def test_a_hold_whose_time_has_passed_is_not_captured_though_its_job_is_late(bank: Bank) -> None:
    ada, shop = await bank.person(100), await bank.person()
    hold = await held(ada, shop, 70)
    bank.wait(HOUR)
    with pytest.raises(HoldOver) as refused:
        await capture_hold(CaptureHold(hold.id, None, shop.actor), bank.ports)
    assert refused.value.extra == {"status": "expired"}
    await expire_hold(ExpireHold(hold.id), bank.ports)
    assert await ada.has() == (100, 0)


async def test_what_is_held_already_is_captured_from_a_frozen_wallet(bank: Bank) -> None:
    ada, shop = await bank.person(100), await bank.person()
    hold = await held(ada, shop, 70)
    await set_freeze(SetFreeze(ada.wallet, True, TELLER), bank.ports)
    with pytest.raises(WalletFrozen):
        await held(ada, shop, 1)
    await capture_hold(CaptureHold(hold.id, nad(60), shop.actor), bank.ports)
    assert (await ada.has(), await shop.has()) == ((40, 0), (60, 0))


async def test_a_hold_counts_on_the_day_that_it_is_made(bank: Bank) -> None:
    ada, shop = await bank.person(100, daily_limit=50), await bank.person()
    hold = await held(ada, shop, 40)
    with pytest.raises(LimitExceeded):
        await held(ada, shop, 11)
    await capture_hold(CaptureHold(hold.id, None, shop.actor), bank.ports)
    await ada.pay(shop, 10)
    assert await ada.has() == (50, 0)


async def test_only_who_gets_the_money_ends_a_hold_and_strangers_know_nothing_of_it(bank: Bank) -> None:
    ada, shop, eve = await bank.person(100), await bank.person(), await bank.person()
    hold = await held(ada, shop, 70)
    with pytest.raises(OnlyForPayee):
        await void_hold(VoidHold(hold.id, ada.actor), bank.ports)
    with pytest.raises(NotFound):
        await capture_hold(CaptureHold(hold.id, None, eve.actor), bank.ports)
    with pytest.raises(NotFound):
        await capture_hold(CaptureHold(HoldId(bank.ports.new_id()), None, TELLER), bank.ports)
    command = PlaceHold(ada.wallet, shop.wallet, nad(1), "", HOUR, eve.actor)
    with pytest.raises(NoWallet):
        await place_hold(command, bank.ports)


async def scheduled(payer: Customer, payee: Customer, amount: int) -> ScheduledTransfer:
    due = payer.bank.now() + HOUR
    command = ScheduleTransfer(payer.wallet, payee.wallet, nad(amount), "rent", due, payer.actor)
    return await schedule_transfer(command, payer.bank.ports)


async def planned(bank: Bank, transfer: ScheduledTransfer) -> ScheduledTransfer:
    return await bank.ports.uow().scheduled.get(transfer.id)


async def test_a_scheduled_transfer_is_made_when_it_is_due(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    transfer = await scheduled(ada, bob, 60)
    await bank.work()
    assert await ada.has() == (100, 0)
    bank.wait(HOUR)
    await bank.work()
    await run_scheduled_transfer(RunScheduledTransfer(transfer.id), bank.ports)
    now = await planned(bank, transfer)
    assert (now.status, await ada.has(), await bob.has()) == (ScheduleStatus.MADE, (40, 0), (60, 0))
    assert now.journal_id is not None
    assert (await bank.ports.uow().journals.get(now.journal_id)).slip.description == "rent"


async def test_a_scheduled_transfer_that_cannot_be_made_says_why(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    transfer = await scheduled(ada, bob, 101)
    bank.wait(HOUR)
    await bank.work()
    now = await planned(bank, transfer)
    assert (now.status, now.refusal) == (ScheduleStatus.REFUSED, InsufficientBalance.code)
    assert await ada.has() == (100, 0)
    with pytest.raises(AlreadySettled):
        await cancel_scheduled_transfer(CancelScheduledTransfer(transfer.id, ada.actor), bank.ports)


async def test_a_cancelled_transfer_is_not_made(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    transfer = await scheduled(ada, bob, 60)
    with pytest.raises(NotFound):
        await cancel_scheduled_transfer(CancelScheduledTransfer(transfer.id, bob.actor), bank.ports)
    for _ in range(2):
        await cancel_scheduled_transfer(CancelScheduledTransfer(transfer.id, ada.actor), bank.ports)
    bank.wait(HOUR)
    await bank.work()
    assert ((await planned(bank, transfer)).status, await ada.has()) == (ScheduleStatus.CANCELLED, (100, 0))


async def test_what_could_never_be_made_is_refused_when_it_is_planned(bank: Bank) -> None:
    ada, bob = await bank.person(100), await bank.person()
    euros = await bank.customer(bob.actor, 0, "EUR")
    with pytest.raises(CurrencyMismatch):
        await scheduled(ada, euros, 1)
    past = ScheduleTransfer(ada.wallet, bob.wallet, nad(1), "", bank.now() - HOUR, ada.actor)
    with pytest.raises(InvalidTime):
        await schedule_transfer(past, bank.ports)
