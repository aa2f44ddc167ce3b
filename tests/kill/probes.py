"""Readers who ask at a steady pace while the database is down, and what is wrong with the answers."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import httpx2 as httpx

from tests.acceptance.people import Person

EVERY = 0.04  # seconds
AT_MOST = 1.2  # seconds for one answer, on a machine that is not busy
LAST_BREATH = 0.2  # seconds in which the database's other processes notice that the first is dead
BACK_WITHIN = 2.0  # seconds from the return of what was down to the first success
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Probe:
    """One answer: when it was asked for (time.monotonic), after how long it came, what it was. 0: none."""

    asked: float
    seconds: float
    status: int
    media_type: str = ""

    @property
    def answered(self) -> float:
        return self.asked + self.seconds


@dataclass
class Outage:
    """What readers saw. `pace` has the seconds that answers took which need no database: how busy all are."""

    gone: float = 0.0
    returning: float = 0.0
    back: float = 0.0
    probes: list[Probe] = field(default_factory=list)
    pace: list[float] = field(default_factory=list)


async def probing(person: Person, stopped: asyncio.Event, outage: Outage) -> None:
    """Ask every few hundredths of a second, whatever became of the question before."""
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with (
        httpx.AsyncClient(base_url=f"{person.server.url}/api/v1", timeout=5, headers=headers) as client,
        asyncio.TaskGroup() as group,
    ):
        while not stopped.is_set():
            group.create_task(_probe(client, "/tasks", outage))
            group.create_task(_probe(client, "/health", outage))
            await asyncio.sleep(EVERY)


async def _probe(client: httpx.AsyncClient, path: str, outage: Outage) -> None:
    asked, status, media_type = time.monotonic(), 0, ""
    with suppress(httpx.TransportError):
        answer = await client.get(path)
        status, media_type = answer.status_code, answer.headers.get("Content-Type", "")
    seconds = time.monotonic() - asked
    if path == "/health":
        outage.pace.append(seconds)
    else:
        outage.probes.append(Probe(asked, seconds, status, media_type))


def wrong_while_down(outage: Outage) -> list[str]:
    """What is wrong with the answers. All times are in monotonic seconds."""
    wrong, slack = [], 2 * max(outage.pace, default=0.0)
    gone, back = outage.gone, outage.back
    for probe in outage.probes:
        if probe.status not in (200, 503) or (probe.status == 503 and probe.media_type != PROBLEM):
            wrong.append(f"answered {probe.status} as {probe.media_type}")
        if probe.seconds > AT_MOST + slack:
            wrong.append(
                f"hung for {probe.seconds:.2f} s, and an answer without the database {slack / 2:.2f} s"
            )
        if probe.status == 200 and gone + LAST_BREATH < probe.asked and probe.answered < outage.returning:
            wrong.append("was read although the database was down")
    successes = [probe.answered for probe in outage.probes if probe.asked > gone and probe.status == 200]
    first = min(successes, default=float("inf"))
    if first - back > BACK_WITHIN + slack:
        wrong.append(f"the first success came {first - back:.2f} s after the database")
    if not any(probe.status == 503 for probe in outage.probes):
        wrong.append("nobody noticed that the database was down")
    return wrong
