"""Events between services over real brokers: nothing lost, one effect each, in order, whatever is killed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from faststream.nats import DeliverPolicy, JStream, NatsBroker, PullSub
from faststream.redis import RedisBroker, StreamSub
from sqlalchemy import select
from uuid_utils.compat import uuid7

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.messaging.exchange import Exchange
from bailiwick.kernel.messaging.handlers import Subscription
from bailiwick.kernel.messaging.outbox import event_type
from bailiwick.kernel.messaging.publishing import published_events
from bailiwick.kernel.messaging.tables import finished, work
from bailiwick.kernel.messaging.transports import StreamMissing, Transport, TransportDown, redis_streams
from bailiwick.kernel.messaging.transports.jetstream import JetStream
from bailiwick.kernel.observability import transport_up
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Transport as Options
from bailiwick.profiles.contract import ProfileCreated, UsernameChanged
from tests.kernel.samples import NOON, SampleUnitOfWork, Shelf, ShelfBuilt, ShelfId, database_at
from tests.kernel.services import CONTEXT, WAITING, Reading, Writing, now, running, transport_at, until


@pytest.fixture
def prefix() -> str:
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
async def transport(broker: str, prefix: str) -> AsyncIterator[Transport]:
    made = transport_at(broker, prefix)
    yield made
    await made.close()


async def test_each_event_has_one_effect_in_the_other_service_and_they_keep_their_order(
    database: Database, second: Database, transport: Transport
) -> None:
    writing, other = Writing(database, transport), Writing(database, transport)
    first, last = Reading(second, transport, delay=0.02), Reading(second, transport, delay=0.02)
    loops = [writing.publisher.run, other.publisher.run]
    loops += [each for one in (first, last) for each in (one.receiver.run, one.worker.run)]
    async with running(*loops):
        await writing.write(20, 10)
        await until(lambda: first.has(writing.names))
    await first.check(writing.names)
    assert await transport.lacks("elsewhere")
    with pytest.raises(StreamMissing):
        await transport.consume("elsewhere", "reading", lambda _: asyncio.sleep(0))


async def takeovers(
    database: Database, transport: Transport
) -> tuple[list[list[bytes]], list[bytes], Callable[[Sequence[bytes]], Awaitable[None]]]:
    """What three consumers got who confirmed nothing, what the fourth got, and how it went on taking."""
    writing = Writing(database, transport)
    await transport.create(CONTEXT)
    await writing.write(3, 1)
    got: list[list[bytes]] = []
    seen: list[bytes] = []

    async def hang(messages: Sequence[bytes]) -> None:
        got.append(list(messages))
        await asyncio.sleep(60)

    async def take(messages: Sequence[bytes]) -> None:
        seen.extend(messages)

    async with running(writing.publisher.run):
        await until(lambda: _emptied(database))
        for count in range(3):
            async with running(lambda: transport.consume(CONTEXT, "reading", hang)):
                with suppress(TimeoutError):
                    await until(partial(_longer, got, count), 3)
        await writing.write(1, 1)
        await until(lambda: _emptied(database))
        async with running(lambda: transport.consume(CONTEXT, "reading", take)):
            with suppress(TimeoutError):
                await until(lambda: _longer(seen, 3), 3)
    return got, seen, take


async def test_what_was_not_confirmed_comes_again_first_and_in_order(
    database: Database, transport: Transport
) -> None:
    got, seen, take = await takeovers(database, transport)
    assert seen[: len(got[0])] == got[0] == got[1] == got[2]
    assert len(seen) == len(set(seen)) == 4
    # What was confirmed does not come again.
    async with running(lambda: transport.consume(CONTEXT, "reading", take)):
        await asyncio.sleep(0.5)
    assert len(seen) == 4


async def test_a_planted_takeover_that_leaves_out_what_was_handed_out_is_found(
    postgresql: Database, redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_streams, "UNCONFIRMED", redis_streams.NEW)
    transport = transport_at(redis_url, prefix)
    got, seen, _ = await takeovers(postgresql, transport)
    assert len(got) == 1
    assert len(seen) == 1
    assert seen[0] not in got[0]
    await transport.close()


async def test_a_planted_takeover_that_leaves_out_what_nats_handed_out_is_found_by_the_gap(
    postgresql: Database, nats_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def keep(self: JetStream, stream: Any, name: str, group: str) -> None:
        await stream.add_consumer(name, durable_name=group, ack_policy="all", ack_wait=30)

    monkeypatch.setattr(JetStream, "_set_back", keep)
    transport = transport_at(nats_url, prefix)
    with pytest.raises(TransportDown, match="lost on their way"):
        await takeovers(postgresql, transport)
    await transport.close()


async def _longer(what: Sequence[object], than: int) -> bool:
    return len(what) > than


async def _emptied(database: Database) -> bool:
    return await database.first(WAITING) is None


async def test_what_is_too_long_for_a_broker_is_given_up_with_the_reason_and_the_rest_goes_on(
    postgresql: Database, nats_url: str, prefix: str
) -> None:
    transport = transport_at(nats_url, prefix)
    writing = Writing(postgresql, transport)
    async with running(writing.publisher.run):
        async with SampleUnitOfWork(postgresql) as uow:
            shelf = Shelf(id=ShelfId(uuid7()), name="long")
            uow.shelves.add(shelf)
            shelf.announce(ShelfBuilt(occurred_at=NOON, shelf_id=shelf.id, name="x" * 1_100_000))
            await uow.commit(None)
        await writing.write(2, 2)
        await until(lambda: _emptied(postgresql))
    row = await postgresql.first(select(finished.c.name, finished.c.outcome, finished.c.error))
    assert row is not None
    assert tuple(row[:2]) == ("transport.kernel.ShelfBuilt", "dead")
    assert "max_payload" in row[2]
    await transport.close()


async def test_while_the_broker_is_down_events_wait_and_do_not_count_as_tried(postgresql: Database) -> None:
    transport = transport_at("redis://127.0.0.1:1", "down")
    writing = Writing(postgresql, transport)
    await writing.write(2, 2)
    async with running(writing.publisher.run):
        await asyncio.sleep(1)
    assert transport_up._value.get() == 0
    with pytest.raises(TransportDown):
        await writing.publisher.publish_due()
    rows = await postgresql.all(select(work.c.attempts, work.c.leased_by))
    assert [tuple(row) for row in rows] == [(0, None)] * 4
    await transport.close()


async def test_a_faststream_service_reads_our_events(
    postgresql: Database, broker: str, transport: Transport, prefix: str
) -> None:
    writing, heard = Writing(postgresql, transport), asyncio.Queue[dict[str, Any]]()
    async with running(writing.publisher.run):
        await writing.write(1, 1)
        await until(lambda: _emptied(postgresql))
    other: Any
    if broker.startswith("nats"):
        other = NatsBroker(broker)
        subscriber = other.subscriber(
            f"{prefix}.events.kernel.ShelfBuilt",
            stream=JStream(f"{prefix}-kernel", declare=False),
            durable="other",
            pull_sub=PullSub(batch_size=1),
            deliver_policy=DeliverPolicy.ALL,
        )
    else:
        other = RedisBroker(broker)
        stream = StreamSub(f"{prefix}.events.kernel", group="other", consumer="one", last_id="0")
        subscriber = other.subscriber(stream=stream)

    @subscriber  # type: ignore[untyped-decorator]  # it depends on the broker
    async def take(event: dict[str, Any]) -> None:
        heard.put_nowait(event)

    async with other:
        await other.start()
        async with asyncio.timeout(10):
            event = await heard.get()
    assert event["type"] == "kernel.ShelfBuilt"
    assert event["payload"]["name"] == writing.names[0]


@pytest.mark.parametrize(
    ("url", "package", "adapter", "extra"),
    [
        ("redis://x", "redis.asyncio", "redis_streams", "streams"),
        ("nats://x", "nats", "jetstream", "nats"),
    ],
)
def test_a_missing_client_is_named_with_its_extra(
    url: str, package: str, adapter: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"bailiwick.kernel.messaging.transports.{adapter}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuntimeError, match=rf"'bailiwick\[{extra}\]'"):
        transport_at(url, "x")


def test_what_is_published_is_what_the_contracts_say() -> None:
    assert published_events(["profiles"]) == [ProfileCreated, UsernameChanged]
    types = [event_type(kind) for kind in published_events(["identity"])]
    assert "identity.UserRegistered" in types
    assert "identity.UserEvent" not in types


def test_a_process_sends_what_is_its_own_and_gets_what_it_hears_of_others(sqlite_url: str) -> None:
    heard = [
        Subscription("tasks.on_it", ShelfBuilt, _nothing),
        Subscription("tasks.own", ProfileCreated, _nothing),
    ]
    database = database_at(sqlite_url)
    assert Exchange.between(Settings(), database, now, heard) is None
    settings = Settings(contexts=["profiles"], transport=Options(url="nats://127.0.0.1:1"))
    exchange = Exchange.between(settings, database, now, heard)
    assert exchange is not None
    assert exchange.joined({"profiles.ProfileCreated": ["tasks.own"]}) == {
        "profiles.ProfileCreated": ["tasks.own", "transport.profiles.ProfileCreated"],
        "profiles.UsernameChanged": ["transport.profiles.UsernameChanged"],
    }
    assert [handler.name for handler in exchange.handlers] == ["inbox.kernel"]
    assert len(exchange.loops) == 2


async def _nothing(event: object) -> None: ...
