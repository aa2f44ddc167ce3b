"""The town that is measured: people with tasks in a database, and what the floor must know of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
from sqlalchemy import Select
from sqlalchemy.sql.expression import ClauseElement

from bailiwick.backend import Backend
from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.postgresql import PostgresDatabase
from bailiwick.kernel.database.statements import POSTGRESQL, Write, compile_for, in_order, merge
from bailiwick.kernel.observability import configure_logging
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.testing import execute
from bailiwick.main import http_application
from bench.plan import Plan, Query

PUBLIC_URL = "http://127.0.0.1:8000"
SECRET_KEY = "measured-with-a-key-that-nobody-else-uses"
NEVER_REFUSED = "100000000/minute"
PASSWORD = "a long and quiet river"
SETTINGS: dict[str, Any] = {
    "secret_key": SECRET_KEY,
    "http": {"public_url": PUBLIC_URL},
    # Every request is counted as always; only the refusal is moved out of reach.
    "limits": {"anonymous": NEVER_REFUSED, "actor": NEVER_REFUSED, "credentials": NEVER_REFUSED},
    "sessions": {"access_seconds": 3600},
}
TASK = {
    "title": "Send the harbour office the new berth plan",
    "description": "Ask for the depth at low water and who pays for the crane. " * 8,
    "priority": "high",
    "due_at": "2030-03-01T09:00:00+00:00",
}

# Copies the rows that are there, whatever columns they have.
MULTIPLY = """
INSERT INTO tasks_task SELECT (jsonb_populate_record(t, jsonb_build_object(
    'id', gen_random_uuid(), 'created_at', t.created_at - n * interval '1 minute'))).*
FROM tasks_task t CROSS JOIN generate_series(1, {each}) n
"""

ENRICH = "UPDATE payments_wallet SET posted = 1000000000000"


def environment(database_url: str) -> dict[str, str]:
    """The settings of `SETTINGS` for a process of the product."""
    found = {
        "DATABASE_URL": database_url,
        "BAILIWICK_LOG__FORMAT": "json",
        "BAILIWICK_SECRET_KEY": SECRET_KEY,
    }
    for section, values in SETTINGS.items():
        if isinstance(values, dict):
            found |= {f"BAILIWICK_{section}__{key}".upper(): str(value) for key, value in values.items()}
    return found


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, signed in."""

    id: str
    email: str
    access_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Town:
    """`tasks` are (person, task id); `pages` are (person, cursor), the empty cursor being the first page.
    `wallets` are those of the people, in their order."""

    people: tuple[Person, ...]
    wallets: tuple[str, ...]
    tasks: tuple[tuple[Person, str], ...]
    pages: tuple[tuple[Person, str], ...]
    plan: Plan


_seen: ContextVar[list[Any] | None] = ContextVar("seen", default=None)


class RecordingDatabase(PostgresDatabase):
    """Notes the statements of the request that runs in a `recording` block."""

    async def all(self, statement: ClauseElement, /, **params: Any) -> list[tuple[Any, ...]]:
        _note(statement)
        return await super().all(statement, **params)

    async def first(self, statement: ClauseElement, /, **params: Any) -> tuple[Any, ...] | None:
        _note(statement)
        return await super().first(statement, **params)

    async def write(self, *phases: Sequence[Write]) -> None:
        _note(*(phase for phase in phases if phase))
        await super().write(*phases)


def _note(*seen: Any) -> None:
    noted = _seen.get()
    if noted is not None:
        noted.extend(seen)


def read_query(statement: ClauseElement) -> Query:
    compiled = compile_for(POSTGRESQL, statement)
    return Query(compiled.sql, compiled.names)


def write_query(writes: Sequence[Write]) -> Query:
    """Several writes as the one statement that they become."""
    writes = in_order(writes)
    parts = [compile_for(POSTGRESQL, write.statement) for write in writes]
    merged = zip(parts, writes, strict=True)
    sql = merge(tuple((part.sql, len(part.names), write.exactly) for part, write in merged))
    return Query(sql, tuple(name for part in parts for name in part.names))


def values_of(writes: Sequence[Write]) -> Iterator[tuple[str, int, str]]:
    """The parameters of several writes, in the order of the statement that they become."""
    seen: Counter[str] = Counter()
    for write in in_order(writes):
        table = statement_table(write.statement)
        for name in compile_for(POSTGRESQL, write.statement).names:
            yield table, seen[table], name
        seen[table] += 1


def constants_of(writes: Sequence[Write]) -> dict[str, Any]:
    """What the statements themselves say of their parameters."""
    compiled = (compile_for(POSTGRESQL, write.statement) for write in writes)
    return {str(name): value for each in compiled for name, value in each.defaults.items()}


def statement_table(statement: Any) -> str:
    return str(statement.table.name)


def transfer_order(payer: str, payee: str) -> dict[str, Any]:
    """The body of a transfer."""
    amount = {"amount": 100, "currency": "NAD"}
    return {"from_wallet": payer, "to_wallet": payee, "amount": amount, "description": "A hundred"}


class Resident:
    """The product in this process, asked by its own people."""

    def __init__(self, backend: Backend) -> None:
        transport = httpx.ASGITransport(app=http_application(backend))
        self._client = httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL)

    async def ask(
        self, method: str, path: str, token: str = "", body: Any = None, **headers: str
    ) -> dict[str, Any]:
        """The answer's body. Raises RuntimeError for anything but a success."""
        if token:
            headers["authorization"] = f"Bearer {token}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self._client.request(method, path, json=body, headers=named)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        content: dict[str, Any] = answer.json()
        return content

    async def statements(
        self, expected: int, method: str, path: str, token: str = "", body: Any = None, **headers: str
    ) -> list[Any]:
        """What the request asked of the database. Raises RuntimeError for more or fewer round trips."""
        noted: list[Any] = []
        reset = _seen.set(noted)
        try:
            await self.ask(method, path, token, body, **headers)
        finally:
            _seen.reset(reset)
        if len(noted) != expected:
            raise RuntimeError(f"{method} {path} took {len(noted)} round trips instead of {expected}")
        return noted

    async def register(self, number: int) -> Person:
        email = f"person{number}@example.com"
        body = {"email": email, "password": PASSWORD, "full_name": f"Person {number}", "accept_terms": True}
        data = (await self.ask("POST", "/api/v1/auth/register", body=body))["data"]
        return Person(data["user"]["id"], email, data["access_token"], data["refresh_token"])

    async def pages_of(self, person: Person, most: int) -> list[tuple[Person, str]]:
        """The first pages of the person's tasks, at most so many."""
        pages: list[tuple[Person, str]] = []
        cursor: str | None = ""
        while cursor is not None and len(pages) < most:
            pages.append((person, cursor))
            path = f"/api/v1/tasks?cursor={cursor}&per_page=50"
            cursor = (await self.ask("GET", path, person.access_token))["pagination"]["next_cursor"]
        return pages

    async def wallets_of(self, people: Sequence[Person]) -> list[str]:
        """The wallet of each, which is opened soon after the account."""
        found = []
        for person in people:
            while True:
                if data := (await self.ask("GET", "/api/v1/wallets", person.access_token))["data"]:
                    break
                await asyncio.sleep(0.05)
            found.append(data[0]["id"])
        return found

    async def plan(self, people: Sequence[Person], wallets: Sequence[str], task_id: str, cursor: str) -> Plan:
        someone, spare = people[0], people[-1]
        token, listed = someone.access_token, "/api/v1/tasks?cursor={}&per_page=50"
        [one] = await self.statements(1, "GET", f"/api/v1/tasks/{task_id}", token)
        [first_page] = await self.statements(1, "GET", listed.format(""), token)
        [next_page] = await self.statements(1, "GET", listed.format(cursor), token)
        # The first refresh also reads the roles, which are then known for some time.
        body = {"refresh_token": spare.refresh_token}
        refreshed = (await self.ask("POST", "/api/v1/auth/refresh", body=body))["data"]
        body = {"refresh_token": refreshed["refresh_token"]}
        session, rotation = await self.statements(2, "POST", "/api/v1/auth/refresh", body=body)
        [creation] = await self.statements(
            1, "POST", "/api/v1/tasks", token, TASK, idempotency_key=f"plan-{task_id}"
        )
        order = transfer_order(*wallets[:2])
        wallets_read, transfer = await self.statements(
            2, "POST", "/api/v1/transfers", token, order, idempotency_key=f"plan-{task_id}"
        )
        assert isinstance(one, Select)
        tables = [write.statement.table.name for write in creation]
        columns = [read_query(write.statement).names for write in creation]
        return Plan(
            one=read_query(one),
            first_page=read_query(first_page),
            next_page=read_query(next_page),
            session=read_query(session),
            rotation=write_query(rotation),
            creation=write_query(creation),
            creation_values=tuple(
                (table, name) for table, names in zip(tables, columns, strict=True) for name in names
            ),
            wallets=read_query(wallets_read),
            transfer=write_query(transfer),
            transfer_values=tuple(values_of(transfer)),
            constants=constants_of(transfer),
            view=tuple(str(column.name) for column in one.selected_columns),
            access_token=token,
            expires_in=SETTINGS["sessions"]["access_seconds"],
            owners={person.access_token: person.id for person in people},
        )


def backend_on(database: PostgresDatabase, database_url: str) -> Backend:
    """The product in this process, not yet running."""
    settings = Settings(**SETTINGS | {"database": {"url": database_url}, "log": {"level": "WARNING"}})
    configure_logging(settings)
    return Backend.build(settings, database)


@asynccontextmanager
async def resident(database_url: str) -> AsyncIterator[Resident]:
    """The product running in this process on a migrated database."""
    backend = backend_on(RecordingDatabase(database_url), database_url)
    async with backend.running():
        yield Resident(backend)


async def build_town(database_url: str, people: int = 48, tasks_each: int = 400) -> Town:
    """Fill the empty database at the URL. The last person is used up by the making of the plan."""
    await migrations.upgrade_async(database_url, Settings(**SETTINGS).contexts)
    async with resident(database_url) as product:
        everyone = await asyncio.gather(*(product.register(number) for number in range(people + 1)))
        created = [
            (person, (await product.ask("POST", "/api/v1/tasks", person.access_token, TASK))["data"]["id"])
            for person in everyone[:-1]
        ]
        await asyncio.to_thread(execute, database_url, MULTIPLY.format(each=tasks_each - 1))
        wallets = await product.wallets_of(everyone[:-1])
        await asyncio.to_thread(execute, database_url, ENRICH)
        await asyncio.to_thread(execute, database_url, "VACUUM ANALYZE")
        pages = [page for person in everyone[:8] for page in await product.pages_of(person, 8)]
        plan = await product.plan(everyone, wallets, created[0][1], pages[1][1])
    return Town(tuple(everyone[:-1]), tuple(wallets), tuple(created), tuple(pages), plan)
