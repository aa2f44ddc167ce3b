"""What goes back over the wire: the envelope around every view, lists with their links."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from bailiwick.kernel.application import Page
from bailiwick.kernel.encoding import plain
from bailiwick.kernel.http.requests import Receive, Request, Send
from bailiwick.kernel.http.routing import Deprecation, Operation

VERSION = "v1"
JSON = (b"content-type", b"application/json")
Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Response:
    """Status, headers (lower-case names) and body, ready to send.

    A `public` one belongs to nobody: its own headers win over those that protect a caller's answers.
    `stream` sends the body instead, for as long as it takes; it is called once, whatever happens to it.
    """

    status: int
    body: bytes = b""
    headers: list[Header] = field(default_factory=list)
    public: bool = False
    stream: Callable[[Receive, Send], Awaitable[None]] | None = None


def encode(content: object) -> bytes:
    return orjson.dumps(content, default=plain, option=orjson.OPT_UTC_Z)


def render(operation: Operation, versioned: bool, view: Any, request: Request) -> Response:
    """The answer of a use case: `{"data": view, "meta": …}`, with ETag and Location where they belong."""
    if isinstance(view, Response):
        return view
    if view is None:
        return Response(operation.status)
    meta: dict[str, Any] = {
        "request_id": request.request_id,
        "timestamp": datetime.now(UTC),
        "version": VERSION,
    }
    headers: list[Header] = [JSON]
    if operation.deprecation is not None:
        meta["deprecation"] = _notice(operation.deprecation, headers)
    if isinstance(view, Page):
        return Response(operation.status, encode(_listed(view, meta, request)), headers)
    if versioned:
        headers.append((b"etag", b'"%d"' % view.version))
    if operation.location is not None:
        headers.append((b"location", operation.location.format_map(_Attributes(view)).encode()))
    return Response(operation.status, encode({"data": view, "meta": meta}), headers)


class _Attributes(dict[str, Any]):
    """Lets a location such as `/api/v1/tasks/{id}` read the attributes of the view."""

    def __init__(self, view: object) -> None:
        self._view = view

    def __missing__(self, name: str) -> Any:
        return getattr(self._view, name)


def _notice(deprecation: Deprecation, headers: list[Header]) -> dict[str, Any]:
    """RFC 9745 (Deprecation) and RFC 8594 (Sunset), and the same for those who read bodies."""
    since = datetime.combine(deprecation.since, datetime.min.time(), UTC)
    gone = datetime.combine(deprecation.sunset, datetime.min.time(), UTC)
    headers += [
        (b"deprecation", b"@%d" % since.timestamp()),
        (b"sunset", gone.strftime("%a, %d %b %Y %H:%M:%S GMT").encode()),
        (b"link", f'<{deprecation.guide}>; rel="deprecation"'.encode()),
    ]
    return {
        "version": VERSION,
        "sunset_date": deprecation.sunset,
        "migration_guide": deprecation.guide,
        "message": f"deprecated since {deprecation.since}; it goes away on {deprecation.sunset}",
    }


def _listed(page: Page[Any], meta: dict[str, Any], request: Request) -> dict[str, Any]:
    query = request.query()
    if page.number is None:
        links = {"next": _link(request, query, cursor=page.next_cursor) if page.next_cursor else None}
        pagination: dict[str, Any] = {"next_cursor": page.next_cursor, "per_page": page.per_page}
    else:
        total = page.total_items or 0
        pages = max(1, -(-total // page.per_page))
        pagination = {
            "current_page": page.number,
            "per_page": page.per_page,
            "total_pages": pages,
            "total_items": total,
        }
        links = {
            "first": _link(request, query, page="1"),
            "prev": _link(request, query, page=str(min(page.number - 1, pages))) if page.number > 1 else None,
            "next": _link(request, query, page=str(page.number + 1)) if page.number < pages else None,
            "last": _link(request, query, page=str(pages)),
        }
    return {"data": page.items, "meta": meta, "pagination": pagination, "links": links}


def _link(request: Request, query: Mapping[str, str], **changes: str | None) -> str:
    return f"{request.scope['path']}?{urlencode({**query, **changes})}"
