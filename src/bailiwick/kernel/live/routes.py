"""`GET /api/v1/stream`, and the tickets for `GET /api/v1/socket`."""

from collections.abc import Callable
from dataclasses import dataclass

from bailiwick.kernel.application import Unauthenticated
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.http.problems import Problem
from bailiwick.kernel.http.requests import Request
from bailiwick.kernel.http.responses import Response
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.live.hub import Hub
from bailiwick.kernel.live.positions import Position
from bailiwick.kernel.live.stream import HEADERS, Stream
from bailiwick.kernel.live.tickets import LIFETIME, Tickets

router = Router("live", prefix="/api/v1", examples={"ticket": "3q2-7wAAAbI9pFh0kqQnYw", "expires_in": 30})


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who wants to be told: with which token, from where, and up to where they have heard."""

    token: VerifiedToken
    address: str
    position: Position | None
    only_looks: bool


def newcomer_of(authentication: Authentication | None) -> Callable[[Request], Newcomer]:
    def provide(request: Request) -> Newcomer:
        if authentication is None:
            raise Unauthenticated("nobody can sign in here")
        token = authentication.verified(request.header(b"authorization"))
        position = position_of(request.header(b"last-event-id"), "Last-Event-ID")
        return Newcomer(token, request.address, position, request.scope["method"] == "HEAD")

    return provide


def position_of(cursor: str, field: str) -> Position | None:
    """The position that a client has sent; None for an empty one. Raises Problem 422 for what is none."""
    if not cursor:
        return None
    try:
        return Position.read(cursor)
    except ValueError as error:
        wrong = {"field": field, "message": "send the id of an event of this stream", "type": "cursor"}
        raise Problem(422, "invalid_input", "some fields are not valid; see errors", [wrong]) from error


@router.get("/stream", media_type="text/event-stream")
async def stream(newcomer: Newcomer, hub: Hub) -> Response:
    """What concerns you, as it happens: server-sent events, until the access token expires.

    Send the `id` of the last event that you have as `Last-Event-ID` to go on without a gap.
    """
    if newcomer.only_looks:
        return Response(200, headers=list(HEADERS))
    connection = Stream(newcomer.token, newcomer.address)
    await hub.join(connection, newcomer.position)
    return Response(200, headers=list(HEADERS), stream=connection.serve)


@dataclass(frozen=True, slots=True)
class Ticket:
    """`/api/v1/socket?ticket=…` opens a web socket, once and within `expires_in` seconds."""

    ticket: str
    expires_in: int


@router.post("/socket/tickets", status=201)
async def issue_ticket(newcomer: Newcomer, tickets: Tickets) -> Ticket:
    """A ticket to open a web socket with, for browsers cannot send a token along with it."""
    return Ticket(await tickets.issue(newcomer.token), int(LIFETIME.total_seconds()))
