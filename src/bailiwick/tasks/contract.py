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
class TaskCreated(Event):
    """Somebody has something new to do."""

    task_id: UUID
    owner_id: UUID
    title: str


@dataclass(frozen=True, kw_only=True)
class TaskMoved(Event):
    """A task changed its status: started, completed, cancelled, reopened."""

    task_id: UUID
    owner_id: UUID
    old: TaskStatus
    new: TaskStatus


@dataclass(frozen=True, kw_only=True)
class TaskDeleted(Event):
    """A task was put away. It can come back."""

    task_id: UUID
    owner_id: UUID


@dataclass(frozen=True, kw_only=True)
class TaskRestored(Event):
    """A deleted task came back."""

    task_id: UUID
    owner_id: UUID
