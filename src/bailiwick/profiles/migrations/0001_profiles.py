"""Profiles."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Id, UtcDateTime

revision = "profiles_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "profiles_profile",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("username_name", sa.String(64)),
        sa.Column("username_key", sa.String(64)),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("full_name", sa.String(200), nullable=False),
        sa.Column("email_verified", sa.Boolean, nullable=False),
        sa.Column("display_name", sa.String(100)),
        sa.Column("bio", sa.Text),
        sa.Column("picture_url", sa.Text),
        sa.Column("locale", sa.String(35), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("shown_name", sa.String(320), nullable=False),
        sa.Column("profile_completion", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
    )
    named = sa.text("deleted_at IS NULL AND username_key IS NOT NULL")
    op.create_index("uq_profiles_profile_user_id", "profiles_profile", ["user_id"], unique=True)
    op.create_index(
        "uq_profiles_profile_username_key",
        "profiles_profile",
        ["username_key"],
        unique=True,
        postgresql_where=named,
        sqlite_where=named,
    )
    op.create_index("ix_profiles_profile_created", "profiles_profile", ["created_at", "id"])


def downgrade() -> None:
    op.drop_table("profiles_profile")
