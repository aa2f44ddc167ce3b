"""The relay: every subscriber hears of every event, and what it does then happens once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, func, select, update
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Contention, cause
from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.messaging.outbox import inbox, outbox, stored_event
from bailiwick.kernel.messaging.relay import LEASE, MOST_ATTEMPTS, Relay, Subscription
from tests.kernel.samples import (
    NameTaken,
    SampleUnitOfWork,
    Shelf,
    ShelfBuilt,
    ShelfId,
    shelves,
)

React = Callable[[ShelfBuilt], Awaitable[None]]

LETTERS = select(
    outbox.c.attempts, outbox.c.available_at, outbox.c.done_at, outbox.c.dead_at, outbox.c.last_error
)
NAMED = select(func.count()).select_from(shelves).where(shelves.c.name == bindparam("name"))
MARKS = select(inbox.c.subscriber, inbox.c.message_id)
AGAIN = update(outbox).values(done_at=None, leased_until=None)


class Watch:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


async def publish(database: Database, name: str = "", at: datetime | None = None) -> ShelfId:
    shelf = Shelf.build(ShelfId(uuid7()), name or uuid4().hex, at or datetime.now(UTC))
    async with SampleUnitOfWork(database) as uow:
        uow.shelves.add(shelf)
        return await uow.commit(shelf.id)


def relay(database: Database, watch: Watch, **reacts: React) -> Relay:
    subscriptions = [Subscription(name, ShelfBuilt, react) for name, react in reacts.items()]
    return Relay(database, subscriptions, watch)


def copying(database: Database, calls: Counter[str]) -> React:
    """A subscriber with an effect that can be counted: a second shelf for each one that is built."""

    async def react(event: ShelfBuilt) -> None:
        calls["copied"] += 1
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.add(Shelf(id=ShelfId(uuid4()), name=f"copy {calls['copied']} of {event.name}"))
            await uow.commit(None)

    return react


async def copies(database: Database) -> int:
    rows = await database.all(select(shelves.c.name))
    return sum(name.startswith("copy ") for (name,) in rows)


async def test_each_subscriber_gets_each_event_once_with_its_cause(database: Database, watch: Watch) -> None:
    heard: list[tuple[str, ShelfBuilt, UUID | None]] = []

    async def hear(event: ShelfBuilt) -> None:
        heard.append(("a", event, cause.get().actor_id))

    async def listen(event: ShelfBuilt) -> None:
        heard.append(("b", event, cause.get().actor_id))

    shelf_id = await publish(database, "oak", watch.now)
    running = relay(database, watch, a=hear, b=listen)
    assert [await running.deliver_batch() for _ in range(3)] == [1, 0, 0]
    assert [who for who, _, _ in heard] == ["a", "b"]
    assert {event.shelf_id for _, event, _ in heard} == {shelf_id}
    assert (
        heard[0][1]
        == heard[1][1]
        == ShelfBuilt(occurred_at=watch.now, shelf_id=shelf_id, name="oak", labels=frozenset({"a", "b"}))
    )
    assert {subscriber for subscriber, _ in await database.all(MARKS)} == {"a", "b"}


async def test_an_event_that_is_delivered_five_times_has_one_effect(database: Database, watch: Watch) -> None:
    calls: Counter[str] = Counter()
    running = relay(database, watch, copier=copying(database, calls))
    for _ in range(3):
        await publish(database, at=watch.now)
    for _ in range(5):
        await running.deliver_batch()
        await database.write([Write(AGAIN, {})])
    assert await copies(database) == 3


async def test_two_relays_at_once_have_one_effect(database: Database, watch: Watch) -> None:
    calls: Counter[str] = Counter()
    relays = [relay(database, watch, copier=copying(database, calls)) for _ in range(2)]
    for _ in range(20):
        await publish(database, at=watch.now)
    await asyncio.gather(*(each.deliver_batch() for each in relays))
    assert await copies(database) == 20


async def test_a_lease_that_ran_out_is_taken_over_without_a_second_effect(
    database: Database, watch: Watch
) -> None:
    """Both work on the same message at the same time: the read mark decides."""
    calls: Counter[str] = Counter()
    both = asyncio.Barrier(2)
    copy = copying(database, calls)

    async def slow(event: ShelfBuilt) -> None:
        await both.wait()
        await copy(event)

    await publish(database, at=watch.now)
    late = Watch()
    late.now = watch.now + LEASE + timedelta(seconds=1)
    first = asyncio.ensure_future(relay(database, watch, copier=slow).deliver_batch())
    while not both.n_waiting:  # noqa: ASYNC110 - another's progress
        await asyncio.sleep(0.001)
    assert await relay(database, late, copier=slow).deliver_batch() == 1
    assert await first == 1
    assert (calls["copied"], await copies(database)) == (2, 1)


async def test_without_the_inbox_a_repeated_event_has_two_effects(database: Database, watch: Watch) -> None:
    """The sabotage: what the tests above look for can be seen."""
    calls: Counter[str] = Counter()
    await publish(database, at=watch.now)
    for subscriber in ("one name", "another name"):
        await relay(database, watch, **{subscriber: copying(database, calls)}).deliver_batch()
        await database.write([Write(AGAIN, {})])
    assert await copies(database) == 2


async def test_a_failing_subscriber_is_tried_again_later_and_alone(database: Database, watch: Watch) -> None:
    calls: Counter[str] = Counter()

    async def well(event: ShelfBuilt) -> None:
        calls["well"] += 1

    async def ill(event: ShelfBuilt) -> None:
        calls["ill"] += 1
        if calls["ill"] < 3:
            raise LookupError("not yet, and this text is not stored")

    await publish(database, at=watch.now)
    running = relay(database, watch, ill=ill, well=well)
    await running.deliver_batch()
    [(attempts, due, done, _, error)] = await database.all(LETTERS)
    assert (attempts, done, error) == (1, None, "ill: LookupError")
    assert timedelta(seconds=1.6) <= due - watch.now <= timedelta(seconds=2.4)
    assert await running.deliver_batch() == 0
    watch.now += timedelta(seconds=3)
    await running.deliver_batch()
    [(_, due, *_)] = await database.all(LETTERS)
    assert timedelta(seconds=3.2) <= due - watch.now <= timedelta(seconds=4.8)
    watch.now += timedelta(seconds=5)
    await running.deliver_batch()
    [(attempts, _, done, dead, error)] = await database.all(LETTERS)
    assert (attempts, done, dead, error) == (3, watch.now, None, None)
    assert calls == {"ill": 3, "well": 1}


async def test_poison_is_buried_after_its_last_try_and_blocks_nobody(
    database: Database, watch: Watch
) -> None:
    heard: list[str] = []

    async def react(event: ShelfBuilt) -> None:
        if event.name == "poison":
            raise ValueError(event.name)
        heard.append(event.name)

    await publish(database, "poison", watch.now)
    running = relay(database, watch, reader=react)
    for i in range(MOST_ATTEMPTS):
        await publish(database, f"good {i}", watch.now)
        await running.deliver_batch()
        watch.now += timedelta(minutes=13)
    assert heard == [f"good {i}" for i in range(MOST_ATTEMPTS)]
    rows = await database.all(LETTERS)
    [dead] = [row for row in rows if row[3] is not None]
    assert (dead[0], dead[2], dead[4]) == (MOST_ATTEMPTS, None, "reader: ValueError")
    assert await running.deliver_batch() == 0


async def test_an_effect_and_its_read_mark_are_one_transaction(database: Database, watch: Watch) -> None:
    """Whatever fails, before the commit, in it or after it: one effect, and none without its mark."""
    calls: Counter[str] = Counter()
    copy = copying(database, calls)

    async def fails_before(event: ShelfBuilt) -> None:
        if calls["before"] == 0:
            calls["before"] += 1
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

    await publish(database, at=watch.now)
    running = relay(database, watch, before=fails_before, in_it=fails_in, after=fails_after)
    for done in (1, 3, 3, 3):
        await running.deliver_batch()
        assert await copies(database) == len(await database.all(MARKS)) == done
        watch.now += timedelta(minutes=10)
    [(_, _, settled, _, error)] = await database.all(LETTERS)
    assert (settled is not None, error) == (True, None)


async def test_a_duplicate_in_a_subscribers_own_rows_is_its_failure_not_an_old_message(
    database: Database, watch: Watch
) -> None:
    taken = await publish(database, at=watch.now - timedelta(days=1))
    await relay(database, watch).deliver_batch()

    async def react(event: ShelfBuilt) -> None:
        async with SampleUnitOfWork(database) as uow:
            uow.shelves.add(Shelf(id=taken, name="another"))
            await uow.commit(None)

    await publish(database, at=watch.now)
    await relay(database, watch, reader=react).deliver_batch()
    errors = [row[4] for row in await database.all(LETTERS)]
    assert errors == [None, f"reader: {Duplicate.__name__}"]
    assert await database.all(MARKS) == []


async def test_a_subscriber_that_meets_contention_is_run_again(database: Database, watch: Watch) -> None:
    """Also where its second run finds nothing left to do: it is still marked as read."""
    calls: Counter[str] = Counter()
    shelf_id = await publish(database, "one", watch.now)

    async def react(event: ShelfBuilt) -> None:
        calls["run"] += 1
        if calls["run"] == 2:
            return
        async with SampleUnitOfWork(database) as uow:
            (await uow.shelves.get(shelf_id)).count = 5
            async with SampleUnitOfWork(database) as rival:
                (await rival.shelves.get(shelf_id)).fixed = True
                rows = rival.shelves.mapper.writes(*next(iter(rival._tracked.values()))[1:])[1]
            await database.write(rows)
            with pytest.raises(Contention):
                await uow.commit(None)
            raise Contention("as above")

    await relay(database, watch, reader=react).deliver_batch()
    assert calls["run"] == 2
    assert len(await database.all(MARKS)) == 1
    [(_, _, done, _, _)] = await database.all(LETTERS)
    assert done is not None


async def test_a_subscriber_that_commits_twice_is_told_so(database: Database, watch: Watch) -> None:
    """Its second commit could not be told from a repetition, and would be lost."""
    calls: Counter[str] = Counter()

    async def react(event: ShelfBuilt) -> None:
        await copying(database, calls)(event)
        await copying(database, calls)(event)

    await publish(database, at=watch.now)
    await relay(database, watch, reader=react).deliver_batch()
    [(_, _, _, _, error)] = await database.all(LETTERS)
    assert error == "reader: RuntimeError"


async def test_a_subscriber_may_be_refused_by_its_rules_and_say_nothing(
    database: Database, watch: Watch
) -> None:
    async def react(event: ShelfBuilt) -> None:
        with suppress(NameTaken):
            async with SampleUnitOfWork(database) as uow:
                uow.shelves.add(Shelf(id=ShelfId(uuid4()), name=event.name))
                await uow.commit(None)

    await publish(database, at=watch.now)
    await relay(database, watch, reader=react).deliver_batch()
    assert len(await database.all(MARKS)) == 1


def test_an_event_is_stored_with_the_row_that_made_it(watch: Watch) -> None:
    shelf = Shelf.build(ShelfId(uuid4()), "oak", watch.now)
    shelf.version = 4
    [event] = shelf.pull_events()
    row = stored_event(shelf, event).params
    assert (row["aggregate_id"], row["aggregate_version"], row["type"]) == (shelf.id, 4, "kernel.ShelfBuilt")
