"""Pledges."""

import sqlalchemy as sa
from alembic import op
from bailiwick.kernel.database.columns import Id, UtcDateTime

revision = "pledges_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "pledges_pledge",
        sa.Column("id", Id, primary_key=True),
        sa.Column("owner_id", Id, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("pledges_pledge")
