"""The tables of payments."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from bailiwick.kernel.database.columns import Id, UtcDateTime, context_metadata

metadata = context_metadata()

wallets = Table(
    "payments_wallet",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", Id),  # identity's key: no foreign key crosses a context; NULL is the house
    Column("name", String(32), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("posted", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("overdraft", BigInteger),  # NULL: no limit
    Column("daily_limit", BigInteger),  # NULL: no limit
    Column("spent", BigInteger, nullable=False),
    Column("spent_on", Date),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("version", BigInteger, nullable=False),  # every movement counts it up
    CheckConstraint("held >= 0", name="held"),
)
one_for_each_owner = Index(
    "uq_payments_wallet_owner",
    wallets.c.owner_id,
    wallets.c.currency,
    unique=True,
    postgresql_where=wallets.c.owner_id.is_not(None),
    sqlite_where=wallets.c.owner_id.is_not(None),
)
one_of_the_house = Index(
    "uq_payments_wallet_house",
    wallets.c.name,
    wallets.c.currency,
    unique=True,
    postgresql_where=wallets.c.owner_id.is_(None),
    sqlite_where=wallets.c.owner_id.is_(None),
)

journals = Table(
    "payments_journal",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("description", String(200), nullable=False),
    Column("effective_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("requested_by", Id),
    Column("key", Id),
    Column("hold_id", Id),
    Column("reverses", Id),
    Column("rate", String(40)),
    Column("version", Integer, nullable=False),
)
"""Never changed: triggers see to it. Ids are in the order of recording."""
reversed_once = Index(
    "uq_payments_journal_reverses",
    journals.c.reverses,
    unique=True,
    postgresql_where=journals.c.reverses.is_not(None),
    sqlite_where=journals.c.reverses.is_not(None),
)
one_for_each_key = Index(
    "uq_payments_journal_key",
    journals.c.key,
    unique=True,
    postgresql_where=journals.c.key.is_not(None),
    sqlite_where=journals.c.key.is_not(None),
)
Index(
    "ix_payments_journal_hold",
    journals.c.hold_id,
    postgresql_where=journals.c.hold_id.is_not(None),
    sqlite_where=journals.c.hold_id.is_not(None),
)

entries = Table(
    "payments_entry",
    metadata,
    Column("journal_id", Id, ForeignKey("payments_journal.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("wallet_id", Id, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("effective_at", UtcDateTime, nullable=False),
    CheckConstraint("amount <> 0", name="amount"),
)
"""What a journal took from a wallet (less than 0) or gave to it. Never changed: triggers see to it."""
Index("ix_payments_entry_wallet", entries.c.wallet_id, entries.c.journal_id.desc())
Index("ix_payments_entry_effective", entries.c.wallet_id, entries.c.effective_at, entries.c.journal_id)

holds = Table(
    "payments_hold",
    metadata,
    Column("id", Id, primary_key=True),
    Column("wallet_id", Id, nullable=False),
    Column("owner_id", Id),
    Column("payee_wallet_id", Id, nullable=False),
    Column("payee_id", Id),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("captured", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reference", String(100), nullable=False),
    Column("held_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    CheckConstraint("0 <= refunded AND refunded <= captured AND captured <= amount", name="amounts"),
)
Index(
    "ix_payments_hold_open",
    holds.c.wallet_id,
    postgresql_where=holds.c.status == "open",
    sqlite_where=holds.c.status == "open",
)
Index("ix_payments_hold_owner", holds.c.owner_id, holds.c.held_at, holds.c.id)
Index("ix_payments_hold_payee", holds.c.payee_id, holds.c.held_at, holds.c.id)

scheduled_transfers = Table(
    "payments_scheduled_transfer",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner_id", Id, nullable=False),
    Column("payer_wallet_id", Id, nullable=False),
    Column("payee_wallet_id", Id, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("description", String(200), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("status", String(16), nullable=False),
    Column("journal_id", Id),
    Column("refusal", String(64)),
    Column("reason", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("version", Integer, nullable=False),
)
Index(
    "ix_payments_scheduled_transfer_owner",
    scheduled_transfers.c.owner_id,
    scheduled_transfers.c.due_at,
    scheduled_transfers.c.id,
)

seals = Table(
    "payments_seal",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("journal_id", Id, nullable=False),
    Column("digest", String(64), nullable=False),
)
"""The chain over the journals. Two sealers at once would use the same position, and one is refused."""
Index("uq_payments_seal_journal_id", seals.c.journal_id, unique=True)

checkpoints = Table(
    "payments_checkpoint",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("held_at", UtcDateTime),
    Column("looked_at", UtcDateTime),
    Column("damages", Integer, nullable=False),
)
"""One row: up to which seal the books were proved, when they last held, and how much was wrong since."""

proved_sums = Table(
    "payments_proved_sum",
    metadata,
    Column("wallet_id", Id, primary_key=True),
    Column("currency", String(3), primary_key=True),
    Column("amount", BigInteger, nullable=False),
)
"""What the entries of a wallet come to, up to the checkpoint."""
