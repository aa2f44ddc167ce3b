"""What one process does with events, jobs, schedules and processes, for all contexts that it carries."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property

from bailiwick.kernel.messaging import celery_broker, handlers
from bailiwick.kernel.messaging.exchange import Exchange
from bailiwick.kernel.messaging.processes import Conductor
from bailiwick.kernel.messaging.readers import Readers
from bailiwick.kernel.messaging.schedules import Clockwork, Schedule
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.module import Module, Platform

Loop = Callable[[], Awaitable[None]]


class Messaging:
    """Who listens, who handles, and the loops that have them do it."""

    def __init__(self, platform: Platform, modules: Sequence[Module]) -> None:
        self._platform, self._modules = platform, modules
        self._settings, self._database = platform.settings, platform.database
        self.conductors = [
            Conductor(each, platform.database, platform.clock)
            for module in modules
            for each in module.processes
        ]
        self.schedules: list[Schedule] = [each for module in modules for each in module.schedules]
        own = handlers.readers_of(self.subscriptions)
        own = self.exchange.joined(own) if self.exchange else own
        self.readers = Readers(platform.database, own, platform.clock)

    @cached_property
    def subscriptions(self) -> list[handlers.Subscription]:
        """Who listens here: the subscribers, and the processes that wait for events."""
        return [
            *(each for module in self._modules for each in module.subscriptions),
            *(each for conductor in self.conductors for each in conductor.subscriptions()),
        ]

    @cached_property
    def exchange(self) -> Exchange | None:
        """What goes to other services and what comes from them; None without a transport."""
        return Exchange.between(self._settings, self._database, self._platform.clock, self.subscriptions)

    @cached_property
    def handlers(self) -> list[handlers.Handler]:
        """The subscribers, the jobs and the processes of the contexts that are here."""
        return [
            *(handlers.delivery(each) for each in self.subscriptions),
            *(handlers.job(each) for module in self._modules for each in module.jobs),
            *(handler for conductor in self.conductors for handler in conductor.handlers()),
            *(self.exchange.handlers if self.exchange else ()),
        ]

    @cached_property
    def celery_queues(self) -> frozenset[str]:
        """The queues that Celery workers work on; none, where they are not used."""
        return celery_broker.queues_of(self._settings.celery, self.handlers)

    def worker(self) -> Worker:
        """Who runs the subscribers of the contexts that are here, and their jobs unless Celery workers do."""
        own = [each for each in self.handlers if each.queue not in self.celery_queues]
        drain = self._settings.messages.drain_seconds
        return Worker(self._database, own, self._platform.clock, drain)

    def work(self) -> list[Loop]:
        """What runs where messages are handled, each until cancelled."""
        away, clock = self.celery_queues, self._platform.clock
        sent = self.exchange.loops if self.exchange else ()
        jobs = (
            [celery_broker.dispatcher(self._settings.celery, self._database, clock, away).run] if away else []
        )
        return [self.worker().run, self.readers.report, *sent, *jobs]

    def loops(self) -> list[Loop]:
        """What runs in every process, whether it handles messages or not."""
        own = self.work() if self._settings.messages.embedded_worker else []
        return [*own, Clockwork(self._database, self.schedules, self._platform.clock).run, self.readers.watch]
