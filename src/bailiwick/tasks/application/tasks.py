"""The use cases of tasks: each command stands right above the function that carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.kernel.application import Actor
from bailiwick.tasks.application.ports import TasksPorts
from bailiwick.tasks.contract import TaskStatus
from bailiwick.tasks.domain.task import Task, TaskDetails, TaskId


@dataclass(frozen=True)
class CreateTask:
    details: TaskDetails
    by: Actor
    status: TaskStatus = TaskStatus.PENDING


async def create_task(command: CreateTask, ports: TasksPorts) -> Task:
    now = ports.clock()
    task = Task.create(TaskId(ports.new_id()), command.by.id, command.details, now)
    task.move_to(command.status, now)
    async with ports.uow() as uow:
        uow.tasks.add(task)
        return await uow.commit(task)


@dataclass(frozen=True)
class ChangeTask:
    """Take over the named details, and the status where one is named."""

    task_id: TaskId
    changes: Mapping[str, object]
    by: Actor
    status: TaskStatus | None = None
    version: int | None = None


async def change_task(command: ChangeTask, ports: TasksPorts) -> Task:
    async with ports.uow() as uow:
        task = await uow.tasks.owned(command.task_id, command.by.id, version=command.version)
        task.change(command.changes, ports.clock())
        if command.status is not None:
            task.move_to(command.status, ports.clock())
        return await uow.commit(task)


@dataclass(frozen=True)
class CompleteTask:
    task_id: TaskId
    by: Actor
    version: int | None = None


async def complete_task(command: CompleteTask, ports: TasksPorts) -> Task:
    async with ports.uow() as uow:
        task = await uow.tasks.owned(command.task_id, command.by.id, version=command.version)
        task.complete(ports.clock())
        return await uow.commit(task)


@dataclass(frozen=True)
class ReopenTask:
    task_id: TaskId
    by: Actor
    version: int | None = None


async def reopen_task(command: ReopenTask, ports: TasksPorts) -> Task:
    async with ports.uow() as uow:
        task = await uow.tasks.owned(command.task_id, command.by.id, version=command.version)
        task.reopen(ports.clock())
        return await uow.commit(task)


@dataclass(frozen=True)
class DeleteTask:
    task_id: TaskId
    by: Actor
    version: int | None = None


async def delete_task(command: DeleteTask, ports: TasksPorts) -> None:
    async with ports.uow() as uow:
        task = await uow.tasks.owned(command.task_id, command.by.id, version=command.version)
        task.delete(ports.clock())
        await uow.commit(None)


@dataclass(frozen=True)
class RestoreTask:
    task_id: TaskId
    by: Actor


async def restore_task(command: RestoreTask, ports: TasksPorts) -> Task:
    async with ports.uow() as uow:
        task = await uow.tasks.owned_or_deleted(command.task_id, command.by.id)
        task.restore(ports.clock())
        return await uow.commit(task)
