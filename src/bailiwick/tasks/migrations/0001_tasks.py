"""Tasks."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Id, UtcDateTime

revision = "tasks_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "tasks_task",
        sa.Column("id", Id, primary_key=True),
        sa.Column("owner_id", Id, nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("due_at", UtcDateTime),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("completed_at", UtcDateTime),
        sa.Column("deleted_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("ix_tasks_task_owner_created", "tasks_task", ["owner_id", "created_at", "id"])
    op.create_index("ix_tasks_task_owner_status", "tasks_task", ["owner_id", "status", "created_at"])


def downgrade() -> None:
    op.drop_table("tasks_task")
