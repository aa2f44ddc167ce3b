"""What the use cases of tasks need from outside."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from bailiwick.kernel.application import Clock, NewId, UnitOfWork
from bailiwick.tasks.domain.task import Task, TaskId


class Tasks(Protocol):
    """All tasks. Somebody else's task is not found, exactly like one that never was."""

    def add(self, aggregate: Task) -> None: ...

    async def owned(self, id: TaskId, owner: UUID, *, version: int | None = None) -> Task:
        """Raises NotFound, also for a deleted one, or Stale."""
        ...

    async def owned_or_deleted(self, id: TaskId, owner: UUID) -> Task:
        """The task, deleted or not. Raises NotFound."""
        ...


class TasksUnitOfWork(UnitOfWork, Protocol):
    @property
    def tasks(self) -> Tasks: ...

    async def __aenter__(self) -> "TasksUnitOfWork": ...


@dataclass(frozen=True)
class TasksPorts:
    uow: Callable[[], TasksUnitOfWork]
    clock: Clock
    new_id: NewId
