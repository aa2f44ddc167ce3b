"""The tables of identity."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime, context_metadata

metadata = context_metadata()

users = Table(
    "identity_user",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email_address", String(254), nullable=False),
    Column("email_key", String(320), nullable=False),
    Column("full_name", String(100), nullable=False),
    Column("phone", String(20)),
    Column("organization", String(100)),
    Column("role", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("email_verified_at", UtcDateTime),
    Column("password_hash", String(255)),
    Column("password_history", Json, nullable=False),
    Column("password_set_at", UtcDateTime),
    Column("must_change_password", Boolean, nullable=False),
    Column("stamp", Integer, nullable=False),
    Column("role_stamp", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("last_login_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
    Column("version", Integer, nullable=False),
)
# An address is taken only while its account is not deleted.
users_email = Index(
    "uq_identity_user_email_key",
    users.c.email_key,
    unique=True,
    postgresql_where=users.c.deleted_at.is_(None),
    sqlite_where=users.c.deleted_at.is_(None),
)
Index("ix_identity_user_created", users.c.created_at, users.c.id)
# What the workers ask every half second: whose tokens were taken back lately.
Index("ix_identity_user_updated", users.c.updated_at)

sessions = Table(
    "identity_session",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("stamp", Integer, nullable=False),
    Column("device_id", String(128)),
    Column("device_name", String(128)),
    Column("device_user_agent", String(255), nullable=False),
    Column("device_address", String(64), nullable=False),
    Column("seed", String(64), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("remember", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=False),
    Column("rotated_at", UtcDateTime),
    Column("idle_expires_at", UtcDateTime, nullable=False),
    Column("absolute_expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("end_reason", String(32)),
    Column("version", Integer, nullable=False),
)
Index("ix_identity_session_user", sessions.c.user_id, sessions.c.created_at)
Index(
    "ix_identity_session_ended",
    sessions.c.ended_at,
    postgresql_where=sessions.c.ended_at.is_not(None),
    sqlite_where=sessions.c.ended_at.is_not(None),
)

links = Table(
    "identity_link",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id),
    Column("purpose", String(16), nullable=False),
    Column("email_key", String(320), nullable=False),
    Column("seed", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("version", Integer, nullable=False),
)
Index("ix_identity_link_email", links.c.email_key)

consents = Table(
    "identity_consent",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("document", String(64), nullable=False),
    Column("edition", String(64), nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
    Column("address", String(64), nullable=False),
    Column("version", Integer, nullable=False),
)
Index("ix_identity_consent_user", consents.c.user_id)

roles = Table(
    "identity_role",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("rank", Integer, nullable=False),
    Column("permissions", Json, nullable=False),
    Column("assignable", Boolean, nullable=False),
)

attempts = Table(
    "identity_attempt",
    metadata,
    Column("account", String(32), primary_key=True),
    Column("device", String(32), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("resets_at", UtcDateTime, nullable=False),
)
