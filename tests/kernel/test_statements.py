"""Statements: compiled once, merged into one, and on SQLite in the one mode that loses nothing."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    Column,
    Dialect,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from bailiwick.kernel.application import Contention
from bailiwick.kernel.database.columns import Id, Json, UtcDateTime
from bailiwick.kernel.database.connections import MOST_COMPILED, Database, Duplicate, Statements
from bailiwick.kernel.database.sqlite import connect
from bailiwick.kernel.database.statements import POSTGRESQL, SQLITE, Write, compile_for, merge
from tests.kernel.samples import Shelf, ShelfId, shelves

things = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", Text),
    Column("at", UtcDateTime),
    Column("data", Json),
    Column("key", Id),
)

INSERT = insert(shelves)
RAISE = (
    update(shelves).where(shelves.c.name == bindparam("who")).values(count=shelves.c.count + bindparam("by"))
)
DELETE = delete(shelves).where(shelves.c.name == bindparam("who"))
COUNTS = select(shelves.c.name, shelves.c.count).order_by(shelves.c.name)


def row(name: str) -> dict[str, Any]:
    shelf = Shelf(id=ShelfId(uuid4()), name=name)
    return {column.name: getattr(shelf, column.name, None) for column in shelves.c} | {"version": 1}


def test_merged_statements_keep_their_own_parameters() -> None:
    sql = merge(
        (("INSERT INTO a VALUES ($1, $2)", 2, 1), ("UPDATE b SET x = $1 WHERE y = $2 AND z = $1", 2, None))
    )
    assert sql == (
        "WITH w0 AS (INSERT INTO a VALUES ($1, $2) RETURNING 1), "
        "w1 AS (UPDATE b SET x = $3 WHERE y = $4 AND z = $3) "
        "SELECT 1 / (CASE WHEN (SELECT count(*) FROM w0) = 1 THEN 1 ELSE 0 END)"
    )
    assert merge((("DELETE FROM a", 0, None),)) == "WITH w0 AS (DELETE FROM a) SELECT 1"


def test_rows_for_one_table_are_inserted_together() -> None:
    insert = ("INSERT INTO a (x, y) VALUES ($1, now())", 1, None)
    sql = merge(
        (insert, ("DELETE FROM b WHERE x = $1", 1, 1), insert, ("INSERT INTO c VALUES ($1)", 1, None))
    )
    assert sql == (
        "WITH w0 AS (INSERT INTO a (x, y) VALUES ($1, now()), ($3, now())), "
        "w1 AS (DELETE FROM b WHERE x = $2 RETURNING 1), w2 AS (INSERT INTO c VALUES ($4)) "
        "SELECT 1 / (CASE WHEN (SELECT count(*) FROM w1) = 1 THEN 1 ELSE 0 END)"
    )


def test_more_than_nine_parameters_are_shifted_whole() -> None:
    first = f"INSERT INTO a VALUES ({', '.join(f'${i}' for i in range(1, 13))})"  # noqa: S608 - not run
    assert "VALUES ($13, $24)" in merge(((first, 12, None), ("INSERT INTO b VALUES ($1, $12)", 12, None)))


async def test_one_write_of_many_statements_is_all_or_nothing(database: Database) -> None:
    await database.write([Write(INSERT, row("a"), exactly=1), Write(INSERT, row("b"), exactly=1)])
    await database.write(
        [Write(RAISE, {"who": "a", "by": 2}, exactly=1), Write(RAISE, {"who": "b", "by": 3})]
    )
    assert await rows(database) == [("a", 2), ("b", 3)]
    for wrong in (
        [Write(RAISE, {"who": "a", "by": 2}), Write(RAISE, {"who": "nobody", "by": 1}, exactly=1)],
        [Write(DELETE, {"who": "a"}, exactly=2), Write(RAISE, {"who": "b", "by": 1})],
    ):
        with pytest.raises(Contention):
            await database.write(wrong)
    with pytest.raises(Duplicate):
        await database.write([Write(RAISE, {"who": "a", "by": 1})], [Write(INSERT, row("a"))])
    assert await rows(database) == [("a", 2), ("b", 3)]


async def rows(database: Database) -> list[tuple[str, int]]:
    return [(name, count) for name, count in await database.all(COUNTS)]


async def test_phases_run_in_their_order(database: Database) -> None:
    await database.write([Write(INSERT, row("a"))])
    await database.write([Write(DELETE, {"who": "a"}, exactly=1)], [], [Write(INSERT, row("a"), exactly=1)])
    assert await rows(database) == [("a", 0)]


async def test_a_forgotten_parameter_is_an_error_and_not_null(database: Database) -> None:
    for call in (
        database.all(select(shelves).where(shelves.c.name == bindparam("who"))),
        database.write([Write(RAISE, {"who": "a"})]),
    ):
        with pytest.raises(KeyError):
            await call


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
def test_values_are_bound_and_never_text(dialect: Dialect) -> None:
    hostile = "x' OR '1'='1"
    statement = select(things).where(things.c.name == hostile, things.c.id.in_([bindparam("one")]))
    compiled = compile_for(dialect, statement)
    assert hostile not in compiled.sql
    assert hostile in compiled.values({"one": 1})


def test_times_on_sqlite_are_utc_text_in_the_order_of_time() -> None:
    bind = UtcDateTime.dialect_impl(SQLITE).bind_processor(SQLITE)
    read = UtcDateTime.dialect_impl(SQLITE).result_processor(SQLITE, None)
    assert bind is not None
    assert read is not None
    east = timezone(timedelta(hours=5, minutes=45))
    times = [
        datetime(3, 1, 1, tzinfo=UTC),
        datetime(987, 6, 5, tzinfo=UTC),
        datetime(2031, 1, 1, 5, 44, tzinfo=east),
        datetime(2031, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(9997, 1, 1, tzinfo=UTC),
    ]
    texts = [bind(time) for time in times]
    assert texts == sorted(texts)
    assert [read(text) for text in texts] == times
    with pytest.raises(ValueError, match="without a time zone"):
        bind(datetime(2031, 1, 1))  # noqa: DTZ001 - what must be refused


def test_compiled_statements_do_not_pile_up_without_end() -> None:
    statements = Statements(SQLITE)
    for i in range(MOST_COMPILED + 10):
        statements._compiled[select(things).limit(i)] = compile_for(SQLITE, COUNTS)
    assert statements[COUNTS].sql
    assert len(statements._compiled) == 1


def lost_updates(path: Path, connecting: Any, begin: str) -> int:
    """Four threads read a number and write it back one higher, twenty times each; how many got lost."""
    with connecting(path) as first:
        first.execute("CREATE TABLE counter (n INTEGER)")
        first.execute("INSERT INTO counter VALUES (0)")
        first.commit()
    failures: list[Exception] = []

    def writer() -> None:
        connection = connecting(path)
        for _ in range(20):
            while True:
                try:
                    connection.execute(begin)
                    [n] = connection.execute("SELECT n FROM counter").fetchone()
                    connection.execute("UPDATE counter SET n = ?", (n + 1,))
                    connection.commit()
                    break
                except sqlite3.OperationalError as busy:
                    failures.append(busy)
                    connection.rollback()
        connection.close()

    threads = [threading.Thread(target=writer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connecting(path) as last:
        [total] = last.execute("SELECT n FROM counter").fetchone()
    last.close()
    first.close()
    return 80 - int(total)


def test_our_connections_lose_no_update(tmp_path: Path) -> None:
    assert lost_updates(tmp_path / "ours.db", lambda path: connect(str(path)), "BEGIN IMMEDIATE") == 0


def test_the_drivers_default_mode_loses_updates_without_an_error(tmp_path: Path) -> None:
    """Why connections are opened as they are: reads stand outside the transaction that the driver begins."""

    def default(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=5.0)
        connection.execute("PRAGMA journal_mode=WAL")
        return connection

    assert max(lost_updates(tmp_path / f"{i}.db", default, "SELECT 1") for i in range(5)) > 0
