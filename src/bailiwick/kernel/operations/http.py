"""The routes for operators. Reading asks for `operations.read`, changing for `operations.manage`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from bailiwick.kernel.application import Actor, Page
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import ListRequest
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.operations import commands
from bailiwick.kernel.operations.commands import LONGEST_REASON
from bailiwick.kernel.operations.console import MANAGE, READ, Console
from bailiwick.kernel.operations.lists import (
    AUDIT,
    EVENTS,
    WORK,
    AuditView,
    EventView,
    Kind,
    WholeWorkView,
    WorkView,
    one_work,
)
from bailiwick.kernel.operations.queues import (
    QueueView,
    ReaderView,
    ScheduleView,
    all_readers,
    all_schedules,
    queues,
)
from bailiwick.kernel.operations.why import Explanation, explain

F = TypeVar("F", bound=Callable[..., object])

PREFIX = "/api/v1/operations"

router = Router(
    "operations",
    prefix=PREFIX,
    examples={
        "queue": "profiles",
        "name": "profiles.on_user_registered",
        "ProcessView.name": "orders.payment",
        "WholeProcessView.name": "orders.payment",
        "ScheduleView.name": "payments.prove_ledger",
        "cron": "*/5 * * * *",
        "time_zone": "UTC",
        "job": "payments.ProveLedger",
        "reader": "profiles.on_user_registered",
        "type": "identity.UserRegistered",
        "handled": True,
        "payload": {"user_id": "01c0c1d5-6a40-7f89-8d6b-6960453241bc"},
        "paused": None,
        "reason": "The mail server is down until noon.",
        "what": "identity_register_account",
        "MomentView.what": "done",
        "outcome": "done",
        "changes": [{"type": "identity.User", "fields": ["status"]}],
        "details": None,
        "state": "dead",
        "status": "stuck",
        "key": "01c0c1d5-6a40-7f89-8d6b-6960453241bc",
        "step": "take_money",
        "done": ["reserve_goods", "hold_money"],
        "refusal": None,
        "ProcessView.reason": None,
        "WholeProcessView.reason": None,
        "detail": "",
        "attempts": 12,
        "error": "TimeoutError: no answer within 5 s",
        "last_error": "TimeoutError: no answer within 5 s",
        "leased_by": None,
        "leased_until": None,
        "progress": None,
        "answer": "It was given up at 09:30, after 12 attempts. Replay it to try again.",
        "code": "dead",
        "sentence": "It was given up at 09:30, after 12 attempts. Replay it to try again.",
        "facts": {"attempts": 12},
    },
)

Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class PauseBody(BaseModel):
    """Why nothing of the queue may start. Everybody who asks why is told."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_REASON, pattern=r"\S")]


@dataclass
class Moved:
    """How many were put back, or discarded."""

    count: int


@router.get("/queues")
async def list_queues(actor: Actor, console: Console) -> list[QueueView]:
    """Every queue: what waits, runs and was given up, who reads it, and who paused it."""
    actor.require(READ)
    return await queues(console)


@router.put("/queues/{queue}/pause")
async def pause_queue(queue: Name, body: PauseBody, actor: Actor, console: Console) -> None:
    """Let nothing of the queue start, in any worker. What runs ends."""
    actor.require(MANAGE)
    await commands.pause(console, queue, actor.label, body.reason)


@router.delete("/queues/{queue}/pause")
async def resume_queue(queue: Name, actor: Actor, console: Console) -> None:
    """Let the queue go on. One that is not paused stays as it is."""
    actor.require(MANAGE)
    await commands.resume(console, queue)


@router.post("/queues/{queue}/replay")
async def replay_queue(queue: Name, actor: Actor, console: Console) -> Moved:
    """Put back all that was given up in the queue until now, as if it had never been tried."""
    actor.require(MANAGE)
    return Moved(await commands.replay_dead(console, queue))


@router.delete("/queues/{queue}/dead")
async def discard_queue(queue: Name, actor: Actor, console: Console) -> Moved:
    """Forget all that was given up in the queue until now."""
    actor.require(MANAGE)
    return Moved(await commands.discard_dead(console, queue))


@router.get("/readers")
async def list_readers(actor: Actor, console: Console) -> list[ReaderView]:
    """Who gets work for which type of event, and when a worker that knows them was last seen."""
    actor.require(READ)
    return await all_readers(console)


@router.delete("/readers/{reader}")
async def forget_reader(reader: Name, actor: Actor, console: Console) -> None:
    """Make no more work for a subscriber that was removed. One that a worker still knows comes back."""
    actor.require(MANAGE)
    await commands.forget_reader(console, reader)


@router.get("/events", listing=EVENTS)
async def list_events(asked: ListRequest, actor: Actor, database: Database) -> Page[EventView]:
    """The event store: every fact that was committed, the newest first."""
    actor.require(READ)
    return await EVENTS.page(database, asked)


@router.get("/audit", listing=AUDIT)
async def list_audit(asked: ListRequest, actor: Actor, database: Database) -> Page[AuditView]:
    """The audit trail: who did what to what, the newest first."""
    actor.require(READ)
    return await AUDIT.page(database, asked)


@router.get("/schedules")
async def list_schedules(actor: Actor, console: Console) -> list[ScheduleView]:
    """Jobs by the clock: when each was last due, and when it is due next."""
    actor.require(READ)
    return await all_schedules(console)


def _named(name: str) -> Callable[[F], F]:
    """The routes of messages and of jobs are the same functions under two names."""

    def rename(endpoint: F) -> F:
        endpoint.__name__ = name
        return endpoint

    return rename


def _declare(kind: Kind) -> None:
    _declare_reads(kind, f"/{kind}s", f"/{kind}s/{{id}}")
    _declare_changes(kind, f"/{kind}s/{{id}}")


def _declare_reads(kind: Kind, every: str, one: str) -> None:
    @router.get(every, listing=WORK[kind])
    @_named(f"list_{kind}s")
    async def listed(asked: ListRequest, actor: Actor, database: Database) -> Page[WorkView]:
        """In every state, the newest first. Messages that were delivered are not kept."""
        actor.require(READ)
        return await WORK[kind].page(database, asked)

    @router.get(one)
    @_named(f"show_{kind}")
    async def shown(id: UUID, actor: Actor, database: Database) -> WholeWorkView:
        """One of them, with what it is about, which may be personal."""
        actor.require(READ)
        return await one_work(database, kind, id)

    @router.get(f"{one}/why")
    @_named(f"explain_{kind}")
    async def explained(id: UUID, actor: Actor, console: Console) -> Explanation:
        """Why it has not run, in words and in facts; or how it ended."""
        actor.require(READ)
        return await explain(console, kind, id)


def _declare_changes(kind: Kind, one: str) -> None:
    @router.post(f"{one}/retry", idempotent=True)
    @_named(f"retry_{kind}")
    async def retried(id: UUID, actor: Actor, console: Console) -> None:
        """Try what waits now instead of later."""
        actor.require(MANAGE)
        await commands.retry(console, kind, id)

    @router.post(f"{one}/replay", idempotent=True)
    @_named(f"replay_{kind}")
    async def replayed(id: UUID, actor: Actor, console: Console) -> None:
        """Put back what was given up or cancelled, as if it had never been tried."""
        actor.require(MANAGE)
        await commands.replay(console, kind, id)

    @router.post(f"{one}/cancel", idempotent=True)
    @_named(f"cancel_{kind}")
    async def cancelled(id: UUID, actor: Actor, console: Console) -> None:
        """Stop it: at once where it waits, within seconds where it runs."""
        actor.require(MANAGE)
        await commands.cancel(console, kind, id)

    @router.delete(one)
    @_named(f"discard_{kind}")
    async def discarded(id: UUID, actor: Actor, console: Console) -> None:
        """Forget what was given up or cancelled."""
        actor.require(MANAGE)
        await commands.discard(console, kind, id)


for _kind in Kind:
    _declare(_kind)
