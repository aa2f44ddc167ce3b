"""Routes: typed functions, bound once, called without a framework in between.

An endpoint's parameters are bound by what they are: a name from the path; a Pydantic model, which is
the body; a type that the kernel provides (Actor, or Actor | None on a public route, ExpectedVersion,
ListRequest, a context's ports …); anything else is a query parameter. What it returns is the view that
the client gets.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from typing import Any, Literal, Protocol, TypeVar, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.routing import compile_path
from typing_extensions import TypedDict

from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.problems import Problem, invalid_input
from bailiwick.kernel.http.requests import Client, ExpectedVersion, Request

Endpoint = Callable[..., Awaitable[Any]]
F = TypeVar("F", bound=Endpoint)
Provide = Callable[[Request], Any]
Idempotent = bool | Literal["required"]
"""Whether a route takes an `Idempotency-Key`, or refuses a request without one."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """When a route became deprecated, when it will be gone, and where to read what to do."""

    since: date
    sunset: date
    guide: str


class Listing(Protocol):
    """What a list route allows: read by the OpenAPI document and by the parser of its query."""

    def parse(self, query: Mapping[str, str], seal: bytes) -> Any: ...

    def parameters(self) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as it was declared.

    For the document, `media_type` is that of an answer which the endpoint makes itself, `files` are those
    of what it answers instead of a view, where the client asks for one, and `examples` are the words of its
    router.
    """

    context: str
    method: str
    path: str
    endpoint: Endpoint
    status: int
    public: bool = False
    view: Callable[[Any], Any] | None = None
    location: str | None = None
    idempotent: Idempotent = False
    listing: Listing | None = None
    limit: str | None = None
    deprecation: Deprecation | None = None
    media_type: str | None = None
    files: tuple[str, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.public and self.idempotent:
            raise TypeError(f"{self.path}: keys belong to callers, so a public route cannot be idempotent")

    @property
    def id(self) -> str:
        return f"{self.context}_{self.endpoint.__name__}"

    @property
    def answer(self) -> Any:
        """The type of what the client gets as `data`; None for an answer without a body."""
        return get_type_hints(self.view or self.endpoint).get("return", type(None))

    @property
    def versioned(self) -> bool:
        answer = self.answer
        return is_dataclass(answer) and any(f.name == "version" for f in fields(answer))


class Router:
    """The routes of one context. `prefix` is their common path, such as `/api/v1/tasks`.

    `examples` are values for the document: by the name of a field, or as `Model.field`. One router of a
    context speaks for all of them.
    """

    def __init__(self, context: str, prefix: str = "", examples: Mapping[str, Any] | None = None) -> None:
        self.context, self.prefix, self.examples = context, prefix, examples or {}
        self.operations: list[Operation] = []

    def _add(self, method: str, path: str, *, status: int | None = None, **options: Any) -> Callable[[F], F]:
        """`options` are the fields of an operation that have defaults."""

        def declare(endpoint: F) -> F:
            answers = get_type_hints(options.get("view") or endpoint)["return"]
            usual = 204 if answers is type(None) else 200
            operation = Operation(
                self.context,
                method,
                self.prefix + path,
                endpoint,
                status or usual,
                examples=self.examples,
                **options,
            )
            self.operations.append(operation)
            return endpoint

        return declare

    def get(self, path: str = "", **options: Any) -> Callable[[F], F]:
        return self._add("GET", path, **options)

    def post(self, path: str = "", **options: Any) -> Callable[[F], F]:
        return self._add("POST", path, **options)

    def put(self, path: str = "", **options: Any) -> Callable[[F], F]:
        return self._add("PUT", path, **options)

    def patch(self, path: str = "", **options: Any) -> Callable[[F], F]:
        return self._add("PATCH", path, **options)

    def delete(self, path: str = "", **options: Any) -> Callable[[F], F]:
        return self._add("DELETE", path, **options)


class Bound:
    """An operation ready to serve: how each parameter of its endpoint is found."""

    def __init__(
        self, operation: Operation, provided: Mapping[Any, Provide], fixed: Mapping[Any, Any]
    ) -> None:
        self.operation, self.endpoint = operation, operation.endpoint
        self.versioned = operation.versioned
        hints = get_type_hints(operation.endpoint, include_extras=True)
        signature = inspect.signature(operation.endpoint)
        self._path = {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
        self._provided: list[tuple[str, Provide]] = []
        self._fixed: dict[str, Any] = {}
        self._body: tuple[str, TypeAdapter[Any]] | None = None
        raw: dict[str, Any] = {}
        for name, parameter in signature.parameters.items():
            kind = hints[name]
            if name in self._path:
                raw[name] = kind
            elif kind in provided:
                self._provided.append((name, provided[kind]))
            elif kind in fixed:
                self._fixed[name] = fixed[kind]
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                self._body = (name, TypeAdapter(kind))
            elif parameter.default is not inspect.Parameter.empty:
                raw[name] = kind
            else:
                raise TypeError(f"{operation.id}: nothing provides {name}: {kind}")
        self.welcomes = Actor | None in hints.values()
        # Whoever gets ports could change something; who is handed the database alone only looks.
        self.only_reads = operation.method == "GET" and all(hints[name] is Database for name in self._fixed)
        self._raw_names = [name for name in raw if name not in self._path]
        self._raw: TypeAdapter[Any] | None = (
            TypeAdapter(TypedDict(operation.id, raw, total=False)) if raw else None  # type: ignore[operator]  # made at run time
        )

    async def arguments(self, request: Request, path: Mapping[str, str]) -> dict[str, Any]:
        """The endpoint's arguments. Raises a Problem or DomainError for bad input.

        Who asks is settled before anything is said about what was sent.
        """
        arguments: dict[str, Any] = {name: provide(request) for name, provide in self._provided}
        arguments.update(self._fixed)
        try:
            arguments.update(await self._sent(request, path))
        except ValidationError as error:
            raise invalid_input(error) from error
        return arguments

    async def _sent(self, request: Request, path: Mapping[str, str]) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if self._raw is not None:
            raw = dict(path)
            if self._raw_names:
                query = request.query()
                raw |= {name: query[name] for name in self._raw_names if name in query}
            arguments.update(self._raw.validate_python(raw))
        if self._body is not None:
            name, adapter = self._body
            arguments[name] = adapter.validate_json(await request.json_body(), strict=True)
        elif self.operation.method in ("POST", "PUT", "PATCH"):
            await request.body()
        return arguments


def actor_of(request: Request) -> Actor:
    """Raises Unauthenticated where nobody is known to ask."""
    if request.actor is None:
        raise Unauthenticated("sign in and send the access token as a Bearer token")
    return request.actor


def expected_version(required: bool) -> Provide:
    def provide(request: Request) -> int | None:
        if required and not request.header(b"if-match").strip():
            raise Problem(428, "precondition_required", "send If-Match with the ETag that you have read")
        return request.expected_version()

    return provide


class Routes:
    """All operations, found by path: exact ones in one look-up, others by pattern within their prefix."""

    def __init__(self, operations: Sequence[Bound]) -> None:
        self._exact: dict[str, dict[str, Bound]] = {}
        self._patterns: dict[str, list[tuple[Any, dict[str, Bound]]]] = {}
        by_path: dict[str, dict[str, Bound]] = {}
        for bound in operations:
            by_path.setdefault(bound.operation.path, {})[bound.operation.method] = bound
        for path, methods in by_path.items():
            if "{" not in path:
                self._exact[path] = methods
            else:
                pattern = re.compile(compile_path(path)[0].pattern.replace("[^/]+", "[^/\\0]+"))
                self._patterns.setdefault(_prefix(path), []).append((pattern, methods))

    def find(self, path: str) -> tuple[dict[str, Bound], Mapping[str, str]] | None:
        """The operations at `path` by method, and the path's parameters. None for an unknown path."""
        if path in self._exact:
            return self._exact[path], {}
        for pattern, methods in self._patterns.get(_prefix(path), ()):
            if match := pattern.fullmatch(path):
                return methods, match.groupdict()
        return None


def _prefix(path: str) -> str:
    return "/".join(path.split("/", 4)[:4])


def actor_if_known(request: Request) -> Actor | None:
    return request.actor


PROVIDED: Mapping[Any, Provide] = {
    Actor: actor_of,
    Actor | None: actor_if_known,
    Client: Request.client,
    ExpectedVersion: Request.expected_version,
}
