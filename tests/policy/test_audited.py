"""No command escapes the audit trail, and no secret gets into it: seen on every route that writes."""

import asyncio
import dataclasses
import re
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import httpx2 as httpx
import pytest
from sqlalchemy import Column, Integer, String, Table, bindparam, not_, select

from bailiwick.identity.infrastructure.tables import links, sessions
from bailiwick.kernel.database.columns import Id, context_metadata
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.sqlite import SqliteDatabase
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.database.unit_of_work import Companion, SqlRepository
from bailiwick.kernel.domain import Aggregate
from bailiwick.kernel.messaging.tables import audit, work
from bailiwick.kernel.module import Module
from bailiwick.tasks.application.ports import TasksPorts
from bailiwick.tasks.infrastructure.unit_of_work import SqlTasksUnitOfWork
from bailiwick.tooling.check.policy import ROLES, Row, rows
from tests.policy.requests import CART, OPERATIONS, PAYMENTS, PROFILES, TASKS, USERS, sent
from tests.policy.scene import ANOTHER, HASH, PASSWORD, Scene, Stage, staged
from tests.policy.table import FILE
from tests.policy.work import QUEUE

WRITES = [row for row in rows(FILE.read_text(encoding="utf-8")) if row.method != "GET"]
SECRET_NAME = re.compile(
    r"passw|hash|seed|token|secret|key|email(?!_verified_at$)|phone|address|name|agent|title|bio|description"
)
BESIDE_THE_COMMANDS = {
    "identity_attempt", "payments_seal", "payments_checkpoint", "payments_proved_sum"
}  # fmt: skip
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
TRAIL = select(audit)
WAITING = (
    select(work.c.id)
    .where(not_(work.c.queue.startswith(QUEUE)), work.c.available_at <= bindparam("now"))
    .limit(1)
)

FREEZE = f"{PAYMENTS}/wallets/{{wallet_id}}/freeze"
FIRST = {
    ("PATCH", f"{PROFILES}/me"): ("GET", f"{PROFILES}/me"),
    ("PUT", f"{PROFILES}/me/username"): ("GET", f"{PROFILES}/me"),
    ("DELETE", CART): ("PUT", CART),
    ("PATCH", f"{TASKS}/{{task_id}}/complete"): ("PATCH", f"{TASKS}/{{task_id}}/reopen"),
    ("POST", f"{TASKS}/{{task_id}}/restore"): ("DELETE", f"{TASKS}/{{task_id}}"),
    ("PUT", f"{USERS}/{{user_id}}/activation"): ("DELETE", f"{USERS}/{{user_id}}/activation"),
    ("DELETE", FREEZE): ("PUT", FREEZE),
}
"""What must come before, so that there is something to change."""

NOTHING_TO_CHANGE = {
    # What waits in the scenes is due already.
    f"POST {OPERATIONS}/messages/{{id}}/retry",
    f"POST {OPERATIONS}/jobs/{{id}}/retry",
    # A ticket opens a socket once and soon: it is a token, no fact.
    "POST /api/v1/socket/tickets",
    # Only tried.
    f"POST {PAYMENTS}/transfers/dry-run",
}


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(f"sqlite:///{tmp_path_factory.mktemp('audited') / 'bailiwick.db'}") as running:
        yield running


def succeeding() -> Iterator[tuple[Row, str]]:
    """Each line about a write with the most powerful role that may do it."""
    for row in WRITES:
        for role in reversed(ROLES):
            if row.expected[role] < 300:
                yield row, role
                break


@dataclass
class Deed:
    """One request: what it changed in the tables of the contexts, and the rows that it left in the trail."""

    scene: Scene
    row: Row
    public: bool
    operation: str
    answer: httpx.Response
    changed: bool
    rows: Sequence[dict[str, Any]]

    @property
    def escaped(self) -> str | None:
        """What is wrong with the trail of it, if anything."""
        if not self.changed:
            return "nothing changed, but there are several rows" if len(self.rows) > 1 else None
        if len(self.rows) != 1:
            return f"{len(self.rows)} rows"
        [row] = self.rows
        actor = None if self.public else self.scene.caller.id
        if (row["outcome"], row["actor_id"]) != ("done", actor):
            return f"outcome {row['outcome']}, actor {row['actor_id']}"
        named = row["subject_id"] or "/queues/" in self.row.route or "/readers/" in self.row.route
        return None if named else "no subject"


async def deed(stage: Stage, row: Row, role: str) -> Deed:
    """Do it, and look what came of it."""
    scene = await stage.scene(None if role == "anonymous" else role, row.about)
    if row.operation in FIRST:
        method, route = FIRST[row.operation]
        await sent(scene, dataclasses.replace(row, method=method, route=route))
    await nothing_else_going_on(stage)
    before = contents(stage)
    answer = await sent(scene, row)
    assert answer.status_code == row.expected[role], answer.text
    [operation] = [o for o in stage.backend.operations if (o.method, o.path) == row.operation]
    left = [
        found
        for found in await trail(stage)
        if found["correlation_id"] == answer.headers["x-request-id"] and found["what"] == operation.id
    ]
    changed = contents(stage) != before
    return Deed(scene, row, operation.public, operation.id, answer, changed, left)


async def nothing_else_going_on(stage: Stage) -> None:
    """Until what earlier requests have left to subscribers is done."""
    platform = stage.backend.platform
    async with asyncio.timeout(20):
        while await platform.database.all(WAITING, now=platform.clock()):  # noqa: ASYNC110 - another's progress
            await asyncio.sleep(0.02)


async def trail(stage: Stage) -> list[dict[str, Any]]:
    found = await stage.backend.platform.database.all(TRAIL)
    return [dict(zip(audit.c.keys(), row, strict=True)) for row in found]


def contents(stage: Stage) -> dict[str, list[Any]]:
    """All rows of the contexts' tables, and what operators can change of the queue that is theirs alone.

    Attempts to sign in are counted, and journals sealed and proved, beside the commands.
    """
    database = cast(SqliteDatabase, stage.backend.platform.database)
    with closing(sqlite3.connect(database.path)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        own = [n for n in names if not n.startswith(("kernel_", "sqlite_")) and n not in BESIDE_THE_COMMANDS]
        looks = {name: f"SELECT * FROM {name}" for name in own}  # noqa: S608  # our names
        for name in ("kernel_work", "kernel_finished", "kernel_pause"):
            looks[name] = f"SELECT * FROM {name} WHERE queue LIKE '{QUEUE}%'"  # noqa: S608
        looks["kernel_process"] = "SELECT * FROM kernel_process"
        looks["kernel_reader"] = "SELECT type, reader FROM kernel_reader"
        return {name: connection.execute(look).fetchall() for name, look in looks.items()}


@pytest.fixture(scope="module")
async def deeds(stage: Stage) -> list[Deed]:
    return [await deed(stage, row, role) for row, role in succeeding()]


async def test_every_route_that_changes_something_leaves_one_row(deeds: list[Deed]) -> None:
    escaped = [f"{d.row.method} {d.row.route} of {d.row.about}: {d.escaped}" for d in deeds if d.escaped]
    assert escaped == []
    assert set(unseen(deeds)) == NOTHING_TO_CHANGE


def unseen(deeds: Collection[Deed]) -> list[str]:
    """Routes of which no request changed anything: they would prove nothing."""
    changing = {deed.row.operation for deed in deeds if deed.changed}
    return sorted(
        {f"{deed.row.method} {deed.row.operation[1]}" for deed in deeds}
        - {f"{method} {path}" for method, path in changing}
    )


class ForgetfulUnitOfWork(SqlTasksUnitOfWork):
    """The planted defect: a commit without its row."""

    async def _write(self, phases: Sequence[Sequence[Write]], joined: tuple[Companion, ...]) -> None:
        kept = [[w for w in phase if getattr(w.statement, "table", None) is not audit] for phase in phases]
        await super()._write(kept, joined)


def forgetful(modules: tuple[Module, ...]) -> tuple[Module, ...]:
    [tasks] = [module for module in modules if module.name == "tasks"]
    [ports] = tasks.provides
    assert isinstance(ports, TasksPorts)
    unit = ports.uow()
    assert isinstance(unit, SqlTasksUnitOfWork)
    careless = dataclasses.replace(ports, uow=lambda: ForgetfulUnitOfWork(unit.database))
    changed = dataclasses.replace(tasks, provides=(careless,))
    return tuple(changed if module is tasks else module for module in modules)


async def test_a_commit_that_leaves_no_row_is_noticed(sqlite_url: str) -> None:
    own = [(row, role) for row, role in succeeding() if "/tasks" in row.route and row.about in ("-", "own")]
    async with staged(sqlite_url, forgetful) as stage:
        deeds = [await deed(stage, row, role) for row, role in own]
    assert {deed.escaped for deed in deeds if deed.changed} == {"0 rows"}
    assert len(deeds) >= 6


async def test_the_actor_is_known_to_the_subscribers_of_what_they_did(stage: Stage) -> None:
    row = next(row for row in WRITES if row.operation == ("POST", "/api/v1/users"))
    done = await deed(stage, row, "admin")
    request_id = done.answer.headers["x-request-id"]
    async with asyncio.timeout(10):
        while True:
            found = [r for r in await trail(stage) if r["correlation_id"] == request_id]
            followed = [r for r in found if r["what"].startswith("profiles.")]
            if followed:
                break
            await asyncio.sleep(0.05)
    assert {r["actor_id"] for r in found} == {done.scene.caller.id}
    assert followed[0]["what"] == "profiles.on_user_registered"


async def test_what_is_refused_to_a_known_actor_leaves_a_row(stage: Stage) -> None:
    [row] = [r for r in WRITES if r.operation == ("DELETE", "/api/v1/users/{user_id}") and r.about == "admin"]
    refused = await deed(stage, row, "user")
    assert refused.answer.status_code == 403
    await stage.backend.refusals.flush()
    [found] = [r for r in await trail(stage) if r["correlation_id"] == refused.answer.headers["x-request-id"]]
    assert (found["what"], found["outcome"], found["actor_id"], found["subject_id"], found["changes"]) == (
        refused.operation,
        refused.answer.json()["code"],
        refused.scene.caller.id,
        refused.scene.target,
        [],
    )


async def test_a_failed_sign_in_leaves_a_row_that_tells_only_from_where(stage: Stage) -> None:
    scene = await stage.scene(None, "-")
    body = {"email": scene.caller.email.address, "password": "not the right one"}
    answer = await scene.ask("POST", "/api/v1/auth/login", body)
    await stage.backend.refusals.flush()
    [found] = [r for r in await trail(stage) if r["correlation_id"] == answer.headers["x-request-id"]]
    assert (found["what"], found["outcome"], found["actor_id"]) == (
        "identity_login",
        "invalid_credentials",
        None,
    )
    assert found["details"].keys() == {"address", "user_agent", "salt"}
    assert scene.caller.email.address not in str(found)


async def test_a_request_that_is_repeated_with_its_key_is_no_refusal(stage: Stage) -> None:
    """The second time the address is taken, which the first answer, sent again, hides."""
    scene = await stage.scene("admin", "-")
    headers = {"Authorization": f"Bearer {scene.access_token}", "Idempotency-Key": "once"}
    transport = httpx.ASGITransport(app=scene.app)
    body = {"email": f"{scene.own_task.hex}@example.com", "full_name": "Grace Hopper"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        answers = [await client.post("/api/v1/users", json=body) for _ in range(2)]
    assert [(a.status_code, "idempotency-replayed" in a.headers) for a in answers] == [
        (201, False),
        (201, True),
    ]
    await stage.backend.refusals.flush()
    asked = {answer.headers["x-request-id"] for answer in answers}
    found = [r for r in await trail(stage) if r["correlation_id"] in asked]
    assert [r["outcome"] for r in found if r["what"] == "identity_create"] == ["done"]


def mappers() -> list[Mapper[Any]]:
    """Every mapper of the product's contexts."""
    found: list[Mapper[Any]] = []
    kinds: list[type[Any]] = [SqlRepository]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.__module__.startswith("bailiwick.") and "mapper" in vars(kind):
            found.append(kind.mapper)
    return found


def told_secrets(known: Collection[Mapper[Any]]) -> list[str]:
    return sorted(
        f"{mapper.table.name}.{column}"
        for mapper in known
        for column in mapper.audited
        if SECRET_NAME.search(column)
    )


@dataclass(eq=False, kw_only=True)
class Vault(Aggregate):
    id: Any
    seed: str


class Leak:
    """The planted violation: a mapper that lets the trail tell a secret."""

    table: ClassVar = Table(
        "vault", context_metadata(), Column("id", Id), Column("seed", String), Column("version", Integer)
    )
    mapper: ClassVar[Mapper[Vault]] = Mapper(Vault, table, audited=("seed",))


def test_no_mapper_lets_the_trail_tell_a_secret() -> None:
    assert {mapper.table.name for mapper in mappers()} >= {
        "identity_user", "identity_session", "identity_link", "identity_consent", "profiles_profile",
        "tasks_task",
    }  # fmt: skip
    assert told_secrets(mappers()) == []
    assert told_secrets([Leak.mapper]) == ["vault.seed"]


async def secrets_of(stage: Stage, scenes: Sequence[Scene]) -> set[str]:
    """Passwords, their hashes, tokens, seeds and addresses of all who took part."""
    known = {PASSWORD, ANOTHER, HASH, "@"}
    for scene in scenes:
        known |= {scene.access_token, scene.refresh_token, scene.reset_token, scene.verify_token}
        known |= {scene.caller.email.address, scene.caller.full_name}
    for table in (sessions, links):
        known |= {seed for (seed,) in await stage.backend.platform.database.all(select(table.c.seed))}
    return known


def leaks(trail: Sequence[dict[str, Any]], secrets: Collection[str]) -> list[str]:
    return [f"{row['what']}: {row}" for row in trail if any(secret in str(row) for secret in secrets)]


async def test_no_row_of_the_trail_holds_a_secret(stage: Stage, deeds: list[Deed]) -> None:
    refused = [await stage.scene("user", "admin") for _ in range(2)]
    for scene in refused:
        await scene.ask("PUT", f"/api/v1/users/{scene.target}/password", {"new_password": ANOTHER})
        await scene.ask(
            "POST", "/api/v1/auth/login", {"email": scene.caller.email.address, "password": PASSWORD}
        )
    await stage.backend.refusals.flush()
    found, secrets = await trail(stage), await secrets_of(stage, [d.scene for d in deeds] + refused)
    assert leaks(found, secrets) == []
    assert any("values" in (row["details"] or {}) for row in found)
    planted = {"what": "x", "details": {"values": {"1": {"seed": [None, next(iter(secrets - {"@"}))]}}}}
    assert len(leaks([*found, planted], secrets)) == 1
