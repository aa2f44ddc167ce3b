"""Payments: wallets, and the journals between them, which nobody can change; how far they were proved."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Id, UtcDateTime

revision = "payments_0001"
down_revision = None


def upgrade() -> None:
    _wallets()
    _journals()
    _promises()
    _seals()
    _proof()
    for statement in GUARDS[op.get_context().dialect.name]:
        op.execute(sa.text(statement))


def _index(table: str, suffix: str, *columns: str, where: str | None = None, unique: bool = False) -> None:
    condition = sa.text(where) if where else None
    op.create_index(
        f"{'uq' if unique else 'ix'}_{table}_{suffix}",
        table,
        [sa.text(column) if " " in column else column for column in columns],
        unique=unique,
        postgresql_where=condition,
        sqlite_where=condition,
    )


def _wallets() -> None:
    op.create_table(
        "payments_wallet",
        sa.Column("id", Id, nullable=False),
        sa.Column("owner_id", Id),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("posted", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
        sa.Column("overdraft", sa.BigInteger),
        sa.Column("daily_limit", sa.BigInteger),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("spent_on", sa.Date),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_payments_wallet"),
        sa.CheckConstraint("held >= 0", name="ck_payments_wallet_held"),
    )
    owned, of_the_house = "owner_id IS NOT NULL", "owner_id IS NULL"
    _index("payments_wallet", "owner", "owner_id", "currency", where=owned, unique=True)
    _index("payments_wallet", "house", "name", "currency", where=of_the_house, unique=True)


def _journals() -> None:
    op.create_table(
        "payments_journal",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("effective_at", UtcDateTime, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("requested_by", Id),
        sa.Column("key", Id),
        sa.Column("hold_id", Id),
        sa.Column("reverses", Id),
        sa.Column("rate", sa.String(40)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_payments_journal"),
    )
    _index("payments_journal", "reverses", "reverses", where="reverses IS NOT NULL", unique=True)
    _index("payments_journal", "key", "key", where='"key" IS NOT NULL', unique=True)
    _index("payments_journal", "hold", "hold_id", where="hold_id IS NOT NULL")
    op.create_table(
        "payments_entry",
        sa.Column("journal_id", Id, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("wallet_id", Id, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("effective_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("journal_id", "position", name="pk_payments_entry"),
        sa.ForeignKeyConstraint(["journal_id"], ["payments_journal.id"], name="fk_payments_entry_journal_id"),
        sa.CheckConstraint("amount <> 0", name="ck_payments_entry_amount"),
    )
    _index("payments_entry", "wallet", "wallet_id", "journal_id DESC")
    _index("payments_entry", "effective", "wallet_id", "effective_at", "journal_id")


def _promises() -> None:
    op.create_table(
        "payments_hold",
        sa.Column("id", Id, nullable=False),
        sa.Column("wallet_id", Id, nullable=False),
        sa.Column("owner_id", Id),
        sa.Column("payee_wallet_id", Id, nullable=False),
        sa.Column("payee_id", Id),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("captured", sa.BigInteger, nullable=False),
        sa.Column("refunded", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(100), nullable=False),
        sa.Column("held_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_payments_hold"),
        sa.CheckConstraint(
            "0 <= refunded AND refunded <= captured AND captured <= amount", name="ck_payments_hold_amounts"
        ),
    )
    _index("payments_hold", "open", "wallet_id", where="status = 'open'")
    _index("payments_hold", "owner", "owner_id", "held_at", "id")
    _index("payments_hold", "payee", "payee_id", "held_at", "id")
    op.create_table(
        "payments_scheduled_transfer",
        sa.Column("id", Id, nullable=False),
        sa.Column("owner_id", Id, nullable=False),
        sa.Column("payer_wallet_id", Id, nullable=False),
        sa.Column("payee_wallet_id", Id, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("journal_id", Id),
        sa.Column("refusal", sa.String(64)),
        sa.Column("reason", sa.Text),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_payments_scheduled_transfer"),
    )
    _index("payments_scheduled_transfer", "owner", "owner_id", "due_at", "id")


def _seals() -> None:
    op.create_table(
        "payments_seal",
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("journal_id", Id, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_payments_seal"),
    )
    _index("payments_seal", "journal_id", "journal_id", unique=True)


APPEND_ONLY = ("payments_journal", "payments_entry", "payments_seal")
# Each key of theirs, and how a row that has it already is found.
KEYS = (
    ("payments_journal.id", "id = NEW.id"),
    ("payments_journal.key", '"key" = NEW."key"'),
    ("payments_journal.reverses", "reverses = NEW.reverses"),
    (
        "payments_entry.journal_id, payments_entry.position",
        "journal_id = NEW.journal_id AND position = NEW.position",
    ),
    ("payments_seal.position", "position = NEW.position"),
    ("payments_seal.journal_id", "journal_id = NEW.journal_id"),
)


def _unchanged_on_sqlite(table: str) -> tuple[str, ...]:
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    return (
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refusal}",
        f"CREATE TRIGGER {table}_append_only BEFORE DELETE ON {table} {refusal}",
    )


def _not_replaced_on_sqlite(number: int, key: str, same: str) -> str:
    # Triggers for deletion do not fire where INSERT OR REPLACE deletes; its words are those of the index.
    table = key.partition(".")[0]
    refusal = f"SELECT RAISE(ABORT, 'UNIQUE constraint failed: {key}') FROM {table} WHERE {same}"  # noqa: S608  # names of ours
    return f"CREATE TRIGGER {table}_no_replace_{number} BEFORE INSERT ON {table} BEGIN {refusal}; END"


GUARDS = {
    "postgresql": (
        """
        CREATE OR REPLACE FUNCTION payments_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
        END $$
        """,
        *(
            f"""
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_change()
            """
            for table in APPEND_ONLY
        ),
    ),
    "sqlite": (
        *(statement for table in APPEND_ONLY for statement in _unchanged_on_sqlite(table)),
        *(_not_replaced_on_sqlite(number, key, same) for number, (key, same) in enumerate(KEYS)),
    ),
}


def _proof() -> None:
    checkpoint = op.create_table(
        "payments_checkpoint",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("held_at", UtcDateTime),
        sa.Column("looked_at", UtcDateTime),
        sa.Column("damages", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_payments_checkpoint"),
    )
    op.bulk_insert(checkpoint, [{"id": 1, "position": 0, "digest": "0" * 64, "damages": 0}])
    op.create_table(
        "payments_proved_sum",
        sa.Column("wallet_id", Id, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("wallet_id", "currency", name="pk_payments_proved_sum"),
    )


def downgrade() -> None:
    for table in (
        "proved_sum",
        "checkpoint",
        "seal",
        "scheduled_transfer",
        "hold",
        "entry",
        "journal",
        "wallet",
    ):
        op.drop_table(f"payments_{table}")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION payments_refuse_change")
