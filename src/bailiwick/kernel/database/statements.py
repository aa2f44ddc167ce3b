"""Statements compiled once per dialect, and writes merged into one round trip."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.expression import ClauseElement, ReturnsRows

from bailiwick.kernel.encoding import plain

Convert = Callable[[Any], Any]


def _to_json(value: object) -> str:
    return orjson.dumps(value, default=plain).decode()


def _from_json(stored: str | float) -> Any:
    """SQLite keeps the text of a mere number as that number."""
    return orjson.loads(stored) if isinstance(stored, str) else stored


POSTGRESQL: Dialect = PGDialect_asyncpg(json_serializer=_to_json)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
SQLITE: Dialect = SQLiteDialect_pysqlite(
    paramstyle="qmark", json_serializer=_to_json, json_deserializer=_from_json
)

NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL text with the order, the defaults and the converters of its parameters and columns."""

    sql: str
    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    binders: tuple[Convert | None, ...] | None
    readers: tuple[Convert | None, ...] | None

    def values(self, params: Mapping[str, Any]) -> list[Any]:
        """Parameters in the driver's order. Raises KeyError for one that is missing."""
        defaults = self.defaults
        values = [params[name] if name in params else defaults[name] for name in self.names]
        if self.binders is not None:
            for i, bind in enumerate(self.binders):
                if bind is not None:
                    values[i] = bind(values[i])
        return values

    def row(self, record: Sequence[Any]) -> tuple[Any, ...]:
        if self.readers is None:
            return tuple(record)
        return tuple(
            value if read is None else read(value) for value, read in zip(record, self.readers, strict=True)
        )


def compile_for(dialect: Dialect, statement: ClauseElement) -> Compiled:
    compiled: Any = statement.compile(dialect=dialect)
    names = tuple(compiled.positiontup or ())
    binders = tuple(compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names)
    columns = statement.exported_columns if isinstance(statement, ReturnsRows) else ()
    readers = tuple(c.type.dialect_impl(dialect).result_processor(dialect, None) for c in columns)
    return Compiled(
        sql=str(compiled),
        names=names,
        # A parameter without a value of its own must be given: None would hide a forgotten one.
        defaults={n: b.value for n, b in compiled.binds.items() if not b.required},
        binders=binders if any(binders) else None,
        readers=readers if any(readers) else None,
    )


@dataclass(frozen=True, slots=True)
class Write:
    """One INSERT, UPDATE or DELETE. `exactly` is the number of rows it must touch, if that matters.

    `sums` are parameters, too: amounts that an UPDATE adds to what is in a row. Two writes that differ in
    nothing else are one with these added up.
    """

    statement: ClauseElement
    params: Mapping[str, Any]
    exactly: int | None = None
    sums: Mapping[str, int] = field(default_factory=dict)

    @property
    def values(self) -> Mapping[str, Any]:
        return {**self.params, **self.sums} if self.sums else self.params


def in_order(writes: Iterable[Write]) -> list[Write]:
    """The writes of one phase, those that change rows first and sorted by row: whoever asks, two transactions
    then never wait for each other's rows. Sums for the same row become one write."""
    summed: dict[tuple[ClauseElement, UUID], Write] = {}
    rest = []
    for write in writes:
        if not write.sums:
            rest.append(write)
            continue
        row = (write.statement, write.params["old_id"])
        known = summed.get(row)
        if known is not None:
            total = {name: known.sums[name] + amount for name, amount in write.sums.items()}
            write = replace(known, sums=total)
        summed[row] = write
    return sorted([*summed.values(), *rest], key=_row)


def _row(write: Write) -> tuple[bool, str, UUID]:
    statement: Any = write.statement
    id = write.params.get("old_id")
    return (True, "", NOBODY) if id is None else (False, statement.table.name, id)


@lru_cache(maxsize=1024)
def merge(parts: tuple[tuple[str, int, int | None], ...]) -> str:
    """Many writes as one PostgreSQL statement, from (sql, number of parameters, rows expected).

    Data-modifying CTEs all run, in one transaction. Where a count differs from the expected one the
    statement divides by zero, which undoes all of it: an optimistic version check in one round trip.
    Rows for one table are inserted together, which costs the database much less than one by one.
    """
    ctes: dict[str, str] = {}
    checks, offset = [], 0
    for i, (sql, count, exactly) in enumerate(parts):
        shifted, offset = _shifted(sql, offset), offset + count
        insert = _INSERT.fullmatch(shifted)
        if exactly is not None:
            checks.append(f"(SELECT count(*) FROM w{len(ctes)}) = {exactly}")  # noqa: S608  # two numbers of ours
            ctes[f"w{i}"] = f"{shifted} RETURNING 1"
        elif insert is not None and insert[1] in ctes:
            ctes[insert[1]] += f", {insert[2]}"
        else:
            ctes[insert[1] if insert else f"w{i}"] = shifted
    check = f"1 / (CASE WHEN {' AND '.join(checks)} THEN 1 ELSE 0 END)" if checks else "1"
    numbered = ", ".join(f"w{i} AS ({sql})" for i, sql in enumerate(ctes.values()))
    return f"WITH {numbered} SELECT {check}"


_INSERT = re.compile(r"(INSERT INTO .*? VALUES )(\(.*\))", re.DOTALL)


def _shifted(sql: str, offset: int) -> str:
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + offset}", sql)
