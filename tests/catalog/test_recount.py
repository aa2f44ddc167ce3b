"""The recount proves the stock from its movements and reservations, and sees what was tampered with."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from bailiwick.catalog.application.stock import MendStock, mend_stock
from bailiwick.catalog.contract import StockMove
from bailiwick.catalog.domain.product import ProductId
from bailiwick.catalog.infrastructure import recount as recounting
from bailiwick.catalog.infrastructure.recount import Count, recount
from bailiwick.catalog.interfaces.cli import recounted
from bailiwick.cli import app
from bailiwick.kernel.application import Contention
from tests.catalog.test_stock import at
from tests.catalog.warehouses import BOWL, CUP, House, open_house

UNGUARD = {
    "sqlite": ("DROP TRIGGER catalog_movement_no_update", "DROP TRIGGER catalog_movement_no_delete"),
    "postgresql": ("ALTER TABLE catalog_movement DISABLE TRIGGER USER",),
}


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as opened:
        await opened.receive(CUP, 10)
        await opened.receive(BOWL, 5)
        await opened.move(BOWL, StockMove.ADJUST, -1, "broken")
        await opened.reserve(uuid4(), CUP=3, BOWL=1)
        await opened.reserve(gone := uuid4(), CUP=2)
        await opened.commit(gone)
        await opened.give_back(uuid4(), gone, CUP=1)
        yield opened


async def tamper(url: str, *changes: str) -> None:
    """As somebody who may do everything with the database."""
    kind = "sqlite" if url.startswith("sqlite:") else "postgresql"
    for change in (*UNGUARD[kind], *changes):
        await at(url, change)


async def test_a_stock_that_only_moved_by_the_rules_is_well(house: House) -> None:
    found = await recount(house.database)
    assert (found.skus, found.wrong) == (2, [])
    assert await house.figures() == {CUP: (9, 3), BOWL: (4, 1)}


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            "UPDATE catalog_movement SET quantity = 12 WHERE sku = 'CUP' AND move = 'receive'",
            "CUP: 9 on hand, but its movements make 11",
        ),
        (
            "DELETE FROM catalog_movement WHERE sku = 'BOWL' AND move = 'adjust'",
            "BOWL: 4 on hand, but its movements make 5",
        ),
        (
            "UPDATE catalog_movement SET quantity = 2 WHERE sku = 'BOWL' AND move = 'reserve'",
            "BOWL: 1 in open reservations, but its movements reserve 2",
        ),
        (
            "UPDATE catalog_stock SET on_hand = 8 WHERE sku = 'CUP'",
            "CUP: 8 on hand, but its movements make 9",
        ),
        (
            "UPDATE catalog_stock SET reserved = 0 WHERE sku = 'CUP'",
            "CUP: 0 reserved, but its open reservations are of 3",
        ),
        (
            "DELETE FROM catalog_stock WHERE sku = 'BOWL'",
            "BOWL: 0 on hand, but its movements make 4",
        ),
        (
            "UPDATE catalog_reservation_line SET quantity = 4 WHERE sku = 'CUP' AND quantity = 3",
            "CUP: 3 reserved, but its open reservations are of 4",
        ),
    ],
)
async def test_what_was_tampered_with_is_found(
    house: House, database_url: str, change: str, difference: str
) -> None:
    await tamper(database_url, change)
    assert difference in await house.differences()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE catalog_stock SET on_hand = 8 WHERE sku = 'CUP'",
        "UPDATE catalog_stock SET reserved = 0",
        "DELETE FROM catalog_stock",
    ],
)
async def test_a_wrong_stock_is_mended_from_its_movements_and_reservations(
    house: House, database_url: str, change: str
) -> None:
    right, moves = await house.figures(), await house.moves()
    await tamper(database_url, change)
    said: list[str] = []
    assert not await recounted(house.database, said.append, said.append)
    assert await house.figures() != right
    assert await recounted(house.database, said.append, said.append, house.ports)
    assert await house.figures() == right
    assert await house.moves() == moves
    assert [line for line in said if "mended" in line]
    assert (await house.stock(CUP)).recounted_at in (house.now, None)
    assert await house.differences() == []


async def test_what_cannot_be_mended_is_said(house: House, database_url: str) -> None:
    await tamper(
        database_url, "UPDATE catalog_movement SET quantity = 2 WHERE sku = 'BOWL' AND move = 'reserve'"
    )
    said: list[str] = []
    assert not await recounted(house.database, said.append, said.append, house.ports)
    assert said == [
        "BOWL: 1 in open reservations, but its movements reserve 2",
        "Movements or reservations were changed, and no count can tell how: BOWL",
    ]


def mended(wrong: Count) -> MendStock:
    return MendStock(wrong.sku, wrong.version, wrong.moved, wrong.open)


async def test_a_stock_that_moved_since_it_was_counted_is_not_overwritten(
    house: House, database_url: str
) -> None:
    await tamper(database_url, "UPDATE catalog_stock SET on_hand = 8 WHERE sku = 'CUP'")
    [wrong] = (await recount(house.database)).wrong
    await house.receive(CUP, 1)
    with pytest.raises(Contention):
        await mend_stock(mended(wrong), house.ports)
    assert await house.figures() == {CUP: (9, 3), BOWL: (4, 1)}


async def test_of_two_who_mend_at_once_one_does(house: House, database_url: str) -> None:
    await tamper(database_url, "UPDATE catalog_stock SET on_hand = 8 WHERE sku = 'CUP'")
    [wrong] = (await recount(house.database)).wrong
    both: list[Any] = await asyncio.gather(
        *(mend_stock(mended(wrong), house.ports) for _ in range(2)), return_exceptions=True
    )
    assert [type(each) for each in both if each] == [Contention]
    assert await house.figures() == {CUP: (9, 3), BOWL: (4, 1)}


async def test_it_holds_while_everything_goes_on(house: House) -> None:
    await house.receive(CUP, 1000)
    going = True

    async def customer() -> None:
        while going:
            await house.reserve(key := uuid4(), CUP=1)
            await house.commit(key)

    customers = [asyncio.create_task(customer()) for _ in range(4)]
    found = [await house.differences() for _ in range(25)]
    going = False
    await asyncio.gather(*customers)
    assert found == [[]] * 25


async def test_every_batch_is_counted(
    house: House, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    skus = [f"S-{i:03}" for i in range(2 * recounting.AT_ONCE + 1)]
    for start in range(0, len(skus), 100):
        house.product = ProductId(uuid4())
        await house.open(*(batch := skus[start : start + 100]))
        for sku in batch:
            await house.receive(sku, 1)
    told: list[int] = []
    await tamper(database_url, "UPDATE catalog_stock SET on_hand = 2 WHERE sku IN ('BOWL', 'S-200', 'S-400')")
    found = await recount(house.database, told.append)
    assert (found.skus, [count.sku for count in found.wrong]) == (len(skus) + 2, [BOWL, "S-200", "S-400"])
    assert told == [200, 400, len(skus) + 2]


@pytest.mark.parametrize(
    ("figures", "can"),
    [
        ({"on_hand": 5, "moved": 4, "open": 4}, True),
        ({"on_hand": 4, "moved": 4, "open": 0}, False),
        ({"on_hand": 5, "moved": 4, "open": 5}, False),
        ({"on_hand": 5, "moved": -1, "open": 0}, False),
    ],
)
def test_only_what_is_possible_is_stored(figures: dict[str, int], can: bool) -> None:
    known = {"version": 1, "on_hand": 0, "reserved": 0, "moved": 0, "set_aside": 0, "open": 0}
    assert Count(CUP, **{**known, **figures}).can_be_mended is can


def bailiwick(*words: str) -> Result:
    return CliRunner().invoke(app, words, prog_name="bailiwick")


def test_the_command_says_what_is_wrong_and_mends_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "catalog")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    asyncio.run(_a_cup(database_url))
    well = bailiwick("stock", "recount")
    assert (well.exit_code, well.output) == (0, "OK: 1 SKU as their movements and reservations make them.\n")
    asyncio.run(at(database_url, "UPDATE catalog_stock SET on_hand = 8"))
    wrong = bailiwick("stock", "recount")
    assert (wrong.exit_code, "CUP: 8 on hand, but its movements make 10" in wrong.output) == (1, True)
    mended = bailiwick("stock", "recount", "--repair")
    assert (mended.exit_code, "CUP: mended, 10 on hand, 0 reserved" in mended.output) == (0, True)
    assert bailiwick("stock", "recount").exit_code == 0


def test_the_command_needs_the_catalogue(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "tasks")
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.chdir(tmp_path)
    assert bailiwick("stock", "recount").exit_code == 2


async def _a_cup(url: str) -> None:
    async with open_house(url) as house:
        await house.receive(CUP, 10)
