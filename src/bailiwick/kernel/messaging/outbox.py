"""The outbox: events are rows of the transaction that made them true; the inbox: who has read them."""

from sqlalchemy import Column, Index, Integer, String, Table, Text, insert
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import cause
from bailiwick.kernel.database.columns import Id, Json, UtcDateTime, context_metadata
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.domain import Aggregate, Event

metadata = context_metadata()

outbox = Table(
    "kernel_outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("type", String(128), nullable=False),
    Column("schema", Integer, nullable=False),
    Column("payload", Json, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("aggregate_id", Id, nullable=False),
    Column("aggregate_version", Integer, nullable=False),
    Column("actor_id", Id),
    Column("correlation_id", String(64), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("available_at", UtcDateTime, nullable=False),
    Column("leased_until", UtcDateTime),
    Column("done_at", UtcDateTime),
    Column("dead_at", UtcDateTime),
    Column("last_error", Text),
)
# Claiming must cost the same however many delivered rows are kept.
Index(
    "ix_kernel_outbox_pending",
    outbox.c.available_at,
    postgresql_where=outbox.c.done_at.is_(None) & outbox.c.dead_at.is_(None),
    sqlite_where=outbox.c.done_at.is_(None) & outbox.c.dead_at.is_(None),
)
Index(
    "ix_kernel_outbox_dead",
    outbox.c.dead_at,
    postgresql_where=outbox.c.dead_at.is_not(None),
    sqlite_where=outbox.c.dead_at.is_not(None),
)

inbox = Table(
    "kernel_inbox",
    metadata,
    Column("subscriber", String(128), primary_key=True),
    Column("message_id", Id, primary_key=True),
    Column("done_at", UtcDateTime, nullable=False),
)

_INSERT = insert(outbox)


def event_type(kind: type[Event]) -> str:
    """`identity.UserRegistered`: the context that publishes it, and the name of the fact."""
    return f"{kind.__module__.split('.')[-2]}.{kind.__name__}"


def stored_event(aggregate: Aggregate, event: Event) -> Write:
    """The outbox row of an event that `aggregate` recorded."""
    why = cause.get()
    row = {
        "id": uuid7(),
        "type": event_type(type(event)),
        "schema": event.schema,
        "payload": event,
        "occurred_at": event.occurred_at,
        "aggregate_id": getattr(aggregate, "id"),  # noqa: B009  # every mapped aggregate has an id
        "aggregate_version": aggregate.version,
        "actor_id": why.actor_id,
        "correlation_id": why.correlation_id,
        "attempts": 0,
        "available_at": event.occurred_at,
        "leased_until": None,
        "done_at": None,
        "dead_at": None,
        "last_error": None,
    }
    return Write(_INSERT, row)
