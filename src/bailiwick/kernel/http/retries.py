"""Running a handler again when somebody else was quicker."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bailiwick.kernel.application import Cause, cause
from bailiwick.kernel.contention import uncontended
from bailiwick.kernel.http.requests import Request

T = TypeVar("T")

MOST_ATTEMPTS = 12


async def until_uncontended(handle: Callable[[], Awaitable[T]], why: Cause) -> T:
    """The result of `handle`, run again (at most 12 times, with jitter) while it meets Contention.

    That is safe because a handler changes nothing before its commit, and a contended commit stores
    nothing. Everything stored meanwhile has `why` as its cause.
    """
    token = cause.set(why)
    try:
        return await uncontended(handle, again=MOST_ATTEMPTS, pause=0.002)
    finally:
        cause.reset(token)


def cause_of(request: Request, what: str) -> Cause:
    """A request as the cause of what follows from it. `what` is the operation that it asked for."""
    return Cause(
        correlation_id=request.request_id,
        actor_id=request.actor.id if request.actor else None,
        address=request.address,
        user_agent=request.header(b"user-agent")[:255],
        what=what,
    )
