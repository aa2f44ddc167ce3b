"""The routes of tasks."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http.requests import ExpectedVersion
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.times import Instant
from bailiwick.tasks.application.ports import TasksPorts
from bailiwick.tasks.application.tasks import (
    ChangeTask,
    CompleteTask,
    CreateTask,
    DeleteTask,
    ReopenTask,
    RestoreTask,
    change_task,
    complete_task,
    create_task,
    delete_task,
    reopen_task,
    restore_task,
)
from bailiwick.tasks.contract import TaskStatus
from bailiwick.tasks.domain.task import (
    LONGEST_DESCRIPTION,
    LONGEST_TITLE,
    Task,
    TaskDetails,
    TaskId,
    TaskPriority,
)
from bailiwick.tasks.infrastructure.queries import TASKS, BoardView, TaskView, board, one_task

router = Router(
    "tasks",
    prefix="/api/v1/tasks",
    examples={
        "title": "Book the meeting room",
        "description": "For twelve people, on the ground floor.",
        "priority": "high",
        "due_at": "2031-01-31T15:00:00Z",
        "completed_at": None,
        "TaskBody.status": None,
        "TaskChanges.status": "in_progress",
        "in_progress": [],
        "completed": [],
        "cancelled": [],
    },
)

Title = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TITLE, pattern=r"\S")]
Description = Annotated[str, StringConstraints(max_length=LONGEST_DESCRIPTION)]


class TaskBody(BaseModel):
    """A whole task. What is left out is reset; only the status stays as it is."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    description: Description = ""
    priority: TaskPriority = TaskPriority.MEDIUM
    due_at: Instant | None = None
    status: TaskStatus | None = None

    def details(self) -> TaskDetails:
        return TaskDetails(**self.model_dump(exclude={"status"}))


class TaskChanges(BaseModel):
    """Some fields of a task: what is left out stays (RFC 7396)."""

    model_config = ConfigDict(extra="forbid")

    title: Title = Field(default_factory=str)
    description: Description = Field(default_factory=str)
    priority: TaskPriority = Field(default_factory=lambda: TaskPriority.MEDIUM)
    due_at: Instant | None = None
    status: TaskStatus = Field(default_factory=lambda: TaskStatus.PENDING)

    def changes(self) -> dict[str, object]:
        return self.model_dump(exclude={"status"}, exclude_unset=True)

    def new_status(self) -> TaskStatus | None:
        return self.status if "status" in self.model_fields_set else None


@router.get(listing=TASKS)
async def list_tasks(asked: ListRequest, actor: Actor, database: Database) -> Page[TaskView]:
    """The caller's tasks: filtered, sorted, searched."""
    return await TASKS.page(database, asked, owner=actor.id)


@router.post(status=201, view=TaskView.of, location="/api/v1/tasks/{id}", idempotent=True)
async def create(body: TaskBody, actor: Actor, ports: TasksPorts) -> Task:
    """Add a task. It starts as pending unless another status is given."""
    command = CreateTask(body.details(), by=actor, status=body.status or TaskStatus.PENDING)
    return await create_task(command, ports)


@router.get("/board")
async def read_board(actor: Actor, database: Database) -> BoardView:
    """The caller's tasks in columns by status."""
    return await board(database, actor)


@router.get("/{task_id}")
async def read(task_id: TaskId, actor: Actor, database: Database) -> TaskView:
    """One task of the caller."""
    return await one_task(database, task_id, actor)


@router.put("/{task_id}", view=TaskView.of)
async def replace(
    task_id: TaskId, body: TaskBody, version: ExpectedVersion, actor: Actor, ports: TasksPorts
) -> Task:
    """Replace a task."""
    whole = body.model_dump(exclude={"status"})
    return await change_task(ChangeTask(task_id, whole, actor, body.status, version), ports)


@router.patch("/{task_id}", view=TaskView.of)
async def change(
    task_id: TaskId, body: TaskChanges, version: ExpectedVersion, actor: Actor, ports: TasksPorts
) -> Task:
    """Change some fields of a task."""
    command = ChangeTask(task_id, body.changes(), actor, body.new_status(), version)
    return await change_task(command, ports)


@router.delete("/{task_id}")
async def delete(task_id: TaskId, version: ExpectedVersion, actor: Actor, ports: TasksPorts) -> None:
    """Put a task away. It can be restored."""
    await delete_task(DeleteTask(task_id, actor, version), ports)


@router.patch("/{task_id}/complete", view=TaskView.of)
async def complete(task_id: TaskId, version: ExpectedVersion, actor: Actor, ports: TasksPorts) -> Task:
    """Complete a task. Completing it again changes nothing."""
    return await complete_task(CompleteTask(task_id, actor, version), ports)


@router.patch("/{task_id}/reopen", view=TaskView.of)
async def reopen(task_id: TaskId, version: ExpectedVersion, actor: Actor, ports: TasksPorts) -> Task:
    """Take a completed or cancelled task up again."""
    return await reopen_task(ReopenTask(task_id, actor, version), ports)


@router.post("/{task_id}/restore", view=TaskView.of, idempotent=True)
async def restore(task_id: TaskId, actor: Actor, ports: TasksPorts) -> Task:
    """Bring a deleted task back."""
    return await restore_task(RestoreTask(task_id, actor), ports)
