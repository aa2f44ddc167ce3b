"""`GET /api/v1/socket`: who may open a web socket, and the answer to who may not."""

import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from bailiwick.kernel.application import Unauthenticated, Unavailable
from bailiwick.kernel.http.addresses import neighbourhood
from bailiwick.kernel.http.app import Application, Edge
from bailiwick.kernel.http.authentication import REFUSALS, VerifiedToken
from bailiwick.kernel.http.problems import Problem
from bailiwick.kernel.http.requests import Receive, Request, Scope, Send
from bailiwick.kernel.live.connection import LOST, End
from bailiwick.kernel.live.hub import Hub
from bailiwick.kernel.live.routes import position_of
from bailiwick.kernel.live.socket import Socket
from bailiwick.kernel.live.tickets import Tickets

PATH = "/api/v1/socket"
SWITCHING_PROTOCOLS = 101


NOT_FOUND = Problem(404, "not_found", "there is nothing at this path")
DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """The origin of `url` as browsers send it: without the usual port, in lower case."""
    parts = urlsplit(url.lower())
    usual = parts.port is None or parts.port == DEFAULT_PORTS.get(parts.scheme)
    host = parts.netloc.rpartition(":")[0] if usual and parts.port else parts.netloc
    return f"{parts.scheme}://{host}"


class Sockets:
    """Web sockets of pages from `origins`, and of programs, which name none."""

    def __init__(
        self, application: Application, edge: Edge, hub: Hub, tickets: Tickets, origins: Iterable[str]
    ) -> None:
        self._application, self._edge, self._hub, self._tickets = application, edge, hub, tickets
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = self._request(scope, receive)
        try:
            socket = await self._admitted(request)
        except Exception as error:
            status = await self._answer(request, error, send)
        else:
            status = SWITCHING_PROTOCOLS
            await self._serve(socket, receive, send)
        self._application.record(request, status, time.perf_counter() - started)

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """There are no web sockets here."""
        await self._answer(self._request(scope, receive), NOT_FOUND, send)

    def _request(self, scope: Scope, receive: Receive) -> Request:
        scope["method"] = "GET"
        return Request(scope, receive, self._edge.address(scope), self._edge.max_body)

    async def _serve(self, socket: Socket, receive: Receive, send: Send) -> None:
        try:
            await receive()
            await send({"type": "websocket.accept"})
        except LOST:
            socket.end(End.GONE)
        await socket.serve(receive, send)

    async def _admitted(self, request: Request) -> Socket:
        await self._edge.check_rate("anonymous", neighbourhood(request.address))
        if request.scope["path"] != PATH:
            raise NOT_FOUND
        request.route = PATH
        if (origin := request.header(b"origin")) and not self._origins & {origin, "*"}:
            raise Problem(403, "foreign_origin", "pages of this origin may not open web sockets here")
        query = request.query()
        position = position_of(query.get("after", ""), "after")
        token = await self._tickets.use(query.get("ticket", ""))
        self._check(token)
        request.actor = token.actor
        socket = Socket(token, request.address)
        await self._hub.join(socket, position)
        return socket

    def _check(self, token: VerifiedToken) -> None:
        """What may have changed since the ticket was issued."""
        authentication = self._edge.authentication
        if authentication is None:
            raise Unauthenticated("nobody can sign in here")
        if authentication.blind:
            raise Unavailable("revocations are not known at the moment")
        over = authentication.over(token)
        if over is not None:
            raise Unauthenticated(REFUSALS[over])

    async def _answer(self, request: Request, error: Exception, send: Send) -> int:
        await request.receive()
        response = self._application.problem(request, error)
        headers = [*response.headers, *self._application.headers_for(request)]
        await send({"type": "websocket.http.response.start", "status": response.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": response.body})
        return response.status
