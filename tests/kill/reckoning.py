"""What was done for what was promised, and what is wrong with it: one sentence for each thing."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

RELIEVED = 30.0
"""Seconds after which somebody else has what a dead worker had."""
SLACK = 0.5
SEALED = 10.0
"""Seconds after which every row of the audit trail has its seal."""


@dataclass(frozen=True)
class Start:
    at: float
    by: int
    handler: str
    witness: str


@dataclass(frozen=True)
class Done:
    handler: str
    witness: str
    number: int = 0
    seen: int = 0
    by: int = 0


@dataclass
class Reckoning:
    """Everything that is known. `lease` is the longest that was seen, `drained` how long the rest took.

    `unsealed` rows of the audit trail, and `damages` of the chain over it, are what was found at the end.
    """

    promised: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: list[Done] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    kills: dict[int, float] = field(default_factory=dict)
    waiting: int = 0
    given_up: list[str] = field(default_factory=list)
    lease: float = 0.0
    drained: float = 0.0
    unsealed: int = 0
    damages: list[str] = field(default_factory=list)

    @property
    def interrupted(self) -> dict[tuple[str, str, int], float]:
        """What each of the dead had begun and not ended, and after how long somebody else had begun it."""
        ended = {(done.handler, done.witness, done.by) for done in self.done}
        begun: dict[tuple[str, str], list[Start]] = defaultdict(list)
        for start in self.starts:
            begun[start.handler, start.witness].append(start)
        waits = {}
        for (handler, witness), starts in begun.items():
            for start in starts:
                died = self.kills.get(start.by)
                if died is None or (handler, witness, start.by) in ended:
                    continue
                later = [other.at for other in starts if other.at > start.at]
                if not any(at <= died for at in later):
                    waits[handler, witness, start.by] = min(later, default=float("inf")) - died
        return waits


def each_promise_is_kept_once(found: Reckoning) -> Iterator[str]:
    """A deed for each reader of each event and for each job, and none that nobody asked for."""
    done = Counter((each.handler, each.witness) for each in found.done)
    for promise in found.promised.keys() | done.keys():
        if done[promise] != found.promised[promise]:
            yield f"{' of '.join(promise)} was done {done[promise]} times, not {found.promised[promise]}"


def what_has_one_key_is_done_in_its_order(found: Reckoning) -> Iterator[str]:
    """When it was done, all that came before it were done, and nothing that comes after."""
    for each in found.done:
        if each.seen != each.number:
            yield f"{each.handler} of {each.witness} was done after {each.seen} others, not {each.number}"


def the_dead_are_relieved(found: Reckoning) -> Iterator[str]:
    """What a dead worker had begun is begun again in time."""
    for (handler, witness, _), seconds in found.interrupted.items():
        if seconds > RELIEVED:
            yield f"{handler} of {witness} was begun again after {seconds:.1f} s"


def leases_are_short(found: Reckoning) -> Iterator[str]:
    """Nobody has anything for longer than others are to wait for it."""
    if found.lease > RELIEVED:
        yield f"something is held for {found.lease:.0f} s"


def nothing_is_left(found: Reckoning) -> Iterator[str]:
    """Nothing waits, nothing was given up."""
    if found.waiting:
        yield f"{found.waiting} still wait"
    if found.drained > RELIEVED + SLACK:
        yield f"the last was done after {found.drained:.1f} s"
    for each in found.given_up:
        yield f"{each} was given up"


def the_trail_is_whole(found: Reckoning) -> Iterator[str]:
    """Every row of the audit trail is sealed, and the seals fit."""
    if found.unsealed:
        yield f"{found.unsealed} rows have no seal"
    yield from found.damages


Check = Callable[[Reckoning], Iterator[str]]

CHECKS: list[Check] = [
    each_promise_is_kept_once,
    what_has_one_key_is_done_in_its_order,
    the_dead_are_relieved,
    leases_are_short,
    nothing_is_left,
    the_trail_is_whole,
]


def wrongs(found: Reckoning) -> list[str]:
    return [f"{check.__name__}: {wrong}" for check in CHECKS for wrong in check(found)]


DONE = "SELECT handler, witness, number, seen, by FROM labour_deed WHERE handler = ANY($1)"
HANDLERS = ["first", "second", "chore", "turn"]
WAITING = "SELECT count(*) FROM kernel_work WHERE queue <> 'ticks'"
GIVEN_UP = "SELECT name || ': ' || error FROM kernel_finished WHERE outcome = 'dead' AND queue <> 'inbox'"
LONGEST = "SELECT coalesce(max(extract(epoch FROM leased_until - now())), 0) FROM kernel_work"
UNSEALED = "SELECT count(*) FROM kernel_audit WHERE id NOT IN (SELECT audit_id FROM kernel_seal)"
EXPIRE = """
UPDATE kernel_work SET leased_until = now() - interval '1 s'
WHERE id IN (SELECT id FROM kernel_work WHERE leased_until > now() FOR UPDATE SKIP LOCKED)
"""
"""What a worker has just locked it is still alive to end: waiting for it could be a deadlock."""
HASTEN = """
UPDATE kernel_work SET available_at = now()
WHERE id IN (
    SELECT id FROM kernel_work
    WHERE available_at > now() AND last_error IS NOT NULL AND leased_by IS NULL FOR UPDATE SKIP LOCKED
)
"""
"""What was taken from one worker after another, and then failed, would wait for minutes."""


async def read(connection: "asyncpg.Connection[Any]", found: Reckoning) -> None:
    """Everything that is stored, once the audit trail is sealed, for which it has some seconds."""
    deadline = time.monotonic() + SEALED
    while unsealed := await connection.fetchval(UNSEALED):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    found.unsealed = unsealed
    found.done = [Done(*row) for row in await connection.fetch(DONE, HANDLERS)]
    found.waiting = await connection.fetchval(WAITING)
    found.given_up = [row[0] for row in await connection.fetch(GIVEN_UP)]


async def longest_lease(connection: "asyncpg.Connection[Any]") -> float:
    """Seconds for which something is held that nobody else may begin."""
    return float(await connection.fetchval(LONGEST))


def read_starts(path: Path) -> list[Start]:
    lines = (line.split(" ", 3) for line in path.read_text().splitlines())
    return [Start(float(at), int(by), handler, witness) for at, by, handler, witness in lines]


def summary(found: Reckoning, wrong: list[str], **counts: object) -> str:
    """One line for the report; `bound` is what so many without fault prove (3/N)."""
    waits = sorted(found.interrupted.values())
    said = {
        **counts,
        "deeds": len(found.done),
        "starts": len(found.starts),
        "kills": len(found.kills),
        "interrupted": len(waits),
        "relieved_after": f"{waits[-1]:.1f} s" if waits else None,
        "longest_lease": f"{found.lease:.1f} s",
        "drained": f"{found.drained:.1f} s",
        "violations": len(wrong),
        "bound": f"{3 / max(1, len(found.done)):.1e}",
    }
    return json.dumps(said)
