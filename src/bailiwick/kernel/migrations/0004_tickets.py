"""Tickets that open a web socket: browsers cannot send a token with it."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Id, UtcDateTime

revision = "kernel_0004"
down_revision = "kernel_0003"


def upgrade() -> None:
    op.create_table(
        "kernel_ticket",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("session_id", Id),
        sa.Column("stamp", sa.BigInteger, nullable=False),
        sa.Column("token_expires_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("kernel_ticket")
