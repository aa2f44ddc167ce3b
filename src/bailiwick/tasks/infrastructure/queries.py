"""What readers of tasks see: SQL straight into a view."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import bindparam, case, func, select

from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import Filter, Listing, columns_of
from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.specification import Relation
from bailiwick.tasks.contract import TaskStatus
from bailiwick.tasks.domain.task import Task, TaskId, TaskPriority
from bailiwick.tasks.infrastructure.tables import tasks

MOST_IN_A_COLUMN = 100
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass
class TaskView:
    """A task as its owner sees it."""

    id: UUID
    title: str
    description: str
    status: TaskStatus
    priority: TaskPriority
    due_at: datetime | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    version: int

    @classmethod
    def of(cls, task: Task) -> "TaskView":
        return cls(
            id=task.id,
            title=task.details.title,
            description=task.details.description,
            status=task.status,
            priority=task.details.priority,
            due_at=task.details.due_at,
            created_at=task.created_at,
            updated_at=task.updated_at,
            completed_at=task.completed_at,
            version=task.version,
        )


@dataclass
class BoardView:
    """An owner's open and closed tasks by status, the newest first, at most 100 in each column."""

    pending: list[TaskView]
    in_progress: list[TaskView]
    completed: list[TaskView]
    cancelled: list[TaskView]


_mine = select(*columns_of(TaskView, tasks)).where(
    tasks.c.owner_id == bindparam("owner"), tasks.c.deleted_at.is_(None)
)
_ONE = _mine.where(tasks.c.id == bindparam("id"))
_place = func.row_number().over(
    partition_by=tasks.c.status, order_by=(tasks.c.created_at.desc(), tasks.c.id.desc())
)
_numbered = _mine.add_columns(_place.label("place")).subquery()
_BOARD = (
    select(*(column for column in _numbered.c if column is not _numbered.c.place))
    .where(_numbered.c.place <= MOST_IN_A_COLUMN)
    .order_by(_numbered.c.place)
)

TASKS = Listing(
    TaskView,
    _mine,
    key=tasks.c.id,
    sorts={
        "created_at": tasks.c.created_at,
        "updated_at": tasks.c.updated_at,
        "due_at": func.coalesce(tasks.c.due_at, bindparam("never", NEVER, type_=tasks.c.due_at.type)),
        "title": tasks.c.title,
        "status": tasks.c.status,
        "priority": case(
            {priority.value: rank for rank, priority in enumerate(TaskPriority)}, value=tasks.c.priority
        ),
    },
    default_sort="-created_at",
    filters={
        "status": Filter(tasks.c.status, TaskStatus),
        "priority": Filter(tasks.c.priority, TaskPriority),
        "due_before": Filter(tasks.c.due_at, datetime, Relation.BEFORE),
        "due_after": Filter(tasks.c.due_at, datetime, Relation.AFTER),
        "created_before": Filter(tasks.c.created_at, datetime, Relation.BEFORE),
        "created_after": Filter(tasks.c.created_at, datetime, Relation.AFTER),
    },
    search=[tasks.c.title, tasks.c.description],
)


async def one_task(database: Database, task_id: TaskId, actor: Actor) -> TaskView:
    """Raises NotFound, also for a deleted task and for somebody else's."""
    row = await database.first(_ONE, id=task_id, owner=actor.id)
    if row is None:
        raise NotFound("no such task")
    return TaskView(*row)


async def board(database: Database, actor: Actor) -> BoardView:
    columns: dict[str, list[TaskView]] = {status.value: [] for status in TaskStatus}
    for row in await database.all(_BOARD, owner=actor.id):
        view = TaskView(*row)
        columns[view.status].append(view)
    return BoardView(**columns)
