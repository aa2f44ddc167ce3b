"""The event log, the queue and the audit trail take the place of the outbox with its flags."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime

revision = "kernel_0002"
down_revision = "kernel_0001"

MESSAGE = (
    ("id", Id, False),
    ("queue", sa.String(128), False),
    ("name", sa.String(128), False),
    ("priority", sa.SmallInteger, False),
    ("key", sa.String(200), True),
    ("sequence", sa.BigInteger, False),
    ("schema", sa.Integer, False),
    ("payload", Json, False),
    ("event_id", Id, True),
    ("actor_id", Id, True),
    ("correlation_id", sa.String(64), False),
    ("enqueued_at", UtcDateTime, False),
    ("attempts", sa.Integer, False),
)


def upgrade() -> None:
    _refuse_to_lose_events()
    op.drop_table("kernel_inbox")
    _events()
    _work()
    _registers()
    _audit()


def _refuse_to_lose_events() -> None:
    waiting = "SELECT count(*) FROM kernel_outbox WHERE done_at IS NULL AND dead_at IS NULL"
    if op.get_bind().execute(sa.text(waiting)).scalar():
        raise RuntimeError(
            "Events of the old version are not delivered yet. Let it run, without requests, until the "
            "metric bailiwick_outbox_pending is 0, stop it, and migrate again."
        )


def _index(table: str, suffix: str, *columns: str, where: str | None = None, unique: bool = False) -> None:
    condition = sa.text(where) if where else None
    op.create_index(
        f"{'uq' if unique else 'ix'}_{table}_{suffix}",
        table,
        list(columns),
        unique=unique,
        postgresql_where=condition,
        sqlite_where=condition,
    )


def _message() -> list[sa.Column[object]]:
    return [
        sa.Column(name, kind, primary_key=name == "id", nullable=nullable) for name, kind, nullable in MESSAGE
    ]


def _events() -> None:
    op.create_table(
        "kernel_event",
        sa.Column("id", Id, primary_key=True),
        sa.Column("type", sa.String(128), nullable=False),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("aggregate_id", Id, nullable=False),
        sa.Column("aggregate_version", sa.Integer, nullable=False),
        sa.Column("actor_id", Id),
        sa.Column("correlation_id", sa.String(64), nullable=False),
        sa.Column("audience", Id),
    )
    _index("kernel_event", "aggregate", "aggregate_id", "id")
    _index("kernel_event", "audience", "audience", "id", where="audience IS NOT NULL")
    kept = "id, type, schema, payload, occurred_at, aggregate_id, aggregate_version, actor_id, correlation_id"
    op.execute(f"INSERT INTO kernel_event ({kept}) SELECT {kept} FROM kernel_outbox")  # noqa: S608  # names of ours
    op.drop_table("kernel_outbox")


def _work() -> None:
    op.create_table(
        "kernel_work",
        *_message(),
        sa.Column("available_at", UtcDateTime, nullable=False),
        sa.Column("leased_by", Id),
        sa.Column("leased_until", UtcDateTime),
        sa.Column("unique_key", sa.String(200)),
        sa.Column("cancelled", sa.Boolean, nullable=False),
        sa.Column("progress", Json),
        sa.Column("last_error", sa.Text),
    )
    _index("kernel_work", "due", "queue", "priority", "available_at", "id")
    _index("kernel_work", "order", "queue", "key", "sequence", "id", where='"key" IS NOT NULL')
    _index("kernel_work", "unique_key", "unique_key", where="unique_key IS NOT NULL", unique=True)
    op.create_table(
        "kernel_finished",
        *_message(),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("result", Json),
        sa.Column("error", sa.Text),
        sa.Column("finished_at", UtcDateTime, nullable=False),
    )
    _index("kernel_finished", "queue", "queue", "outcome", "id")
    _index("kernel_finished", "at", "finished_at")


def _registers() -> None:
    op.create_table(
        "kernel_pause",
        sa.Column("queue", sa.String(128), primary_key=True),
        sa.Column("paused_at", UtcDateTime, nullable=False),
        sa.Column("paused_by", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
    )
    op.create_table(
        "kernel_reader",
        sa.Column("type", sa.String(128), primary_key=True),
        sa.Column("reader", sa.String(128), primary_key=True),
        sa.Column("seen_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "kernel_inbox",
        sa.Column("reader", sa.String(128), primary_key=True),
        sa.Column("message_id", Id, primary_key=True),
        sa.Column("received_at", UtcDateTime, nullable=False),
    )
    _index("kernel_inbox", "received_at", "received_at")
    op.create_table(
        "kernel_schedule",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("last_due_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "kernel_lease",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("holder", Id, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("until", UtcDateTime, nullable=False),
    )


def _audit() -> None:
    op.create_table(
        "kernel_audit",
        sa.Column("id", Id, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("what", sa.String(128), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("actor_id", Id),
        sa.Column("correlation_id", sa.String(64), nullable=False),
        sa.Column("subject_id", Id),
        sa.Column("changes", Json, nullable=False),
        sa.Column("details", Json),
    )
    _index("kernel_audit", "actor", "actor_id", "id")
    _index("kernel_audit", "subject", "subject_id", "id")
    op.create_table(
        "kernel_seal",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("audit_id", Id, nullable=False),
        sa.Column("details_digest", sa.String(64)),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    _index("kernel_seal", "audit_id", "audit_id", unique=True)
    for statement in GUARDS[op.get_context().dialect.name]:
        op.execute(sa.text(statement))


def _refusing(table: str, when: str) -> str:
    return f"BEGIN SELECT RAISE(ABORT, '{table} is append-only') {when}; END"


COVERED = ("id", "at", "what", "outcome", "actor_id", "correlation_id", "subject_id", "changes")
_ONLY_ERASES = " AND ".join(["NEW.details IS NULL", *(f"NEW.{name} IS OLD.{name}" for name in COVERED)])
# Triggers for deletion do not fire where INSERT OR REPLACE deletes; its words are those of the index.
GUARDS = {
    "postgresql": (
        """
        CREATE OR REPLACE FUNCTION kernel_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
        END $$
        """,
        """
        CREATE OR REPLACE FUNCTION kernel_only_erase() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.details IS NULL AND to_jsonb(NEW) - 'details' = to_jsonb(OLD) - 'details' THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
        END $$
        """,
        """
        CREATE TRIGGER kernel_audit_only_erase BEFORE UPDATE ON kernel_audit
        FOR EACH ROW EXECUTE FUNCTION kernel_only_erase()
        """,
        """
        CREATE TRIGGER kernel_audit_append_only BEFORE DELETE OR TRUNCATE ON kernel_audit
        FOR EACH STATEMENT EXECUTE FUNCTION kernel_refuse_change()
        """,
        """
        CREATE TRIGGER kernel_seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON kernel_seal
        FOR EACH STATEMENT EXECUTE FUNCTION kernel_refuse_change()
        """,
    ),
    "sqlite": tuple(
        f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} {refusal}"
        for table, name, event, refusal in (
            (
                "kernel_audit",
                "only_erase",
                "UPDATE",
                _refusing("kernel_audit", f"WHERE NOT ({_ONLY_ERASES})"),
            ),
            ("kernel_audit", "append_only", "DELETE", _refusing("kernel_audit", "")),
            ("kernel_seal", "no_update", "UPDATE", _refusing("kernel_seal", "")),
            ("kernel_seal", "append_only", "DELETE", _refusing("kernel_seal", "")),
            (
                "kernel_audit",
                "no_replace",
                "INSERT",
                "BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: kernel_audit.id') "
                "FROM kernel_audit WHERE id = NEW.id; END",
            ),
            (
                "kernel_seal",
                "no_replace",
                "INSERT",
                "BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: kernel_seal.position') "
                "FROM kernel_seal WHERE position = NEW.position OR audit_id = NEW.audit_id; END",
            ),
        )
    ),
}


def downgrade() -> None:
    for table in (
        "seal",
        "audit",
        "lease",
        "schedule",
        "inbox",
        "reader",
        "pause",
        "finished",
        "work",
        "event",
    ):
        op.drop_table(f"kernel_{table}")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION kernel_refuse_change, kernel_only_erase")
    op.create_table(
        "kernel_outbox",
        sa.Column("id", Id, primary_key=True),
        sa.Column("type", sa.String(128), nullable=False),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("aggregate_id", Id, nullable=False),
        sa.Column("aggregate_version", sa.Integer, nullable=False),
        sa.Column("actor_id", Id),
        sa.Column("correlation_id", sa.String(64), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("available_at", UtcDateTime, nullable=False),
        sa.Column("leased_until", UtcDateTime),
        sa.Column("done_at", UtcDateTime),
        sa.Column("dead_at", UtcDateTime),
        sa.Column("last_error", sa.Text),
    )
    pending, dead = "done_at IS NULL AND dead_at IS NULL", "dead_at IS NOT NULL"
    _index("kernel_outbox", "pending", "available_at", where=pending)
    _index("kernel_outbox", "dead", "dead_at", where=dead)
    op.create_table(
        "kernel_inbox",
        sa.Column("subscriber", sa.String(128), primary_key=True),
        sa.Column("message_id", Id, primary_key=True),
        sa.Column("done_at", UtcDateTime, nullable=False),
    )
