"""Who tells of what, what was done about it, and what another service holds."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table

from bailiwick.kernel.database.columns import Id, UtcDateTime, context_metadata

metadata = context_metadata()

sources = Table(
    "labour_source",
    metadata,
    Column("id", Id, primary_key=True),
    Column("told", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)

deeds = Table(
    "labour_deed",
    metadata,
    Column("id", Id, primary_key=True),
    Column("handler", String(64), nullable=False),
    Column("witness", String(200), nullable=False),
    Column("source_id", Id),
    Column("number", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("by", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)
"""No constraint keeps a second deed out: it is to be seen. `seen` were there before, of the same source."""
Index("ix_labour_deed_source", deeds.c.handler, deeds.c.source_id)

elsewhere = Table(
    "labour_elsewhere",
    metadata,
    Column("key", Id, primary_key=True),
    Column("witness", String(200), nullable=False),
    Column("what", String(32), nullable=False),
    Column("made", Boolean, nullable=False),
    Column("over", Boolean, nullable=False),
    Column("tries", Integer, nullable=False),
)
"""What another service did for an errand, by key; `tries` to take it back."""
