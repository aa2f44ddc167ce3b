"""The composition: settings → platform → the enabled contexts → one ASGI application."""

import asyncio
import gc
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache, partial
from importlib import import_module
from importlib.metadata import version
from typing import Any, TypeVar

import structlog
from sqlalchemy import literal, select
from uuid_utils.compat import uuid7

from bailiwick.kernel.audit.refusals import Refusals
from bailiwick.kernel.audit.sealing import Sealer
from bailiwick.kernel.cache import Cache
from bailiwick.kernel.contexts import package_of
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.database.postgresql import PostgresDatabase
from bailiwick.kernel.database.sqlite import SqliteDatabase
from bailiwick.kernel.http import health
from bailiwick.kernel.http.addresses import ClientAddresses
from bailiwick.kernel.http.app import Application, Edge
from bailiwick.kernel.http.contracts import with_contracts
from bailiwick.kernel.http.documents import document_routes
from bailiwick.kernel.http.headers import security_headers, with_cors
from bailiwick.kernel.http.lifespan import with_lifespan
from bailiwick.kernel.http.limits import RateLimiter
from bailiwick.kernel.http.requests import ExpectedVersion, Request
from bailiwick.kernel.http.routing import PROVIDED, Bound, Operation, Provide, expected_version
from bailiwick.kernel.live.switchboard import Switchboard
from bailiwick.kernel.locks import Locks
from bailiwick.kernel.messaging import celery_broker, handlers
from bailiwick.kernel.messaging.exchange import Exchange
from bailiwick.kernel.messaging.housekeeping import Retention, measure, prune
from bailiwick.kernel.messaging.processes import Conductor
from bailiwick.kernel.messaging.readers import Readers
from bailiwick.kernel.messaging.schedules import Clockwork, Schedule
from bailiwick.kernel.messaging.worker import Worker
from bailiwick.kernel.module import Module, Platform
from bailiwick.kernel.observability import (
    configure_logging,
    db_pool_busy,
    db_pool_open,
    db_pool_waiting,
    log_request,
    render_metrics,
    requests,
    watch,
)
from bailiwick.kernel.operations import http as operators
from bailiwick.kernel.operations import processes as process_operations
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.stopping import farewells

log = structlog.get_logger("main")

T = TypeVar("T")

RESTART_SECONDS = 0.5

_ONE = select(literal(1))


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
        built_here = cls(
            platform, tuple(modules), elsewhere, tuple(remote.close for remote in remotes.values())
        )
        built_here.readers()
        return built_here

    @property
    def operations(self) -> list[Operation]:
        own = [router for module in self.modules for router in module.routers]
        routers = [health.router, operators.router, process_operations.router, *self.live.routers, *own]
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
    def exchange(self) -> Exchange | None:
        """What goes to other services and what comes from them; None without a transport."""
        platform = self.platform
        return Exchange.between(platform.settings, platform.database, platform.clock, self.subscriptions())

    def readers(self) -> Readers:
        own = handlers.readers_of(self.subscriptions())
        own = self.exchange.joined(own) if self.exchange else own
        return Readers(self.platform.database, own, self.platform.clock)

    def conductors(self) -> list[Conductor]:
        """Who carries out the processes of the contexts that are here."""
        platform = self.platform
        return [
            Conductor(each, platform.database, platform.clock)
            for module in self.modules
            for each in module.processes
        ]

    def subscriptions(self) -> list[handlers.Subscription]:
        """Who listens here: the subscribers, and the processes that wait for events."""
        return [
            *(each for module in self.modules for each in module.subscriptions),
            *(each for conductor in self.conductors() for each in conductor.subscriptions()),
        ]

    def all_handlers(self) -> list[handlers.Handler]:
        """The subscribers, the jobs and the processes of the contexts that are here."""
        return [
            *(handlers.delivery(each) for each in self.subscriptions()),
            *(handlers.job(each) for module in self.modules for each in module.jobs),
            *(handler for conductor in self.conductors() for handler in conductor.handlers()),
            *(self.exchange.handlers if self.exchange else ()),
        ]

    @cached_property
    def celery_queues(self) -> frozenset[str]:
        """The queues that Celery workers work on; none, where they are not used."""
        return celery_broker.queues_of(self.platform.settings.celery, self.all_handlers())

    def worker(self) -> Worker:
        """Who runs the subscribers of the contexts that are here, and their jobs unless Celery workers do."""
        drain = self.platform.settings.messages.drain_seconds
        own = [each for each in self.all_handlers() if each.queue not in self.celery_queues]
        return Worker(self.platform.database, own, self.platform.clock, drain)

    def work(self) -> list[Callable[[], Awaitable[None]]]:
        """What runs where messages are handled, each until cancelled."""
        sent = self.exchange.loops if self.exchange else ()
        platform, away = self.platform, self.celery_queues
        options, database = platform.settings.celery, platform.database
        jobs = [celery_broker.dispatcher(options, database, platform.clock, away).run] if away else []
        return [self.worker().run, self.readers().report, *sent, *jobs]

    def schedules(self) -> list[Schedule]:
        return [schedule for module in self.modules for schedule in module.schedules]

    def clockwork(self) -> Clockwork:
        return Clockwork(self.platform.database, self.schedules(), self.platform.clock)

    def console(self) -> Console:
        """What operators look through."""
        return Console(self.platform.database, self.platform.clock, self.all_handlers(), self.schedules())

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
            await self.readers().register()
            yield self
        finally:
            away = [self.exchange.transport.close] if self.exchange else []
            for close in (self.live.hub.close, self.platform.cache.close, *self.closing, *away):
                await close()
            await self.platform.database.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Backend"]:
        """Open the database and run what must run beside the requests, until the block is left."""
        readers = self.readers()
        loops = [*self._loops(), readers.watch]
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.opened())
            for prepare in (step for module in self.modules for step in module.before):
                await prepare()
            tasks = [asyncio.ensure_future(forever(loop)) for loop in loops]
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
            *(self.work() if kept.embedded_worker else []),
            self.clockwork().run,
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


def create_app(settings: Settings | None = None) -> Any:
    """The ASGI application of one worker."""
    settings = settings or Settings.load()
    configure_logging(settings)
    backend = Backend.build(settings)
    limiter = rate_limiter(settings)
    farewells.append(backend.live.hub.stop)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with backend.running():
            # What is here now stays: the collector need not look through it again and again.
            gc.collect()
            gc.freeze()
            yield
        await limiter.close()
        log_request.let_go()

    return with_lifespan(http_application(backend, limiter), running)


def rate_limiter(settings: Settings) -> RateLimiter:
    limits = settings.limits
    rates = {"anonymous": limits.anonymous, "actor": limits.actor, "credentials": limits.credentials}
    return RateLimiter(rates if limits.enabled else dict.fromkeys(rates, ""), settings.redis.url)


def http_application(backend: Backend, limiter: RateLimiter | None = None) -> Any:
    """The application without its lifespan: what `backend.running()` must surround."""
    settings, database = backend.platform.settings, backend.platform.database
    limiter = limiter or rate_limiter(settings)
    headers = security_headers(settings.http.public_url)
    edge = Edge(
        database=database,
        authentication=next((m.authentication for m in backend.modules if m.authentication), None),
        address=ClientAddresses(settings.http.trusted_proxies).of,
        check_rate=limiter.check,
        meter=requests,
        headers=headers,
        max_body=settings.http.max_body_bytes,
        pages=document_routes(lru_cache(1)(partial(openapi_document, backend))) if settings.http.docs else (),
        refused=backend.refusals.note,
    )
    application = Application(bind(backend, edge), edge)
    backend.live.serve_sockets(application, edge)
    own = [module for module in backend.modules if module.name not in backend.elsewhere]
    token = settings.service_token.get_secret_value() if settings.service_token else None
    with_origins = with_cors(application, settings.http.cors_origins, application.headers)
    return with_contracts(with_origins, own, edge, token)


def bind(backend: Backend, edge: Edge) -> list[Bound]:
    """Every operation with its parameters bound: a missing provider fails here, not at a request."""
    settings = backend.platform.settings
    authenticate = edge.authentication.actor if edge.authentication else None
    token = settings.http.operator_token
    provided: dict[Any, Provide] = {
        **PROVIDED,
        **backend.live.provided,
        ExpectedVersion: expected_version(settings.http.require_if_match),
        health.Operator: health.operator_of(token.get_secret_value() if token else None, authenticate),
    }
    fixed: dict[Any, Any] = {
        Database: backend.platform.database,
        **backend.live.fixed,
        Console: backend.console(),
        health.Probes: health.Probes({"database": partial(_ping, backend.platform.database)}, render_metrics),
        **{type(thing): thing for module in backend.modules for thing in module.provides},
    }
    seal = hashlib.sha256(b"cursors " + settings.secret_key.get_secret_value().encode()).digest()
    bound = []
    for operation in backend.operations:
        own = {ListRequest: _asked(operation, seal)} if operation.listing else {}
        bound.append(Bound(operation, {**provided, **own}, fixed))
    return bound


def _asked(operation: Operation, seal: bytes) -> Provide:
    listing = operation.listing
    assert listing is not None

    def provide(request: Request) -> Any:
        return listing.parse(request.query(), seal)

    return provide


async def _ping(database: Database) -> None:
    await database.first(_ONE)


def openapi_document(backend: Backend) -> bytes:
    """The OpenAPI document of the enabled contexts, as JSON. FastAPI is loaded only for this."""
    types = {type(thing) for module in backend.modules for thing in module.provides}
    own = {Database, Console, ListRequest, health.Probes, health.Operator}
    provided = {*PROVIDED, *own, *backend.live.provided, *backend.live.fixed, *types}
    openapi = import_module("bailiwick.kernel.http.openapi")
    content: bytes = openapi.document(backend.operations, provided, server="", version=version("bailiwick"))
    return content


def create_superuser(settings: Settings, email: str, force: bool) -> str:
    """Make a super admin and return the password made for it. Refused once there is one, unless forced."""
    accounts = import_module("bailiwick.identity.application.accounts")
    ports = import_module("bailiwick.identity.application.ports")
    password = secrets.token_urlsafe(18)

    async def create() -> None:
        backend = Backend.build(settings)
        async with backend.opened():
            command = accounts.CreateSuperAdmin(email, "Super Admin", password, force)
            await accounts.create_super_admin(command, backend.provided(ports.IdentityPorts))

    asyncio.run(create())
    return password
