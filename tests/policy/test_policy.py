"""Who may do what: every route for every role, as the reviewed table says."""

import dataclasses
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import httpx2 as httpx
import pytest

from bailiwick.backend import Backend
from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.routing import Operation, Router
from bailiwick.kernel.module import Module
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database as DatabaseSettings
from bailiwick.tasks.application.ports import TasksPorts
from bailiwick.tasks.domain.task import Task, TaskId
from bailiwick.tasks.infrastructure.queries import TaskView
from bailiwick.tasks.infrastructure.unit_of_work import SqlTasks, SqlTasksUnitOfWork
from bailiwick.tooling.check.policy import ROLES, Row, rows, unlisted, unrouted
from tests.policy.requests import sent
from tests.policy.scene import Stage, staged
from tests.policy.table import FILE

TABLE = rows(FILE.read_text(encoding="utf-8"))
ONE_ACCOUNT = ("GET", "/api/v1/users/{user_id}")
HIDDEN = [row for row in TABLE if row.about == "another's"]
HIDDEN += [row for row in TABLE if row.operation == ONE_ACCOUNT and row.about == "user"]
ALWAYS_DIFFERENT = ("request_id", "timestamp", "instance")


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(f"sqlite:///{tmp_path_factory.mktemp('policy') / 'bailiwick.db'}") as running:
        yield running


async def breaches(stage: Stage, table: Sequence[Row], roles: Sequence[str] = ROLES) -> list[str]:
    """Where the product answers otherwise than the table says."""
    found = []
    for row in table:
        for role in roles:
            answer = await answered(stage, row, role)
            if answer.status_code != row.expected[role]:
                found.append(f"{role}: {row.method} {row.route} of {row.about}: {answer.status_code}")
    return found


async def answered(stage: Stage, row: Row, role: str) -> httpx.Response:
    return await sent(await stage.scene(None if role == "anonymous" else role, row.about), row)


def declared() -> list[Operation]:
    return Backend.build(Settings(database=DatabaseSettings(url="sqlite:///never-opened.db"))).operations


def named(value: Row | str) -> str:
    return value if isinstance(value, str) else f"{value.method} {value.route} of {value.about}"


@pytest.mark.parametrize("row", TABLE, ids=named)
@pytest.mark.parametrize("role", ROLES)
async def test_a_caller_gets_what_the_table_says(stage: Stage, row: Row, role: str) -> None:
    answer = await answered(stage, row, role)
    assert answer.status_code == row.expected[role], answer.text


async def test_on_postgresql_users_and_admins_get_what_the_table_says(postgresql_url: str) -> None:
    async with staged(postgresql_url) as stage:
        assert await breaches(stage, TABLE, ("user", "admin")) == []


@pytest.mark.parametrize("row", HIDDEN, ids=named)
async def test_what_belongs_to_somebody_else_looks_exactly_like_what_does_not_exist(
    stage: Stage, row: Row
) -> None:
    nobodys = "nobody's" if row.about == "another's" else "nobody"
    theirs = await answered(stage, row, "user")
    missing = await answered(stage, dataclasses.replace(row, about=nobodys), "user")
    assert told(theirs) == told(missing)
    assert len(theirs.content) == len(missing.content)


def told(answer: httpx.Response) -> tuple[int, dict[str, str], dict[str, object]]:
    body = {name: value for name, value in answer.json().items() if name not in ALWAYS_DIFFERENT}
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, headers, body


def test_the_table_lists_every_route_and_no_other() -> None:
    operations = declared()
    assert unlisted(operations, TABLE) == []
    assert unrouted(operations, TABLE) == []


def test_a_route_that_is_missing_from_the_table_is_noticed() -> None:
    router = Router("tasks", prefix="/api/v1/tasks")

    @router.get("/export")
    async def export(actor: Actor) -> None:
        """Somebody forgot to decide who may call this."""

    assert unlisted([*declared(), *router.operations], TABLE) == router.operations


def test_a_line_without_a_route_is_noticed() -> None:
    gone = Row("GET", "/api/v1/tasks/{task_id}/history", "own", {})
    assert unrouted(declared(), [*TABLE, gone]) == [gone]


def test_a_line_that_forgets_a_role_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        rows("| GET /health | - | 200 | 200 |")


class CarelessTasks(SqlTasks):
    async def owned(self, id: TaskId, owner: UUID, *, version: int | None = None) -> Task:
        return await self.get(id, version=version)


class CarelessUnitOfWork(SqlTasksUnitOfWork):
    @property
    def tasks(self) -> CarelessTasks:
        return self._repository(CarelessTasks)


def without_the_owner_in_commands(modules: tuple[Module, ...]) -> tuple[Module, ...]:
    [tasks] = [module for module in modules if module.name == "tasks"]
    [ports] = tasks.provides
    assert isinstance(ports, TasksPorts)
    unit = ports.uow()
    assert isinstance(unit, SqlTasksUnitOfWork)
    careless = dataclasses.replace(ports, uow=lambda: CarelessUnitOfWork(unit.database))
    changed = dataclasses.replace(tasks, provides=(careless,))
    return tuple(changed if module is tasks else module for module in modules)


async def read_of_anybody(task_id: TaskId, actor: Actor, database: Database, ports: TasksPorts) -> TaskView:
    async with CarelessUnitOfWork(database) as uow:
        return TaskView.of(await uow.tasks.get(task_id))


def without_the_owner_in_a_query(modules: tuple[Module, ...]) -> tuple[Module, ...]:
    [tasks] = [module for module in modules if module.name == "tasks"]
    router = Router("tasks", prefix="/api/v1/tasks")
    router.operations = [
        dataclasses.replace(operation, endpoint=read_of_anybody)
        if operation.id == "tasks_read"
        else operation
        for operation in tasks.routers[0].operations
    ]
    changed = dataclasses.replace(tasks, routers=(router,))
    return tuple(changed if module is tasks else module for module in modules)


async def test_a_command_that_forgets_the_owner_is_noticed(sqlite_url: str) -> None:
    table = [row for row in TABLE if row.about == "another's"]
    async with staged(sqlite_url, without_the_owner_in_commands) as stage:
        found = await breaches(stage, table, ["user"])
    assert [line.partition(" of ")[0] for line in found] == [
        "user: PUT /api/v1/tasks/{task_id}",
        "user: PATCH /api/v1/tasks/{task_id}",
        "user: DELETE /api/v1/tasks/{task_id}",
        "user: PATCH /api/v1/tasks/{task_id}/complete",
        "user: PATCH /api/v1/tasks/{task_id}/reopen",
    ]


async def test_a_query_that_forgets_the_owner_is_noticed(sqlite_url: str) -> None:
    table = [row for row in TABLE if row.about == "another's"]
    async with staged(sqlite_url, without_the_owner_in_a_query) as stage:
        found = await breaches(stage, table, ["user"])
    assert found == ["user: GET /api/v1/tasks/{task_id} of another's: 200"]
