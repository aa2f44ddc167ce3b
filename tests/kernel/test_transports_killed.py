"""Events between services while brokers, consumers and whole stocks of messages are taken away."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.failpoints import VARIABLE
from bailiwick.kernel.messaging.transports import Transport
from bailiwick.kernel.messaging.transports.jetstream import JetStream
from tests.kernel.brokers import BrokerToKill, broker_to_kill
from tests.kernel.services import CONTEXT, Reading, Writing, running, transport_at, until

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["redis", "nats"])
def mortal(request: pytest.FixtureRequest) -> Iterator[BrokerToKill]:
    with broker_to_kill(request.param) as server:
        yield server


@pytest.fixture
async def transport(mortal: BrokerToKill) -> AsyncIterator[Transport]:
    made = transport_at(mortal.url, "killed")
    yield made
    await made.close()


async def test_a_broker_that_is_killed_again_and_again_loses_and_doubles_nothing(
    postgresql: Database, second_postgresql: Database, mortal: BrokerToKill, transport: Transport
) -> None:
    writing, reading = Writing(postgresql, transport), Reading(second_postgresql, transport)
    async with running(writing.publisher.run, reading.receiver.run, reading.worker.run):
        for _ in range(3):
            busy = asyncio.ensure_future(writing.write(20, 10))
            await asyncio.sleep(0.3)
            mortal.kill()
            await writing.write(3, 3)
            await busy
            await asyncio.sleep(0.5)
            await asyncio.to_thread(mortal.start)
        await until(lambda: reading.has(writing.names), 60)
        await asyncio.sleep(1)
    await reading.check(writing.names)


async def test_a_broker_that_lost_all_it_had_is_given_it_again(
    postgresql: Database, second_postgresql: Database, mortal: BrokerToKill, transport: Transport
) -> None:
    writing, reading = Writing(postgresql, transport), Reading(second_postgresql, transport)
    async with running(writing.publisher.run):
        await writing.write(10, 5)
        await until(lambda: _has_stream(transport))
        await _lose_all(mortal, transport)
        await until(lambda: _has_stream(transport))
        await _lose_all(mortal, transport)
        await writing.write(10, 5)
        async with running(reading.receiver.run, reading.worker.run):
            await until(lambda: reading.has(writing.names), 60)
            await _lose_all(mortal, transport)
            await writing.write(5, 5)
            await until(lambda: reading.has(writing.names), 60)
            await asyncio.sleep(1)
    await reading.check(writing.names)


async def _has_stream(transport: Transport) -> bool:
    return not await transport.lacks(CONTEXT)


async def _lose_all(broker: BrokerToKill, transport: Transport) -> None:
    if isinstance(transport, JetStream):
        await (await transport._stream()).delete_stream("killed-kernel")
        return
    async with Redis.from_url(broker.url) as client:
        await client.flushall()


@pytest.mark.parametrize("point", ["inbox.before_write", "inbox.after_write"])
async def test_a_consumer_that_is_killed_is_succeeded_and_nothing_happens_twice(
    postgresql: Database,
    second_postgresql: Database,
    second_postgresql_url: str,
    point: str,
    broker: str,
) -> None:
    prefix = f"t{uuid4().hex[:12]}"
    sending = transport_at(broker, prefix)
    writing, reading = Writing(postgresql, sending), Reading(second_postgresql, sending)
    async with running(writing.publisher.run):
        await writing.write(10, 5)
        await until(lambda: _has_stream(sending))
        words = [sys.executable, "-m", "tests.kernel.reading_service", second_postgresql_url, broker, prefix]
        first = await asyncio.create_subprocess_exec(
            *words, cwd=ROOT, env={**os.environ, VARIABLE: f"{point}=kill@1"}
        )
        assert await first.wait() == -9
        await writing.write(10, 5)
        heir = await asyncio.create_subprocess_exec(*words, cwd=ROOT)
        await until(lambda: reading.has(writing.names), 60)
        heir.kill()
        await heir.wait()
    await reading.check(writing.names)
    await sending.close()
