"""The outbox: what follows from a change is written by the transaction that makes the change."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, exists, insert, select
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Cause, cause
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Aggregate, Event
from bailiwick.kernel.jobs import Job, Priority
from bailiwick.kernel.messaging.tables import events, work

EVENTS_OF_ONE_COMMIT = 1000

_EVENT = insert(events)
_WORK = insert(work)
_taken = select(work.c.id).where(work.c.unique_key == bindparam("unique_key", type_=work.c.unique_key.type))
_WORK_UNLESS_THERE = insert(work).from_select(
    work.c.keys(),
    select(*(bindparam(c.name, type_=c.type).label(c.name) for c in work.c)).where(~exists(_taken)),
)


def event_type(kind: type[Event]) -> str:
    """`identity.UserRegistered`: the context that publishes it, and the name of the fact."""
    return f"{kind.__module__.split('.')[-2]}.{kind.__name__}"


def job_name(kind: type[Job]) -> str:
    """`tasks.SendDigest`: the context that the job belongs to, and the name of the command."""
    parts = kind.__module__.split(".")
    context = parts[parts.index("application") - 1] if "application" in parts else parts[-2]
    return f"{context}.{kind.__name__}"


def queue_of(reader: str) -> str:
    """The queue of the context that a subscriber, or the publisher, belongs to."""
    return reader.partition(".")[0]


def stored_event(
    aggregate: Aggregate, event: Event, position: int, readers: Mapping[str, Sequence[str]]
) -> list[Write]:
    """The rows of an event that `aggregate` recorded as its `position`th: itself, and one for each reader."""
    why, kind, key = cause.get(), event_type(type(event)), uuid7()
    aggregate_id: UUID = getattr(aggregate, "id")  # noqa: B009  # every mapped aggregate has an id
    row = {
        "id": key,
        "type": kind,
        "schema": event.schema,
        "payload": event,
        "occurred_at": event.occurred_at,
        "aggregate_id": aggregate_id,
        "aggregate_version": aggregate.version,
        "actor_id": why.actor_id,
        "correlation_id": why.correlation_id,
        "audience": event.audience(),
    }
    deliveries = readers.get(kind, ())
    if not deliveries:
        return [Write(_EVENT, row)]
    now = datetime.now(UTC)
    delivery = waiting(now, event, event.schema) | {
        "key": str(aggregate_id),
        # Versions follow each other; clocks of several machines may not.
        "sequence": aggregate.version * EVENTS_OF_ONE_COMMIT + position,
        "event_id": key,
    }
    return [
        Write(_EVENT, row),
        *(
            Write(_WORK, delivery | {"id": uuid7(), "queue": queue_of(name), "name": name})
            for name in deliveries
        ),
    ]


def enqueued(
    job: Job,
    *,
    delay: timedelta = timedelta(0),
    key: str | None = None,
    unique: str | None = None,
    priority: Priority = Priority.NORMAL,
) -> tuple[UUID, Write]:
    """The id of a new job, and the row that has it run."""
    id, now = uuid7(), datetime.now(UTC)
    row = waiting(now, job, 1) | {
        "id": id,
        "queue": job.queue,
        "name": job_name(type(job)),
        "priority": int(priority),
        "key": key,
        "available_at": now + delay,
        "unique_key": unique,
    }
    return id, Write(_WORK if unique is None else _WORK_UNLESS_THERE, row)


def waiting(now: datetime, payload: object, schema: int, why: Cause | None = None) -> dict[str, Any]:
    """What all new rows of work have in common."""
    why = why or cause.get()
    return {
        "priority": int(Priority.NORMAL),
        "key": None,
        "sequence": 0,
        "schema": schema,
        "payload": payload,
        "event_id": None,
        "actor_id": why.actor_id,
        "correlation_id": why.correlation_id,
        "enqueued_at": now,
        "attempts": 0,
        "available_at": now,
        "leased_by": None,
        "leased_until": None,
        "unique_key": None,
        "cancelled": False,
        "progress": None,
        "last_error": None,
    }
