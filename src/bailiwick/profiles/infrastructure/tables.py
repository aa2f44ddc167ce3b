"""The tables of profiles."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text

from bailiwick.kernel.database.columns import Id, UtcDateTime, context_metadata

metadata = context_metadata()

profiles = Table(
    "profiles_profile",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),  # identity's key: no foreign key crosses a context
    Column("username_name", String(64)),
    Column("username_key", String(64)),
    Column("email", String(320), nullable=False),
    Column("full_name", String(200), nullable=False),
    Column("email_verified", Boolean, nullable=False),
    Column("display_name", String(100)),
    Column("bio", Text),
    Column("picture_url", Text),
    Column("locale", String(35), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("shown_name", String(320), nullable=False),
    Column("profile_completion", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    Column("version", Integer, nullable=False),
)

# One profile for each account, deleted or not: a restored account gets its own back.
one_for_each_user = Index("uq_profiles_profile_user_id", profiles.c.user_id, unique=True)

_named = profiles.c.deleted_at.is_(None) & profiles.c.username_key.is_not(None)
one_for_each_username = Index(
    "uq_profiles_profile_username_key",
    profiles.c.username_key,
    unique=True,
    postgresql_where=_named,
    sqlite_where=_named,
)

# The list of everybody, newest first.
Index("ix_profiles_profile_created", profiles.c.created_at, profiles.c.id)
