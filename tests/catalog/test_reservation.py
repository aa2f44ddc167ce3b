"""Goods are set aside all or none, for a time, and the same key has the same effect once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from bailiwick.catalog.application.stock import ExpireReservation
from bailiwick.catalog.contract import MOST_LINES, Line, StockMove
from bailiwick.catalog.domain.product import ProductId
from bailiwick.catalog.domain.reservation import (
    MoreThanHasLeft,
    Reservation,
    ReservationDiffers,
    ReservationId,
    ReservationOver,
    ReservationStatus,
)
from bailiwick.catalog.domain.stock import OutOfStock, gathered
from bailiwick.kernel.domain import DomainError, Invalid, NotFound
from bailiwick.kernel.messaging.outbox import job_name
from bailiwick.kernel.messaging.tables import events, work
from tests.catalog.warehouses import BOWL, CUP, HOUR, NOON, House, open_house
from tests.interruptions import interrupted

HELD, COMMITTED = ReservationStatus.HELD, ReservationStatus.COMMITTED
RELEASED, EXPIRED = ReservationStatus.RELEASED, ReservationStatus.EXPIRED

_JOBS = select(work.c.name, work.c.payload, work.c.available_at, work.c.enqueued_at)
_EVENTS = select(events.c.payload).where(events.c.type == "catalog.StockMoved").order_by(events.c.id)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as opened:
        await opened.receive(CUP, 10)
        await opened.receive(BOWL, 10)
        yield opened
        assert await opened.differences() == []


async def test_reserved_goods_are_still_there_and_no_longer_available(house: House) -> None:
    await house.reserve(key := uuid4(), CUP=4, BOWL=10)
    assert await house.figures() == {CUP: (10, 4), BOWL: (10, 10)}
    assert await house.status(key) is HELD
    assert (await house.stock(BOWL)).available == 0


async def test_all_or_nothing_is_reserved_and_the_refusal_names_all_that_is_short(house: House) -> None:
    with pytest.raises(OutOfStock) as refused:
        await house.reserve(key := uuid4(), CUP=4, BOWL=11, PLATE=1)
    assert refused.value.extra["lines"] == [
        {"sku": BOWL, "wanted": 11, "available": 10},
        {"sku": "PLATE", "wanted": 1, "available": 0},
    ]
    assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}
    with pytest.raises(NotFound):
        await house.status(key)


async def test_committed_goods_leave(house: House) -> None:
    await house.reserve(key := uuid4(), CUP=4)
    await house.commit(key)
    assert await house.figures() == {CUP: (6, 0), BOWL: (10, 0)}
    assert await house.status(key) is COMMITTED


async def test_released_goods_are_available_again(house: House) -> None:
    await house.reserve(key := uuid4(), CUP=4, BOWL=1)
    await house.release(key)
    assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}
    assert await house.status(key) is RELEASED


async def test_goods_that_left_come_back_wholly_when_they_are_released(house: House) -> None:
    await house.reserve(key := uuid4(), CUP=4, BOWL=2)
    await house.commit(key)
    await house.give_back(uuid4(), key, CUP=1, BOWL=2)
    await house.release(key)
    assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}
    assert (await house.moves())[-1] == (CUP, "return", 3)
    with pytest.raises(MoreThanHasLeft):
        await house.give_back(uuid4(), key, CUP=1)


async def test_repeating_changes_nothing(house: House) -> None:
    key, back = uuid4(), uuid4()
    for _ in range(2):
        await house.reserve(key, CUP=4)
    assert await house.figures() == {CUP: (10, 4), BOWL: (10, 0)}
    for _ in range(2):
        await house.commit(key)
    await house.reserve(key, CUP=4)
    for _ in range(2):
        await house.give_back(back, key, CUP=3)
    assert await house.figures() == {CUP: (9, 0), BOWL: (10, 0)}
    for _ in range(2):
        await house.release(key)
    assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}
    moves = [move for _, move, _ in await house.moves()]
    assert moves == ["receive", "receive", "reserve", "commit", "return", "return"]


@pytest.mark.parametrize("reads", [1, 2])
async def test_who_asks_between_two_reads_of_the_same_changes_nothing(house: House, reads: int) -> None:
    key, back = uuid4(), uuid4()
    steps: list[tuple[Callable[[House], Awaitable[None]], tuple[int, int]]] = [
        (lambda at: at.reserve(key, CUP=10), (10, 10)),
        (lambda at: at.commit(key), (0, 0)),
        (lambda at: at.give_back(back, key, CUP=10), (10, 0)),
    ]
    for ask, left in steps:
        meanwhile = interrupted(house.database, reads, lambda ask=ask: ask(house))  # type: ignore[misc]  # of a lambda
        await ask(House(meanwhile, product=house.product))
        assert (await house.figures())[CUP] == left


async def test_a_repetition_is_known_when_all_is_sold_out(house: House) -> None:
    await house.reserve(key := uuid4(), CUP=10)
    await house.reserve(key, CUP=10)
    with pytest.raises(OutOfStock):
        await house.reserve(uuid4(), CUP=1)


async def test_a_key_stands_for_one_thing(house: House) -> None:
    key, back = uuid4(), uuid4()
    await house.reserve(key, CUP=4)
    for other in ({"CUP": 5}, {"BOWL": 4}, {"CUP": 4, "BOWL": 1}):
        with pytest.raises(ReservationDiffers):
            await house.reserve(key, **other)
    await house.commit(key)
    await house.give_back(back, key, CUP=1)
    for reservation, quantity in ((key, 2), (uuid4(), 1)):
        with pytest.raises(ReservationDiffers):
            await house.give_back(back, reservation, CUP=quantity)
    assert await house.figures() == {CUP: (7, 0), BOWL: (10, 0)}


async def test_what_was_released_before_it_was_made_is_never_made(house: House) -> None:
    await house.release(key := uuid4())
    await house.release(key)
    with pytest.raises(ReservationOver) as refused:
        await house.reserve(key, CUP=1)
    assert refused.value.extra == {"status": "released"}
    with pytest.raises(ReservationOver):
        await house.commit(key)
    assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}


async def test_what_was_released_cannot_leave_or_be_made_again(house: House) -> None:
    await house.reserve(key := uuid4(), CUP=1)
    await house.release(key)
    for ask in (house.commit(key), house.reserve(key, CUP=1)):
        with pytest.raises(ReservationOver):
            await ask


async def test_what_was_never_reserved_cannot_leave_or_come_back(house: House) -> None:
    with pytest.raises(ReservationOver):
        await house.commit(uuid4())
    with pytest.raises(NotFound):
        await house.give_back(uuid4(), uuid4(), CUP=1)


async def test_no_more_comes_back_than_has_left(house: House) -> None:
    await house.reserve(key := uuid4(), CUP=4, BOWL=1)
    with pytest.raises(MoreThanHasLeft):
        await house.give_back(uuid4(), key, CUP=1)
    await house.commit(key)
    await house.give_back(uuid4(), key, CUP=3)
    for lines in ({"CUP": 2}, {"BOWL": 1, "CUP": 2}, {"PLATE": 1}):
        with pytest.raises(MoreThanHasLeft) as refused:
            await house.give_back(uuid4(), key, **lines)
        assert refused.value.extra == {"left": {CUP: 1, BOWL: 1}}
    assert await house.figures() == {CUP: (9, 0), BOWL: (9, 0)}


async def test_its_time_frees_what_is_reserved(house: House) -> None:
    await house.reserve(key := uuid4(), seconds=60, CUP=4)
    house.later(60)
    await house.expire(key)
    await house.expire(key)
    assert await house.status(key) is EXPIRED
    assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}
    for ask in (house.commit(key), house.reserve(key, CUP=4)):
        with pytest.raises(ReservationOver) as refused:
            await ask
        assert refused.value.extra == {"status": "expired"}
    await house.release(key)
    assert await house.status(key) is EXPIRED


async def test_what_is_expired_does_not_leave_though_nobody_has_noticed_yet(house: House) -> None:
    await house.reserve(key := uuid4(), seconds=60, CUP=4)
    house.later(59.9)
    await house.reserve(other := uuid4(), seconds=60, CUP=1)
    house.later(0.1)
    with pytest.raises(ReservationOver):
        await house.commit(key)
    await house.commit(other)
    assert await house.figures() == {CUP: (9, 4), BOWL: (10, 0)}


async def test_the_end_of_its_time_is_enqueued_with_it(house: House) -> None:
    await house.reserve(key := uuid4(), seconds=60, CUP=4)
    [(name, payload, available_at, enqueued_at)] = await house.database.all(_JOBS)
    assert (name, payload) == (job_name(ExpireReservation), {"reservation_id": str(key)})
    assert available_at - enqueued_at == timedelta(seconds=60)


async def test_a_job_that_is_early_comes_again(house: House) -> None:
    await house.reserve(key := uuid4(), seconds=60, CUP=4)
    house.later(50)
    await house.expire(key)
    assert await house.status(key) is HELD
    waits = sorted((at - since).total_seconds() for _, _, at, since in await house.database.all(_JOBS))
    assert waits == [10, 60]


async def test_what_has_left_does_not_expire(house: House) -> None:
    await house.reserve(key := uuid4(), seconds=60, CUP=4)
    await house.commit(key)
    house.later(60)
    await house.expire(key)
    await house.expire(uuid4())
    assert await house.figures() == {CUP: (6, 0), BOWL: (10, 0)}


async def test_whoever_listens_is_told_of_every_movement(house: House) -> None:
    await house.reserve(key := uuid4(), CUP=4)
    await house.commit(key)
    told = [row[0] for row in await house.database.all(_EVENTS)][2:]
    assert [(one["sku"], one["move"], one["quantity"], one["reservation_id"]) for one in told] == [
        (CUP, "reserve", 4, str(key)),
        (CUP, "commit", 4, str(key)),
    ]


async def test_reserving_is_one_read_and_one_commit(house: House) -> None:
    await house.reserve(uuid4(), CUP=1, BOWL=1)
    before = house.database.round_trips
    await house.reserve(key := uuid4(), CUP=1, BOWL=1)
    assert house.database.round_trips - before == 2
    before = house.database.round_trips
    await house.commit(key)
    assert house.database.round_trips - before == 2


async def test_a_hundred_skus_are_reserved_at_once(database_url: str) -> None:
    skus = [f"S-{i:03}" for i in range(MOST_LINES)]
    async with open_house(database_url) as house:
        house.product = ProductId(uuid4())
        await house.open(*skus)
        for sku in skus:
            await house.receive(sku, 2)
        await house.reserve(key := uuid4(), **dict.fromkeys(skus, 2))
        await house.commit(key)
        assert await house.figures() == dict.fromkeys(skus, (0, 0))
        assert await house.differences() == []


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [Line(CUP, 0)],
        [Line(CUP, 2), Line(CUP, -1)],
        [Line(CUP, 1_000_001)],
        [Line(CUP, 600_000), Line(CUP, 600_000)],
        [Line(f"S-{i}", 1) for i in range(MOST_LINES + 1)],
    ],
)
def test_lines_that_make_no_sense_are_refused(lines: list[Line]) -> None:
    with pytest.raises(Invalid):
        gathered(lines)


def test_lines_of_the_same_sku_are_one() -> None:
    assert gathered([Line(CUP, 1), Line(BOWL, 5), Line(CUP, 2)]) == [Line(BOWL, 5), Line(CUP, 3)]


@pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1, 10**30])
def test_goods_are_reserved_for_a_second_to_seven_days(seconds: int) -> None:
    with pytest.raises(Invalid):
        Reservation.hold(ReservationId(uuid4()), [Line(CUP, 1)], seconds, NOON)


async def test_twenty_at_once_with_the_same_key_reserve_once(house: House) -> None:
    key = uuid4()
    await asyncio.gather(*(house.reserve(key, CUP=4) for _ in range(20)))
    assert await house.figures() == {CUP: (10, 4), BOWL: (10, 0)}
    await asyncio.gather(*(house.commit(key) for _ in range(20)))
    assert await house.figures() == {CUP: (6, 0), BOWL: (10, 0)}
    back = uuid4()
    await asyncio.gather(*(house.give_back(back, key, CUP=2) for _ in range(20)))
    assert await house.figures() == {CUP: (8, 0), BOWL: (10, 0)}
    await asyncio.gather(*(house.release(key) for _ in range(20)))
    assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}


async def test_of_a_reservation_and_its_release_at_once_nothing_is_left(house: House) -> None:
    for _ in range(20):
        key = uuid4()
        await asyncio.gather(house.reserve(key, CUP=4), house.release(key), return_exceptions=True)
        assert await house.status(key) is RELEASED
    assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}


async def outcome(house: House, key: UUID, move: StockMove) -> bool:
    try:
        await (house.commit(key) if move is StockMove.COMMIT else house.release(key))
    except DomainError:
        return False
    return True


async def test_of_a_commit_and_a_release_at_once_all_ends_released(house: House) -> None:
    for _ in range(20):
        key = uuid4()
        await house.reserve(key, seconds=HOUR, CUP=4)
        await asyncio.gather(outcome(house, key, StockMove.COMMIT), outcome(house, key, StockMove.RELEASE))
        assert await house.status(key) is RELEASED
    assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}


async def test_of_goods_given_back_and_released_at_once_none_come_twice(house: House) -> None:
    for _ in range(20):
        await house.reserve(key := uuid4(), CUP=4)
        await house.commit(key)
        both = [house.give_back(uuid4(), key, CUP=4), house.release(key)]
        ended = await asyncio.gather(*both, return_exceptions=True)
        assert {type(each) for each in ended} <= {type(None), MoreThanHasLeft}
        assert await house.figures() == {CUP: (10, 0), BOWL: (10, 0)}
