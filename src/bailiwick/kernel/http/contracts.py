"""Contracts over HTTP: what other processes may ask of the contexts that this one carries.

A question is `POST /contracts/<context>/<method>` with its arguments as a JSON object; the answer is the
result as JSON. Only who sends the service token is answered: to everybody else these paths do not exist.
"""

import hmac
import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NotRequired, get_type_hints

import orjson
from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from bailiwick.kernel.application import Contention
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.http.app import Application, Edge, unnoted
from bailiwick.kernel.http.problems import STATUS, Problem, invalid_input, problem_of
from bailiwick.kernel.http.requests import Receive, Request, Scope, Send
from bailiwick.kernel.http.responses import JSON, Response
from bailiwick.kernel.http.routing import Bound, Operation, Router
from bailiwick.kernel.module import Module

PREFIX = "/contracts"
REFUSED = "X-Refused"
"""Marks a refusal by the business, with its kind: what HTTP itself refuses is no answer to a question."""

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Question:
    """One method of a contract: how its arguments and its result are written as JSON."""

    name: str
    signature: inspect.Signature
    asked: TypeAdapter[Any]
    answer: TypeAdapter[Any]


def questions_of(contract: type[Any]) -> list[Question]:
    """Every method of a contract. Raises TypeError for one that cannot be asked over HTTP."""
    methods = inspect.getmembers(contract, inspect.isfunction)
    return [_question(contract, name, method) for name, method in methods if not name.startswith("_")]


def _question(contract: type[Any], name: str, method: Callable[..., Any]) -> Question:
    where = f"{contract.__name__}.{name}"
    if not inspect.iscoroutinefunction(method):
        raise TypeError(f"{where} is not async: it cannot be asked over HTTP")
    _, *parameters = inspect.signature(method).parameters.values()
    hints = get_type_hints(method, include_extras=True)
    untyped = ({each.name for each in parameters} | {"return"}) - hints.keys()
    if untyped:
        raise TypeError(f"{where} does not say the type of {', '.join(sorted(untyped))}")
    if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters):
        raise TypeError(f"{where} takes any number of arguments: it cannot be asked over HTTP")
    kinds = {
        each.name: hints[each.name] if each.default is each.empty else NotRequired[hints[each.name]]
        for each in parameters
    }
    typed_dict: Any = TypedDict  # of a shape that is known at run time only
    asked = typed_dict(name, kinds)
    asked.__pydantic_config__ = ConfigDict(extra="forbid")
    try:
        adapters = TypeAdapter(asked), TypeAdapter(hints["return"])
    except PydanticSchemaGenerationError as error:
        raise TypeError(f"{where} cannot be written as JSON: {error.message}") from error
    return Question(name, inspect.Signature(parameters), *adapters)


def with_contracts(application: Asgi, modules: Iterable[Module], edge: Edge, token: str | None) -> Asgi:
    """Answer for the contracts of `modules` whoever sends `token`. Without one, the application itself."""
    if token is None:
        return application
    bound = [Bound(operation, {Request: _itself}, {}) for operation in _operations(modules)]
    # The one who asks is one of ours: neither counted among strangers nor authenticated as a user.
    # A refused question is an answer: nobody tried to change anything.
    inner = replace(edge, authentication=None, check_rate=_uncounted, pages=(), refused=unnoted)
    ours = Application(bound, inner)
    known = f"Bearer {token}".encode()

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and _is_below(scope["path"]) and _knows(known, scope)
        await (ours if is_ours else application)(scope, receive, send)

    return served


def _is_below(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def _knows(known: bytes, scope: Scope) -> bool:
    return any(
        name == b"authorization" and hmac.compare_digest(value, known) for name, value in scope["headers"]
    )


def _itself(request: Request) -> Request:
    return request


async def _uncounted(limit: str, caller: str) -> None:
    """No rate holds for our own processes."""


def _operations(modules: Iterable[Module]) -> list[Operation]:
    answered: dict[str, list[str]] = {}
    index = Router("kernel")
    routers = [index]
    for module in modules:
        router = Router(module.name, prefix=f"{PREFIX}/{module.name}")
        for contract, answerer in module.contracts.items():
            for question in questions_of(contract):
                ask = getattr(answerer, question.name)
                router.post(f"/{question.name}", public=True)(_endpoint(question, ask))
                answered.setdefault(module.name, []).append(question.name)
        routers.append(router)

    @index.get(PREFIX, public=True)
    async def contracts(request: Request) -> Response:
        """What can be asked here: the names of the questions by context."""
        return Response(200, orjson.dumps(answered), [JSON])

    operations = [operation for router in routers for operation in router.operations]
    twice = len(operations) - len({(each.method, each.path) for each in operations})
    if twice:
        raise TypeError("two contracts of one context have a question of the same name")
    return operations


def _endpoint(question: Question, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            arguments = question.asked.validate_json(await request.json_body(), strict=True)
        except ValidationError as error:
            raise invalid_input(error) from error
        try:
            result = await ask(**arguments)
        except Contention:
            raise  # to be run again by the edge
        except DomainError as error:
            raise _refusal(error) from error
        return Response(200, question.answer.dump_json(result, warnings="error"), [JSON])

    endpoint.__name__ = question.name
    return endpoint


def _refusal(error: DomainError) -> Problem:
    problem = problem_of(error)
    problem.headers[REFUSED] = next(kind.code for kind, _ in STATUS if isinstance(error, kind))
    return problem
