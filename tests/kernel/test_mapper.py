"""The mapper: what is stored is what is loaded, for any aggregate, on both databases."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, Text

from bailiwick.kernel.application import Contention, Stale
from bailiwick.kernel.database.columns import Id
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.domain import Aggregate, NotFound
from bailiwick.tooling.any_aggregate import (
    any_of,
    changed,
    examples_of,
    keeps_everything,
    loaded,
    repository,
    stored,
    thoroughly,
    unconstrained,
)
from tests.kernel.aggregates import shipped_mappers
from tests.kernel.samples import (
    Board,
    Money,
    Shelf,
    Wood,
    boards,
    create_tables,
    database_at,
    messages,
    shelves,
)

MAPPERS = shipped_mappers() | {"samples.Shelf": Mapper(Shelf, shelves, boards=boards)}


def test_every_shipped_aggregate_is_found() -> None:
    assert {"tasks.Task", "identity.User", "identity.Session"} <= set(MAPPERS)


@pytest.mark.parametrize("name", MAPPERS)
async def test_any_aggregate_is_kept_whole(name: str, database_url: str) -> None:
    mapper, metadata = unconstrained(MAPPERS[name])
    await create_tables(database_url, messages, metadata)
    database = database_at(database_url)
    await database.open()
    for one, other in examples_of(mapper.kind):
        await keeps_everything(database, mapper, one, other)
    await database.close()


class Forgetful(Mapper[Any]):
    """Keeps all but the name: what the tests above must see."""

    def dump(self, aggregate: Any) -> dict[str, Any]:
        return super().dump(aggregate) | {"name": ""}


class Lazy(Mapper[Any]):
    """Does not look at its children."""

    def snapshot(self, aggregate: Any) -> Any:
        root, children = super().snapshot(aggregate)
        return root, [[] for _ in children]


class Busy(Mapper[Any]):
    """Writes though nothing changed."""

    def writes(self, aggregate: Any, loaded: Any) -> Any:
        return super().writes(aggregate, loaded and (loaded[0] | {"count": None}, loaded[1]))


@pytest.mark.parametrize("kind", [Forgetful, Lazy, Busy])
async def test_a_mapper_that_does_not_keep_everything_is_seen(
    kind: type[Mapper[Any]], database: Database
) -> None:
    mapper = kind(Shelf, shelves, boards=boards)
    oak = Board(label="a", price=Money(1, "NAD"), wood=Wood.OAK)  # type: ignore[arg-type]  # a NewType
    one, other = (Shelf(id=uuid4(), name=name, boards=[oak] * i) for i, name in enumerate("ab", start=1))  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        await keeps_everything(database, mapper, one, other)


MAPPER: Mapper[Shelf] = Mapper(Shelf, shelves, boards=boards)


def shelf(labels: str = "abc") -> Shelf:
    made = Shelf(id=uuid4(), name=uuid4().hex)  # type: ignore[arg-type]  # a NewType
    made.boards = [Board(label=label, price=Money(1, "NAD"), wood=made.wood) for label in labels]  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("labels", ["abcd", "ab", "", "cba", "axc", "xabc", "bc", "zzzzzz"])
async def test_a_change_of_the_children_alone_counts_the_version_up(database: Database, labels: str) -> None:
    one = shelf("abc")
    await stored(database, MAPPER, one)
    await changed(database, MAPPER, one.id, boards=shelf(labels).boards)
    found = await loaded(database, MAPPER, one.id)
    assert ("".join(board.label for board in found.boards), found.version) == (labels, 2)


async def test_a_change_inside_a_child_counts_the_version_up(database: Database) -> None:
    one = shelf()
    await stored(database, MAPPER, one)
    unit, things = repository(database, MAPPER)
    async with unit:
        found = await things.get(one.id)
        found.boards[1].price = Money(2, "EUR")
        await unit.commit(None)
    again = await loaded(database, MAPPER, one.id)
    assert (again.boards[1].price, again.version) == (Money(2, "EUR"), 2)


async def test_changes_in_place_of_plain_containers_are_seen(database: Database) -> None:
    one = shelf()
    await stored(database, MAPPER, one)
    unit, things = repository(database, MAPPER)
    async with unit:
        found = await things.get(one.id)
        found.limits["new"] = 1
        await unit.commit(None)
    assert (await loaded(database, MAPPER, one.id)).limits == {"new": 1}


@pytest.mark.parametrize("labels", ["abc", "abcd", "a", "xyz"])
async def test_a_stale_version_stores_nothing(database: Database, labels: str) -> None:
    """Also where the two add, change or take away the same children: never a duplicate, never half."""
    one = shelf("abc")
    await stored(database, MAPPER, one)
    (first, firsts), (second, seconds) = (repository(database, MAPPER) for _ in range(2))
    async with first, second:
        mine, theirs = await firsts.get(one.id), await seconds.get(one.id)
        mine.count, mine.boards = 1, shelf("abcdef").boards
        theirs.count, theirs.boards = 2, shelf(labels).boards
        await first.commit(None)
        with pytest.raises(Contention):
            await second.commit(None)
    found = await loaded(database, MAPPER, one.id)
    assert (found.count, len(found.boards), found.version) == (1, 6, 2)


async def test_a_wanted_version_that_is_gone_is_stale_and_an_unknown_id_not_found(database: Database) -> None:
    one = shelf()
    await stored(database, MAPPER, one)
    things = repository(database, MAPPER)[1]
    assert (await things.get(one.id, version=1)).version == 1
    with pytest.raises(Stale):
        await things.get(one.id, version=2)
    with pytest.raises(NotFound, match="no such shelf"):
        await things.get(uuid4())


@dataclass(frozen=True)
class Maybe:
    one: int | None = None


@dataclass(eq=False, kw_only=True)
class Box(Aggregate):
    id: UUID
    name: str


@dataclass(eq=False, kw_only=True)
class Priced(Aggregate):
    id: UUID
    low: Money
    high: Money


@dataclass(eq=False, kw_only=True)
class Listed(Aggregate):
    id: UUID
    items: list[Maybe]


@dataclass(eq=False, kw_only=True)
class Vague(Aggregate):
    id: UUID
    maybe: Maybe | None


def table(*names: str) -> Table:
    columns = (Column(name, Integer) for name in (*names, "version"))
    return Table("t", MetaData(), Column("id", Id, primary_key=True), *columns)


@pytest.mark.parametrize(
    ("kind", "wrong", "why"),
    [
        (Box, table(), "differ in .*name"),
        (Box, table("name", "extra"), "differ in .*extra"),
        (Box, table("title"), "differ in .*name.*title"),
        (Priced, table("amount", "currency"), "share a column"),
        (Priced, table("low_amount", "low_currency"), "differ in"),
        (Listed, table(), "a list needs its child table"),
        (Vague, table("maybe_one"), "could not be told from None"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(kind: type[Aggregate], wrong: Table, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        Mapper(kind, wrong)


def test_a_table_that_fits_is_taken() -> None:
    Mapper(Box, Table("t", MetaData(), Column("id", Id), Column("name", Text), Column("version", Integer)))
    Mapper(Priced, table("low_amount", "low_currency", "high_amount", "high_currency"))


@thoroughly
@given(st.lists(any_of(str), min_size=2, max_size=6, unique=True))
def test_equal_sets_are_stored_alike_however_they_were_made(items: list[str]) -> None:
    assume(len(items) > 1)
    one, other = shelf(), shelf()
    one.labels, other.labels = frozenset(items), frozenset(reversed(items))
    assert MAPPER.dump(one)["labels"] == MAPPER.dump(other)["labels"]
