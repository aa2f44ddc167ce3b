"""Accounts, sessions, links, consents, roles and sign-in attempts."""

import sqlalchemy as sa
from alembic import op

from bailiwick.identity.domain.role import BUILT_IN_ROLES
from bailiwick.kernel.database.columns import Id, Json, UtcDateTime

revision = "identity_0001"
down_revision = None


def upgrade() -> None:
    _accounts()
    _papers()
    _rules()


def _accounts() -> None:
    op.create_table(
        "identity_user",
        sa.Column("id", Id, primary_key=True),
        sa.Column("email_address", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(320), nullable=False),
        sa.Column("full_name", sa.String(100), nullable=False),
        sa.Column("phone", sa.String(20)),
        sa.Column("organization", sa.String(100)),
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("email_verified_at", UtcDateTime),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("password_history", Json, nullable=False),
        sa.Column("password_set_at", UtcDateTime),
        sa.Column("must_change_password", sa.Boolean, nullable=False),
        sa.Column("stamp", sa.Integer, nullable=False),
        sa.Column("role_stamp", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("last_login_at", UtcDateTime),
        sa.Column("deleted_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index(
        "uq_identity_user_email_key",
        "identity_user",
        ["email_key"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
        sqlite_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("ix_identity_user_created", "identity_user", ["created_at", "id"])
    op.create_index("ix_identity_user_updated", "identity_user", ["updated_at"])
    op.create_table(
        "identity_session",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("stamp", sa.Integer, nullable=False),
        sa.Column("device_id", sa.String(128)),
        sa.Column("device_name", sa.String(128)),
        sa.Column("device_user_agent", sa.String(255), nullable=False),
        sa.Column("device_address", sa.String(64), nullable=False),
        sa.Column("seed", sa.String(64), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("remember", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime, nullable=False),
        sa.Column("rotated_at", UtcDateTime),
        sa.Column("idle_expires_at", UtcDateTime, nullable=False),
        sa.Column("absolute_expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("ix_identity_session_user", "identity_session", ["user_id", "created_at"])
    op.create_index(
        "ix_identity_session_ended",
        "identity_session",
        ["ended_at"],
        postgresql_where=sa.text("ended_at IS NOT NULL"),
        sqlite_where=sa.text("ended_at IS NOT NULL"),
    )


def _papers() -> None:
    op.create_table(
        "identity_link",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("email_key", sa.String(320), nullable=False),
        sa.Column("seed", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("used_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("ix_identity_link_email", "identity_link", ["email_key"])
    op.create_table(
        "identity_consent",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("document", sa.String(64), nullable=False),
        sa.Column("edition", sa.String(64), nullable=False),
        sa.Column("given_at", UtcDateTime, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("ix_identity_consent_user", "identity_consent", ["user_id"])


def _rules() -> None:
    roles = op.create_table(
        "identity_role",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("permissions", Json, nullable=False),
        sa.Column("assignable", sa.Boolean, nullable=False),
    )
    op.bulk_insert(
        roles,
        [
            {"name": r.name, "rank": r.rank, "permissions": list(r.permissions), "assignable": r.assignable}
            for r in BUILT_IN_ROLES
        ],
    )
    op.create_table(
        "identity_attempt",
        sa.Column("account", sa.String(32), primary_key=True),
        sa.Column("device", sa.String(32), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("resets_at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("identity_attempt")
    op.drop_table("identity_role")
    op.drop_table("identity_consent")
    op.drop_table("identity_link")
    op.drop_table("identity_session")
    op.drop_table("identity_user")
