"""The Celery application of this installation: `celery -A bailiwick.celery_app worker` runs its jobs.

A task has the name of its job, and the id of the work as its only argument; what there is to do, and what
becomes of it, is in the database. Celery's pools of processes, of threads, and `solo` are supported.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any, TypeVar
from uuid import UUID

import structlog
import uvloop

from bailiwick.backend import Backend, forever
from bailiwick.kernel.messaging.celery_broker import application
from bailiwick.kernel.messaging.tables import CANCELLED, SUCCEEDED
from bailiwick.kernel.messaging.worker import GONE, Worker
from bailiwick.kernel.observability import configure_logging
from bailiwick.kernel.settings import Settings

log = structlog.get_logger("celery")

T = TypeVar("T")

END_SECONDS = 5.0


class NotDone(Exception):
    """The job failed. What follows from that, and why: `retrying: Unavailable: …` or `dead: KeyError`."""


@asynccontextmanager
async def taking(settings: Settings) -> AsyncIterator[Worker]:
    """A worker that runs the jobs whose ids it is told."""
    backend = Backend.build(settings)
    own = [each for each in backend.messaging.handlers if each.queue in backend.messaging.celery_queues]
    worker = Worker(backend.platform.database, own, backend.platform.clock)
    loops = (worker.keep, backend.messaging.readers.watch)
    async with backend.opened():
        tasks = [asyncio.ensure_future(forever(loop)) for loop in loops]
        try:
            yield worker
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Performer:
    """Runs jobs on one event loop that lives as long as this process, in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._loop = uvloop.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="jobs", daemon=True).start()
        self._taking = taking(settings)
        try:
            self._worker = self._run(self._taking.__aenter__())
        except BaseException:
            self._loop.call_soon_threadsafe(self._loop.stop)
            raise

    def perform(self, id: UUID) -> str:
        return self._run(self._worker.take(id))

    def end(self) -> None:
        self._run(self._taking.__aexit__(None, None, None), END_SECONDS)

    def _run(self, coroutine: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)


class Performers:
    """The performer of this process, made for its first job: Celery forks before that."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._performer: Performer | None = None
        self._making = threading.Lock()

    def perform(self, id: str) -> str:
        """SUCCEEDED, CANCELLED, or GONE: others have it, or it is done. Raises NotDone."""
        with self._making:
            self._performer = performer = self._performer or Performer(self._settings)
        outcome = performer.perform(UUID(id))
        if outcome not in (SUCCEEDED, CANCELLED, GONE):
            raise NotDone(outcome)
        return outcome

    def end(self, **_: object) -> None:
        if self._performer is not None:
            with suppress(Exception):  # it ends in any case, and what it has at the database with it
                self._performer.end()


def celery_application(settings: Settings) -> Any:
    """With a task for each job of the contexts that are here. Raises CeleryMissing."""
    app = application(settings.celery)
    configure_logging(settings)
    backend, performers = Backend.build(settings), Performers(settings)
    app.conf.task_queues = [
        import_module("kombu").Queue(queue) for queue in sorted(backend.messaging.celery_queues)
    ]
    for handler in backend.messaging.handlers:
        if handler.queue in backend.messaging.celery_queues:
            app.task(name=handler.name, throws=(NotDone,))(performers.perform)
    signals = import_module("celery.signals")
    signals.worker_ready.connect(_tell_ready, weak=False)
    signals.worker_process_shutdown.connect(performers.end, weak=False)
    return app


def _tell_ready(sender: Any, **_: object) -> None:
    log.info("celery_worker_ready", queues=sorted(sender.app.amqp.queues))


app = celery_application(Settings.load())
"""What Celery's own tools look for."""
