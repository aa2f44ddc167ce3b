"""The map with what is going on: how much goes from one context to another now, and what lags behind."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, case, func, select

from bailiwick.kernel.application import Unauthenticated
from bailiwick.kernel.database.batches import one_of, room_for, these
from bailiwick.kernel.http.health import Operator
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.ids import first_id, moment_of
from bailiwick.kernel.messaging.outbox import queue_of
from bailiwick.kernel.messaging.queue import HANDED_OVER
from bailiwick.kernel.messaging.tables import DEAD, SUCCEEDED, events, finished, work
from bailiwick.kernel.operations.console import Carried, Console
from bailiwick.kernel.operations.queues import ReaderView, all_readers

MINUTE = timedelta(minutes=1)
MOST_LOOKED_THROUGH = 50_000
"""Of events and of work: with more than that, counts say how much there is at least."""

router = Router(
    "operations",
    prefix="/api/v1/operations",
    examples={
        "CarriedView.name": "profiles",
        "here": True,
        "asker": "orders",
        "answerer": "payments",
        "contracts": ["Payments"],
        "event": "identity.UserRegistered",
        "reader": "profiles.on_user_registered",
        "handled": True,
        "oldest_at": None,
    },
)


@dataclass
class CarriedView:
    """A context. `here` is False for one that another process carries; of that, `routes` is unknown here.
    `jobs_waiting` are those that are due and not done, `jobs_per_minute` those that succeeded lately."""

    name: str
    here: bool
    routes: int
    events_per_minute: int
    jobs_per_minute: int
    jobs_waiting: int
    dead: int


@dataclass
class DeliveryView:
    """One type of event on its way to one subscriber. `per_minute` is how many were published in the last
    minute; what is not delivered yet waits, runs, or failed and is retried; the oldest since `oldest_at`.
    `handled` is False where no worker that knows the subscriber was seen for 90 seconds."""

    event: str
    reader: str
    per_minute: int
    waiting: int
    running: int
    retrying: int
    dead: int
    oldest_at: datetime | None
    handled: bool


@dataclass
class AskView:
    """One context asks another: the questions of these contracts."""

    asker: str
    answerer: str
    contracts: list[str]


@dataclass
class MapView:
    """The map, as things stood `at`."""

    at: datetime
    contexts: list[CarriedView]
    deliveries: list[DeliveryView]
    asks: list[AskView]


_lately = select(events.c.type).where(events.c.id >= bindparam("since", type_=events.c.id.type))
_latest = _lately.order_by(events.c.id.desc()).limit(MOST_LOOKED_THROUGH).subquery()
_PUBLISHED = select(_latest.c.type, func.count()).group_by(_latest.c.type)

_is_event = work.c.event_id.is_not(None)
_running = work.c.leased_by.is_not(None) & (work.c.leased_by != HANDED_OVER)
_retrying = ~_running & work.c.last_error.is_not(None)
_oldest = (
    select(
        work.c.name,
        case((_is_event, 1), else_=0).label("is_event"),
        case((_running, 1), else_=0).label("running"),
        case((_retrying, 1), else_=0).label("retrying"),
        work.c.enqueued_at,
    )
    .where(_is_event | (work.c.available_at <= bindparam("now")))
    .order_by(work.c.id)
    .limit(MOST_LOOKED_THROUGH)
    .subquery()
)
_UNFINISHED = select(
    _oldest.c.name,
    _oldest.c.is_event,
    func.count(),
    func.sum(_oldest.c.running),
    func.sum(_oldest.c.retrying),
    func.min(_oldest.c.enqueued_at),
).group_by(_oldest.c.name, _oldest.c.is_event)
_DONE = (
    select(finished.c.name, func.count())
    .where(finished.c.finished_at >= bindparam("since"), finished.c.outcome == SUCCEEDED)
    .group_by(finished.c.name)
)


@lru_cache
def _dead(room: int) -> Select[Any]:
    """By queue, as they are found by an index: most of what is finished succeeded."""
    given_up = one_of(finished.c.queue, room) & (finished.c.outcome == DEAD)
    return select(finished.c.name, func.count()).where(given_up).group_by(finished.c.name)


Unfinished = Mapping[str, tuple[int, int, int, datetime]]


@router.get("/map", public=True)
async def show_map(console: Console, operator: Operator) -> MapView:
    """The contexts, what goes between them at the moment, and what lags behind. For operators."""
    if not operator.known:
        raise Unauthenticated("send the operator token as a Bearer token")
    return await traffic(console)


async def traffic(console: Console) -> MapView:
    database, now = console.database, console.clock()
    since = now - MINUTE
    published: Mapping[str, int] = dict(await database.all(_PUBLISHED, since=first_id(moment_of(since))))
    rows = await database.all(_UNFINISHED, now=now)
    deliveries: Unfinished = {name: tuple(rest) for name, is_event, *rest in rows if is_event}
    jobs = {name: rest[0] for name, is_event, *rest in rows if not is_event}
    done: Mapping[str, int] = dict(await database.all(_DONE, since=since))
    readers = await all_readers(console)
    dead = await _given_up(console, readers)
    sums = _by_context(published), _by_context(done), _by_context(jobs), _by_context(dead)
    return MapView(
        at=now,
        contexts=list(_contexts(console.carried, readers, *sums)),
        deliveries=[_delivery(each, published, deliveries, dead) for each in readers],
        asks=list(asks_of(console.carried)),
    )


async def _given_up(console: Console, readers: Sequence[ReaderView]) -> Mapping[str, int]:
    queues = {each.queue for each in console.handlers} | {queue_of(each.reader) for each in readers}
    if not queues:
        return {}
    room = room_for(len(queues))
    return dict(await console.database.all(_dead(room), **these(sorted(queues), room)))


def _by_context(counts: Mapping[str, int]) -> dict[str, int]:
    """Events, subscribers, jobs and processes are all named `<context>.…`."""
    sums: dict[str, int] = {}
    for name, count in counts.items():
        sums[queue_of(name)] = sums.get(queue_of(name), 0) + count
    return sums


def _contexts(
    carried: Sequence[Carried], readers: Sequence[ReaderView], *sums: Mapping[str, int]
) -> Iterator[CarriedView]:
    """Those of this process, and those that are only heard of here."""
    known = {each.module.name: each for each in carried}
    heard = {queue_of(name) for each in readers for name in (each.reader, each.type)}
    for name in sorted(known.keys() | heard):
        here = known.get(name)
        routes = sum(len(router.operations) for router in here.module.routers) if here else 0
        counts = [each.get(name, 0) for each in sums]
        yield CarriedView(name, here is not None and here.here, routes, *counts)


def _delivery(
    reader: ReaderView, published: Mapping[str, int], unfinished: Unfinished, dead: Mapping[str, int]
) -> DeliveryView:
    total, running, retrying, oldest = unfinished.get(reader.reader, (0, 0, 0, None))
    return DeliveryView(
        event=reader.type,
        reader=reader.reader,
        per_minute=published.get(reader.type, 0),
        waiting=total - running - retrying,
        running=running,
        retrying=retrying,
        dead=dead.get(reader.reader, 0),
        oldest_at=oldest,
        handled=reader.handled,
    )


def asks_of(carried: Sequence[Carried]) -> Iterator[AskView]:
    """Who asks whom: the code of the one names a contract that the other answers."""
    for one in carried:
        named = list(_named_in(one.package))
        for other in carried:
            asked = [kind.__name__ for kind in other.module.contracts if kind in named]
            if asked and other is not one:
                yield AskView(one.module.name, other.module.name, asked)


def _named_in(package: str) -> Iterator[type[Any]]:
    for name, loaded in list(sys.modules.items()):
        if name.startswith(f"{package}."):
            yield from (thing for thing in vars(loaded).values() if isinstance(thing, type))
