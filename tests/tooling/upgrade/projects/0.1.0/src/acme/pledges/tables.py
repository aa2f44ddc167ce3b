"""The tables of pledges."""

from bailiwick.kernel.database.columns import Id, UtcDateTime, context_metadata
from sqlalchemy import BigInteger, Column, String, Table

metadata = context_metadata()

pledges = Table(
    "pledges_pledge",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", Id, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("version", BigInteger, nullable=False),
)
