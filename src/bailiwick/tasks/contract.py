"""What the rest of the system may know about tasks. Other contexts import this file and no other."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from bailiwick.kernel.domain import Event


class TaskStatus(StrEnum):
    """How far a task has got."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class TaskEvent(Event):
    """Something happened to a task. Its owner is told at once."""

    task_id: UUID
    owner_id: UUID

    def audience(self) -> UUID:
        return self.owner_id


@dataclass(frozen=True, kw_only=True)
class TaskCreated(TaskEvent):
    """Somebody has something new to do."""

    title: str


@dataclass(frozen=True, kw_only=True)
class TaskChanged(TaskEvent):
    """A task has another title, description, priority or due time."""


@dataclass(frozen=True, kw_only=True)
class TaskMoved(TaskEvent):
    """A task changed its status: started, completed, cancelled, reopened."""

    old: TaskStatus
    new: TaskStatus


@dataclass(frozen=True, kw_only=True)
class TaskDeleted(TaskEvent):
    """A task was put away. It can come back."""


@dataclass(frozen=True, kw_only=True)
class TaskRestored(TaskEvent):
    """A deleted task came back."""
