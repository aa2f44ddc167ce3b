"""Contracts over HTTP, the asking side: contexts that other processes carry, asked as if they were here."""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any, TypeVar

import httpx2 as httpx
import orjson
import structlog

from bailiwick.kernel.application import TooMany, Unavailable, cause
from bailiwick.kernel.contexts import package_of
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.http.contracts import PREFIX, REFUSED, Question, questions_of
from bailiwick.kernel.http.problems import STATUS
from bailiwick.kernel.resilience import NotCalled, Outbound
from bailiwick.kernel.settings import Settings, SettingsError
from bailiwick.kernel.settings.sources import Problem

log = structlog.get_logger("remotes")

T = TypeVar("T")

PATIENCE_SECONDS = 2.0
ATTEMPTS = 2
RECOVERS_SECONDS = 1.0  # a process that starts again is missed for no longer
MOST_AT_ONCE = 100
TRANSIENT = (502, 503, 504)
KINDS: Mapping[str, type[DomainError]] = {kind.code: kind for kind, _ in STATUS}
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "errors", "request_id", "timestamp"}
"""What every problem has; all else in one is the `extra` of the refusal."""


class Remote:
    """Another process of this product at `url`, which knows the service token.

    Questions change nothing, so one that is not answered within `seconds` is asked once more.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        seconds: float = PATIENCE_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url
        self._token, self._transport, self._trouble = token, transport, ""
        self._client: httpx.AsyncClient | None = None
        self._outbound = Outbound(
            url,
            timeout=seconds,
            attempts=ATTEMPTS,
            recovers_after=RECOVERS_SECONDS,
            most_at_once=MOST_AT_ONCE,
            transient=(httpx.TransportError,),
        )

    async def ask(self, context: str, question: Question, arguments: Mapping[str, Any]) -> Any:
        """The answer. Raises the DomainError with which the context refuses, and Unavailable."""
        body = question.asked.dump_json(dict(arguments), warnings="error")
        path = f"{PREFIX}/{context}/{question.name}"
        answer = await self._sent("POST", path, body)
        if answer.status_code != httpx.codes.OK and REFUSED not in answer.headers:
            raise self._unavailable(f"{path} answers {answer.status_code}: is the service token the same?")
        try:
            result = _read(question, answer)
        except (LookupError, TypeError, ValueError) as error:
            raise self._unavailable(f"{path} answers otherwise than its contract says") from error
        if self._trouble:
            log.info("remote_answers_again", url=self.url)
            self._trouble = ""
        return result

    async def carried(self) -> dict[str, list[str]]:
        """What can be asked there: names of questions by context. Raises Unavailable, PermissionError."""
        answer = await self._sent("GET", PREFIX)
        if answer.status_code != httpx.codes.OK:
            raise PermissionError(f"answers {answer.status_code}")
        found: dict[str, list[str]] = orjson.loads(answer.content)
        return found

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def _sent(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        try:
            return await self._outbound.call(partial(self._send, method, path, body), idempotent=True)
        except NotCalled:
            raise
        except Unavailable as error:
            raise self._unavailable(str(error.__cause__ or error) or "no answer in time") from error

    async def _send(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        if self._client is None:
            # Our own processes are reached directly, whatever proxy this machine has for the rest.
            self._client = httpx.AsyncClient(
                base_url=self.url, transport=self._transport, trust_env=False, timeout=None
            )
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if correlation := cause.get().correlation_id:
            headers["X-Request-ID"] = correlation
        answer = await self._client.request(method, path, content=body, headers=headers)
        if answer.status_code in TRANSIENT:
            raise Unavailable(f"{path} answers {answer.status_code}")
        return answer

    def _unavailable(self, trouble: str) -> Unavailable:
        """Logged once for as long as the trouble is the same: some questions are asked every moment."""
        if trouble != self._trouble:
            log.warning("remote_unavailable", url=self.url, trouble=trouble)
            self._trouble = trouble
        return Unavailable(f"{self.url}: {trouble}")


def asking(contract: type[T], context: str, remote: Remote) -> T:
    """An answerer of `contract` that asks `context` over HTTP. Raises TypeError as `questions_of` does."""
    methods = {each.name: _method(context, each, remote) for each in questions_of(contract)}
    answerer: T = type(f"Http{contract.__name__}", (), methods)()
    return answerer


def _method(context: str, question: Question, remote: Remote) -> Callable[..., Awaitable[Any]]:
    async def ask(_: object, /, *args: Any, **named: Any) -> Any:
        asked = question.signature.bind(*args, **named)
        asked.apply_defaults()
        return await remote.ask(context, question, asked.arguments)

    return ask


def connect(settings: Settings) -> dict[str, Remote]:
    """The process behind each context of `settings.remotes`; contexts at one address share its connections.

    Raises SettingsError for a context that ships no client.
    """
    unknown = [name for name in settings.remotes if not _ships_client(name)]
    if unknown:
        what = f"names {', '.join(unknown)}, which cannot be asked over HTTP"
        raise SettingsError([Problem("remotes", what, "Name contexts that have a client.py.", ("remotes",))])
    token = settings.service_token.get_secret_value() if settings.service_token else ""
    there = {url: Remote(url, token) for url in settings.remotes.values()}
    return {name: there[url] for name, url in settings.remotes.items()}


def _ships_client(context: str) -> bool:
    try:
        return find_spec(f"{package_of(context)}.client") is not None
    except ModuleNotFoundError:
        return False


def _read(question: Question, answer: httpx.Response) -> Any:
    """Raises the DomainError that the answer is; LookupError, TypeError, ValueError for none of ours."""
    if REFUSED in answer.headers:
        raise _refusal(answer)
    return question.answer.validate_json(answer.content, strict=True)


def _refusal(answer: httpx.Response) -> DomainError:
    body = orjson.loads(answer.content)
    kind = _kind(answer.headers[REFUSED], body["code"])
    if issubclass(kind, TooMany):
        return kind(body["detail"], retry_after=int(answer.headers["Retry-After"]))
    field = body["errors"][0]["field"] if body["errors"] else None
    return kind(body["detail"], field=field, **{n: v for n, v in body.items() if n not in MEMBERS})


@lru_cache(1000)
def _kind(general: str, code: str) -> type[DomainError]:
    """The refusal that has this code: `username_taken` is a class UsernameTaken again."""
    kind = KINDS[general]
    if kind.code == code:
        return kind
    return type(code.title().replace("_", ""), (kind,), {"__module__": "elsewhere"})
