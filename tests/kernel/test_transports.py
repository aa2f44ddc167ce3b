"""Events between services over real brokers: nothing lost, one effect each, in order, whatever is killed."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import uuid4

import pytest

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.messaging.transports import StreamMissing, Transport
from bailiwick.kernel.testing import create_database, drop_database
from tests.kernel.samples import create_tables, database_at
from tests.kernel.services import CONTEXT, WAITING, Reading, Writing, running, transport_at, until


@pytest.fixture(params=["redis", "nats"])
def broker(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def prefix() -> str:
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
async def transport(broker: str, prefix: str) -> AsyncIterator[Transport]:
    made = transport_at(broker, prefix)
    yield made
    await made.close()


@pytest.fixture
def second_url(database_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Another database of the same engine."""
    if database_url.startswith("sqlite:"):
        yield database_url.replace("bailiwick.db", "second.db")
        return
    server: str = request.getfixturevalue("postgres")
    url = create_database(server)
    yield url
    drop_database(server, url)


@pytest.fixture
async def second(second_url: str) -> AsyncIterator[Database]:
    await create_tables(second_url)
    opened = database_at(second_url)
    await opened.open()
    yield opened
    await opened.close()


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


async def test_what_was_not_confirmed_comes_again_first_and_in_order(
    database: Database, transport: Transport
) -> None:
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
        for _ in range(3):
            count = len(got)
            async with running(lambda: transport.consume(CONTEXT, "reading", hang)):
                await until(lambda: _longer(got, count))
        await writing.write(1, 1)
        await until(lambda: _emptied(database))
        async with running(lambda: transport.consume(CONTEXT, "reading", take)):
            await until(lambda: _longer(seen, 3))
        assert seen[: len(got[0])] == got[0] == got[1] == got[2]
        assert len(seen) == len(set(seen)) == 4
    # What was confirmed does not come again.
    async with running(lambda: transport.consume(CONTEXT, "reading", take)):
        await asyncio.sleep(0.5)
    assert len(seen) == 4


async def _longer(what: Sequence[object], than: int) -> bool:
    return len(what) > than


async def _emptied(database: Database) -> bool:
    return await database.first(WAITING) is None
