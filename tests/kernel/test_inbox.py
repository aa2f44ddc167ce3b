"""The inbox: however often a message comes and to how many at once, it has one effect."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import func, select

from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.messaging.envelopes import Undecodable, decoded
from bailiwick.kernel.messaging.inbox import Delivery, Inbox
from bailiwick.kernel.messaging.tables import finished, inbox, work
from bailiwick.kernel.messaging.transports import Transport
from bailiwick.kernel.settings.sections import Transport as Options
from tests.kernel.samples import database_at
from tests.kernel.services import CONTEXT, READER, TYPE, Reading, Writing, an_event, now, running, until

COUNT = select(func.count()).select_from(work)
MARKS = select(func.count()).select_from(inbox)
DEAD = select(finished.c.name, finished.c.error, finished.c.payload).order_by(finished.c.id)
FIVE = 5


class Nowhere:
    """A transport that nobody is connected to."""

    async def publish(self, envelopes: Sequence[object]) -> dict[object, str]:
        raise AssertionError("nothing is published here")


@pytest.fixture
def reading(database: Database) -> Reading:
    nowhere: Transport = Nowhere()  # type: ignore[assignment]  # the tests below hand the messages over
    return Reading(database, nowhere)


@pytest.fixture
async def elsewhere(database_url: str, database: Database) -> AsyncIterator[Database]:
    """The same database, as another process has it."""
    opened = database_at(database_url)
    await opened.open()
    yield opened
    await opened.close()


async def deliver_five_times(inboxes: Sequence[Inbox], count: int) -> list[str]:
    """Each of `count` messages five times, in batches of all sizes, to all at once. Returns their names."""
    messages = []
    for number in range(count):
        event = an_event()
        event["payload"]["name"] = f"{number}/0"
        messages.append(orjson.dumps(event))
    batches: list[list[bytes]] = []
    for _ in range(FIVE):
        copy = random.sample(messages, count)
        while copy:
            size = random.randint(1, 40)
            batches.append(copy[:size])
            copy = copy[size:]
    random.shuffle(batches)
    waiting = iter(batches)

    async def one(taking: Inbox) -> None:
        for batch in waiting:
            await taking.take_in(CONTEXT, batch)

    await asyncio.gather(*(one(each) for each in inboxes))
    return [f"{number}/0" for number in range(count)]


async def test_five_copies_at_once_to_two_consumers_have_one_effect(
    reading: Reading, database: Database, elsewhere: Database
) -> None:
    inboxes = [Inbox(each, {TYPE: [READER]}, now) for each in (database, elsewhere) * 3]
    names = await deliver_five_times(inboxes, 400)
    assert await database.first(COUNT) == await database.first(MARKS) == (400,)
    async with running(reading.worker.run):
        await until(lambda: reading.has(names))
    await reading.check(names)


class Forgetful(Inbox):
    """Planted: no marks."""

    async def _unknown(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        return list(deliveries)

    async def _store(self, deliveries: Sequence[Delivery]) -> None:
        writes = [write for each in deliveries for write in self._writes(*each)[1:]]
        await self._database.write(writes)


class Apart(Inbox):
    """Planted: the marks in a transaction of their own."""

    async def _store(self, deliveries: Sequence[Delivery]) -> None:
        for each in await self._unknown(deliveries):
            mark, row = self._writes(*each)
            await self._database.write([row])
            await self._mark_later(mark)

    async def _mark_later(self, mark: Write) -> None:
        try:
            await self._database.write([mark])
        except Duplicate:
            return


@pytest.mark.parametrize("planted", [Forgetful, Apart])
async def test_planted_marks_that_are_not_of_the_same_transaction_are_found(
    planted: type[Inbox], database: Database, elsewhere: Database
) -> None:
    inboxes = [planted(each, {TYPE: [READER]}, now) for each in (database, elsewhere) * 3]
    await deliver_five_times(inboxes, 60)
    stored = await database.first(COUNT)
    assert stored is not None
    assert stored[0] > 60


async def test_what_nobody_can_read_is_given_up_once_with_the_reason_and_holds_nobody_up(
    reading: Reading, database: Database
) -> None:
    good = orjson.dumps(an_event())
    without_type = an_event()
    del without_type["type"]
    poison = [b"\xff\x00no json", orjson.dumps(without_type), orjson.dumps(an_event(aggregate_version=2**40))]
    for _ in range(2):
        await reading.inbox.take_in(CONTEXT, [poison[0], good, *poison[1:]])
    dead = await database.all(DEAD)
    assert [name for name, *_ in dead] == ["inbox.kernel"] * 3
    reasons = [error for _, error, _ in dead]
    assert reasons[1:] == ["type: missing", "aggregate_version: less_than_equal"]
    assert "json" in reasons[0]
    assert dead[0][2] == {"message": "\\xff\\x00no json"}
    assert await database.first(COUNT) == (1,)


async def test_what_a_database_refuses_is_given_up_alone(reading: Reading, database: Database) -> None:
    events = [an_event() for _ in range(5)]
    events[2]["payload"]["name"] = "a\0b"
    await reading.inbox.take_in(CONTEXT, [orjson.dumps(event) for event in events])
    reasons = [error for _, error, _ in await database.all(DEAD)]
    # SQLite stores every text; PostgreSQL knows no zero character.
    refused = int(database.dialect.name == "postgresql")
    assert await database.first(COUNT) == (5 - refused,)
    assert [reason.partition(": ")[0] for reason in reasons] == [READER] * refused


async def test_a_message_that_was_given_up_can_be_read_again_later(
    reading: Reading, database: Database
) -> None:
    handler = reading.inbox.handler(CONTEXT)
    event = an_event()
    await handler.handle(handler.decode({"message": orjson.dumps(event).decode()}, 1))
    await handler.handle(handler.decode({"message": orjson.dumps(event).decode()}, 1))
    assert await database.first(COUNT) == (1,)


async def test_nothing_is_taken_in_that_nobody_here_listens_to_or_that_was_recorded_here(
    reading: Reading, database: Database
) -> None:
    await reading.inbox.take_in(CONTEXT, [orjson.dumps(an_event(type="kernel.Unheard"))])
    writing = Writing(database, reading.receiver._transport)
    await writing.write(1, 1)
    row = await database.first(select(work.c.event_id))
    assert row is not None
    await reading.inbox.take_in(CONTEXT, [orjson.dumps(an_event(id=str(row[0])))])
    assert await database.first(MARKS) == (0,)


def test_an_envelope_may_have_fields_that_we_do_not_know() -> None:
    event = an_event(later="more")
    assert str(decoded(orjson.dumps(event)).id) == event["id"]
    with pytest.raises(Undecodable, match="id: uuid_parsing"):
        decoded(orjson.dumps(an_event(id="x")))


@pytest.mark.parametrize("url", ["http://host", "nats://a:1,redis://b:2", "nats://a:x"])
def test_a_broker_that_we_cannot_use_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must begin|is not a URL"):
        Options(url=url)
    Options(url="nats://a:4222,nats://b:4222", prefix=f"p{uuid4().hex}")
