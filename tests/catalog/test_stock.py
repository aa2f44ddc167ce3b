"""Stock moves by rules: never below what is reserved, and nothing is ever taken back unseen."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import select, update

from bailiwick.catalog.contract import StockMove
from bailiwick.catalog.domain.product import ProductId
from bailiwick.catalog.domain.stock import MOST_PIECES, Movement, MovementId, OutOfStock, Stock, StockId
from bailiwick.catalog.infrastructure.tables import stocks
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Invalid, NotFound
from bailiwick.kernel.messaging.tables import events
from tests.catalog.warehouses import BOWL, CUP, NOON, House, again, open_house

_EVENTS = select(events.c.payload, events.c.aggregate_id).where(events.c.type == "catalog.StockMoved")


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as opened:
        yield opened


def a_stock(on_hand: int = 0, reserved: int = 0) -> Stock:
    return Stock(id=StockId(uuid4()), sku=CUP, on_hand=on_hand, reserved=reserved)


def a_movement(move: StockMove, quantity: int, note: str = "counted") -> Movement:
    return Movement.record(MovementId(uuid4()), CUP, move, quantity, NOON, note=note)


@pytest.mark.parametrize(
    ("move", "on_hand", "reserved"),
    [
        (StockMove.RECEIVE, 14, 5),
        (StockMove.ADJUST, 14, 5),
        (StockMove.RESERVE, 10, 9),
        (StockMove.RELEASE, 10, 1),
        (StockMove.COMMIT, 6, 1),
        (StockMove.RETURN, 14, 5),
    ],
)
def test_every_movement_has_its_effect(move: StockMove, on_hand: int, reserved: int) -> None:
    stock = a_stock(10, 5)
    stock.apply(a_movement(move, 4))
    assert (stock.on_hand, stock.reserved, stock.available) == (on_hand, reserved, on_hand - reserved)


@pytest.mark.parametrize(("move", "quantity"), [(StockMove.RESERVE, 6), (StockMove.ADJUST, -6)])
def test_what_is_reserved_or_not_there_cannot_be_taken(move: StockMove, quantity: int) -> None:
    stock = a_stock(10, 5)
    with pytest.raises(OutOfStock) as refused:
        stock.apply(a_movement(move, quantity))
    assert refused.value.extra == {"lines": [{"sku": CUP, "wanted": 6, "available": 5}]}
    assert (stock.on_hand, stock.reserved) == (10, 5)


@pytest.mark.parametrize(
    ("move", "quantity", "field"),
    [
        (StockMove.RECEIVE, 0, "quantity"),
        (StockMove.RECEIVE, -1, "quantity"),
        (StockMove.RECEIVE, MOST_PIECES + 1, "quantity"),
        (StockMove.ADJUST, -MOST_PIECES - 1, "quantity"),
        (StockMove.ADJUST, 0, "quantity"),
    ],
)
def test_a_quantity_out_of_range_is_refused(move: StockMove, quantity: int, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        a_movement(move, quantity)
    assert refused.value.field == field


@pytest.mark.parametrize("note", ["", "  ", "x" * 501])
def test_an_adjustment_says_why_in_a_note(note: str) -> None:
    with pytest.raises(Invalid) as refused:
        a_movement(StockMove.ADJUST, -1, note)
    assert refused.value.field == "note"


async def test_what_is_received_and_adjusted_is_on_hand(house: House) -> None:
    await house.receive(CUP, 10)
    await house.receive(CUP, 5)
    await house.move(CUP, StockMove.ADJUST, -3, "three were broken")
    assert await house.figures() == {CUP: (12, 0)}
    assert await house.moves() == [(CUP, "receive", 10), (CUP, "receive", 5), (CUP, "adjust", -3)]
    assert await house.differences() == []


async def test_a_movement_is_told_on_its_own_account(house: House) -> None:
    movement = await house.receive(CUP, 10)
    [(payload, aggregate_id)] = await house.database.all(_EVENTS)
    assert aggregate_id == movement.id
    assert {name: payload[name] for name in ("sku", "move", "quantity", "reservation_id")} == {
        "sku": CUP,
        "move": "receive",
        "quantity": 10,
        "reservation_id": None,
    }


async def test_only_variants_of_the_product_have_stock(house: House) -> None:
    with pytest.raises(NotFound):
        await house.receive("PLATE", 1)
    house.product = ProductId(uuid4())
    with pytest.raises(NotFound):
        await house.receive(CUP, 1)
    assert await house.figures() == {}


REPLACE = (
    "INSERT OR REPLACE INTO catalog_movement "
    "SELECT id, sku, move, 99, reservation_id, note, moved_by, moved_at, version FROM catalog_movement"
)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE catalog_movement SET quantity = 99",
        "UPDATE catalog_movement SET note = 'never mind'",
        "DELETE FROM catalog_movement",
        {"sqlite": REPLACE, "postgresql": "TRUNCATE catalog_movement"},
    ],
)
async def test_the_database_refuses_to_change_a_movement(
    house: House, database_url: str, change: str | dict[str, str]
) -> None:
    await house.receive(CUP, 10)
    sql = change if isinstance(change, str) else change[database_url.partition(":")[0]]
    with pytest.raises((sqlite3.IntegrityError, asyncpg.RaiseError), match=r"append-only|UNIQUE"):
        await at(database_url, sql)
    assert await house.moves() == [(CUP, "receive", 10)]


@pytest.mark.parametrize(("on_hand", "reserved"), [(-1, 0), (3, 4), (3, -1)])
async def test_the_database_refuses_what_the_code_must_never_store(
    house: House, on_hand: int, reserved: int
) -> None:
    await house.receive(CUP, 3)
    wrong = Write(update(stocks).values(on_hand=on_hand, reserved=reserved), {})
    with pytest.raises((sqlite3.IntegrityError, asyncpg.CheckViolationError)):
        await house.database.write([wrong])
    assert await house.figures() == {CUP: (3, 0)}


async def test_the_first_goods_of_a_sku_may_come_twice_at_once(house: House) -> None:
    async def arrive() -> None:
        await house.receive(BOWL, 2)

    await asyncio.gather(*(again(arrive) for _ in range(8)))
    assert await house.figures() == {BOWL: (16, 0)}


async def at(url: str, sql: str) -> None:
    """Do it behind the back of the product."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute(sql)
        return
    connected = await asyncpg.connect(url)
    try:
        await connected.execute(sql)
    finally:
        await connected.close()
