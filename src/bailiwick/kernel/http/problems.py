"""RFC 9457 problem details: the one table from refusals to status codes."""

from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import ValidationError

from bailiwick.kernel.application import Stale, TooMany, Unauthenticated, Unavailable
from bailiwick.kernel.domain import Conflict, DomainError, Forbidden, Invalid, NotFound

# The first match counts, so a named refusal stands before its kind.
STATUS: tuple[tuple[type[DomainError], int], ...] = (
    (Unauthenticated, 401),
    (TooMany, 429),
    (Stale, 412),
    (NotFound, 404),
    (Forbidden, 403),
    (Conflict, 409),
    (Invalid, 422),
)

MEDIA_TYPE = b"application/problem+json"


@dataclass(slots=True)
class Problem(Exception):
    """A refusal in the words of HTTP. Raised by the edge itself for what never reaches a use case."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def body(self, *, instance: str, request_id: str, now: datetime) -> bytes:
        return orjson.dumps(
            {
                **self.extra,
                "type": f"/api/docs/problems#{self.code}",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "detail": self.detail,
                "instance": instance,
                "code": self.code,
                "errors": self.errors,
                "request_id": request_id,
                "timestamp": now,
            },
            default=str,
            option=orjson.OPT_UTC_Z,
        )


def problem_of(error: Exception) -> Problem:
    """What the client is told about `error`: nothing about our insides."""
    match error:
        case Problem():
            return error
        case NotFound() | Forbidden() | Conflict() | Invalid():
            return _refusal(error)
        case Unavailable():
            wait = {"Retry-After": str(error.retry_after)}
            return Problem(503, "unavailable", "the service is not available now; try again", headers=wait)
        case _:
            return Problem(500, "internal_error", "something went wrong on our side; it has been logged")


def _refusal(error: DomainError) -> Problem:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(error.retry_after)
    errors = [{"field": error.field, "message": error.detail, "type": error.code}] if error.field else []
    return Problem(status, error.code, error.detail, errors, headers, error.extra)


def invalid_input(error: ValidationError) -> Problem:
    """400 for what is not JSON at all, 422 with a list for fields that are wrong."""
    first = error.errors(include_url=False, include_input=False, include_context=False)
    if first[0]["type"] == "json_invalid":
        return Problem(400, "malformed_json", first[0]["msg"])
    errors = [
        {"field": ".".join(map(str, e["loc"])), "message": e["msg"], "type": e["type"]} for e in first[:100]
    ]
    return Problem(422, "invalid_input", "some fields are not valid; see errors", errors)
