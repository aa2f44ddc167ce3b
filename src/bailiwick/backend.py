"""The composition: settings → platform → the enabled contexts, and what runs beside their requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from importlib import import_module
from typing import TypeVar

import structlog
from uuid_utils.compat import uuid7

from bailiwick.kernel.audit.refusals import Refusals
from bailiwick.kernel.audit.sealing import Sealer
from bailiwick.kernel.cache import Cache
from bailiwick.kernel.contexts import name_of, package_of
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.postgresql import PostgresDatabase
from bailiwick.kernel.database.sqlite import SqliteDatabase
from bailiwick.kernel.http import health
from bailiwick.kernel.http.routing import Operation
from bailiwick.kernel.live.switchboard import Switchboard
from bailiwick.kernel.locks import Locks
from bailiwick.kernel.messaging.housekeeping import Retention, measure, prune
from bailiwick.kernel.module import Module, Platform
from bailiwick.kernel.observability import db_pool_busy, db_pool_open, db_pool_waiting, watch
from bailiwick.kernel.operations import http as operators
from bailiwick.kernel.operations import processes as process_operations
from bailiwick.kernel.operations import traffic
from bailiwick.kernel.operations.console import Carried, Console
from bailiwick.kernel.settings import Settings
from bailiwick.messaging import Messaging

log = structlog.get_logger("main")

T = TypeVar("T")

RESTART_SECONDS = 0.5


def utc_now() -> datetime:
    return datetime.now(UTC)


def open_database(settings: Settings) -> Database:
    """The database that the settings name, not yet opened."""
    options = settings.database
    if options.url.startswith("sqlite:"):
        return SqliteDatabase(options.url)
    database = PostgresDatabase(
        options.url,
        pool_size=options.pool_size,
        acquire_timeout=options.acquire_timeout,
        statement_timeout=options.statement_timeout,
        lock_timeout=options.lock_timeout,
    )
    watch(db_pool_open, lambda: database.pool.open)
    watch(db_pool_busy, lambda: database.pool.busy)
    watch(db_pool_waiting, lambda: database.pool.waiting)
    return database


@dataclass(frozen=True)
class Backend:
    """The product in one process: its platform and the contexts that it carries."""

    platform: Platform
    modules: tuple[Module, ...]
    elsewhere: frozenset[str] = frozenset()
    """The names of those modules which only ask another process."""
    closing: tuple[Callable[[], Awaitable[None]], ...] = ()

    @classmethod
    def build(cls, settings: Settings, database: Database | None = None) -> "Backend":
        database = database or open_database(settings)
        cache = Cache(settings.redis.url)
        platform = Platform(settings, database, utc_now, uuid7, Locks(database), cache)
        remotes = import_module("bailiwick.kernel.http.remotes").connect(settings) if settings.remotes else {}
        modules = []
        for name in (*settings.contexts, *remotes):
            package = package_of(name)
            built: Module = (
                import_module(f"{package}.client").client(platform, remotes[name])
                if name in remotes
                else import_module(f"{package}.module").module(platform)
            )
            platform.contracts.update(built.contracts)
            modules.append(built)
        elsewhere = frozenset(module.name for module in modules[len(settings.contexts) :])
        closing = tuple(remote.close for remote in remotes.values())
        backend = cls(platform, tuple(modules), elsewhere, closing)
        # Whoever writes from here on knows who listens; what others listen to is learnt from the database.
        database.readers = backend.messaging.readers.own
        return backend

    @property
    def operations(self) -> list[Operation]:
        own = [router for module in self.modules for router in module.routers]
        kernel = (health.router, operators.router, process_operations.router, traffic.router)
        routers = [*kernel, *self.live.routers, *own]
        return [operation for router in routers for operation in router.operations]

    @cached_property
    def live(self) -> Switchboard:
        """Who is connected to this process and told what concerns them."""
        platform = self.platform
        known = next((m.authentication for m in self.modules if m.authentication), None)
        return Switchboard(platform.settings, platform.database, platform.clock, known)

    @cached_property
    def refusals(self) -> Refusals:
        return Refusals(self.platform.database)

    @cached_property
    def messaging(self) -> Messaging:
        """Who listens and who handles, of the contexts that are here."""
        return Messaging(self.platform, self.modules)

    def console(self) -> Console:
        """What operators look through."""
        own, platform = self.messaging, self.platform
        return Console(platform.database, platform.clock, own.handlers, own.schedules, self.carried)

    @property
    def carried(self) -> list[Carried]:
        """The contexts with where their code is."""
        settings = self.platform.settings
        packages = {name_of(name): package_of(name) for name in (*settings.contexts, *settings.remotes)}
        return [
            Carried(packages.get(own.name, package_of(own.name)), own, own.name not in self.elsewhere)
            for own in self.modules
        ]

    def provided(self, kind: type[T]) -> T:
        """What a context provides of this type, such as its ports. Raises LookupError."""
        for module in self.modules:
            for thing in module.provides:
                if isinstance(thing, kind):
                    return thing
        raise LookupError(f"no enabled context provides {kind.__name__}")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Backend"]:
        """The database open and its readers known, and nothing else: for a command of an operator."""
        await self.platform.database.open()
        try:
            await self.messaging.readers.register()
            yield self
        finally:
            exchange = self.messaging.exchange
            away = [exchange.transport.close] if exchange else []
            for close in (self.live.hub.close, self.platform.cache.close, *self.closing, *away):
                await close()
            await self.platform.database.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Backend"]:
        """Open the database and run what must run beside the requests, until the block is left."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.opened())
            for prepare in (step for module in self.modules for step in module.before):
                await prepare()
            tasks = [asyncio.ensure_future(forever(loop)) for loop in self._loops()]
            stack.push_async_callback(_cancel, tasks)
            yield self

    def _loops(self) -> list[Callable[[], Awaitable[None]]]:
        platform, kept = self.platform, self.platform.settings.messages
        retention = Retention(
            events=timedelta(days=kept.keep_events_days) if kept.keep_events_days else None,
            finished=timedelta(days=kept.keep_finished_days),
            dead=timedelta(days=kept.keep_dead_days),
        )
        return [
            *self.messaging.loops(),
            partial(prune, platform.database, platform.clock, retention),
            partial(measure, platform.database, platform.clock),
            Sealer(platform.database, platform.clock).run,
            self.refusals.run,
            *self.live.loops,
            *(loop for module in self.modules for loop in module.background),
        ]


async def forever(loop: Callable[[], Awaitable[None]]) -> None:
    """Run `loop` until cancelled, again where it fails: one mistake must not end what requests rely on."""
    while True:
        try:
            await loop()
        except Exception:
            log.exception("background_failed")
        await asyncio.sleep(RESTART_SECONDS)


async def _cancel(tasks: Sequence["asyncio.Future[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
