"""Statements compiled once per dialect, and writes merged into one round trip."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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
    """One INSERT, UPDATE or DELETE. `exactly` is the number of rows it must touch, if that matters."""

    statement: ClauseElement
    params: Mapping[str, Any]
    exactly: int | None = None


@lru_cache(maxsize=1024)
def merge(parts: tuple[tuple[str, int, int | None], ...]) -> str:
    """Many writes as one PostgreSQL statement, from (sql, number of parameters, rows expected).

    Data-modifying CTEs all run, in one transaction. Where a count differs from the expected one the
    statement divides by zero, which undoes all of it: an optimistic version check in one round trip.
    """
    ctes, checks, offset = [], [], 0
    for i, (sql, count, exactly) in enumerate(parts):
        shifted = re.sub(r"\$(\d+)", lambda m, o=offset: f"${int(m[1]) + o}", sql)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        ctes.append(f"w{i} AS ({shifted} RETURNING 1)")
        if exactly is not None:
            checks.append(f"(SELECT count(*) FROM w{i}) = {exactly}")  # noqa: S608  # two numbers of ours
        offset += count
    check = f"1 / (CASE WHEN {' AND '.join(checks)} THEN 1 ELSE 0 END)" if checks else "1"
    return f"WITH {', '.join(ctes)} SELECT {check}"
