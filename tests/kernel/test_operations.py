"""What operators do to messages, jobs and queues: once, also where two do it at once, and on the record."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Cause, Contention
from bailiwick.kernel.contention import uncontended
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import InvalidListing
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Invalid, NotFound
from bailiwick.kernel.jobs import GiveUp, Job
from bailiwick.kernel.messaging.handlers import JobHandler, job
from bailiwick.kernel.messaging.queue import LEASE
from bailiwick.kernel.messaging.schedules import Clockwork, Schedule
from bailiwick.kernel.messaging.tables import audit, finished, pauses, work
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.operations import commands
from bailiwick.kernel.operations.commands import QueueUnknown, ReaderUnknown, WorkStateForbids
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.lists import (
    AUDIT,
    EVENTS,
    WORK,
    AmbiguousId,
    Kind,
    WorkView,
    id_from,
    one_work,
)
from bailiwick.kernel.operations.queues import all_schedules, queues
from tests.kernel.messages import Watch, caused, going, publish, subscribe, until
from tests.kernel.samples import SampleUnitOfWork

LATER = timedelta(hours=1)
Command = Callable[[Console, Kind, UUID], Awaitable[None]]


@dataclass(frozen=True)
class Bake(Job):
    bread: str

    queue: ClassVar[str] = "oven"
    at_once: ClassVar[int] = 4


class Bakery:
    """A worker whose oven burns everything until it is repaired."""

    def __init__(self, database: Database) -> None:
        self.database, self.watch, self.baked = database, Watch(), list[str]()
        self.broken, self.hold = True, False
        self.handlers = [job(JobHandler(Bake, self._bake))]
        self.schedules = [Schedule("bakery.morning", "0 5 * * *", Bake("rolls"), "Europe/Berlin")]
        self.console = Console(database, self.watch, self.handlers, self.schedules)
        self.worker = Worker(database, self.handlers, self.watch, drain_seconds=0.2)

    async def _bake(self, command: Bake) -> None:
        if self.hold:
            await asyncio.Event().wait()
        if self.broken:
            raise GiveUp("burnt")
        self.baked.append(command.bread)

    async def ordered(self, *breads: str, **options: Any) -> list[UUID]:
        async with SampleUnitOfWork(self.database) as uow:
            ids = [uow.enqueue(Bake(bread), **options) for bread in breads]
            await uow.commit(None)
        return ids

    async def burnt(self, *breads: str) -> list[UUID]:
        ids = await self.ordered(*breads)
        await self.worker.until_idle()
        self.broken = False
        return ids

    async def states(self) -> list[str]:
        asked = WORK[Kind.JOB].parse({"sort": "id"})
        return [each.state for each in (await WORK[Kind.JOB].page(self.database, asked)).items]

    async def recorded(self) -> list[str]:
        """What operators did something to, as the audit trail has it."""
        rows = await self.database.all(select(audit.c.changes).order_by(audit.c.id))
        return [change["kind"] for (changes,) in rows for change in changes]

    async def twice(self, command: Command, id: UUID) -> Sequence[object]:
        """Two operators at once, each of whom tries again where they met."""

        async def once() -> None:
            await uncontended(lambda: command(self.console, Kind.JOB, id), again=12, pause=0.01)

        return await asyncio.gather(once(), once(), return_exceptions=True)


@pytest.fixture
def bakery(database: Database) -> Bakery:
    return Bakery(database)


async def test_what_is_retried_now_runs_now(bakery: Bakery) -> None:
    bakery.broken = False
    [id] = await bakery.ordered("rye", delay=LATER)
    assert await bakery.worker.until_idle() == 0
    assert await bakery.twice(commands.retry, id) == [None, None]
    assert await bakery.worker.until_idle() == 1
    assert (bakery.baked, await bakery.recorded()) == (["rye"], ["job"])


async def test_what_was_given_up_is_replayed_once_though_two_do_it_at_once(bakery: Bakery) -> None:
    [id] = await bakery.burnt("rye")
    assert await bakery.states() == ["dead"]
    told = await bakery.twice(commands.replay, id)
    assert sorted(type(each).__name__ for each in told) == ["NoneType", "WorkStateForbids"]
    again = await one_work(bakery.database, Kind.JOB, id)
    assert (again.state, again.attempts, again.error, again.finished_at) == ("waiting", 0, None, None)
    await bakery.worker.until_idle()
    assert (bakery.baked, await bakery.states()) == (["rye"], ["succeeded"])
    assert await bakery.recorded() == ["job"]


async def test_all_that_was_given_up_in_a_queue_is_replayed_once(
    bakery: Bakery, monkeypatch: pytest.MonkeyPatch
) -> None:
    breads = [f"loaf {i}" for i in range(12)]
    await bakery.burnt(*breads)
    monkeypatch.setattr(commands, "_DEAD_IDS", commands._DEAD_IDS.limit(5))
    counts = await asyncio.gather(*(commands.replay_dead(bakery.console, "oven") for _ in range(2)))
    assert sum(counts) == 12
    await bakery.worker.until_idle()
    assert sorted(bakery.baked) == sorted(breads)
    assert await bakery.recorded() == ["queue oven"] * 3


async def test_a_replay_of_all_ends_though_they_are_given_up_again(bakery: Bakery) -> None:
    await bakery.burnt("rye", "oat")
    bakery.broken = True
    async with going(bakery.worker):
        assert await commands.replay_dead(bakery.console, "oven") == 2


async def test_the_dead_are_discarded_one_by_one_or_all(bakery: Bakery) -> None:
    [first, *_] = await bakery.burnt("rye", "oat", "spelt")
    await commands.discard(bakery.console, Kind.JOB, first)
    assert await bakery.states() == ["dead", "dead"]
    assert await commands.discard_dead(bakery.console, "oven") == 2
    assert await bakery.states() == []
    with pytest.raises(NotFound):
        await commands.replay(bakery.console, Kind.JOB, first)


async def test_what_waits_is_cancelled_at_once(bakery: Bakery) -> None:
    bakery.broken = False
    [id] = await bakery.ordered("rye")
    assert await bakery.twice(commands.cancel, id) == [None, None]
    assert (await bakery.worker.until_idle(), await bakery.states()) == (0, ["cancelled"])
    assert await bakery.recorded() == ["job"]
    await commands.replay(bakery.console, Kind.JOB, id)
    await bakery.worker.until_idle()
    assert bakery.baked == ["rye"]


async def test_what_runs_is_cancelled_within_a_heartbeat(bakery: Bakery) -> None:
    bakery.hold = True
    [id] = await bakery.ordered("rye")
    async with going(bakery.worker):
        await until(lambda: bool(bakery.worker.running))
        assert await bakery.twice(commands.cancel, id) == [None, None]
        assert await bakery.states() == ["running"]
        bakery.watch.ahead = LEASE / 4
        await bakery.worker.beat()
        await until(lambda: not bakery.worker.running)
    assert await bakery.states() == ["cancelled"]
    assert await bakery.recorded() == ["job"]


async def test_what_a_dead_worker_had_is_cancelled_at_once(bakery: Bakery) -> None:
    [id] = await bakery.ordered("rye")
    lost = update(work).values(leased_by=uuid7(), leased_until=bakery.watch(), cancelled=True)
    await bakery.database.write([Write(lost, {})])
    bakery.watch.ahead = timedelta(seconds=1)
    await commands.cancel(bakery.console, Kind.JOB, id)
    assert await bakery.states() == ["cancelled"]


async def test_a_claim_that_is_quicker_than_an_operator_wins(bakery: Bakery) -> None:
    bakery.hold = True
    [id] = await bakery.ordered("rye")
    now = bakery.watch()
    await bakery.worker.claim()
    for statement in (commands._TAKE_OUT, commands._KEEP_CANCELLED):
        with pytest.raises(Contention):
            await bakery.database.write([Write(statement, {"which": id, "now": now}, exactly=1)])
    [(_, task)] = bakery.worker.running.values()
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(
    ("command", "state"),
    [
        (commands.replay, "waiting"),
        (commands.discard, "waiting"),
        (commands.retry, "dead"),
        (commands.cancel, "dead"),
        (commands.retry, "succeeded"),
        (commands.replay, "succeeded"),
        (commands.cancel, "succeeded"),
        (commands.discard, "succeeded"),
    ],
)
async def test_what_does_not_fit_the_state_is_refused(bakery: Bakery, command: Command, state: str) -> None:
    bakery.broken = state == "dead"
    [id] = await bakery.ordered("rye")
    if state != "waiting":
        await bakery.worker.until_idle()
    with pytest.raises(WorkStateForbids) as refused:
        await command(bakery.console, Kind.JOB, id)
    assert refused.value.extra == {"state": state}
    assert (await bakery.states(), await bakery.recorded()) == ([state], [])


async def test_a_paused_queue_does_not_run_and_runs_once_it_goes_on(bakery: Bakery) -> None:
    bakery.broken = False
    await commands.pause(bakery.console, "oven", "ada", "cleaning")
    await commands.pause(bakery.console, "oven", "ada", "cleaning")
    async with going(bakery.worker):
        await bakery.ordered("rye")
        await asyncio.sleep(0.5)
        assert bakery.baked == []
        await commands.pause(bakery.console, "oven", "bob", "still cleaning")
        [oven] = await queues(bakery.console)
        assert (oven.waiting, oven.paused and oven.paused.by) == (1, "bob")
        await commands.resume(bakery.console, "oven")
        await commands.resume(bakery.console, "oven")
        await until(lambda: bakery.baked == ["rye"], 5)
    assert await bakery.recorded() == ["queue oven"] * 3


async def test_two_who_pause_at_once_leave_one_pause(bakery: Bakery) -> None:
    async def pause(by: str) -> None:
        await uncontended(lambda: commands.pause(bakery.console, "oven", by, "hot"), again=12, pause=0.01)

    await asyncio.gather(pause("ada"), pause("bob"))
    [(count,)] = await bakery.database.all(select(func.count()).select_from(pauses))
    assert count == 1


async def test_a_queue_or_a_reader_that_nobody_knows_is_not_there(bakery: Bakery) -> None:
    with pytest.raises(QueueUnknown):
        await commands.pause(bakery.console, "ovne", "ada", "cleaning")
    with pytest.raises(ReaderUnknown):
        await commands.forget_reader(bakery.console, "samples.nobody")


async def test_a_change_and_its_row_in_the_trail_are_one_transaction(bakery: Bakery) -> None:
    [id] = await bakery.burnt("rye")
    nothing = Cause("request-1", what=None)  # type: ignore[arg-type]  # which the trail refuses to store
    with caused(nothing), pytest.raises(Exception, match=r"(?i)null"):
        await commands.replay(bakery.console, Kind.JOB, id)
    assert await bakery.states() == ["dead"]
    assert await bakery.database.all(select(work.c.id)) == []


async def test_the_queues_show_what_waits_runs_failed_and_was_given_up(bakery: Bakery) -> None:
    await bakery.burnt("rye")
    await bakery.ordered("oat", "spelt", "corn")
    ids = await bakery.database.all(select(work.c.id).order_by(work.c.id))
    changes: list[dict[str, Any]] = [{"last_error": "OSError"}, {"leased_by": uuid7()}]
    for (id,), values in zip(ids, changes, strict=False):
        await bakery.database.write([Write(update(work).where(work.c.id == id).values(**values), {})])
    [oven] = await queues(bakery.console)
    assert (oven.queue, oven.waiting, oven.running, oven.retrying, oven.dead) == ("oven", 1, 1, 1, 1)
    assert (oven.places, oven.paused, oven.oldest_due_at is not None) == (4, None, True)


async def test_the_list_of_jobs_is_filtered_and_goes_on_by_cursor_in_either_order(bakery: Bakery) -> None:
    with caused(Cause("request-1")):
        await bakery.burnt("rye", "oat")
        await bakery.ordered("a", "b", "c", key="shelf")
    listing = WORK[Kind.JOB]

    async def listed(**query: str) -> list[WorkView]:
        found, cursor = list[WorkView](), ""
        while True:
            asked = listing.parse({"per_page": "2", **query, "cursor": cursor})
            page = await listing.page(bakery.database, asked)
            found += page.items
            if page.next_cursor is None:
                return found
            cursor = page.next_cursor

    newest, oldest = await listed(), await listed(sort="id")
    assert [each.id for each in newest] == [each.id for each in reversed(oldest)]
    assert [each.state for each in oldest] == ["dead", "dead", "waiting", "waiting", "waiting"]
    for query, count in (
        ({"filter[state]": "dead"}, 2),
        ({"state": "dead,waiting"}, 5),
        ({"state": "succeeded"}, 0),
        ({"key": "shelf"}, 3),
        ({"queue": "oven", "name": "kernel.Bake"}, 5),
        ({"queue": "cellar"}, 0),
        ({"correlation": "request-1"}, 5),
    ):
        assert len(await listed(**query)) == count, query
    with pytest.raises(InvalidListing):
        listing.parse({"page": "1"})


async def test_messages_and_jobs_are_two_lists(bakery: Bakery) -> None:
    async def ignore(event: object) -> None: ...

    subscribe(bakery.database, hear=ignore)
    await publish(bakery.database, "oak")
    await bakery.ordered("rye")
    names = {}
    for kind, listing in WORK.items():
        page = await listing.page(bakery.database, listing.parse({}))
        names[kind] = [each.name for each in page.items]
    assert names == {Kind.MESSAGE: ["samples.hear"], Kind.JOB: ["kernel.Bake"]}


async def test_events_and_the_audit_trail_are_found_by_what_they_are_about(bakery: Bakery) -> None:
    ada = uuid4()
    with caused(Cause("request-7", ada, what="samples_build")):
        shelf, _ = await publish(bakery.database), await publish(bakery.database)
    for listing, query, count in (
        (EVENTS, {"aggregate": str(shelf)}, 1),
        (EVENTS, {"type": "kernel.ShelfBuilt"}, 2),
        (EVENTS, {"type": "kernel.ShelfFell"}, 0),
        (AUDIT, {"subject": str(shelf)}, 1),
        (AUDIT, {"actor": str(ada)}, 2),
        (AUDIT, {"what": "samples_build", "filter[outcome]": "done"}, 2),
        (AUDIT, {"actor": str(uuid4())}, 0),
    ):
        page: Any = await listing.page(bakery.database, listing.parse(query))
        assert len(page.items) == count, query
        assert all(each.correlation_id == "request-7" for each in page.items)


async def test_an_id_is_known_by_its_beginning_or_its_end(bakery: Bakery) -> None:
    [id, other] = await bakery.burnt("rye", "oat")
    [waits] = await bakery.ordered("spelt")
    for one in (id, waits):
        for text in (str(one), one.hex, one.hex[-8:], str(one)[-13:].upper()):
            assert await id_from(bakery.database, Kind.JOB, text) == one
    with pytest.raises(AmbiguousId, match=str(other)):
        await id_from(bakery.database, Kind.JOB, id.hex[:6])
    for text, refusal in (("123", Invalid), ("rye!", Invalid), ("%%%%", Invalid), ("ffffffff", NotFound)):
        with pytest.raises(refusal):
            await id_from(bakery.database, Kind.JOB, text)


async def test_schedules_say_when_they_were_and_will_be_due(bakery: Bakery) -> None:
    await Clockwork(bakery.database, bakery.schedules, bakery.watch).enqueue_due()
    elsewhere = [Schedule("cellar.check", "* * * * *", Bake("none"))]
    await Clockwork(bakery.database, elsewhere, bakery.watch).enqueue_due()
    ours, theirs = await all_schedules(bakery.console)
    assert (ours.name, ours.cron, ours.job, ours.time_zone) == (
        "bakery.morning",
        "0 5 * * *",
        "kernel.Bake",
        "Europe/Berlin",
    )
    assert ours.last_due_at is not None
    assert ours.next_due_at is not None
    assert ours.next_due_at > bakery.watch()
    assert (theirs.name, theirs.cron, theirs.next_due_at) == ("cellar.check", None, None)


def planted_replay(console: Console, kind: Kind, id: UUID) -> Awaitable[None]:
    """A replay that forgets to make sure that what it moves is still there."""
    moves = [
        Write(commands._REPLAY, {"which": id, "now": console.clock()}),
        Write(commands._DISCARD, {"which": id}),
    ]
    change = commands._moved(kind, id, "state", "dead", "waiting")
    return commands._store(console, moves, change)


async def test_a_replay_that_is_recorded_twice_is_noticed(bakery: Bakery) -> None:
    [id] = await bakery.burnt("rye")
    await bakery.twice(planted_replay, id)
    assert await bakery.recorded() != ["job"]
    assert await bakery.database.all(select(finished.c.id)) == []
