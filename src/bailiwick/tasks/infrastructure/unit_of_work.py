"""How a task sits in its table."""

from uuid import UUID

from sqlalchemy import bindparam, select

from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork
from bailiwick.tasks.domain.task import Task, TaskId
from bailiwick.tasks.infrastructure.tables import tasks

_OWNED_OR_DELETED = select(tasks).where(tasks.c.id == bindparam("id"), tasks.c.owner_id == bindparam("owner"))
_OWNED = _OWNED_OR_DELETED.where(tasks.c.deleted_at.is_(None))


class SqlTasks(SqlRepository[Task, TaskId]):
    mapper = Mapper(Task, tasks, audited=("status", "priority", "due_at", "completed_at", "deleted_at"))

    async def owned(self, id: TaskId, owner: UUID, *, version: int | None = None) -> Task:
        return self._expected(await self._first(_OWNED, id=id, owner=owner), version)

    async def owned_or_deleted(self, id: TaskId, owner: UUID) -> Task:
        return self._expected(await self._first(_OWNED_OR_DELETED, id=id, owner=owner), None)


class SqlTasksUnitOfWork(SqlUnitOfWork):
    @property
    def tasks(self) -> SqlTasks:
        return self._repository(SqlTasks)
