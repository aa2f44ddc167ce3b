"""A small demo: a super admin, two people and their tasks, in an empty database."""

import asyncio
import secrets
from datetime import timedelta

from sqlalchemy import select

from bailiwick.backend import Backend
from bailiwick.identity.application.accounts import (
    CreateSuperAdmin,
    CreateUser,
    create_super_admin,
    create_user,
)
from bailiwick.identity.application.ports import IdentityPorts
from bailiwick.identity.domain.role import SUPER_ADMIN
from bailiwick.identity.domain.user import User
from bailiwick.identity.infrastructure.tables import users
from bailiwick.kernel.application import EVERY_PERMISSION, Actor
from bailiwick.kernel.settings import Settings
from bailiwick.tasks.application.ports import TasksPorts
from bailiwick.tasks.application.tasks import CreateTask, create_task
from bailiwick.tasks.contract import TaskStatus
from bailiwick.tasks.domain.task import TaskDetails, TaskPriority

ADMIN = "admin@example.com"
PEOPLE = {"ann@example.com": "Ann Hauwanga", "ben@example.com": "Ben Shikongo"}
TASKS = (
    ("Read the README", TaskPriority.LOW, TaskStatus.COMPLETED),
    ("Try the API at /api/docs", TaskPriority.HIGH, TaskStatus.IN_PROGRESS),
    ("Add a field to a task", TaskPriority.MEDIUM, TaskStatus.PENDING),
    ("Put it on PostgreSQL", TaskPriority.MEDIUM, TaskStatus.PENDING),
    ("Write a context of my own", TaskPriority.URGENT, TaskStatus.PENDING),
)
ANYBODY = select(users.c.id).limit(1)


def seed(settings: Settings) -> str | None:
    """Fill an empty database. Returns what to tell the user, once, or None where there is data already.

    Does nothing in production or where the contexts of the demo are not enabled.
    """
    if settings.is_production or not {"identity", "tasks"} <= set(settings.contexts):
        return None
    return asyncio.run(_seed(settings))


async def _seed(settings: Settings) -> str | None:
    backend = Backend.build(settings)
    async with backend.opened():
        if await backend.platform.database.first(ANYBODY) is not None:
            return None
        password, theirs = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
        ports = backend.provided(IdentityPorts)
        admin = await create_super_admin(CreateSuperAdmin(ADMIN, "Demo Admin", password), ports)
        by = Actor(admin.id, SUPER_ADMIN, frozenset({EVERY_PERMISSION}))
        for email, name in PEOPLE.items():
            command = CreateUser(email, name, by, password=theirs, must_change_password=False)
            await _give_tasks(await create_user(command, ports), backend.provided(TasksPorts))
    return "\n".join(
        [
            "A small demo was added. These passwords are shown only now:",
            f"  {ADMIN:20} {password}   (super admin: change the password soon)",
            *(f"  {email:20} {theirs}" for email in PEOPLE),
        ]
    )


async def _give_tasks(user: User, ports: TasksPorts) -> None:
    by = Actor(user.id, user.role)
    for days, (title, priority, status) in enumerate(TASKS):
        due = ports.clock() + timedelta(days=days)
        details = TaskDetails(title=title, priority=priority, due_at=due)
        await create_task(CreateTask(details, by, status), ports)
