"""The ASGI application: one pass from the raw request to the raw answer, measured and logged."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import structlog
from starlette.routing import BaseRoute
from starlette.routing import Router as Pages

from bailiwick.kernel.application import Cause, Unauthenticated, Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.http import idempotency
from bailiwick.kernel.http.addresses import neighbourhood
from bailiwick.kernel.http.authentication import Authentication
from bailiwick.kernel.http.headers import NO_STORE, with_defaults
from bailiwick.kernel.http.problems import MEDIA_TYPE, Problem, problem_of
from bailiwick.kernel.http.requests import Receive, Request, Scope, Send
from bailiwick.kernel.http.responses import VERSION, Header, Response, render
from bailiwick.kernel.http.retries import cause_of, until_uncontended
from bailiwick.kernel.http.routing import Bound, Routes, actor_of
from bailiwick.kernel.observability import RequestMeter, log_request

log = structlog.get_logger("http")

PAGES = "pages"
_VERSIONED = re.compile(r"/api/(v\d+)(?:/|$)")

Check = Callable[[str, str], Awaitable[None]]
Refused = Callable[[Cause, str, UUID | None], None]


def unnoted(why: Cause, outcome: str, subject_id: UUID | None) -> None:
    """What is refused leaves no trace."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What the application needs to know besides its routes."""

    database: Database
    authentication: Authentication | None
    address: Callable[[Scope], str]
    check_rate: Check
    meter: RequestMeter
    headers: list[Header]
    max_body: int
    pages: Sequence[BaseRoute]
    refused: Refused = unnoted


class Application:
    """Serves operations, and pages (documents, assets) for every other path."""

    def __init__(self, operations: Sequence[Bound], edge: Edge) -> None:
        self._routes = Routes(operations)
        self._edge = edge
        self.headers = [(b"x-api-version", VERSION.encode()), NO_STORE, *edge.headers]
        self._pages = Pages(routes=edge.pages, redirect_slashes=False)
        self.sockets: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.sockets is not None and scope["type"] == "websocket":
            return await self.sockets(scope, receive, send)
        started = time.perf_counter()
        edge = self._edge
        request = Request(scope, receive, edge.address(scope), edge.max_body)
        edge.meter.running += 1
        try:
            response = await self._respond(request)
        except Exception as error:
            response = self.problem(request, error)
        finally:
            edge.meter.running -= 1
        if response.stream is None and response.status not in (204, 304):
            response.headers.append((b"content-length", b"%d" % len(response.body)))
        if scope["method"] == "HEAD":
            response.body = b""
        ours = self.headers_for(request)
        headers = with_defaults(response.headers, ours) if response.public else response.headers + ours
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if response.stream is None:
            await send({"type": "http.response.body", "body": response.body})
        else:
            await response.stream(receive, send)
        return self.record(request, response.status, time.perf_counter() - started)

    def headers_for(self, request: Request) -> list[Header]:
        """The headers of every answer to this request."""
        return [(b"x-request-id", request.request_id.encode()), *self.headers]

    async def _respond(self, request: Request) -> Response:
        path: str = request.scope["path"]
        found = self._routes.find(path)
        if found is None:
            return await self._elsewhere(request, path)
        methods, parameters = found
        method = request.scope["method"]
        bound = methods.get("GET" if method == "HEAD" else method)
        if bound is None:
            request.route = next(iter(methods.values())).operation.path
            return _options(methods) if method == "OPTIONS" else _not_allowed(methods)
        operation = bound.operation
        request.route = operation.path
        if operation.limit is not None:
            await self._edge.check_rate(operation.limit, neighbourhood(request.address))
        if bound.welcomes:
            self._recognise(request)
        await self._identify(request, required=not operation.public)
        return await self._perform(request, bound, parameters)

    async def _identify(self, request: Request, *, required: bool) -> None:
        """Who asks. On a public route credentials are not looked at: bad ones must not close the door."""
        authentication, authorization = self._edge.authentication, request.header(b"authorization")
        try:
            if required and authorization and authentication is not None:
                request.actor = authentication.actor(authorization)
        except Unauthenticated:
            # Whoever tries tokens is counted: each one costs a signature check.
            await self._edge.check_rate("anonymous", neighbourhood(request.address))
            raise
        if request.actor is not None:
            await self._edge.check_rate("actor", request.actor.label)
        else:
            await self._edge.check_rate("anonymous", neighbourhood(request.address))
            if required:
                actor_of(request)

    def _recognise(self, request: Request) -> None:
        """Who asks, on a public route that answers some callers more: bad credentials are like none."""
        authentication, authorization = self._edge.authentication, request.header(b"authorization")
        try:
            if authorization and authentication is not None:
                request.actor = authentication.actor(authorization)
        except (Unauthenticated, Unavailable):
            request.actor = None

    async def _perform(self, request: Request, bound: Bound, parameters: Mapping[str, str]) -> Response:
        operation = bound.operation
        arguments = await bound.arguments(request, parameters)

        def answer(result: Any) -> Response:
            view = result if operation.view is None else operation.view(result)
            return render(operation, bound.versioned, view, request)

        if bound.only_reads:
            return _unless_unchanged(request, answer(await bound.endpoint(**arguments)))
        why = cause_of(request, operation.id)

        async def run() -> Any:
            return await until_uncontended(lambda: bound.endpoint(**arguments), why)

        try:
            if idempotency.carries_key(request, operation.idempotent):
                return await idempotency.once(self._edge.database, request, operation.id, run, answer)
            return _unless_unchanged(request, answer(await run()))
        except DomainError as refusal:
            if operation.method != "GET":
                about = (value for value in arguments.values() if isinstance(value, UUID))
                self._edge.refused(why, refusal.code, next(about, None))
            raise

    async def _elsewhere(self, request: Request, path: str) -> Response:
        await self._edge.check_rate("anonymous", neighbourhood(request.address))
        if len(path) > 1 and path.endswith("/") and request.scope["method"] in ("GET", "HEAD"):
            bare = path.rstrip("/")
            if not bare.startswith("//") and self._routes.find(bare):
                query = request.scope["query_string"]
                location = quote(bare).encode() + (b"?" + query if query else b"")
                return Response(308, headers=[(b"location", location)])
        asked = _VERSIONED.match(path)
        if asked and asked[1] != VERSION:
            raise Problem(
                404,
                "unsupported_version",
                "this version of the API does not exist",
                extra={"supported": [VERSION]},
            )
        return await _page(self._pages, request)

    def problem(self, request: Request, error: Exception) -> Response:
        """What the caller is told about `error`; what is our fault is logged."""
        problem = problem_of(error)
        if problem.status == 500:
            log.exception("unexpected_error", request_id=request.request_id, route=request.route)
        elif problem.status == 503:
            reason = type(error.__cause__ or error).__name__
            log.warning("unavailable", reason=reason, request_id=request.request_id)
        body = problem.body(
            instance=request.scope["path"], request_id=request.request_id, now=datetime.now(UTC)
        )
        headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        return Response(problem.status, body, [(b"content-type", MEDIA_TYPE), *headers])

    def record(self, request: Request, status: int, seconds: float) -> None:
        """Count and log an answer that is over."""
        method, route = request.scope["method"], request.route or "other"
        self._edge.meter.observe(method, route, status, seconds)
        log_request(
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            actor=request.actor.label if request.actor else None,
            request_id=request.request_id,
        )


def _allowed(methods: Mapping[str, Bound]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS", *({"HEAD"} if "GET" in methods else ())}))


def _options(methods: Mapping[str, Bound]) -> Response:
    return Response(204, headers=[(b"allow", _allowed(methods).encode())])


def _not_allowed(methods: Mapping[str, Bound]) -> Response:
    allow = {"Allow": _allowed(methods)}
    raise Problem(405, "method_not_allowed", "this path does not know the method; see Allow", headers=allow)


def _unless_unchanged(request: Request, response: Response) -> Response:
    """304 where the client already has this very version (`If-None-Match`)."""
    known = request.header(b"if-none-match")
    if known and request.scope["method"] in ("GET", "HEAD"):
        tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
        for name, value in response.headers:
            if name == b"etag" and (value.decode() in tags or tags == ["*"]):
                return Response(304, headers=[(name, value)])
    return response


async def _page(pages: Pages, request: Request) -> Response:
    """Run one of Starlette's routes and take its answer, so that it is measured and logged as ours."""
    response = Response(404, public=True)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            response.status = message["status"]
            response.headers = [h for h in message["headers"] if h[0] != b"content-length"]
        else:
            response.body += message.get("body", b"")

    await pages(dict(request.scope), request.receive, send)
    if response.status == 404:
        raise Problem(404, "not_found", "there is nothing at this path")
    if response.status == 405:
        allow = {"Allow": "GET, HEAD"}
        raise Problem(405, "method_not_allowed", "this path does not know the method", headers=allow)
    request.route = PAGES
    return response
