"""The floor: raw ASGI and asyncpg, the product's SQL and answers, and nothing else.

No routing table, no authentication, no validation, no log, no metrics: what is left is what any Python
server must do to answer these requests. Anyone may make it faster; the goals do not move because of it.
The plan that it reads (SQL text with the order of its parameters) is recorded from the product.
"""

import asyncio
import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from struct import Struct
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from uuid_utils import uuid7

from bench.plan import Plan, Query

REFRESH_TOKEN = Struct(">BB16sI32s")  # version, kind, session, generation, proof
CURSOR_SEAL = bytes(8)
PROOF = bytes(32)
ROTATED = ["generation", "rotated_at", "last_used_at", "idle_expires_at"]
FINGERPRINT = "0" * 64
POOL = 10
IDLE = timedelta(days=7)
HEADERS = [
    (b"x-api-version", b"v1"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
JSON = (b"content-type", b"application/json")


class Floor:
    """One worker. `open` it before the first request."""

    def __init__(self, plan: Plan, url: str) -> None:
        self._plan, self._url = plan, url
        self._owners = {f"Bearer {token}".encode(): UUID(owner) for token, owner in plan.owners.items()}
        self._private = Ed25519PrivateKey.generate()
        self._signed = plan.access_token.rpartition(".")[0]
        # The driver's own pool costs as much as half a read.
        self._idle: asyncio.LifoQueue[Any] = asyncio.LifoQueue()

    async def open(self) -> None:
        for _ in range(POOL):
            self._idle.put_nowait(await asyncpg.connect(self._url))

    async def close(self) -> None:
        for _ in range(POOL):
            await (await self._idle.get()).close()

    async def _records(self, query: Query, values: list[Any]) -> Any:
        connection = await self._idle.get()
        try:
            return await connection.fetch(query.sql, *values)
        finally:
            self._idle.put_nowait(connection)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["method"] == "POST":
            if scope["path"] == "/api/v1/auth/refresh":
                await self._refresh(receive, send)
            elif scope["path"] == "/api/v1/transfers":
                await self._transfer(scope, receive, send)
            else:
                await self._create(scope, receive, send)
        elif scope["query_string"]:
            await self._page(scope, send)
        else:
            await self._one(scope, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        await self.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _owner(self, scope: Any) -> UUID:
        return next(self._owners[value] for name, value in scope["headers"] if name == b"authorization")

    async def _one(self, scope: Any, send: Any) -> None:
        """W1: one task by its id."""
        query = self._plan.one
        known = {"owner": self._owner(scope), "id": UUID(scope["path"][14:])}
        [record] = await self._records(query, [known[name] for name in query.names])
        content = {"data": dict(record.items()), "meta": _meta()}
        await _answer(send, 200, content, [JSON, (b"etag", b'"%d"' % record["version"])])

    async def _page(self, scope: Any, send: Any) -> None:
        """W2: fifty tasks from a cursor on. `cursor` comes first in the query string."""
        cursor = scope["query_string"][7:].partition(b"&")[0]
        known: dict[str, Any] = {"owner": self._owner(scope), "per_page": 51}
        query = self._plan.first_page
        if cursor:
            query = self._plan.next_page
            after = orjson.loads(urlsafe_b64decode(cursor + b"=" * (-len(cursor) % 4))[8:])
            known["after0"], known["after1"] = datetime.fromisoformat(after[0]), UUID(after[1])
        records = await self._records(query, [known[name] for name in query.names])
        following = link = None
        if len(records) > 50:
            records = records[:50]
            place = orjson.dumps([records[-1]["created_at"], records[-1]["id"]], default=str)
            following = urlsafe_b64encode(CURSOR_SEAL + place).decode().rstrip("=")
            link = f"{scope['path']}?cursor={following}&per_page=50"
        content = {
            "data": [dict(record.items()) for record in records],
            "meta": _meta(),
            "pagination": {"next_cursor": following, "per_page": 50},
            "links": {"next": link},
        }
        await _answer(send, 200, content, [JSON])

    async def _refresh(self, receive: Any, send: Any) -> None:
        """W6: the session moves on by one generation. The tokens it answers with are made and signed like
        ours, or it would not be the same answer; the one it is given is not checked."""
        token = orjson.loads((await receive())["body"])["refresh_token"]
        version, kind, session, generation, _ = REFRESH_TOKEN.unpack(urlsafe_b64decode(token))
        [found] = await self._records(self._plan.session, [UUID(bytes=session)])
        now, query = datetime.now(UTC), self._plan.rotation
        known = {
            "old_id": found["id"],
            "old_version": found["version"],
            "new_generation": generation + 1,
            "new_rotated_at": now,
            "new_last_used_at": now,
            "new_idle_expires_at": min(now + IDLE, found["absolute_expires_at"]),
            "new_version": found["version"] + 1,
        }
        changed = {"kind": "session", "id": found["id"], "version": found["version"] + 1, "fields": ROTATED}
        known |= _audit("identity_refresh", None, uuid7().hex, changed)
        await self._records(query, [known[name] for name in query.names])
        proof = hmac.digest(
            PROOF, REFRESH_TOKEN.pack(version, kind, session, generation + 1, PROOF), "sha256"
        )
        following = REFRESH_TOKEN.pack(version, kind, session, generation + 1, proof)
        content = {
            "user": _user(found),
            "access_token": self._access_token(),
            "refresh_token": urlsafe_b64encode(following).decode(),
            "token_type": "Bearer",
            "expires_in": self._plan.expires_in,
        }
        await _answer(send, 200, {"data": content, "meta": _meta()}, [JSON])

    def _access_token(self) -> str:
        signature = urlsafe_b64encode(self._private.sign(self._signed.encode())).rstrip(b"=")
        return f"{self._signed}.{signature.decode()}"

    async def _create(self, scope: Any, receive: Any, send: Any) -> None:
        """W9: a task, the event that says so, and the answer under its key, in one statement."""
        body = orjson.loads((await receive())["body"])
        owner, key = self._owner(scope), dict(scope["headers"])[b"idempotency-key"].decode()
        now, meta, task_id = datetime.now(UTC), _meta(), _new_id()
        due_at = datetime.fromisoformat(body["due_at"])
        task = {"id": task_id, "owner_id": owner, "status": "pending", "version": 1}
        task |= body | {"due_at": due_at, "created_at": now, "updated_at": now}
        headers = [JSON, (b"etag", b'"1"'), (b"location", b"/api/v1/tasks/" + str(task_id).encode())]
        answer = _encoded({"data": {name: task.get(name) for name in self._plan.view}, "meta": meta})
        event = {"occurred_at": now, "task_id": task_id, "owner_id": owner, "title": body["title"]}
        changed = {"kind": "task", "id": task_id, "version": 1}
        rows = {
            "tasks_task": task,
            "kernel_event": _event("tasks.TaskCreated", event, task_id, owner, owner, meta),
            "kernel_idempotency": _kept(owner, "tasks_create", key, headers, answer, now),
            "kernel_audit": _audit("tasks_create", owner, meta["request_id"], changed),
        }
        values = [rows[table].get(name) for table, name in self._plan.creation_values]
        await self._records(self._plan.creation, values)
        await _send(send, 201, answer, headers, meta["request_id"])

    async def _transfer(self, scope: Any, receive: Any, send: Any) -> None:
        """W3: two wallets are read; then they, the journal with its entries, the event, the answer under its
        key and the audit row are written in one statement."""
        body = orjson.loads((await receive())["body"])
        owner, key = self._owner(scope), dict(scope["headers"])[b"idempotency-key"].decode()
        now, meta, id = datetime.now(UTC), _meta(), _new_id()
        ids, money = (UUID(body["from_wallet"]), UUID(body["to_wallet"])), body["amount"]
        amount = money["amount"]
        found = {record["id"]: record for record in await self._records(self._plan.wallets, sorted(ids))}
        payer, payee = (found[each] for each in ids)
        assert payer["posted"] - payer["held"] + payer["overdraft"] >= amount
        exact = money | {"exponent": 2}
        view = {
            "id": id,
            "kind": "transfer",
            "from_wallet": ids[0],
            "to_wallet": ids[1],
            "amount": exact,
            "fee": None,
            "paid": exact,
            "description": body["description"],
            "effective_at": now,
            "recorded_at": now,
            "hold_id": None,
            "reverses": None,
            "rate": None,
        }
        answer = _encoded({"data": view, "meta": meta})
        headers = [JSON, (b"location", b"/api/v1/transfers/" + str(id).encode())]
        journal = {
            "id": id,
            "kind": "transfer",
            "description": body["description"],
            "effective_at": now,
            "recorded_at": now,
            "requested_by": owner,
            "version": 1,
        }
        moves = ((payer, -amount), (payee, amount))
        moved = {
            "occurred_at": now,
            "journal_id": id,
            "kind": "transfer",
            "payer_wallet_id": ids[0],
            "payee_wallet_id": ids[1],
            "payee_id": payee["owner_id"],
            "amount": amount,
            "currency": money["currency"],
        }
        changes = [{"kind": "journal", "id": id, "version": 1}]
        changes += [
            {"kind": "wallet", "id": wallet["id"], "version": wallet["version"] + 1, "fields": ["posted"]}
            for wallet, _ in moves
        ]
        rows = {
            "payments_wallet": [_addition(wallet, by) for wallet, by in sorted(moves, key=_first_id)],
            "payments_journal": [journal],
            "payments_entry": [
                {"journal_id": id, "position": i, "wallet_id": wallet["id"], "amount": by}
                | {"currency": money["currency"], "effective_at": now}
                for i, (wallet, by) in enumerate(moves)
            ],
            "kernel_event": [_event("payments.MoneyMoved", moved, id, owner, payee["owner_id"], meta)],
            "kernel_idempotency": [_kept(owner, "payments_transfer", key, headers, answer, now)],
            "kernel_audit": [_audit("payments_transfer", owner, meta["request_id"], *changes)],
        }
        known = self._plan.constants
        values = [rows[table][i].get(name, known.get(name)) for table, i, name in self._plan.transfer_values]
        await self._records(self._plan.transfer, values)
        await _send(send, 201, answer, headers, meta["request_id"])


def _first_id(move: tuple[Any, int]) -> UUID:
    return UUID(int=move[0]["id"].int)


def _addition(wallet: Any, by: int) -> dict[str, Any]:
    """More or less in a wallet, if enough is left. What else the statement names is always the same."""
    return {
        "old_id": wallet["id"],
        "add_posted": by,
        "add_held": 0,
        "add_spent": 0,
        "taken_0": max(0, -by),
        "taken_1": 0,
    }


def _event(
    type: str, fact: dict[str, Any], id: UUID, actor: UUID, audience: UUID, meta: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": _new_id(),
        "type": type,
        "schema": 1,
        "payload": orjson.dumps(fact, default=str).decode(),
        "occurred_at": fact["occurred_at"],
        "aggregate_id": id,
        "aggregate_version": 1,
        "actor_id": actor,
        "correlation_id": meta["request_id"],
        "audience": audience,
    }


def _kept(
    owner: UUID, operation: str, key: str, headers: list[tuple[bytes, bytes]], answer: bytes, now: datetime
) -> dict[str, Any]:
    """The answer under its key."""
    return {
        "caller": owner,
        "operation": operation,
        "key": key,
        "fingerprint": FINGERPRINT,
        "status": 201,
        "headers": orjson.dumps([[name.decode(), value.decode()] for name, value in headers]).decode(),
        "body": answer,
        "created_at": now,
    }


def _new_id() -> UUID:
    return UUID(int=uuid7().int)


def _meta() -> dict[str, Any]:
    return {"request_id": uuid7().hex, "timestamp": datetime.now(UTC), "version": "v1"}


def _audit(what: str, actor: UUID | None, request_id: str, *changes: dict[str, Any]) -> dict[str, Any]:
    """Who did what to what, and from where."""
    details = {"address": "127.0.0.1", "user_agent": "", "salt": secrets.token_hex(8)}
    return {
        "id": _new_id(),
        "at": datetime.now(UTC),
        "what": what,
        "outcome": "done",
        "actor_id": actor,
        "correlation_id": request_id,
        "subject_id": changes[0]["id"],
        "changes": orjson.dumps(changes, default=str).decode(),
        "details": orjson.dumps(details).decode(),
    }


def _user(found: Any) -> dict[str, Any]:
    return {
        "id": found["user__id"],
        "email": found["user__email_address"],
        "full_name": found["user__full_name"],
        "phone": found["user__phone"],
        "organization": found["user__organization"],
        "role": found["user__role"],
        "roles": [found["user__role"]],
        "status": found["user__status"],
        "is_active": found["user__status"] == "active",
        "is_verified": found["user__email_verified_at"] is not None,
        "must_change_password": found["user__must_change_password"],
        "created_at": found["user__created_at"],
        "updated_at": found["user__updated_at"],
        "last_login_at": found["user__last_login_at"],
        "version": found["user__version"],
    }


def _encoded(content: Any) -> bytes:
    return orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z)


async def _answer(send: Any, status: int, content: Any, headers: list[tuple[bytes, bytes]]) -> None:
    await _send(send, status, _encoded(content), headers, content["meta"]["request_id"])


async def _send(
    send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]], request_id: str
) -> None:
    ours = [(b"content-length", b"%d" % len(body)), (b"x-request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers + ours + HEADERS})
    await send({"type": "http.response.body", "body": body})


def create_app() -> Floor:
    """The floor as the environment describes it, for a server."""
    plan = Plan.read(Path(os.environ["BENCH_PLAN"]))
    return Floor(plan, os.environ["DATABASE_URL"])
