"""The outbox, the inbox and the idempotency keys."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime

revision = "kernel_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "kernel_outbox",
        sa.Column("id", Id, primary_key=True),
        sa.Column("type", sa.String(128), nullable=False),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("aggregate_id", Id, nullable=False),
        sa.Column("aggregate_version", sa.Integer, nullable=False),
        sa.Column("actor_id", Id),
        sa.Column("correlation_id", sa.String(64), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("available_at", UtcDateTime, nullable=False),
        sa.Column("leased_until", UtcDateTime),
        sa.Column("done_at", UtcDateTime),
        sa.Column("dead_at", UtcDateTime),
        sa.Column("last_error", sa.Text),
    )
    pending = sa.text("done_at IS NULL AND dead_at IS NULL")
    op.create_index(
        "ix_kernel_outbox_pending",
        "kernel_outbox",
        ["available_at"],
        postgresql_where=pending,
        sqlite_where=pending,
    )
    dead = sa.text("dead_at IS NOT NULL")
    op.create_index(
        "ix_kernel_outbox_dead", "kernel_outbox", ["dead_at"], postgresql_where=dead, sqlite_where=dead
    )
    op.create_table(
        "kernel_inbox",
        sa.Column("subscriber", sa.String(128), primary_key=True),
        sa.Column("message_id", Id, primary_key=True),
        sa.Column("done_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "kernel_idempotency",
        sa.Column("caller", Id, primary_key=True),
        sa.Column("operation", sa.String(128), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", Json, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_kernel_idempotency_created_at", "kernel_idempotency", ["created_at"])


def downgrade() -> None:
    op.drop_table("kernel_idempotency")
    op.drop_table("kernel_inbox")
    op.drop_table("kernel_outbox")
