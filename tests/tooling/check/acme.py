"""A small project that keeps every rule: one flat context, its policy, a golden file, a page with a tree."""

import importlib
import sys
from pathlib import Path

CONTRACT = '''"""Notes: what others may know."""

from dataclasses import dataclass
from uuid import UUID

from bailiwick.kernel.domain import Event


@dataclass(frozen=True, kw_only=True)
class NoteWritten(Event):
    """Somebody has written something down."""

    note_id: UUID
    words: int
'''
TABLES = '''"""The table of notes."""

from sqlalchemy import Column, Integer, String, Table

from bailiwick.kernel.database.columns import Id, context_metadata

metadata = context_metadata()

notes = Table(
    "notes_note",
    metadata,
    Column("id", Id, primary_key=True),
    Column("text", String(200), nullable=False),
    Column("version", Integer, nullable=False),
)
'''
STORE = '''"""Notes, how they sit in their table, and what their readers see."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import bindparam, select

from acme.notes.contract import NoteWritten
from acme.notes.tables import notes
from bailiwick.kernel.application import Clock, NewId
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork
from bailiwick.kernel.domain import Aggregate, NotFound

_ONE = select(notes).where(notes.c.id == bindparam("id"))


@dataclass(eq=False)
class Note(Aggregate):
    id: UUID
    text: str

    @classmethod
    def write(cls, id: UUID, text: str, now: datetime) -> Self:
        note = cls(id, text)
        note.record(NoteWritten(occurred_at=now, note_id=id, words=len(text.split())))
        return note


@dataclass
class NoteView:
    """A note as it is read."""

    id: UUID
    text: str
    version: int

    @classmethod
    def of(cls, note: Note) -> "NoteView":
        return cls(note.id, note.text, note.version)


class SqlNotes(SqlRepository[Note, UUID]):
    mapper = Mapper(Note, notes)


class NotesUnitOfWork(SqlUnitOfWork):
    @property
    def notes(self) -> SqlNotes:
        return self._repository(SqlNotes)


@dataclass(frozen=True)
class NotesPorts:
    uow: Callable[[], NotesUnitOfWork]
    clock: Clock
    new_id: NewId


async def write_note(text: str, ports: NotesPorts) -> Note:
    async with ports.uow() as uow:
        note = Note.write(ports.new_id(), text, ports.clock())
        uow.notes.add(note)
        return await uow.commit(note)


async def one_note(database: Database, id: UUID) -> NoteView:
    """Raises NotFound."""
    row = await database.first(_ONE, id=id)
    if row is None:
        raise NotFound("there is no such note")
    return NoteView(**row)
'''
HTTP = '''"""The routes of notes."""

from uuid import UUID

from pydantic import BaseModel

from acme.notes.store import Note, NotesPorts, NoteView, one_note, write_note
from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.routing import Router

router = Router("notes", prefix="/api/v1/notes")


class NoteBody(BaseModel):
    """What is written down."""

    text: str
    title: str = ""


@router.post(status=201, view=NoteView.of)
async def write(body: NoteBody, actor: Actor, ports: NotesPorts) -> Note:
    """Write something down."""
    return await write_note(body.text, ports)


@router.get("/{note_id}")
async def read(note_id: UUID, actor: Actor, database: Database) -> NoteView:
    """One note."""
    return await one_note(database, note_id)
'''
MODULE = '''"""Wires the context."""

from acme.notes.http import router
from acme.notes.store import NotesPorts, NotesUnitOfWork
from bailiwick.kernel.module import Module, Platform


def module(platform: Platform) -> Module:
    ports = NotesPorts(lambda: NotesUnitOfWork(platform.database), platform.clock, platform.new_id)
    return Module("notes", routers=(router,), provides=(ports,))
'''
FIRST = '''"""Notes."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Id

revision = "notes_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "notes_note",
        sa.Column("id", Id, primary_key=True),
        sa.Column("text", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("notes_note")
'''
PAGE = """# Notes

```
notes/
  contract.py   what others may know
  tables.py
  store.py
  http.py
  migrations/
  module.py
```
"""
POLICY = """# Who may do what

| route                       | about    | anonymous | guest | user | staff | admin | super_admin |
|-----------------------------|----------|-----------|-------|------|-------|-------|-------------|
| POST /api/v1/notes          | -        | 401       | 201   | 201  | 201   | 201   | 201         |
| GET /api/v1/notes/{note_id} | nobody's | 401       | 404   | 404  | 404   | 404   | 404         |
"""
GOLDEN = """{
  "occurred_at": "2031-01-01T12:00:00+00:00",
  "note_id": "00000000-0000-0000-0000-000000000007",
  "words": 7
}
"""

NOTES = "src/acme/notes"
MIGRATIONS = f"{NOTES}/migrations"
FILES = {
    "pyproject.toml": '[tool.bailiwick]\npackage = "acme"\n',
    "bailiwick.toml": 'contexts = ["acme.notes"]\n',
    "docs/notes.md": PAGE,
    "src/acme/__init__.py": '"""Acme."""\n',
    f"{NOTES}/__init__.py": '"""What people write down."""\n',
    f"{NOTES}/contract.py": CONTRACT,
    f"{NOTES}/tables.py": TABLES,
    f"{NOTES}/store.py": STORE,
    f"{NOTES}/http.py": HTTP,
    f"{NOTES}/module.py": MODULE,
    f"{MIGRATIONS}/__init__.py": "",
    f"{MIGRATIONS}/0001_notes.py": FIRST,
    "tests/policy.md": POLICY,
    "tests/events/notes/notes.NoteWritten.1.json": GOLDEN,
}


def write(files: dict[str, str], root: Path) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def forget() -> None:
    """What one copy has loaded must not be what the next one gets."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        del sys.modules[name]
    importlib.invalidate_caches()
