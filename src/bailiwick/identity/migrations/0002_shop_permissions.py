"""The built-in roles may do in payments, catalog and orders what is theirs."""

import sqlalchemy as sa
from alembic import op

from bailiwick.kernel.database.columns import Json

revision = "identity_0002"
down_revision = "identity_0001"

PLACE = "orders.place"
ADDED = {
    "admin": ("payments.operate", "catalog.manage", "orders.manage", PLACE),
    "staff": (PLACE,),
    "user": (PLACE,),
}

roles = sa.table("identity_role", sa.column("name", sa.String), sa.column("permissions", Json))


def _grant(change: str) -> None:
    connection = op.get_bind()
    for name, added in ADDED.items():
        row = connection.execute(sa.select(roles.c.permissions).where(roles.c.name == name)).first()
        if row is None:
            continue
        kept = [permission for permission in row[0] if permission not in added]
        wanted = [*kept, *added] if change == "upgrade" else kept
        connection.execute(sa.update(roles).where(roles.c.name == name).values(permissions=wanted))


def upgrade() -> None:
    _grant("upgrade")


def downgrade() -> None:
    _grant("downgrade")
