"""The ASGI application of one worker: the backend behind the HTTP edge."""

import asyncio
import gc
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

from sqlalchemy import literal, select
from starlette.routing import Route

from bailiwick.backend import Backend
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http import health
from bailiwick.kernel.http.addresses import ClientAddresses
from bailiwick.kernel.http.app import Application, Edge
from bailiwick.kernel.http.contracts import with_contracts
from bailiwick.kernel.http.documents import asset_route, document_routes
from bailiwick.kernel.http.headers import security_headers, with_cors
from bailiwick.kernel.http.lifespan import with_lifespan
from bailiwick.kernel.http.limits import RateLimiter
from bailiwick.kernel.http.requests import ExpectedVersion, Request
from bailiwick.kernel.http.routing import PROVIDED, Bound, Operation, Provide, expected_version
from bailiwick.kernel.observability import configure_logging, log_request, render_metrics, requests
from bailiwick.kernel.operations.console import Console
from bailiwick.kernel.operations.page import map_route
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.stopping import farewells

_ONE = select(literal(1))


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
        pages=_pages(backend),
        refused=backend.refusals.note,
    )
    application = Application(bind(backend, edge), edge)
    backend.live.serve_sockets(application, edge)
    own = [module for module in backend.modules if module.name not in backend.elsewhere]
    token = settings.service_token.get_secret_value() if settings.service_token else None
    with_origins = with_cors(application, settings.http.cors_origins, application.headers)
    return with_contracts(with_origins, own, edge, token)


def _pages(backend: Backend) -> list[Route]:
    """For people: the map always, the documentation where it is wanted."""
    document = lru_cache(1)(partial(openapi_document, backend))
    documents = document_routes(document) if backend.platform.settings.http.docs else [asset_route()]
    return [map_route(), *documents]


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
