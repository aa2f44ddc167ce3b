"""What became of each errand, here and at the other service, and what is wrong with it."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from tests.kill.depth import KILLS
from tests.kill.reckoning import EXPIRE, HASTEN, WAITING

PAYMENT = {"LABOUR_PAYMENT": "30" if KILLS else "4"}
"""Seconds until an errand is taken back that nobody pays for. A lease has run out by then."""
SETTLED = 60.0
"""Seconds after the last death in which all are over."""
OVER = ("completed", "compensated", "stuck")
ENDS = {
    "good": "completed",
    "refused": "compensated",
    "silent": "compensated",
    "failing": "compensated",
    "stuck": "stuck",
}

STATUS = "SELECT key, status, refusal FROM kernel_process"
STANDING = "SELECT witness, what FROM labour_elsewhere WHERE made AND NOT over"
DEEDS = "SELECT witness, handler FROM labour_deed WHERE handler = ANY($1)"
MOVING = "SELECT count(*) FROM kernel_process WHERE status <> ALL($1)"


@dataclass
class Life:
    """What became of one errand: here, and at the other service."""

    fate: str
    status: str | None = None
    refusal: str | None = None
    standing: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)


def wrong_with(life: Life, *, mended: bool = False) -> list[str]:
    """What is wrong with how it ended. Whoever was paid for too late, because of a death, is taken back."""
    late = life.fate == "good" and (life.status, life.refusal) == ("compensated", "timed_out")
    never_late = "compensated" if mended and life.fate == "stuck" else ENDS[life.fate]
    if life.status != never_late and not late:
        return [f"it is {life.status} ({life.refusal}), not {never_late}"]
    wrong = []
    standing = {"completed": {"boards": 1, "money": 1, "announced": 1}, "stuck": {"boards": 1, "money": 1}}
    if life.standing != Counter(standing.get(never_late if not late else "", {})):
        wrong.append(f"it is {life.status}, and there stands {dict(life.standing)}")
    built, dismantled = life.deeds["built"], life.deeds["dismantled"]
    if built > 1 or dismantled != (0 if life.status == "completed" else built):
        wrong.append(f"it is {life.status}, and was built {built} times and dismantled {dismantled} times")
    told = life.deeds["completed"], life.deeds["compensated"]
    if told != (life.status == "completed", life.status == "compensated"):
        wrong.append(f"it is {life.status}, and its end was told {told} times")
    return wrong


async def lives(connection: "asyncpg.Connection[Any]", fates: dict[str, str]) -> dict[str, Life]:
    found = {witness: Life(fate) for witness, fate in fates.items()}
    for key, status, refusal in await connection.fetch(STATUS):
        found[key].status, found[key].refusal = status, refusal
    for witness, what in await connection.fetch(STANDING):
        found[witness].standing[what] += 1
    for witness, handler in await connection.fetch(DEEDS, ["built", "dismantled", *OVER]):
        found[witness].deeds[handler] += 1
    return found


async def settled(connection: "asyncpg.Connection[Any]") -> float:
    """Wait until no errand moves any more, and no work waits. Returns for how long.

    In the short form as if leases, and pauses after failures, had run out by now.
    """
    started = time.monotonic()
    if not KILLS:
        await connection.execute(EXPIRE)
    while await connection.fetchval(MOVING, OVER) or await connection.fetchval(WAITING):
        if time.monotonic() - started > SETTLED:
            break
        if not KILLS:
            await connection.execute(HASTEN)
        await asyncio.sleep(0.1)
    return time.monotonic() - started
