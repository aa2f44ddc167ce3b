"""Sign-in attempts, counted by the database so that no two at once see the same number."""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, or_
from sqlalchemy.dialects.postgresql import insert

from bailiwick.identity.domain.sign_in import Attempt, Bucket
from bailiwick.identity.infrastructure.tables import attempts
from bailiwick.kernel.database.connections import Database

_over = attempts.c.resets_at <= bindparam("now", type_=attempts.c.resets_at.type)
_within = or_(_over, attempts.c.count < bindparam("most", type_=attempts.c.count.type))
# SQLite understands the same words as PostgreSQL here.
_RESERVE = (
    insert(attempts)
    .values(
        account=bindparam("account"),
        device=bindparam("device"),
        count=1,
        total=1,
        resets_at=bindparam("next_reset"),
    )
    .on_conflict_do_update(
        index_elements=[attempts.c.account, attempts.c.device],
        set_={
            "count": case((_over, 1), else_=attempts.c.count + 1),
            "total": case((_within, attempts.c.total + 1), else_=attempts.c.total),
            "resets_at": case(
                (_over, bindparam("next_reset", type_=attempts.c.resets_at.type)), else_=attempts.c.resets_at
            ),
        },
    )
    .returning(attempts.c.count, attempts.c.total, attempts.c.resets_at)
)


class SqlAttempts:
    """One atomic statement for each attempt, committed before the password is looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, bucket: Bucket, now: datetime, *, limit: int, window: timedelta) -> Attempt:
        row = await self._database.first(
            _RESERVE,
            account=bucket.account,
            device=bucket.device,
            now=now,
            most=limit,
            next_reset=now + window,
        )
        assert row is not None
        return Attempt(count=row[0], total=row[1], resets_at=row[2])
