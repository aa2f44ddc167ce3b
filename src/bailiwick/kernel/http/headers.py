"""Headers of every answer: protection, what other origins may see, and the id of the request."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp
from uuid_utils import uuid7

Header = tuple[bytes, bytes]

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

NO_STORE: Header = (b"cache-control", b"no-store")
"""For answers that belong to one caller: no cache on the way may keep them."""

PROTECTION: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
ONLY_HTTPS: Header = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ACCEPTED = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID")
EXPOSED = (
    "Deprecation",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "Sunset",
    "X-API-Version",
    "X-Request-ID",
)


def security_headers(public_url: str) -> list[Header]:
    """The headers of every answer of the API, ready to send. HTTPS is insisted on where users have it."""
    return [*PROTECTION, ONLY_HTTPS] if public_url.startswith("https:") else list(PROTECTION)


def with_defaults(own: Sequence[Header], defaults: Iterable[Header]) -> list[Header]:
    """`own` headers, and of the `defaults` those which they do not already set: a page has its own policy."""
    names = {name for name, _ in own}
    return [*own, *(header for header in defaults if header[0] not in names)]


def request_id(offered: bytes | None) -> str:
    """The caller's id of the request where it is safe to repeat (`[A-Za-z0-9._-]`, at most 64), else ours."""
    if offered is not None and REQUEST_ID.fullmatch(offered):
        return offered.decode("ascii")
    return uuid7().hex


def with_cors(app: ASGIApp, origins: Sequence[str], always: Sequence[Header] = ()) -> ASGIApp:
    """Let pages of `origins` call the app. Without any, the app itself: browsers then refuse by default.

    Tokens travel in a header, so no origin is ever allowed to send cookies. `always` are headers of
    the answers that are given here, to preflight requests.
    """
    if not origins:
        return app
    return _Cors(app, origins, always)


class _Cors(CORSMiddleware):
    """Answers preflights without a body: a refusal is the absence of a permission, not an error."""

    def __init__(self, app: ASGIApp, origins: Sequence[str], always: Sequence[Header]) -> None:
        super().__init__(
            app,
            allow_origins=frozenset(origins),
            allow_methods=METHODS,
            allow_headers=ACCEPTED,
            expose_headers=EXPOSED,
        )
        self._always = list(always)

    def preflight_response(self, request_headers: Headers) -> Response:
        decision = super().preflight_response(request_headers)
        allowed = decision.status_code == HTTPStatus.OK
        shown = (b"access-control-", b"vary") if allowed else (b"vary",)
        answer = Response(status_code=HTTPStatus.NO_CONTENT)
        answer.raw_headers = [header for header in decision.raw_headers if header[0].startswith(shown)]
        offered = request_headers.get("x-request-id", "").encode("latin-1")
        answer.raw_headers.append((b"x-request-id", request_id(offered).encode()))
        answer.raw_headers += self._always
        return answer
