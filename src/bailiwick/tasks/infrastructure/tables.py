"""The tables of tasks."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from bailiwick.kernel.database.columns import Id, UtcDateTime, context_metadata

metadata = context_metadata()

tasks = Table(
    "tasks_task",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", Id, nullable=False),  # identity's key: no foreign key crosses a context
    Column("title", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("priority", String(16), nullable=False),
    Column("due_at", UtcDateTime),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
    Column("version", Integer, nullable=False),
)

# The list of one owner, newest first, and a board's column: the two questions asked most.
Index("ix_tasks_task_owner_created", tasks.c.owner_id, tasks.c.created_at, tasks.c.id)
Index("ix_tasks_task_owner_status", tasks.c.owner_id, tasks.c.status, tasks.c.created_at)
