"""What operators see on the live map: how much goes along each arrow, and what lags behind."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import pytest

from bailiwick.backend import Backend
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.jobs import GiveUp, Job
from bailiwick.kernel.messaging.handlers import JobHandler, job
from bailiwick.kernel.messaging.readers import Readers
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.traffic import AskView, DeliveryView, MapView, asks_of, traffic
from bailiwick.kernel.settings import Settings
from tests.kernel.messages import Watch, publish, subscribe
from tests.kernel.samples import SampleUnitOfWork, ShelfBuilt


@dataclass(frozen=True)
class Dust(Job):
    """Takes no time."""

    queue: ClassVar[str] = "samples.dusting"


async def serve(event: ShelfBuilt) -> None: ...


async def fail(event: ShelfBuilt) -> None:
    raise RuntimeError


async def refuse(event: ShelfBuilt) -> None:
    raise GiveUp("no shelves today")


class Town:
    """Three subscribers of one type of event: one works, one fails, one gives up."""

    def __init__(self, database: Database) -> None:
        self.database, self.watch = database, Watch()
        handlers = subscribe(database, on_built=serve, on_refusing=refuse, on_failing=fail)
        handlers.append(job(JobHandler(Dust, print)))
        self.readers = Readers(database, dict(database.readers), self.watch)
        self.worker = Worker(database, handlers, self.watch, drain_seconds=0.2)
        self.console = Console(database, self.watch, handlers)

    async def seen(self) -> MapView:
        return await traffic(self.console)

    async def delivery(self, name: str) -> DeliveryView:
        [found] = [each for each in (await self.seen()).deliveries if each.reader == f"samples.{name}"]
        return found


@pytest.fixture
async def town(database: Database) -> Town:
    town = Town(database)
    await town.readers.register()
    return town


def numbers(each: DeliveryView) -> tuple[int, ...]:
    return each.per_minute, each.waiting, each.running, each.retrying, each.dead


async def test_what_waits_is_counted_for_each_subscriber_since_the_oldest(town: Town) -> None:
    for _ in range(3):
        await publish(town.database)
    seen = await town.delivery("on_built")
    assert (seen.event, seen.handled, numbers(seen)) == ("kernel.ShelfBuilt", True, (3, 3, 0, 0, 0))
    assert seen.oldest_at is not None
    assert timedelta() <= town.watch() - seen.oldest_at < timedelta(seconds=30)


async def test_what_was_done_failed_and_was_given_up_is_told_apart(town: Town) -> None:
    await publish(town.database)
    await publish(town.database)
    await town.worker.until_idle()
    assert numbers(await town.delivery("on_built")) == (2, 0, 0, 0, 0)
    assert (await town.delivery("on_built")).oldest_at is None
    assert numbers(await town.delivery("on_failing")) == (2, 0, 0, 2, 0)
    assert numbers(await town.delivery("on_refusing")) == (2, 0, 0, 0, 2)
    contexts = {each.name: each for each in (await town.seen()).contexts}
    assert (contexts["kernel"].events_per_minute, contexts["samples"].dead) == (2, 2)
    assert not contexts["samples"].here


async def test_rates_are_of_the_last_minute(town: Town) -> None:
    await publish(town.database)
    town.watch.ahead = timedelta(seconds=61)
    await publish(town.database)
    assert numbers(await town.delivery("on_built")) == (0, 2, 0, 0, 0)


async def test_a_subscriber_that_no_worker_has_reported_is_not_handled(town: Town) -> None:
    town.watch.ahead = timedelta(seconds=91)
    assert not (await town.delivery("on_built")).handled


async def test_jobs_count_once_they_are_due_and_again_when_they_are_done(town: Town) -> None:
    async with SampleUnitOfWork(town.database) as uow:
        uow.enqueue(Dust())
        uow.enqueue(Dust(), delay=timedelta(hours=1))
        await uow.commit(None)
    await publish(town.database)
    [kernel] = [each for each in (await town.seen()).contexts if each.name == "kernel"]
    assert (kernel.jobs_waiting, kernel.jobs_per_minute) == (1, 0)
    await town.worker.until_idle()
    [kernel] = [each for each in (await town.seen()).contexts if each.name == "kernel"]
    assert (kernel.jobs_waiting, kernel.jobs_per_minute) == (0, 1)


def test_a_context_in_another_process_is_asked_all_the_same() -> None:
    remotes = {"payments": "http://127.0.0.1:9", "catalog": "http://127.0.0.1:9"}
    settings = Settings.model_validate(
        {"contexts": ["orders"], "remotes": remotes, "service_token": "x" * 32}
    )
    carried = Backend.build(settings).carried
    assert {each.module.name: each.here for each in carried} == {
        "orders": True,
        "payments": False,
        "catalog": False,
    }
    assert list(asks_of(carried)) == [
        AskView("orders", "payments", ["Payments"]),
        AskView("orders", "catalog", ["Catalog"]),
    ]
