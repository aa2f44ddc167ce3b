"""A context that shows everything a mapped aggregate can be, made from no migration but its own tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from typing import ClassVar, NewType, Self
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    select,
    update,
)

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime, context_metadata
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork, Unique
from bailiwick.kernel.domain import Aggregate, Conflict, DomainError, Event
from bailiwick.tooling.any_aggregate import create_tables as made_tables
from bailiwick.tooling.any_aggregate import database_at as database_at
from bailiwick.tooling.any_aggregate import messages as messages

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)

ShelfId = NewType("ShelfId", UUID)
LabelCode = NewType("LabelCode", str)


class NameTaken(Conflict):
    """There is a shelf of this name."""


class SlotTaken(Conflict):
    """There is a shelf in this place."""


class Wood(StrEnum):
    OAK = "oak"
    PINE = "pine"


class Height(Enum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Money:
    amount: int
    currency: str


@dataclass(frozen=True)
class Place:
    """Nested, with an optional part, and without a prefix in the table for `room`."""

    room: str
    price: Money
    since: date | None = None


@dataclass(frozen=True)
class Note:
    """Every part may be missing: stored whole, told from nothing because it is never optional itself."""

    text: str | None = None
    by: UUID | None = None


@dataclass(eq=False, kw_only=True)
class Board:
    """A child with a value object of its own."""

    label: LabelCode
    price: Money
    wood: Wood
    checked_at: datetime | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ShelfBuilt(Event):
    shelf_id: UUID
    name: str
    labels: frozenset[str] = frozenset()


@dataclass(eq=False, kw_only=True)
class Shelf(Aggregate):
    id: ShelfId
    name: str
    slot: str | None = None
    wood: Wood = Wood.OAK
    height: Height | None = None
    place: Place | None = None
    note: Note = field(default_factory=Note)
    count: int = 0
    fixed: bool = False
    built_at: datetime = NOON
    broken_at: datetime | None = None
    aliases: tuple[str, ...] = ()
    limits: dict[str, int] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    times: tuple[datetime, ...] | None = None
    boards: list[Board] = field(default_factory=list)

    @classmethod
    def build(cls, id: ShelfId, name: str, now: datetime) -> Self:
        shelf = cls(id=id, name=name, built_at=now)
        shelf._record(ShelfBuilt(occurred_at=now, shelf_id=id, name=name, labels=frozenset({"b", "a"})))
        return shelf

    def announce(self, event: Event) -> None:
        self._record(event)


metadata = context_metadata()

shelves = Table(
    "samples_shelf",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("slot", Text),
    Column("wood", String(16), nullable=False),
    Column("height", Integer),
    Column("room", Text),
    Column("place_price_amount", Integer),
    Column("place_price_currency", Text),
    Column("place_since", Date),
    Column("note_text", Text),
    Column("note_by", Id),
    Column("count", Integer, nullable=False),
    Column("fixed", Boolean, nullable=False),
    Column("built_at", UtcDateTime, nullable=False),
    Column("broken_at", UtcDateTime),
    Column("aliases", Json, nullable=False),
    Column("limits", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("times", Json),
    Column("version", Integer, nullable=False),
)
name_index = Index("uq_samples_shelf_name", shelves.c.name, unique=True)
slot_index = Index(
    "uq_samples_shelf_slot",
    shelves.c.slot,
    unique=True,
    postgresql_where=shelves.c.broken_at.is_(None),
    sqlite_where=shelves.c.broken_at.is_(None),
)
boards = Table(
    "samples_board",
    metadata,
    Column("shelf_id", Id, ForeignKey("samples_shelf.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("label", Text, nullable=False),
    Column("price_amount", Integer, nullable=False),
    Column("price_currency", Text, nullable=False),
    Column("wood", String(16), nullable=False),
    Column("checked_at", UtcDateTime),
    Column("tags", Json, nullable=False),
)

RAISE = update(shelves).where(shelves.c.name == bindparam("who")).values(count=shelves.c.count + 1)
RENAME = update(shelves).where(shelves.c.name == bindparam("who")).values(name=bindparam("new_name"))
BY_NAME = select(shelves).where(shelves.c.name == bindparam("name"))


class SqlShelves(SqlRepository[Shelf, ShelfId]):
    mapper = Mapper(Shelf, shelves, boards=boards)

    async def by_name(self, name: str) -> Shelf | None:
        return await self._first(BY_NAME, name=name)

    def raise_count(self, name: str) -> None:
        self._execute(RAISE, who=name)

    def rename(self, name: str, new: str) -> None:
        self._execute(RENAME, who=name, new_name=new)


class SampleUnitOfWork(SqlUnitOfWork):
    refusals: ClassVar[Mapping[Unique, Callable[[], DomainError]]] = {
        name_index: lambda: NameTaken("there is one", field="name"),
        slot_index: lambda: SlotTaken("there is one", field="slot"),
    }

    @property
    def shelves(self) -> SqlShelves:
        return self._repository(SqlShelves)


async def create_tables(url: str, *kinds: MetaData) -> None:
    """Make the tables of `kinds`, or the kernel's and those of the samples, without migrations."""
    await made_tables(url, *(kinds or (messages, metadata)))
