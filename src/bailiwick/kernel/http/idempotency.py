"""`Idempotency-Key`: the key and its answer are stored in the transaction of the effect.

The handler runs without a look-up first, so a fresh request pays no extra round trip. A key that was
used before makes the commit fail as a whole; then, or when the handler refuses, the stored answer is
looked up and sent again. Two requests at once meet at the key's row: one waits and then replays.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, bindparam, delete, insert, select

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.columns import Id, Json, UtcDateTime
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.database.unit_of_work import AlreadyDone, companions
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.http.problems import Problem
from bailiwick.kernel.http.requests import Request
from bailiwick.kernel.http.responses import Response
from bailiwick.kernel.http.routing import Idempotent, actor_of
from bailiwick.kernel.messaging.tables import metadata

idempotency = Table(
    "kernel_idempotency",
    metadata,
    Column("caller", Id, primary_key=True),
    Column("operation", String(128), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Json, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
Index("ix_kernel_idempotency_created_at", idempotency.c.created_at)

_INSERT = insert(idempotency)
_FIND = select(
    idempotency.c.fingerprint, idempotency.c.status, idempotency.c.headers, idempotency.c.body
).where(
    idempotency.c.caller == bindparam("caller"),
    idempotency.c.operation == bindparam("operation"),
    idempotency.c.key == bindparam("key"),
)
PRUNE = delete(idempotency).where(idempotency.c.created_at < bindparam("before"))


class KeyMark:
    """Stores the answer beside the effect. `answer` is what was stored, once it was."""

    def __init__(self, row: dict[str, Any], render: Callable[[Any], Response]) -> None:
        self.table = idempotency
        self.answer: Response | None = None
        self._rendered: Response | None = None
        self._row, self._render = row, render

    def writes(self, result: object) -> list[Write]:
        if self.answer is not None:
            raise RuntimeError("a request with an Idempotency-Key commits once")
        answer = self._rendered = self._render(result)
        headers = [[name.decode(), value.decode()] for name, value in answer.headers]
        stored = {"status": answer.status, "headers": headers, "body": answer.body}
        return [Write(_INSERT, self._row | stored | {"created_at": datetime.now(UTC)})]

    def stored(self) -> None:
        self.answer = self._rendered


def carries_key(request: Request, wanted: Idempotent) -> bool:
    """Whether the request is to be run once for its key. Raises Problem 400 where it must have one."""
    if wanted and b"idempotency-key" in request.headers:
        return True
    if wanted == "required":
        raise Problem(
            400,
            "idempotency_key_required",
            "send an Idempotency-Key, and the same one again when you repeat the request",
        )
    return False


async def once(
    database: Database,
    request: Request,
    operation: str,
    run: Callable[[], Awaitable[Any]],
    render: Callable[[Any], Response],
) -> Response:
    """Run a request that carries a key. Same key and body: the same answer. Other body: Problem 422."""
    key = request.header(b"idempotency-key")
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Problem(400, "malformed_idempotency_key", "send 1 to 255 printable ASCII characters")
    sent = request.scope["path"].encode() + b"\n" + await request.body()
    row: dict[str, Any] = {
        "caller": actor_of(request).id,
        "operation": operation,
        "key": key,
        "fingerprint": hashlib.sha256(sent).hexdigest(),
    }
    mark = KeyMark(row, render)
    token = companions.set((mark,))
    try:
        result = await run()
        return mark.answer or render(result)
    except (AlreadyDone, DomainError) as refusal:
        stored = await database.first(_FIND, caller=row["caller"], operation=operation, key=key)
        if stored is not None:
            return _replay(stored, row["fingerprint"])
        if isinstance(refusal, AlreadyDone):
            raise Unavailable("the first request with this key is not finished") from refusal
        raise
    finally:
        companions.reset(token)


def _replay(stored: Any, fingerprint: str) -> Response:
    if stored[0] != fingerprint:
        raise Problem(422, "idempotency_key_reused", "this key was used for another request")
    headers = [(name.encode(), value.encode()) for name, value in stored[2]]
    return Response(stored[1], stored[3], [*headers, (b"idempotency-replayed", b"true")])
