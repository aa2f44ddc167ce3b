"""Process managers: where each process stands."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime

revision = "kernel_0003"
down_revision = "kernel_0002"


def upgrade() -> None:
    op.create_table(
        "kernel_process",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("step", sa.String(128)),
        sa.Column("state", Json, nullable=False),
        sa.Column("done", Json, nullable=False),
        sa.Column("heard", Json, nullable=False),
        sa.Column("refusal", sa.String(64)),
        sa.Column("reason", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("deadline", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("history", Json, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("uq_kernel_process_key", "kernel_process", ["name", "key"], unique=True)
    op.create_index("ix_kernel_process_status", "kernel_process", ["status", "id"])
    ended = sa.text("ended_at IS NOT NULL")
    op.create_index(
        "ix_kernel_process_ended",
        "kernel_process",
        ["ended_at"],
        postgresql_where=ended,
        sqlite_where=ended,
    )


def downgrade() -> None:
    op.drop_table("kernel_process")
