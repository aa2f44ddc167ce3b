"""Lists below HTTP: a cursor walks the whole list whatever happens meanwhile, and shapes have an end."""

import asyncio
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import bindparam, select
from uuid_utils.compat import uuid7

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import MOST_SHAPES, MOST_VALUES, Filter, InvalidListing, Listing
from bailiwick.kernel.database.statements import POSTGRESQL, SQLITE, compile_for
from bailiwick.kernel.specification import Relation
from tests.kernel.samples import NOON, SampleUnitOfWork, Shelf, ShelfId, Wood, shelves


@dataclass(frozen=True, slots=True)
class ShelfRow:
    id: UUID
    name: str
    count: int


ROWS = select(shelves.c.id, shelves.c.name, shelves.c.count).where(shelves.c.fixed == bindparam("fixed"))


def listing() -> Listing[ShelfRow]:
    return Listing(
        ShelfRow,
        ROWS,
        key=shelves.c.id,
        sorts={"count": shelves.c.count, "wood": shelves.c.wood, "name": shelves.c.name},
        default_sort="name",
        filters={
            "wood": Filter(shelves.c.wood, Wood),
            "count_from": Filter(shelves.c.count, int, Relation.AT_LEAST),
        },
        search=[shelves.c.name],
    )


async def filled(database: Database, names: list[str]) -> list[Shelf]:
    made = []
    async with SampleUnitOfWork(database) as uow:
        for i, name in enumerate(names):
            shelf = Shelf(id=ShelfId(uuid7()), name=name, count=i % 3, wood=list(Wood)[i % 2], built_at=NOON)
            uow.shelves.add(shelf)
            made.append(shelf)
        return await uow.commit(made)


def ordered(things: list[Shelf], sort: str) -> list[UUID]:
    keys = sort.split(",")
    for key in [*reversed(["-id" if keys[-1][0] == "-" else "id"]), *reversed(keys)]:
        things = sorted(things, key=lambda s, k=key: getattr(s, k.removeprefix("-")), reverse=key[0] == "-")  # type: ignore[misc]
    return [shelf.id for shelf in things]


async def walked(
    database: Database, shelves_listed: Listing[ShelfRow], sort: str, meanwhile: Any = None
) -> list[UUID]:
    found: list[UUID] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = shelves_listed.parse({"cursor": cursor, "sort": sort, "per_page": "3"})
        page = await shelves_listed.page(database, asked, fixed=False)
        found += [item.id for item in page.items]
        cursor = page.next_cursor
        if meanwhile is not None:
            await meanwhile()
    return found


SORTS = [
    ",".join(f"{sign}{name}" for sign, name in zip(signs, names, strict=True))
    for size in (1, 2, 3)
    for names in permutations(["count", "wood", "name"], size)
    for signs in product(["", "-"], repeat=size)
]


async def test_a_walk_by_cursor_is_the_whole_list_in_every_order(database: Database) -> None:
    made = await filled(database, [f"shelf {i:02}" for i in range(11)])
    shelves_listed = listing()
    for sort in SORTS:
        expected = ordered(made, sort)
        assert await walked(database, shelves_listed, sort) == expected, sort
        asked = shelves_listed.parse({"sort": sort, "per_page": "100"})
        page = await shelves_listed.page(database, asked, fixed=False)
        assert ([item.id for item in page.items], page.total_items) == (expected, 11)


async def test_rows_inserted_meanwhile_neither_hide_nor_repeat_others(database: Database) -> None:
    made = await filled(database, [f"shelf {i:02}" for i in range(9)])
    before = {shelf.id for shelf in made}
    for sort in ("count", "-count,name", "name", "-wood,-name,count"):
        numbers = iter(range(1000))

        async def insert(sort: str = sort, numbers: Any = numbers) -> None:
            await filled(database, [f"{place} {sort} {next(numbers)}" for place in ("a", "shelf 04x", "z")])

        found = await walked_bounded(database, sort, insert)
        assert len(found) == len(set(found))
        assert [id for id in found if id in before] == ordered(made, sort)


async def walked_bounded(database: Database, sort: str, insert: Any) -> list[UUID]:
    """A walk that is raced by inserts for its first pages only, or it would never end."""
    left = iter(range(4))

    async def meanwhile() -> None:
        if next(left, None) is not None:
            await insert()

    async with asyncio.timeout(20):
        return await walked(database, listing(), sort, meanwhile)


async def test_a_page_by_number_would_repeat_rows_that_an_insert_moved(database: Database) -> None:
    """The sabotage: what the walk above is safe from can be seen."""
    await filled(database, [f"shelf {i}" for i in range(6)])
    shelves_listed, found = listing(), []
    for number in ("1", "2"):
        asked = shelves_listed.parse({"page": number, "per_page": "3"})
        found += [item.id for item in (await shelves_listed.page(database, asked, fixed=False)).items]
        await filled(database, ["a first one"] if number == "1" else [])
    assert len(set(found)) < len(found)


async def test_a_cursor_is_bound_to_its_scope_order_and_filters(database: Database) -> None:
    await filled(database, [f"shelf {i}" for i in range(5)])
    shelves_listed = listing()
    asked = shelves_listed.parse({"cursor": "", "per_page": "2"})
    cursor = (await shelves_listed.page(database, asked, fixed=False)).next_cursor
    assert cursor
    for query, scope in (
        ({"sort": "-name"}, False),
        ({"filter[wood]": "oak"}, False),
        ({"q": "shelf"}, False),
        ({}, True),
    ):
        asked = shelves_listed.parse({"cursor": cursor, **query})
        with pytest.raises(InvalidListing):
            await shelves_listed.page(database, asked, fixed=scope)


async def test_no_changed_character_of_a_cursor_goes_unseen(database: Database) -> None:
    await filled(database, [f"shelf {i}" for i in range(5)])
    shelves_listed = listing()
    asked = shelves_listed.parse({"cursor": "", "per_page": "2"})
    cursor = (await shelves_listed.page(database, asked, fixed=False)).next_cursor or ""
    for i in range(len(cursor) - 1):  # of the last one some bits are padding
        forged = cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1 :]
        with pytest.raises(InvalidListing):
            await shelves_listed.page(database, shelves_listed.parse({"cursor": forged}), fixed=False)


def test_several_values_of_a_filter_count_once_each_and_have_an_end() -> None:
    shelves_listed = listing()
    one = shelves_listed.parse({"filter[wood]": "oak,oak,oak"})
    assert one.rule == shelves_listed.parse({"filter[wood]": "oak"}).rule
    with pytest.raises(InvalidListing, match=f"at most {MOST_VALUES}"):
        shelves_listed.parse({"filter[wood]": ",".join(["oak"] * (MOST_VALUES + 1))})


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
def test_no_value_of_a_caller_becomes_sql(dialect: Any) -> None:
    hostile = "'); DROP TABLE samples_shelf; --"
    shelves_listed = listing()
    asked = shelves_listed.parse({"q": hostile, "filter[count_from]": "424242", "sort": "-wood,name"})
    statement, _ = shelves_listed._statement(asked, after=True, offset=False)
    sql = compile_for(dialect, statement).sql
    assert "DROP" not in sql
    assert "424242" not in sql


def test_the_statements_that_callers_can_cause_have_an_end() -> None:
    shelves_listed = listing()
    for i in range(3 * MOST_SHAPES):
        shelves_listed._counts[i] = ROWS
        shelves_listed._statements[i] = (ROWS, [])
    asked = shelves_listed.parse({})
    shelves_listed._statement(asked, after=False, offset=True)
    shelves_listed._count(asked.rule)
    assert len(shelves_listed._statements) == len(shelves_listed._counts) == 1


async def test_a_page_costs_one_statement_by_cursor_and_two_by_number(database: Database) -> None:
    await filled(database, [f"shelf {i}" for i in range(9)])
    shelves_listed = listing()
    for query, cost in (({"cursor": ""}, 1), ({"page": "1"}, 2), ({"page": "9999"}, 2)):
        before = database.statements
        await shelves_listed.page(database, shelves_listed.parse(query), fixed=False)
        assert database.statements - before == cost
