"""Wires the context: the only place where its ports meet their adapters."""

from bailiwick.kernel.module import Module, Platform
from bailiwick.tasks.application.ports import TasksPorts
from bailiwick.tasks.infrastructure.unit_of_work import SqlTasksUnitOfWork
from bailiwick.tasks.interfaces.http import router


def module(platform: Platform) -> Module:
    ports = TasksPorts(
        uow=lambda: SqlTasksUnitOfWork(platform.database),
        clock=platform.clock,
        new_id=platform.new_id,
    )
    return Module("tasks", routers=(router,), provides=(ports,))
