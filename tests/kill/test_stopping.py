"""SIGTERM under load: what was accepted is answered, and the server is gone in time."""

import asyncio
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx

from tests.acceptance.people import Person, a_registration, joined
from tests.kill.depth import KILLS, times
from tests.kill.running import Mortal, mortal
from tests.kill.stored import read_stored

RATE = 200  # requests per second
BEFORE = 0.5  # seconds of load before the order
DRAIN = 30.0  # seconds
SLOW = 8  # registrations under way when the order comes
COSTLY = {
    "BAILIWICK_PASSWORDS__ARGON2__MEMORY_KIB": "65536",
    "BAILIWICK_PASSWORDS__ARGON2__TIME_COST": "2",
}


@dataclass
class Load:
    """What was asked: answered, refused before it was sent, or broken off in the middle."""

    answered: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)


async def create(client: httpx.AsyncClient, load: Load) -> None:
    key = uuid4().hex
    try:
        answer = await client.post("/tasks", json={"title": key, "description": key})
        load.answered[key] = answer.status_code
    except httpx.ConnectError:
        load.refused.add(key)
    except httpx.TransportError:
        load.broken.add(key)


async def register(client: httpx.AsyncClient) -> int:
    try:
        return (await client.post("/auth/register", json=a_registration())).status_code
    except httpx.TransportError:
        return 0


async def stopped_under_load(server: Mortal, person: Person, load: Load) -> list[int]:
    """Order the stop in the middle of load. Returns how the slow requests under way were answered."""
    headers = {"Authorization": f"Bearer {person.access_token}"}
    base = f"{server.url}/api/v1"
    async with (
        httpx.AsyncClient(base_url=base, timeout=30, headers=headers) as client,
        httpx.AsyncClient(base_url=base, timeout=30) as slow,
        asyncio.TaskGroup() as group,
    ):
        # Connected, and accepted: what is sent over these has arrived.
        await asyncio.gather(*(slow.get("/health") for _ in range(SLOW)))
        registrations = []
        ordered = int(RATE * BEFORE)
        for tick in range(2 * ordered):
            group.create_task(create(client, load))
            if tick == ordered - RATE // 20:
                registrations = [group.create_task(register(slow)) for _ in range(SLOW)]
            if tick == ordered:
                server.server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(1 / RATE)
        return list(await asyncio.gather(*registrations))


def judged(database_url: str, directory: Path, plant: str = "") -> list[str]:
    load = Load()
    with mortal(database_url, directory, plant, **COSTLY) as server:
        ada = joined(server.server)
        slow = asyncio.run(stopped_under_load(server, ada, load))
        ordered = time.monotonic()
        server.server.process.wait(DRAIN)
        took, code = time.monotonic() - ordered, server.server.process.returncode
    unanswered = {task.description for task in read_stored(database_url).tasks} - load.answered.keys()
    wrong = [f"{len(unanswered)} tasks were stored and their clients not told"] if unanswered else []
    if set(slow) != {201}:
        wrong.append(f"what was under way was answered {sorted(slow)}")
    if set(load.answered.values()) != {201}:
        wrong.append(f"answers were {sorted(set(load.answered.values()))}")
    if code:
        wrong.append(f"the server ended with {code}")
    tried = {"answered": len(load.answered), "refused": len(load.refused), "broken": len(load.broken)}
    print(tried | {"seconds": round(took, 2), "violations": len(wrong)})
    return wrong


def test_what_was_accepted_is_answered_when_the_server_stops(postgresql_url: str, tmp_path: Path) -> None:
    for _ in range(times(1, 20)):
        assert judged(postgresql_url, tmp_path) == []


if KILLS:

    def test_a_server_that_leaves_at_once_is_found_out(postgresql_url: str, tmp_path: Path) -> None:
        assert judged(postgresql_url, tmp_path, "leaves_at_once")
