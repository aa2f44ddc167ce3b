"""The worker process: events and jobs are handled, and no requests are served."""

import asyncio
import signal
from collections.abc import Callable

import uvloop

from bailiwick.backend import Backend
from bailiwick.kernel.observability import configure_logging
from bailiwick.kernel.settings import Settings


class NothingToHandle(Exception):
    """No enabled context subscribes to an event or has a job, and no broker gets its events."""


def work(settings: Settings, say: Callable[[str], object]) -> None:
    """Work until SIGTERM or Ctrl+C, then let what runs finish within `messages.drain_seconds`.

    `say` is told when it is up and when it stops. Raises NothingToHandle.
    """
    messages = settings.messages.model_copy(update={"embedded_worker": True})
    settings = settings.model_copy(update={"messages": messages})
    configure_logging(settings)
    backend = Backend.build(settings)
    away = dict.fromkeys(backend.messaging.celery_queues, " (Celery runs it)")
    every = backend.messaging.handlers
    names = sorted({f"{each.queue}: {each.name}{away.get(each.queue, '')}" for each in every})
    if not names and backend.messaging.exchange is None:
        raise NothingToHandle("the enabled contexts subscribe to no event and have no job: see `contexts`")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(backend, names, say))


async def _work(backend: Backend, names: list[str], say: Callable[[str], object]) -> None:
    told = asyncio.Event()
    for order in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(order, told.set)
    async with backend.running():
        say("\n".join(["Bailiwick works on", *(f"  {name}" for name in names), "Ctrl+C stops it."]))
        await told.wait()
        say("Stopping: what runs may finish.")
