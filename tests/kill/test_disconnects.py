"""Clients hang up at random moments: no connection to the database is lost, none left in a transaction."""

import asyncio
import json
import random
import re
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest

from bailiwick.kernel.testing import LOOPBACK
from tests.acceptance.people import Person, joined
from tests.acceptance.server import until
from tests.kill.depth import KILLS, times
from tests.kill.running import Mortal, mortal
from tests.kill.stored import sessions_in_doubt

AT_ONCE = 24
LONGEST_WAIT = 0.03  # seconds until a client hangs up
BACK_WITHIN = 1.0  # seconds in which the pool must have all of its connections again
# One worker answers for itself at once, where of several each shows what it has every few seconds.
ALONE = {"BAILIWICK_HTTP__WORKERS": "1", "BAILIWICK_DATABASE__POOL_SIZE": "8"}
GAUGES = re.compile(r"^(db_pool_busy|db_pool_waiting|http_in_progress)(?:\{.*\})? (\S+)$", re.MULTILINE)


def requests(person: Person, other: Person) -> list[bytes]:
    """A read, a write, one with a key; and a refresh, repeated so often that `other` loses the session."""
    body = json.dumps({"title": "Gone", "description": "x" * 500}).encode()
    own = f"Host: localhost\r\nAuthorization: Bearer {person.access_token}\r\n"
    sized = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    refresh = json.dumps({"refresh_token": other.refresh_token}).encode()
    return [
        f"GET /api/v1/tasks HTTP/1.1\r\n{own}\r\n".encode(),
        f"POST /api/v1/tasks HTTP/1.1\r\n{own}{sized}\r\n".encode() + body,
        f"POST /api/v1/tasks HTTP/1.1\r\n{own}Idempotency-Key: {uuid4()}\r\n{sized}\r\n".encode() + body,
        f"POST /api/v1/auth/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(refresh)}\r\n\r\n".encode()
        + refresh,
    ]


async def hang_up(server: Mortal, request: bytes, chance: random.Random) -> None:
    """Send a request, or a part of it, and leave without waiting; often so rudely that it is a reset."""
    with suppress(ConnectionError):
        _, writer = await asyncio.open_connection(LOOPBACK, server.port)
        end = len(request) if chance.random() < 0.8 else chance.randrange(len(request))
        writer.write(request[:end])
        await writer.drain()
        await asyncio.sleep(chance.uniform(0, LONGEST_WAIT))
        if chance.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()
            await writer.wait_closed()


async def disconnects(server: Mortal, some: list[bytes], count: int) -> None:
    chance, slots = random.Random(count), asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with slots:
            await hang_up(server, chance.choice(some), chance)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())


def gauges(server: Mortal) -> dict[str, float]:
    found = GAUGES.findall(httpx.get(f"{server.url}/metrics", timeout=30).text)
    assert len(found) == 3, found
    return {name: float(value) for name, value in found}


def left_in_use(server: Mortal) -> float:
    """Connections in use, or waited for, a second after the last request that nobody waits for was done."""
    until(lambda: gauges(server)["http_in_progress"] <= 1, seconds=60)  # ours is the one
    deadline = time.monotonic() + BACK_WITHIN
    while True:  # the product's own loops use a connection now and then, so one look is not enough
        seen = gauges(server)
        left = seen["db_pool_busy"] + seen["db_pool_waiting"]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def judged(database_url: str, directory: Path, count: int, plant: str = "") -> list[str]:
    wrong = []
    with mortal(database_url, directory, plant, **ALONE) as server:
        ada = joined(server.server)
        asyncio.run(disconnects(server, requests(ada, joined(server.server)), count))
        left = left_in_use(server)
        if left:
            wrong.append(f"{left:.0f} connections are still in use")
        time.sleep(1.1)
        wrong += [f"in doubt: {each}" for each in sessions_in_doubt(database_url)]
        if ada.ask("GET", "/tasks").status_code != 200:
            wrong.append("the server does not answer any more")
    print({"disconnects": count, "violations": len(wrong)})
    return wrong


def test_clients_that_hang_up_leave_nothing_behind(postgresql_url: str, tmp_path: Path) -> None:
    assert judged(postgresql_url, tmp_path, times(500, max(10_000, KILLS * 20))) == []


if KILLS:

    @pytest.mark.parametrize(
        ("plant", "finding"),
        [("leaks_connections", "connections are still in use"), ("leaves_transactions_open", "in doubt")],
    )
    def test_a_server_with_this_defect_is_found_out(
        plant: str, finding: str, postgresql_url: str, tmp_path: Path
    ) -> None:
        assert any(finding in wrong for wrong in judged(postgresql_url, tmp_path, 100, plant))
