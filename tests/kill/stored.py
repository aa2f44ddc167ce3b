"""What the database holds, read past the product: by SQL of the tests' own."""

import asyncio
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from bailiwick.kernel.audit.verification import verify
from tests.acceptance.server import until
from tests.kernel.samples import database_at
from tests.kill.depth import KILLS

DRAINED = 60.0
"""Seconds in which interrupted work must be done: a lease has run out by then, and two pauses."""
SEALED = 10.0
"""Seconds after which every row of the audit trail has its seal."""


@dataclass
class Task:
    id: str
    title: str
    description: str
    status: str
    version: int


@dataclass
class Session:
    generation: int
    ended: bool


@dataclass
class Stored:
    """Tasks, accounts by email, sessions, idempotent answers by key, and the facts about each aggregate.

    `audited` has the versions of each aggregate that the audit trail tells of, in order; `damages` is what
    `bailiwick audit verify` says of the chain over it.
    """

    tasks: list[Task] = field(default_factory=list)
    users: dict[str, list[str]] = field(default_factory=dict)
    profiles: dict[str, int] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    answers: dict[str, list[bytes]] = field(default_factory=dict)
    facts: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    audited: dict[str, list[int]] = field(default_factory=dict)
    unsealed: int = 0
    damages: list[str] = field(default_factory=list)
    waiting: int = 0


def read_stored(url: str) -> Stored:
    """Everything at once. Waiting work is counted, so that a test can see when nothing is left to do."""
    rows = _postgresql if url.startswith("postgres") else _sqlite
    with ThreadPoolExecutor(1) as thread:  # works with and without a running event loop
        return thread.submit(lambda: _stored(rows(url, QUERIES))).result()


QUERIES = {
    "tasks": "SELECT id, title, description, status, version FROM tasks_task",
    "users": "SELECT id, email_address FROM identity_user",
    "profiles": "SELECT user_id, count(*) FROM profiles_profile GROUP BY user_id",
    "sessions": "SELECT id, generation, ended_at FROM identity_session",
    "answers": "SELECT key, body FROM kernel_idempotency",
    "facts": "SELECT aggregate_id, aggregate_version, type FROM kernel_event",
    "audited": "SELECT changes FROM kernel_audit WHERE outcome = 'done'",
    "unsealed": "SELECT count(*) FROM kernel_audit WHERE id NOT IN (SELECT audit_id FROM kernel_seal)",
    "waiting": "SELECT count(*) FROM kernel_work",
}


def _stored(rows: dict[str, list[Any]]) -> Stored:
    users, answers, facts = defaultdict(list), defaultdict(list), defaultdict(list)
    audited: dict[str, list[int]] = defaultdict(list)
    for change in (change for (changes,) in rows["audited"] for change in json.loads(changes)):
        if "id" in change:
            audited[change["id"]].append(change["version"])
    for id, email in rows["users"]:
        users[email].append(_id(id))
    for key, body in rows["answers"]:
        answers[key].append(bytes(body))
    for aggregate, version, kind in rows["facts"]:
        facts[_id(aggregate)].append((version, kind))
    return Stored(
        tasks=[Task(_id(row[0]), *row[1:]) for row in rows["tasks"]],
        users=users,
        profiles={_id(row[0]): row[1] for row in rows["profiles"]},
        sessions={_id(row[0]): Session(row[1], row[2] is not None) for row in rows["sessions"]},
        answers=answers,
        facts={aggregate: sorted(some) for aggregate, some in facts.items()},
        audited={aggregate: sorted(versions) for aggregate, versions in audited.items()},
        unsealed=rows["unsealed"][0][0],
        waiting=rows["waiting"][0][0],
    )


def _id(value: Any) -> str:
    return str(UUID(str(value)))


def _sqlite(url: str, queries: dict[str, str]) -> dict[str, list[Any]]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=10)
    try:
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}
    finally:
        connection.close()


def _postgresql(url: str, queries: dict[str, str]) -> dict[str, list[Any]]:
    return asyncio.run(_fetched(url, queries))


async def _fetched(url: str, queries: dict[str, str]) -> dict[str, list[Any]]:
    connection = await asyncpg.connect(url)
    try:
        return {name: [tuple(row) for row in await connection.fetch(q)] for name, q in queries.items()}
    finally:
        await connection.close()


EXPIRE = "UPDATE kernel_work SET leased_until = available_at WHERE leased_until IS NOT NULL"


def expire_leases(url: str) -> None:
    """As if the time had passed for which the dead, and the living, hold what they work on."""
    run = _postgresql if url.startswith("postgres") else _sqlite
    with ThreadPoolExecutor(1) as thread:
        thread.submit(run, url, {"expired": EXPIRE}).result()


def drained(url: str) -> Stored:
    """What is stored once all that follows from it is done."""
    if not KILLS:
        expire_leases(url)  # the short form has no time to wait; once: again it takes from who lives, too

    def done() -> Stored | None:
        stored = read_stored(url)
        return stored if not stored.waiting else None

    until(done, seconds=DRAINED)
    deadline = time.monotonic() + SEALED
    while (stored := read_stored(url)).unsealed and time.monotonic() < deadline:
        time.sleep(0.1)
    stored.damages = chain_damages(url)
    return stored


def chain_damages(url: str) -> list[str]:
    """What does not fit in the chain over the audit trail."""

    async def walk() -> list[str]:
        database = database_at(url)
        await database.open()
        try:
            return list(map(str, (await verify(database)).damages))
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, walk()).result()


def sessions_in_doubt(url: str) -> Sequence[str]:
    """Product sessions of PostgreSQL that sit in an open transaction for more than a second."""
    query = (
        "SELECT state || ': ' || query FROM pg_stat_activity WHERE application_name = 'bailiwick' "
        "AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '1 second'"
    )
    with ThreadPoolExecutor(1) as thread:
        return [row[0] for row in thread.submit(_postgresql, url, {"doubt": query}).result()["doubt"]]
