"""A request as the edge sees it: headers looked up once, the body read within limits."""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import parse_qsl

import orjson

from bailiwick.kernel.application import Actor
from bailiwick.kernel.http.headers import request_id
from bailiwick.kernel.http.problems import Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ExpectedVersion = Annotated[int | None, "If-Match"]
"""The version that the caller has seen, from `If-Match`. None where the caller does not care."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from: its address by the rule for trusted proxies, and its user agent."""

    address: str
    user_agent: str


_NEVER = -1

MOST_MEMBERS = 10_000
"""Members of all objects in one JSON body: each one that is refused costs a line of the answer."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


class Request:
    """One HTTP request. `address` is the client's, by the rule for trusted proxies."""

    __slots__ = ("scope", "receive", "headers", "request_id", "address", "actor", "route", "max_body", "sent")

    def __init__(self, scope: Scope, receive: Receive, address: str, max_body: int) -> None:
        self.scope, self.receive, self.address, self.max_body = scope, receive, address, max_body
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.actor: Actor | None = None
        self.route = ""
        self.sent: bytes | None = None
        self.request_id = request_id(self.headers.get(b"x-request-id"))

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    def query(self) -> Mapping[str, str]:
        """The query string. Raises Problem 422 for a name given twice and 400 for a NUL."""
        return _query(self.scope["query_string"])

    def client(self) -> Client:
        return Client(self.address, self.header(b"user-agent")[:255])

    async def body(self) -> bytes:
        """The whole body, read once. Raises Problem 413 as soon as it is too large."""
        if self.sent is None:
            self.sent = await self._read()
        return self.sent

    async def _read(self) -> bytes:
        if int(self.headers.get(b"content-length") or 0) > self.max_body:
            raise self._too_large()
        message = await self.receive()
        if not message.get("more_body"):
            whole: bytes = message.get("body", b"")
            if len(whole) > self.max_body:
                raise self._too_large()
            return whole
        parts, size = [message.get("body", b"")], len(message.get("body", b""))
        while message.get("more_body"):
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "incomplete_body", "the connection ended before the body did")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.max_body:
                raise self._too_large()
        return b"".join(parts)

    def _too_large(self) -> Problem:
        detail = f"the body may have at most {self.max_body} bytes"
        return Problem(413, "body_too_large", detail, headers={"Connection": "close"})

    async def json_body(self) -> bytes:
        """The body of a JSON request, unparsed. Raises Problem 415, 413 or 400."""
        kind = self.header(b"content-type").partition(";")[0].strip().lower()
        if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
            raise Problem(415, "unsupported_media_type", "send the body as application/json")
        if self.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Problem(415, "unsupported_media_type", "send the body without a content encoding")
        body = await self.body()
        _check(body)
        return body

    def expected_version(self) -> int | None:
        """From `If-Match`: None without one or for `*`; a version that nothing has for a foreign tag."""
        tag = self.header(b"if-match").strip()
        if tag in ("", "*"):
            return None
        digits = tag[1:-1] if tag.startswith('"') and tag.endswith('"') and len(tag) > 2 else ""
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else _NEVER


def _check(body: bytes) -> None:
    """Raises Problem 400 for what RFC 8259 does not allow, for NUL in a text, and for a name given twice:
    who validates and who stores could read such a body differently."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "malformed_json", str(error)) from error
    members, named = len(content) if type(content) is dict else 0, body.count(b":")
    if members != named:
        named = _STRING.sub(b"", body).count(b":")  # without the colons inside texts
    if members != named or b"\\u0000" in body:
        members = _members(content)
    if members > MOST_MEMBERS:
        raise Problem(400, "malformed_json", f"a body may have at most {MOST_MEMBERS} members")
    if members != named:
        raise Problem(400, "malformed_json", "an object has the same name twice")


def _members(content: object) -> int:
    """How many members all objects have together. Raises Problem 400 for a NUL in a text."""
    waiting, members = [content], 0
    while waiting:
        match waiting.pop():
            case str() as text if "\0" in text:
                raise Problem(400, "malformed_json", "text cannot contain NUL")
            case dict() as found:
                members += len(found)
                waiting += [*found.keys(), *found.values()]
            case list() as items:
                waiting += items
    return members


@lru_cache(1024)
def _query(text: bytes) -> Mapping[str, str]:
    if not text:
        return {}
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError as error:
        raise Problem(400, "malformed_query", "the query string cannot be read") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if "\0" in value:
            raise Problem(400, "malformed_query", "the query string cannot contain NUL")
        if name in found:
            twice = {"field": name[:100], "message": "given more than once", "type": "duplicate"}
            raise Problem(422, "invalid_input", "a parameter was given twice", [twice])
        found[name] = value
    return MappingProxyType(found)
