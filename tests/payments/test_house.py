"""What other contexts ask: each thing happens once for its key, whatever is repeated."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest
from sqlalchemy import func, select

from bailiwick.kernel.application import NO_CAUSE
from bailiwick.kernel.domain import Conflict, NotFound
from bailiwick.kernel.http.contracts import questions_of
from bailiwick.kernel.http.remotes import Remote
from bailiwick.kernel.http.retries import until_uncontended
from bailiwick.kernel.money import Money
from bailiwick.payments.application.holds import CaptureHold, HousePayments, VoidHold, capture_hold, void_hold
from bailiwick.payments.client import client
from bailiwick.payments.contract import Payments
from bailiwick.payments.domain.hold import HoldId
from bailiwick.payments.domain.terms import (
    HoldOver,
    InsufficientBalance,
    KeyReused,
    MoreThanCaptured,
    NoWalletInCurrency,
    OnlyForPayee,
)
from bailiwick.payments.domain.wallet import HouseAccount
from bailiwick.payments.infrastructure.tables import holds, journals
from tests.payments.bank import SERVICE_TOKEN, TELLER, Bank, Customer, nad

SALES = HouseAccount.SALES.wallet_id("NAD")
HOUR = 3600
COUNTS = [select(func.count()).select_from(table) for table in (holds, journals)]


async def held(ada: Customer, key: UUID, amount: int = 60, reference: str = "order 7") -> None:
    await ada.bank.house.hold(key, ada.actor.id, nad(amount), reference, HOUR)


async def counts(bank: Bank) -> list[int]:
    return [int(count) for statement in COUNTS for (count,) in await bank.database.all(statement)]


def test_everything_can_be_asked_over_http() -> None:
    assert {each.name for each in questions_of(Payments)} == {"hold", "release", "capture", "refund"}


async def test_money_is_held_captured_and_refunded_once_for_each_key(bank: Bank) -> None:
    ada, key, first, second = await bank.person(100), uuid4(), uuid4(), uuid4()
    for _ in range(3):
        await held(ada, key)
    assert await ada.has() == (100, 60)
    for _ in range(3):
        await bank.house.capture(key)
    assert (await ada.has(), await bank.balance(SALES)) == ((40, 0), (60, 0))
    for refund in (first, second, first, second):
        await bank.house.refund(refund, key, nad(25), "too big")
    assert (await ada.has(), await bank.balance(SALES)) == ((90, 0), (10, 0))
    await held(ada, key)
    assert await counts(bank) == [1, 4]


async def test_what_is_released_is_free_and_cannot_be_captured(bank: Bank) -> None:
    ada, key = await bank.person(100), uuid4()
    await held(ada, key)
    for _ in range(2):
        await bank.house.release(key)
    assert await ada.has() == (100, 0)
    for late in (bank.house.capture(key), held(ada, key)):
        with pytest.raises(HoldOver):
            await late


async def test_what_is_released_before_it_is_held_is_never_held(bank: Bank) -> None:
    ada, key = await bank.person(100), uuid4()
    for _ in range(2):
        await bank.house.release(key)
    with pytest.raises(NotFound):
        await void_hold(VoidHold(HoldId(key), TELLER), bank.ports)
    for late in (held(ada, key), bank.house.capture(key)):
        with pytest.raises(HoldOver):
            await late
    with pytest.raises(NotFound):
        await bank.house.refund(uuid4(), key, nad(1), "")
    assert (await ada.has(), await counts(bank)) == ((100, 0), [1, 1])


async def test_a_key_is_for_one_thing(bank: Bank) -> None:
    ada, bob, key, refund = await bank.person(100), await bank.person(100), uuid4(), uuid4()
    await held(ada, key)
    for other in (held(ada, key, 61), held(ada, key, 60, "order 8"), held(bob, key)):
        with pytest.raises(KeyReused):
            await other
    await bank.house.capture(key)
    await bank.house.refund(refund, key, nad(10), "")
    with pytest.raises(KeyReused):
        await bank.house.refund(refund, key, nad(11), "")


async def test_what_cannot_be_is_refused_by_name(bank: Bank) -> None:
    ada, key, missing = await bank.person(100), uuid4(), uuid4()
    with pytest.raises(InsufficientBalance):
        await held(ada, key, 101)
    with pytest.raises(NoWalletInCurrency):
        await bank.house.hold(key, ada.actor.id, Money(1, "EUR"), "", HOUR)
    with pytest.raises(Conflict):
        await bank.house.capture(missing)
    with pytest.raises(NotFound):
        await bank.house.refund(uuid4(), missing, nad(1), "")
    await held(ada, key)
    with pytest.raises(MoreThanCaptured) as refused:
        await bank.house.refund(uuid4(), key, nad(1), "")
    assert refused.value.extra == {"left": 0}
    await bank.house.capture(key)
    with pytest.raises(HoldOver):
        await bank.house.release(key)
    with pytest.raises(MoreThanCaptured):
        await bank.house.refund(uuid4(), key, nad(61), "")


async def test_what_is_held_for_an_order_is_taken_by_nobody_else(bank: Bank) -> None:
    ada, key = await bank.person(100), uuid4()
    await held(ada, key)
    with pytest.raises(OnlyForPayee):
        await capture_hold(CaptureHold(HoldId(key), nad(20), TELLER), bank.ports)
    await bank.house.capture(key)
    assert (await ada.has())[1] == 0


async def test_what_has_expired_is_not_captured(bank: Bank) -> None:
    ada, key = await bank.person(100), uuid4()
    await held(ada, key)
    bank.wait(timedelta(seconds=HOUR))
    for _ in range(2):
        with pytest.raises(HoldOver):
            await bank.house.capture(key)
        await bank.work()
    assert await ada.has() == (100, 0)


async def test_another_process_is_answered_as_this_one_is(bank: Bank) -> None:
    remote = Remote("http://payments", SERVICE_TOKEN, transport=httpx.ASGITransport(app=bank.app))
    asked = client(bank.backend.platform, remote).contracts[Payments]
    ada, key = await bank.person(100), uuid4()
    await asked.hold(key, ada.actor.id, nad(60), "order 7", HOUR)
    await asked.capture(key)
    await asked.refund(uuid4(), key, nad(10), "too big")
    assert await ada.has() == (50, 0)
    with pytest.raises(Conflict) as refused:
        await asked.hold(uuid4(), ada.actor.id, nad(51), "order 8", HOUR)
    assert (refused.value.code, refused.value.extra) == ("insufficient_balance", {"available": 50})
    with pytest.raises(NotFound):
        await asked.refund(uuid4(), uuid4(), nad(1), "")
    early = uuid4()
    await asked.release(early)
    with pytest.raises(Conflict):
        await asked.hold(early, ada.actor.id, nad(1), "order 9", HOUR)


async def all_at_once(asked: Callable[[], Awaitable[None]], times: int = 20) -> list[BaseException]:
    tries = (until_uncontended(asked, NO_CAUSE) for _ in range(times))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    return [answer for answer in answers if answer is not None]


async def test_what_is_asked_many_times_at_once_happens_once(bank: Bank) -> None:
    ada, key, refund = await bank.person(100), uuid4(), uuid4()
    assert await all_at_once(lambda: held(ada, key)) == []
    assert await ada.has() == (100, 60)
    assert await all_at_once(lambda: bank.house.capture(key)) == []
    assert await ada.has() == (40, 0)
    assert await all_at_once(lambda: bank.house.refund(refund, key, nad(10), "")) == []
    assert (await ada.has(), await counts(bank)) == ((50, 0), [1, 3])


@pytest.mark.parametrize("reads", [1, 2, 3])
async def test_who_asks_between_two_reads_of_the_same_changes_nothing(bank: Bank, reads: int) -> None:
    ada, key, refund = await bank.person(100), uuid4(), uuid4()
    steps: list[tuple[Callable[[HousePayments], Awaitable[None]], tuple[int, int]]] = [
        (lambda house: house.hold(key, ada.actor.id, nad(100), "order 7", HOUR), (100, 100)),
        (lambda house: house.capture(key), (0, 0)),
        (lambda house: house.refund(refund, key, nad(100), "broken"), (100, 0)),
    ]
    for ask, left in steps:
        slower = bank.interrupted(reads, lambda ask=ask: ask(bank.house))  # type: ignore[misc]  # of a lambda
        await until_uncontended(lambda ask=ask, slower=slower: ask(slower), NO_CAUSE)  # type: ignore[misc]
        assert await ada.has() == left
    assert await counts(bank) == [1, 3]


async def test_holding_and_releasing_at_once_leaves_nothing_held(bank: Bank) -> None:
    ada = await bank.person(1000)
    for _ in range(10):
        key = uuid4()
        await asyncio.gather(
            all_at_once(lambda key=key: held(ada, key), 3),  # type: ignore[misc]
            all_at_once(lambda key=key: bank.house.release(key), 3),  # type: ignore[misc]
        )
    assert await ada.has() == (1000, 0)
