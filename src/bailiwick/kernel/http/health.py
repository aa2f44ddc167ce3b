"""Is it alive, is it ready: for probes, without a word about our insides unless an operator asks."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.http.requests import Request
from bailiwick.kernel.http.responses import Response
from bailiwick.kernel.http.routing import Router

OPERATIONS_READ = "operations.read"
OWN_ADDRESSES = ("127.0.0.1", "::1")

router = Router("kernel", examples={"status": "ok", "checks": {"database": "ok"}})


@dataclass(frozen=True, slots=True)
class Health:
    """`status` is `ok` or `failing`. `checks` is filled for operators only."""

    status: str
    checks: Mapping[str, str]


OK = Health("ok", {})


@dataclass(frozen=True, slots=True)
class Probes:
    """What readiness depends on: each probe returns quietly or raises. `metrics` renders all metrics."""

    checks: Mapping[str, Callable[[], Awaitable[None]]]
    metrics: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who may look inside: the operator token, or an actor with `operations.read`.

    Where there is no operator token, whoever asks from this very machine counts as well.
    """

    known: bool


def operator_of(
    token: str | None, authenticate: Callable[[str], Actor] | None
) -> Callable[[Request], Operator]:
    def provide(request: Request) -> Operator:
        authorization = request.header(b"authorization")
        if token is None and request.address in OWN_ADDRESSES and not _was_passed_on(request):
            return Operator(known=True)
        if token and hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            return Operator(known=True)
        if authenticate is None or not authorization:
            return Operator(known=False)
        try:
            return Operator(known=authenticate(authorization).may(OPERATIONS_READ))
        except Unauthenticated:
            return Operator(known=False)

    return provide


def _was_passed_on(request: Request) -> bool:
    """Whether a proxy says that it speaks for somebody else: one on this machine makes nobody local."""
    return any(name in request.headers for name in (b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip"))


@router.get("/health", public=True)
async def health() -> Health:
    """Whether the process answers at all."""
    return OK


@router.get("/health/live", public=True)
async def liveness() -> Health:
    """Whether the process answers at all."""
    return OK


@router.get("/api/v1/health", public=True)
async def api_health() -> Health:
    """Whether the process answers at all."""
    return OK


@router.get("/health/db", public=True)
async def database_health(probes: Probes, operator: Operator) -> Health:
    """Whether the database answers; 503 if not."""
    return await _checked({"database": probes.checks["database"]}, operator)


@router.get("/health/ready", public=True)
async def readiness(probes: Probes, operator: Operator) -> Health:
    """Whether this process should get requests; 503 if not."""
    return await _checked(probes.checks, operator)


@router.get("/metrics", public=True, media_type="text/plain")
async def metrics(probes: Probes, operator: Operator) -> Response:
    """Metrics in the text format of Prometheus, for operators."""
    if not operator.known:
        raise Unauthenticated("send the operator token as a Bearer token")
    return Response(200, probes.metrics(), [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")])


async def _checked(checks: Mapping[str, Callable[[], Awaitable[None]]], operator: Operator) -> Health:
    for check in checks.values():
        await check()
    return Health("ok", dict.fromkeys(checks, "ok") if operator.known else {})
