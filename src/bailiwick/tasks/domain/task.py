"""A task: owned by one person, moved through its statuses by them, deleted softly."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from bailiwick.kernel.domain import Aggregate, Conflict, Invalid
from bailiwick.tasks.contract import (
    TaskChanged,
    TaskCreated,
    TaskDeleted,
    TaskMoved,
    TaskRestored,
    TaskStatus,
)

TaskId = NewType("TaskId", UUID)

LONGEST_TITLE = 200
LONGEST_DESCRIPTION = 10_000

MOVES: dict[TaskStatus, tuple[TaskStatus, ...]] = {
    TaskStatus.PENDING: (TaskStatus.IN_PROGRESS, TaskStatus.COMPLETED, TaskStatus.CANCELLED),
    TaskStatus.IN_PROGRESS: (TaskStatus.PENDING, TaskStatus.COMPLETED, TaskStatus.CANCELLED),
    TaskStatus.COMPLETED: (TaskStatus.PENDING,),
    TaskStatus.CANCELLED: (TaskStatus.PENDING,),
}


class TaskPriority(StrEnum):
    """How much a task matters to its owner."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


class IllegalMove(Conflict):
    """The task cannot go from its status to the one asked for. `allowed` lists where it can go."""


@dataclass(frozen=True, kw_only=True)
class TaskDetails:
    """What the owner says about a task. Replaced as a whole; never half changed."""

    title: str
    description: str = ""
    priority: TaskPriority = TaskPriority.MEDIUM
    due_at: datetime | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.title.strip()) <= len(self.title) <= LONGEST_TITLE:
            raise Invalid(f"a title has 1 to {LONGEST_TITLE} characters", field="title")
        if len(self.description) > LONGEST_DESCRIPTION:
            raise Invalid(f"a description has at most {LONGEST_DESCRIPTION} characters", field="description")


@dataclass(eq=False, kw_only=True)
class Task(Aggregate):
    """Something to do. Only its owner sees it."""

    id: TaskId
    owner_id: UUID
    details: TaskDetails
    status: TaskStatus
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
    deleted_at: datetime | None = None

    @classmethod
    def create(cls, id: TaskId, owner_id: UUID, details: TaskDetails, now: datetime) -> Self:
        task = cls(
            id=id,
            owner_id=owner_id,
            details=details,
            status=TaskStatus.PENDING,
            created_at=now,
            updated_at=now,
        )
        task._record(TaskCreated(occurred_at=now, task_id=id, owner_id=owner_id, title=details.title))
        return task

    def change(self, changes: Mapping[str, object], now: datetime) -> None:
        """Take over the named details. Raises Invalid where the result makes no sense."""
        changed = replace(self.details, **changes)  # type: ignore[arg-type]  # names and types come from the body
        if changed != self.details:
            self.details, self.updated_at = changed, now
            self._record(TaskChanged(occurred_at=now, task_id=self.id, owner_id=self.owner_id))

    def move_to(self, status: TaskStatus, now: datetime) -> None:
        """Go to another status; to the present one is no move. Raises IllegalMove."""
        if status is self.status:
            return
        if status not in MOVES[self.status]:
            allowed = [move.value for move in MOVES[self.status]]
            raise IllegalMove(f"a {self.status} task cannot become {status}", allowed=allowed)
        old, self.status, self.updated_at = self.status, status, now
        self.completed_at = now if status is TaskStatus.COMPLETED else None
        self._record(TaskMoved(occurred_at=now, task_id=self.id, owner_id=self.owner_id, old=old, new=status))

    def complete(self, now: datetime) -> None:
        """Raises IllegalMove for a cancelled task: it must be reopened first."""
        self.move_to(TaskStatus.COMPLETED, now)

    def reopen(self, now: datetime) -> None:
        """Take a completed or cancelled task up again. Raises IllegalMove for one that is open."""
        if self.status not in (TaskStatus.COMPLETED, TaskStatus.CANCELLED):
            allowed = [move.value for move in MOVES[self.status]]
            raise IllegalMove("the task is open already", allowed=allowed)
        self.move_to(TaskStatus.PENDING, now)

    def delete(self, now: datetime) -> None:
        self.deleted_at = self.updated_at = now
        self._record(TaskDeleted(occurred_at=now, task_id=self.id, owner_id=self.owner_id))

    def restore(self, now: datetime) -> None:
        """Bring a deleted task back; for one that is not deleted nothing happens."""
        if self.deleted_at is not None:
            self.deleted_at, self.updated_at = None, now
            self._record(TaskRestored(occurred_at=now, task_id=self.id, owner_id=self.owner_id))
