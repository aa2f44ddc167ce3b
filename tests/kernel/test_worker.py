"""The worker: every subscriber hears of every event in order, and what it does then happens once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from bailiwick.kernel.application import Cause, Contention, cause
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.database.unit_of_work import AlreadyDone
from bailiwick.kernel.domain import Event
from bailiwick.kernel.jobs import GiveUp
from bailiwick.kernel.messaging import queue as queue_module
from bailiwick.kernel.messaging.handlers import DELIVERY_ATTEMPTS, Subscription, decoder, delivery
from bailiwick.kernel.messaging.outbox import stored_event
from bailiwick.kernel.messaging.queue import LEASE
from bailiwick.kernel.messaging.tables import audit, pauses, work
from bailiwick.kernel.messaging.worker import Worker
from tests.kernel.messages import (
    Watch,
    caused,
    copies,
    copying,
    ended,
    left,
    publish,
    subscribe,
    subscribed,
    waiting,
)
from tests.kernel.samples import NameTaken, SampleUnitOfWork, Shelf, ShelfBuilt, ShelfId, shelves


@pytest.fixture
def watch() -> Watch:
    return Watch()


async def test_each_subscriber_gets_each_event_once_with_its_cause(database: Database, watch: Watch) -> None:
    heard: list[tuple[str, ShelfBuilt, Cause]] = []

    async def hear(event: ShelfBuilt) -> None:
        heard.append(("hear", event, cause.get()))

    async def listen(event: ShelfBuilt) -> None:
        heard.append(("listen", event, cause.get()))

    worker = subscribed(database, watch, hear=hear, listen=listen)
    ada = uuid4()
    with caused(Cause("request-1", ada, what="samples_build")):
        shelf_id = await publish(database, "oak")
    assert await worker.until_idle() == 2
    assert [(who, event.shelf_id, event.labels) for who, event, _ in heard] == [
        (who, shelf_id, frozenset({"a", "b"})) for who in ("hear", "listen")
    ]
    assert [(why.correlation_id, why.actor_id, why.what) for _, _, why in heard] == [
        ("request-1", ada, "samples.hear"),
        ("request-1", ada, "samples.listen"),
    ]
    assert await left(database) == 0


async def test_an_event_that_nobody_reads_leaves_no_work(database: Database) -> None:
    await publish(database)
    assert await left(database) == 0


async def test_a_queue_with_one_too_many_at_work_takes_no_more(database: Database, watch: Watch) -> None:
    """What goes on behind the same key begins before the one in front has left its place."""

    async def hear(event: ShelfBuilt) -> None: ...

    worker = subscribed(database, watch, hear=hear)
    assert await worker.until_idle() == 0
    [(queue, places)] = worker._places.items()
    worker._busy[queue] = places + 1
    await publish(database)
    assert await worker.claim() == 0
    worker._busy[queue] = 0
    assert await worker.until_idle() == 1


async def test_two_workers_at_once_have_one_effect_each(database: Database, watch: Watch) -> None:
    calls: Counter[str] = Counter()
    handlers = subscribe(database, copier=copying(database, calls))
    workers = [Worker(database, handlers, watch) for _ in range(2)]
    for _ in range(40):
        await publish(database)
    await asyncio.gather(*(each.until_idle() for each in workers))
    assert (await copies(database), calls["copied"], await left(database)) == (40, 40, 0)


async def taken_over(database: Database, watch: Watch) -> int:
    """Two workers do one piece of work: one stood still for longer than its lease, wakes up and goes on.

    Returns how often it was done.
    """
    calls: Counter[str] = Counter()
    both = asyncio.Barrier(2)
    copy = copying(database, calls)

    async def slow(event: ShelfBuilt) -> None:
        await both.wait()
        await copy(event)

    handlers = subscribe(database, copier=slow)
    await publish(database)
    late = Watch()
    late.ahead = LEASE + timedelta(seconds=1)
    first = asyncio.ensure_future(Worker(database, handlers, watch).until_idle())
    while not both.n_waiting:  # noqa: ASYNC110 - another's progress
        await asyncio.sleep(0.001)
    await asyncio.gather(first, Worker(database, handlers, late).until_idle())
    return calls["copied"]


async def test_work_that_was_taken_over_has_one_effect_although_both_do_it(
    database: Database, watch: Watch
) -> None:
    assert await taken_over(database, watch) == 2
    assert (await copies(database), await left(database)) == (1, 0)


async def test_without_the_guard_of_the_holder_both_would_have_an_effect(
    database: Database, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sabotage: what the test above looks for can be seen."""
    monkeypatch.setattr(
        queue_module.Lease,
        "done",
        lambda self, id: Write(queue_module.DONE, {"key": id, "holder": self.holder}),
    )
    await taken_over(database, watch)
    assert await copies(database) == 2


async def change(database: Database, shelf_id: ShelfId, names: list[str]) -> None:
    for name in names:
        async with SampleUnitOfWork(database) as uow:
            shelf = await uow.shelves.get(shelf_id)
            shelf.count += 1
            shelf.announce(ShelfBuilt(occurred_at=datetime.now(UTC), shelf_id=shelf_id, name=name))
            await uow.commit(None)


async def test_the_events_of_one_aggregate_come_in_their_order_also_after_a_failure(
    database: Database, watch: Watch
) -> None:
    heard: list[str] = []
    failures: Counter[str] = Counter()

    async def react(event: ShelfBuilt) -> None:
        failures[event.name] += 1
        if event.name == "b" and failures["b"] < 3:
            raise OSError
        heard.append(event.name)

    worker = subscribed(database, watch, reader=react)
    shelf_id = await publish(database, "a")
    await change(database, shelf_id, ["b", "c", "d"])
    await publish(database, "other")
    await worker.until_idle()
    assert heard == ["a", "other"]
    for _ in range(2):
        watch.ahead += timedelta(seconds=30)
        await worker.until_idle()
    assert heard == ["a", "other", "b", "c", "d"]


async def test_order_is_that_of_the_versions_whatever_the_clocks_say(
    database: Database, watch: Watch
) -> None:
    heard: list[str] = []

    async def react(event: ShelfBuilt) -> None:
        heard.append(event.name)

    worker = subscribed(database, watch, reader=react)
    shelf_id = await publish(database, "a")
    await change(database, shelf_id, ["b", "c"])
    ids = [id for (id,) in await database.all(select(work.c.id).order_by(work.c.id))]
    for id, other in zip(ids, reversed([uuid4() for _ in ids]), strict=True):
        await database.write([Write(update(work).where(work.c.id == id).values(id=other), {})])
    await worker.until_idle()
    assert heard == ["a", "b", "c"]


async def test_a_failing_subscriber_is_tried_again_later_and_alone(database: Database, watch: Watch) -> None:
    calls: Counter[str] = Counter()

    async def well(event: ShelfBuilt) -> None:
        calls["well"] += 1

    async def ill(event: ShelfBuilt) -> None:
        calls["ill"] += 1
        if calls["ill"] < 3:
            raise LookupError("not yet, and this text is not stored")

    worker = subscribed(database, watch, well=well, ill=ill)
    await publish(database)
    await worker.until_idle()
    [(name, attempts, due, error)] = await waiting(database)
    assert (name, attempts, error) == ("samples.ill", 1, "LookupError")
    assert timedelta(seconds=1) <= due - watch() <= timedelta(seconds=2.4)
    watch.ahead += timedelta(seconds=3)
    await worker.until_idle()
    [(_, attempts, due, _)] = await waiting(database)
    assert attempts == 2
    assert timedelta(seconds=2.5) <= due - watch() <= timedelta(seconds=4.8)
    watch.ahead += timedelta(seconds=5)
    await worker.until_idle()
    assert (await left(database), calls) == (0, {"ill": 3, "well": 1})


async def test_poison_is_given_up_after_its_last_try_and_blocks_only_its_own_aggregate(
    database: Database, watch: Watch
) -> None:
    heard: list[str] = []

    async def react(event: ShelfBuilt) -> None:
        if event.name == "poison":
            raise NameTaken("a refusal in our own words")
        heard.append(event.name)

    worker = subscribed(database, watch, reader=react)
    poisoned = await publish(database, "poison")
    await change(database, poisoned, ["behind it"])
    for i in range(DELIVERY_ATTEMPTS):
        await publish(database, f"good {i}")
        await worker.until_idle()
        watch.ahead += timedelta(minutes=13)
    assert heard == [*(f"good {i}" for i in range(DELIVERY_ATTEMPTS)), "behind it"]
    assert await ended(database) == [
        ("samples.reader", "dead", DELIVERY_ATTEMPTS, "NameTaken: a refusal in our own words", None)
    ]
    assert await left(database) == 0


async def test_a_subscriber_may_give_up_at_once(database: Database, watch: Watch) -> None:
    async def react(event: ShelfBuilt) -> None:
        raise GiveUp("nobody lives there")

    worker = subscribed(database, watch, reader=react)
    await publish(database)
    await worker.until_idle()
    assert await ended(database) == [("samples.reader", "dead", 1, "GiveUp: nobody lives there", None)]


async def test_an_effect_and_the_end_of_its_work_are_one_transaction(
    database: Database, watch: Watch
) -> None:
    """Whatever fails, before the commit, in it or after it: one effect, and none without its end."""
    calls: Counter[str] = Counter()
    copy = copying(database, calls)

    async def fails_before(event: ShelfBuilt) -> None:
        calls["before"] += 1
        if calls["before"] == 1:
            raise OSError
        await copy(event)

    async def fails_in(event: ShelfBuilt) -> None:
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.add(Shelf(id=ShelfId(uuid4()), name="copy in"))
            calls["in"] += 1
            if calls["in"] == 1:
                uow.shelves.add(Shelf(id=ShelfId(uuid4()), name="copy in"))
            await uow.commit(None)

    async def fails_after(event: ShelfBuilt) -> None:
        await copy(event)
        raise OSError

    handlers = [
        *subscribe(database, before=fails_before),
        *subscribe(database, in_it=fails_in),
        *subscribe(database, after=fails_after),
    ]
    database.readers = {"kernel.ShelfBuilt": [handler.name for handler in handlers]}
    worker = Worker(database, handlers, watch)
    await publish(database)
    for _ in range(6):
        await worker.until_idle()
        assert await copies(database) == 3 - await left(database)
        watch.ahead += timedelta(minutes=10)
    assert (await copies(database), await left(database)) == (3, 0)


async def test_a_subscriber_that_meets_contention_is_run_again(database: Database, watch: Watch) -> None:
    calls: Counter[str] = Counter()

    async def react(event: ShelfBuilt) -> None:
        calls["run"] += 1
        async with SampleUnitOfWork(database) as uow:
            shelf = await uow.shelves.get(ShelfId(event.shelf_id))
            shelf.count = 5
            if calls["run"] == 1:
                async with SampleUnitOfWork(database) as rival:
                    (await rival.shelves.get(shelf.id)).fixed = True
                    rows = rival.shelves.mapper.writes(*next(iter(rival._tracked.values()))[1:]).writes
                await database.write(rows)
            await uow.commit(None)

    worker = subscribed(database, watch, reader=react)
    await publish(database)
    await worker.until_idle()
    assert (calls["run"], await left(database)) == (2, 0)
    assert await database.all(select(shelves.c.count, shelves.c.fixed)) == [(5, True)]


async def test_a_subscriber_that_commits_twice_is_told_so(database: Database, watch: Watch) -> None:
    """Its second commit would not be guarded, and could happen twice."""
    calls: Counter[str] = Counter()
    seen: list[str] = []

    async def react(event: ShelfBuilt) -> None:
        await copying(database, calls)(event)
        try:
            await copying(database, calls)(event)
        except RuntimeError as error:
            seen.append(str(error))
            raise

    worker = subscribed(database, watch, reader=react)
    await publish(database)
    await worker.until_idle()
    assert len(seen) == await copies(database) == 1


async def test_a_subscriber_may_be_refused_by_its_rules_and_say_nothing(
    database: Database, watch: Watch
) -> None:
    async def react(event: ShelfBuilt) -> None:
        with suppress(NameTaken):
            async with SampleUnitOfWork(database) as uow:
                uow.shelves.add(Shelf(id=ShelfId(uuid4()), name=event.name))
                await uow.commit(None)

    worker = subscribed(database, watch, reader=react)
    await publish(database)
    await worker.until_idle()
    assert (await left(database), await ended(database)) == (0, [])


async def test_what_a_subscriber_does_is_audited_under_its_name(database: Database, watch: Watch) -> None:
    worker = subscribed(database, watch, copier=copying(database, Counter()))
    ada = uuid4()
    with caused(Cause("request-1", ada, what="samples_build")):
        await publish(database)
    await worker.until_idle()
    rows = await database.all(
        select(audit.c.what, audit.c.actor_id, audit.c.correlation_id).order_by(audit.c.id)
    )
    assert rows == [("samples_build", ada, "request-1"), ("samples.copier", ada, "request-1")]


async def test_a_paused_queue_waits_and_goes_on_later(database: Database, watch: Watch) -> None:
    calls: Counter[str] = Counter()
    worker = subscribed(database, watch, copier=copying(database, calls))
    row = {"queue": "samples", "paused_at": watch(), "paused_by": "me", "reason": "a look"}
    await database.write([Write(pauses.insert(), row)])
    await publish(database)
    assert await worker.until_idle() == 0
    await database.write([Write(pauses.delete(), {})])
    assert await worker.until_idle() == 1


async def test_a_group_of_commits_keeps_the_fate_of_each(database: Database, watch: Watch) -> None:
    """One of them is refused for its own reason: the others are stored all the same."""

    async def react(event: ShelfBuilt) -> None:
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.add(
                Shelf(id=ShelfId(uuid4()), name=f"copy {'x' if 'bad' in event.name else event.name}")
            )
            await uow.commit(None)

    worker = subscribed(database, watch, reader=react)
    for name in ("good 1", "bad 1", "good 2", "bad 2", "good 3"):
        await publish(database, name)
    await worker.until_idle()
    assert (await copies(database), await left(database)) == (4, 1)
    [(_, _, _, error)] = await waiting(database)
    assert error == "NameTaken: there is one"


async def test_a_batch_of_a_hundred_takes_few_statements(database: Database, watch: Watch) -> None:
    worker = subscribed(database, watch, copier=copying(database, Counter()))
    for _ in range(64):
        await publish(database)
    before = database.round_trips
    assert await worker.until_idle() == 64
    # Two claims (the second finds nothing) and two groups of 32 commits.
    assert database.round_trips - before <= 5


async def test_an_older_event_is_lifted_to_what_the_code_knows_now(database: Database, watch: Watch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Renamed(Event):
        name: str
        by: str

        schema: ClassVar[int] = 3
        upcasts: ClassVar[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
            1: lambda old: {"occurred_at": old["occurred_at"], "name": old["title"]},
            2: lambda old: old | {"by": "nobody"},
        }

    decode = decoder(Renamed)
    now = datetime.now(UTC)
    known = Renamed(occurred_at=now, name="oak", by="nobody")
    assert decode({"occurred_at": now.isoformat(), "title": "oak"}, 1) == known
    assert decode({"occurred_at": now.isoformat(), "name": "oak"}, 2) == known
    with pytest.raises(TypeError, match=r"cannot read its schemas \[2\]"):
        decoder(type("Gap", (Renamed,), {"upcasts": {1: Renamed.upcasts[1]}, "__module__": __name__}))


async def test_an_event_of_newer_code_waits_for_a_worker_that_knows_it(
    database: Database, watch: Watch
) -> None:
    heard: list[ShelfBuilt] = []

    async def react(event: ShelfBuilt) -> None:
        heard.append(event)

    worker = subscribed(database, watch, reader=react)
    await publish(database)
    await database.write([Write(update(work).values(schema=2, attempts=DELIVERY_ATTEMPTS + 3), {})])
    await worker.until_idle()
    assert (heard, await left(database)) == ([], 1)
    await database.write([Write(update(work).values(schema=1), {})])
    watch.ahead += timedelta(minutes=13)
    await worker.until_idle()
    assert len(heard) == 1


async def test_a_message_without_a_handler_waits_and_says_so(database: Database, watch: Watch) -> None:
    async def react(event: ShelfBuilt) -> None: ...

    subscribe(database, gone=react)
    await publish(database)
    stays = Worker(database, [delivery(Subscription("samples.stays", ShelfBuilt, react))], watch)
    await stays.until_idle()
    [(_, _, _, error)] = await waiting(database)
    assert error == "no handler for samples.gone"


def test_an_event_is_stored_with_the_row_that_made_it() -> None:
    shelf = Shelf.build(ShelfId(uuid4()), "oak", datetime.now(UTC))
    shelf.version = 4
    [event] = shelf.pull_events()
    readers = {"kernel.ShelfBuilt": ["samples.one", "other.two"]}
    log, one, two = (write.params for write in stored_event(shelf, event, 7, readers))
    assert (log["aggregate_id"], log["aggregate_version"], log["type"]) == (shelf.id, 4, "kernel.ShelfBuilt")
    assert [(row["queue"], row["name"]) for row in (one, two)] == [
        ("samples", "samples.one"),
        ("other", "other.two"),
    ]
    assert {(row["key"], row["sequence"], row["event_id"]) for row in (one, two)} == {
        (str(shelf.id), 4007, log["id"])
    }


async def test_claiming_is_refused_nothing_by_rows_that_are_done(database: Database, watch: Watch) -> None:
    """A refused commit of a lost lease is told apart from contention by what is still held."""
    calls: Counter[str] = Counter()

    async def react(event: ShelfBuilt) -> None:
        calls["run"] += 1
        await database.write([Write(update(work).values(leased_by=UUID(int=1)), {})])
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.add(Shelf(id=ShelfId(uuid4()), name="copy"))
            with pytest.raises((Contention, AlreadyDone)):
                await uow.commit(None)
        raise Contention("as above")

    worker = subscribed(database, watch, reader=react)
    await publish(database)
    await worker.until_idle()
    assert (calls["run"], await copies(database)) == (1, 0)
    row = await database.first(select(func.count()).select_from(work))
    assert row is not None
    assert row[0] == 1
