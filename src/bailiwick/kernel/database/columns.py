"""The column types of every table: the same Python values from both databases."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, MetaData, String, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class _SqliteUtc(TypeDecorator[datetime]):
    """SQLite forgets time zones: store UTC as text of one width, so that text order is time order."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


Id = Uuid()
"""A UUID, native on PostgreSQL."""

UtcDateTime = DateTime(timezone=True).with_variant(_SqliteUtc(), "sqlite")
"""An aware time in UTC, to the microsecond."""

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""Plain JSON data. None is SQL's NULL."""

Sequence = BigInteger().with_variant(Integer(), "sqlite")
"""An integer key that the database counts up."""


def context_metadata() -> MetaData:
    """A MetaData whose constraints have the same names on every database."""
    return MetaData(naming_convention=NAMING)
