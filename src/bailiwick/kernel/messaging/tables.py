"""The kernel's own tables: what happened, what is still to be done, what was done."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, SmallInteger, String, Table, Text

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime, context_metadata

metadata = context_metadata()

events = Table(
    "kernel_event",
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
    Column("audience", Id),
)
"""Every event, for ever or for as long as the settings say. Rows are never changed."""
Index("ix_kernel_event_aggregate", events.c.aggregate_id, events.c.id)
Index(
    "ix_kernel_event_audience",
    events.c.audience,
    events.c.id,
    postgresql_where=events.c.audience.is_not(None),
    sqlite_where=events.c.audience.is_not(None),
)


def _message() -> list[Column[object]]:
    """What a piece of work is about, the same for one that waits and one that is finished."""
    return [
        Column("id", Id, primary_key=True),
        Column("queue", String(128), nullable=False),
        Column("name", String(128), nullable=False),
        Column("priority", SmallInteger, nullable=False),
        Column("key", String(200)),
        Column("sequence", BigInteger, nullable=False),
        Column("schema", Integer, nullable=False),
        Column("payload", Json, nullable=False),
        Column("event_id", Id),
        Column("actor_id", Id),
        Column("correlation_id", String(64), nullable=False),
        Column("enqueued_at", UtcDateTime, nullable=False),
        Column("attempts", Integer, nullable=False),
    ]


work = Table(
    "kernel_work",
    metadata,
    *_message(),
    Column("available_at", UtcDateTime, nullable=False),
    Column("leased_by", Id),
    Column("leased_until", UtcDateTime),
    Column("unique_key", String(200)),
    Column("cancelled", Boolean, nullable=False),
    Column("progress", Json),
    Column("last_error", Text),
)
"""What is still to be done. A row is deleted by the transaction that stores what came of it."""
# Leases change no indexed column, so PostgreSQL changes the row in its place.
Index("ix_kernel_work_due", work.c.queue, work.c.priority, work.c.available_at, work.c.id)
Index(
    "ix_kernel_work_order",
    work.c.queue,
    work.c.key,
    work.c.sequence,
    work.c.id,
    postgresql_where=work.c.key.is_not(None),
    sqlite_where=work.c.key.is_not(None),
)
unique_work = Index(
    "uq_kernel_work_unique_key",
    work.c.unique_key,
    unique=True,
    postgresql_where=work.c.unique_key.is_not(None),
    sqlite_where=work.c.unique_key.is_not(None),
)

finished = Table(
    "kernel_finished",
    metadata,
    *_message(),
    Column("outcome", String(16), nullable=False),
    Column("result", Json),
    Column("error", Text),
    Column("finished_at", UtcDateTime, nullable=False),
)
"""Jobs that succeeded, and whatever was cancelled or given up. Successful deliveries leave nothing."""
Index("ix_kernel_finished_queue", finished.c.queue, finished.c.outcome, finished.c.id)
Index("ix_kernel_finished_at", finished.c.finished_at)
SUCCEEDED, DEAD, CANCELLED = "succeeded", "dead", "cancelled"
"""The outcomes."""
KEPT = tuple(column.name for column in finished.c if column.name in work.c)
"""The columns that work still has when it is over."""

pauses = Table(
    "kernel_pause",
    metadata,
    Column("queue", String(128), primary_key=True),
    Column("paused_at", UtcDateTime, nullable=False),
    Column("paused_by", String(64), nullable=False),
    Column("reason", String(500), nullable=False),
)

readers = Table(
    "kernel_reader",
    metadata,
    Column("type", String(128), primary_key=True),
    Column("reader", String(128), primary_key=True),
    Column("seen_at", UtcDateTime, nullable=False),
)
"""Who listens to what, in whichever process: a writer makes a row of work for each of them."""

inbox = Table(
    "kernel_inbox",
    metadata,
    Column("reader", String(128), primary_key=True),
    Column("message_id", Id, primary_key=True),
    Column("received_at", UtcDateTime, nullable=False),
)
"""What came over a transport and was taken in: a repetition is recognised by it."""
Index("ix_kernel_inbox_received_at", inbox.c.received_at)

schedules = Table(
    "kernel_schedule",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("last_due_at", UtcDateTime, nullable=False),
)
"""Up to when each schedule has been enqueued. Changed by comparison, so one worker wins."""

audit = Table(
    "kernel_audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("what", String(128), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("actor_id", Id),
    Column("correlation_id", String(64), nullable=False),
    Column("subject_id", Id),
    Column("changes", Json, nullable=False),
    Column("details", Json),
)
"""One row for each commit: who did what to what. Only `details`, which may be personal, can be erased."""
Index("ix_kernel_audit_actor", audit.c.actor_id, audit.c.id)
Index("ix_kernel_audit_subject", audit.c.subject_id, audit.c.id)

seals = Table(
    "kernel_seal",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("audit_id", Id, nullable=False),
    Column("details_digest", String(64)),
    Column("digest", String(64), nullable=False),
)
"""The chain over the audit trail. Two sealers at once would use the same position, and one is refused."""
Index("uq_kernel_seal_audit_id", seals.c.audit_id, unique=True)

processes = Table(
    "kernel_process",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("key", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("step", String(128)),
    Column("state", Json, nullable=False),
    Column("done", Json, nullable=False),
    Column("heard", Json, nullable=False),
    Column("refusal", String(64)),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("started_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("deadline", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("history", Json, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Where each process stands, from its start until it is forgotten some time after its end."""
unique_process = Index("uq_kernel_process_key", processes.c.name, processes.c.key, unique=True)
Index("ix_kernel_process_status", processes.c.status, processes.c.id)
Index(
    "ix_kernel_process_ended",
    processes.c.ended_at,
    postgresql_where=processes.c.ended_at.is_not(None),
    sqlite_where=processes.c.ended_at.is_not(None),
)

tickets = Table(
    "kernel_ticket",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("session_id", Id),
    Column("stamp", BigInteger, nullable=False),
    Column("token_expires_at", BigInteger, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)
"""Each opens one web socket once, for the token with which it was asked for."""

leases = Table(
    "kernel_lease",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("holder", Id, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
"""Who holds which lock. Rows stay, so that a token never comes twice; names come from code and are few."""
