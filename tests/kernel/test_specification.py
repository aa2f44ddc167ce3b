"""Specifications: what they say of an object is what their SQL finds, on both databases."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Integer, Table, Text, delete, insert, select

from bailiwick.kernel.database.columns import UtcDateTime, context_metadata
from bailiwick.kernel.database.conditions import condition, parameters, shape_of
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import SQLITE, Write, compile_for
from bailiwick.kernel.specification import All, AnyOf, Has, Not, Relation, Specification, leaves
from tests.kernel.samples import NOON, create_tables, database_at

metadata = context_metadata()
table = Table(
    "samples_thing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text),
    Column("number", Integer),
    Column("at", UtcDateTime),
    Column("flag", Boolean),
)
COLUMNS: dict[str, Any] = {column.name: column for column in table.c}
INSERT = insert(table)


@dataclass(frozen=True)
class Thing:
    id: int
    text: str | None
    number: int | None
    at: Any
    flag: bool | None


VALUES: dict[str, st.SearchStrategy[Any]] = {
    # Letters whose lower case is one letter everywhere: the databases know no other.
    "text": st.text("aAbB%_\\'\"; é\u00c9ПпЖ0", max_size=4),
    "number": st.integers(-3, 3),
    "at": st.integers(-2, 2).map(lambda hours: NOON + timedelta(hours=hours)),
    "flag": st.booleans(),
}
THINGS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), max_size=8
).map(lambda rows: [Thing(id=i, **row) for i, row in enumerate(rows)])


@st.composite
def rules(draw: st.DrawFn) -> Specification:
    name = draw(st.sampled_from(sorted(VALUES)))
    orders = [Relation.BEFORE, Relation.AFTER, Relation.AT_MOST, Relation.AT_LEAST]
    relations = [Relation.IS, Relation.ANY_OF, *(orders if name != "flag" else ())]
    relation = draw(st.sampled_from([*relations, *([Relation.CONTAINS] if name == "text" else [])]))
    if relation is Relation.ANY_OF:
        return Has(name, relation, tuple(draw(st.lists(VALUES[name], max_size=3))))
    value = draw(st.none() | VALUES[name] if relation is Relation.IS else VALUES[name])
    return Has(name, relation, value)


SPECIFICATIONS = st.recursive(
    rules(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)


async def found_by_sql(database: Database, rule: Specification, where: Any = None) -> set[int]:
    statement = select(table.c.id).where(condition(rule, COLUMNS) if where is None else where)
    return {id for (id,) in await database.all(statement, **parameters(rule))}


async def filled(database: Database, things: list[Thing]) -> None:
    rows = [{f.name: getattr(thing, f.name) for f in fields(thing)} for thing in things]
    await database.write([Write(delete(table), {})], [Write(INSERT, row) for row in rows])


async def disagreements(url: str, is_satisfied: Callable[[Specification, Thing], bool]) -> int:
    """How many of many examples SQL and memory see differently."""
    examples: list[tuple[list[Thing], list[Specification]]] = []

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(THINGS, st.lists(SPECIFICATIONS, min_size=3, max_size=3))
    def gather(things: list[Thing], specifications: list[Specification]) -> None:
        examples.append((things, specifications))

    gather()
    await create_tables(url, metadata)
    database = database_at(url)
    await database.open()
    count = 0
    for things, specifications in examples:
        await filled(database, things)
        for rule in specifications:
            expected = {thing.id for thing in things if is_satisfied(rule, thing)}
            found = await found_by_sql(database, rule)
            if found != expected:
                count += 1
                print(rule, things, found, expected)
    await database.close()
    return count


async def test_memory_and_sql_agree_on_any_rule_and_rows(database_url: str) -> None:
    assert await disagreements(database_url, lambda rule, thing: rule.is_satisfied_by(thing)) == 0


async def test_a_disagreement_would_be_seen(sqlite_url: str) -> None:
    def sloppy(rule: Specification, thing: Thing) -> bool:
        """Forgets that an unknown value satisfies a negation."""
        missing = any(getattr(thing, leaf.field) is None for leaf in leaves(rule))
        return not missing and rule.is_satisfied_by(thing)

    assert await disagreements(sqlite_url, sloppy) > 0


def test_rules_combine_with_operators() -> None:
    one, two = Has("number", Relation.IS, 1), Has("flag", Relation.IS, True)
    thing = Thing(1, None, 1, None, False)
    assert (one | two).is_satisfied_by(thing)
    assert not (one & two).is_satisfied_by(thing)
    assert (one & ~two).is_satisfied_by(thing)
    assert [leaf.field for leaf in leaves((one | two) & ~one)] == ["number", "flag", "number"]


def test_a_field_may_be_a_path() -> None:
    @dataclass
    class Outer:
        inner: Thing

    rule = Has("inner.number", Relation.AT_LEAST, 2)
    assert rule.is_satisfied_by(Outer(Thing(1, None, 2, None, None)))
    assert not rule.is_satisfied_by(Outer(Thing(1, None, 1, None, None)))


def test_equal_shapes_have_equal_sql_and_values_are_never_text() -> None:
    hostile = "'; DROP TABLE samples_thing; --"
    one = Has("text", Relation.CONTAINS, hostile) & ~Has("number", Relation.ANY_OF, (1, 2))
    two = Has("text", Relation.CONTAINS, "x") & ~Has("number", Relation.ANY_OF, (3, 4))
    three = Has("text", Relation.CONTAINS, "x") & ~Has("number", Relation.ANY_OF, (3,))
    sql = [compile_for(SQLITE, select(table.c.id).where(condition(rule, COLUMNS))).sql for rule in (one, two)]
    assert sql[0] == sql[1]
    assert "DROP" not in sql[0]
    assert shape_of(one) == shape_of(two) != shape_of(three)


def test_a_rule_about_an_unknown_column_is_an_error() -> None:
    with pytest.raises(KeyError):
        condition(Has("secret", Relation.IS, 1), COLUMNS)
