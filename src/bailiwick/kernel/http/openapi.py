"""The OpenAPI document. FastAPI writes it from the same functions that serve; it serves nothing itself."""

import inspect
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import orjson
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, create_model

from bailiwick.kernel.application import Page
from bailiwick.kernel.http.examples import Examples
from bailiwick.kernel.http.problem_schema import ProblemView
from bailiwick.kernel.http.requests import ExpectedVersion
from bailiwick.kernel.http.responses import Response as Raw
from bailiwick.kernel.http.routing import Operation
from bailiwick.kernel.http.schema_names import tidied

EVENTS = "text/event-stream"
PRINTABLE = "^[!-~]([ -~]{0,253}[!-~])?$"  # ASCII; spaces at the ends do not survive the journey

PROBLEMS = {
    400: "The request cannot be read.",
    401: "Nobody known is asking.",
    403: "Known, but not allowed.",
    404: "No such thing, or none that the caller may know of.",
    409: "The state does not allow it.",
    412: "Changed since it was read.",
    413: "Too large.",
    415: "Not JSON.",
    422: "Some fields are not valid, or a rule of the business refuses.",
    428: "If-Match is required.",
    429: "Too many requests.",
    503: "Not available now.",
}


def document(
    operations: Sequence[Operation], provided: Collection[Any], *, server: str, version: str
) -> bytes:
    """The document as JSON. `provided` are the parameter types that do not come from the client."""
    routes = [_route(operation, provided) for operation in operations]
    content = get_openapi(
        title="Bailiwick",
        version=version,
        description="Every answer carries `X-Request-ID`. Errors are RFC 9457 problem details.",
        routes=routes,
        servers=[{"url": server}] if server else None,
    )
    components = content.setdefault("components", {})
    components["securitySchemes"] = {
        "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        components.setdefault("schemas", {}).pop(unused, None)
    content = tidied(content)
    words = _words(operations)
    for operation in operations:
        entry = content["paths"][operation.path][operation.method.lower()]
        _finish(entry, operation)
        _add_examples(entry, operation, content["components"], words[operation.context])
        _share_problems(entry, content["components"])
    return orjson.dumps(content)


def _words(operations: Sequence[Operation]) -> dict[str, dict[str, Any]]:
    """What each context has said of its examples."""
    words: dict[str, dict[str, Any]] = {}
    for operation in operations:
        words.setdefault(operation.context, {}).update(operation.examples)
    return words


def _add_examples(
    entry: dict[str, Any], operation: Operation, components: dict[str, Any], words: dict[str, Any]
) -> None:
    """To each body and JSON answer: kept once for each schema. To each part of the path: in its place."""
    links = {
        "NumberedLinks.first": f"{operation.path}?page=1",
        "NumberedLinks.last": f"{operation.path}?page=1",
    }
    examples = Examples(components["schemas"], links | words)
    for parameter in entry.get("parameters", []):
        if parameter["in"] == "path":
            parameter["example"] = examples.value(parameter["schema"], parameter["name"], sent=True)
    kept = components.setdefault("examples", {})
    for content, sent in _contents(entry):
        for media_type, described in content.items():
            if "json" not in media_type or "problem" in media_type:
                continue
            name = described["schema"].get("$ref", operation.id).rpartition("/")[2]
            if name not in kept:
                value = examples.value(described["schema"], operation.endpoint.__name__, sent=sent)
                kept[name] = {"value": value}
            described["examples"] = {"usual": {"$ref": f"#/components/examples/{name}"}}


def _share_problems(entry: dict[str, Any], components: dict[str, Any]) -> None:
    """The answers of one refusing status are all alike: they are described once."""
    shared = components.setdefault("responses", {})
    for status, answer in entry["responses"].items():
        if status >= "400":
            shared[f"Problem{status}"] = answer
            entry["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}


def _contents(entry: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    """What is sent and what is answered, each by media type; and whether it is sent."""
    yield entry.get("requestBody", {}).get("content", {}), True
    for status, answer in entry["responses"].items():
        if status < "300":
            yield answer.get("content", {}), False


class Meta(BaseModel):
    """About the answer, not about the thing."""

    request_id: str
    timestamp: datetime
    version: str


class NumberedPages(BaseModel):
    current_page: int
    per_page: int
    total_pages: int
    total_items: int


class CursorPages(BaseModel):
    next_cursor: str | None
    per_page: int


class NumberedLinks(BaseModel):
    first: str
    prev: str | None
    next: str | None
    last: str


class CursorLinks(BaseModel):
    next: str | None


@cache
def _envelope(answer: Any) -> Any:
    if answer is type(None) or answer is Raw:
        return None
    if get_origin(answer) is Page:
        [item] = get_args(answer)
        return create_model(
            f"{item.__name__}List",
            __module__=item.__module__,
            data=(list[item], ...),  # type: ignore[valid-type]  # known at run time only
            meta=(Meta, ...),
            pagination=(NumberedPages | CursorPages, ...),
            links=(NumberedLinks | CursorLinks, ...),
        )
    if get_origin(answer) is list:
        [item] = get_args(answer)
        return create_model(
            f"{item.__name__}sAnswer", __module__=item.__module__, data=(answer, ...), meta=(Meta, ...)
        )
    return create_model(
        f"{answer.__name__}Answer", __module__=answer.__module__, data=(answer, ...), meta=(Meta, ...)
    )


def _route(operation: Operation, provided: Collection[Any]) -> APIRoute:
    hints = get_type_hints(operation.endpoint, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(operation.endpoint).parameters.items()
        if hints[name] not in provided
    ]

    async def documented() -> None:
        """Only its signature is read."""

    documented.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by FastAPI
    return APIRoute(
        operation.path,
        documented,
        methods=[operation.method],
        status_code=operation.status,
        response_model=_envelope(operation.answer),
        operation_id=operation.id,
        tags=[operation.context],
        summary=operation.endpoint.__name__.replace("_", " ").capitalize(),
        description=inspect.getdoc(operation.endpoint) or "",
        deprecated=operation.deprecation is not None or None,
        responses={
            status: {"description": PROBLEMS[status], "model": ProblemView} for status in _statuses(operation)
        },
    )


def _names_something(operation: Operation) -> bool:
    """Whether the body says by its id what there may not be."""
    hints = get_type_hints(operation.endpoint)
    bodies = (kind for kind in hints.values() if isinstance(kind, type) and issubclass(kind, BaseModel))
    return any("'format': 'uuid'" in str(body.model_json_schema()) for body in bodies)


def _statuses(operation: Operation) -> list[int]:
    statuses = {429, 503}
    if not operation.public:
        statuses |= {401, 403}
    if operation.method != "GET":
        statuses |= {400, 409, 413, 415, 422}
    if "{" in operation.path or _names_something(operation):
        statuses |= {404, 422}
    if operation.listing is not None or operation.media_type == EVENTS:
        statuses |= {400, 422}
    if _versioned(operation):
        statuses |= {412, 428}
    return sorted(statuses | ({401, 403} if operation.limit else set()))


def _versioned(operation: Operation) -> bool:
    """Whether it looks at `If-Match`."""
    return ExpectedVersion in get_type_hints(operation.endpoint, include_extras=True).values()


def _name_media_type(answer: dict[str, Any], status: int, operation: Operation) -> None:
    if status >= 400 and "application/json" in answer.get("content", {}):
        answer["content"] = {"application/problem+json": answer["content"]["application/json"]}
    elif status < 300 and operation.media_type is not None:
        kind = "string" if operation.media_type.startswith("text/") else "object"
        answer["content"] = {operation.media_type: {"schema": {"type": kind}}}
    elif status < 300 and operation.files:
        answer["content"] |= {file: {"schema": {"type": "string"}} for file in operation.files}


def _finish(entry: dict[str, Any], operation: Operation) -> None:
    """What FastAPI cannot know: problems' media type, security, headers, list parameters."""
    for status, answer in entry["responses"].items():
        _name_media_type(answer, int(status), operation)
    if not operation.public:
        entry["security"] = [{"bearerAuth": []}]
    if operation.deprecation is not None:
        entry["x-sunset"] = operation.deprecation.sunset.isoformat()
    parameters = [*entry.pop("parameters", []), *_parameters(operation)]
    if parameters:
        entry["parameters"] = parameters


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    """Those that its function does not take."""
    if operation.listing is not None:
        yield from operation.listing.parameters()
    if operation.idempotent:
        needed = operation.idempotent == "required"
        yield _header("Idempotency-Key", "Makes a repeated request safe.", PRINTABLE, needed)
    if operation.media_type == EVENTS:
        yield _header("Last-Event-ID", "The `id` of the last event that was received.")
    if _versioned(operation):
        yield _header("If-Match", "The ETag that was read: refused with 412 if it changed.")


def _header(name: str, meaning: str, pattern: str | None = None, required: bool = False) -> dict[str, Any]:
    schema = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": meaning}
