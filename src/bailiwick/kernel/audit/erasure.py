"""Erases what may be personal in the audit trail. Who did what to what stays, and the chain still holds."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Cause, cause
from bailiwick.kernel.audit.sealing import FIRST, LAST, strides
from bailiwick.kernel.audit.trail import Change, audit_row
from bailiwick.kernel.database.columns import Id
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.ids import first_id, moment_of
from bailiwick.kernel.messaging.tables import audit

AT_A_TIME = 1000
WHAT = "audit_erase"


def _erase(*which: Any) -> Any:
    within = audit.c.id > bindparam("after", type_=Id), audit.c.id <= bindparam("last", type_=Id)
    some = select(audit.c.id).where(*which, *within, audit.c.details.is_not(None))
    few = some.order_by(audit.c.id).limit(AT_A_TIME)
    return update(audit).where(audit.c.id.in_(few)).values(details=None).returning(audit.c.id)


_person = bindparam("person", type_=Id)
_BY, _OF, _ALL = _erase(audit.c.actor_id == _person), _erase(audit.c.subject_id == _person), _erase()


async def erase_details(
    database: Database,
    *,
    actor_id: UUID | None = None,
    subject_id: UUID | None = None,
    before: datetime | None = None,
) -> int:
    """Erase the details of the rows of an actor, of those about a subject, and of all before a time.

    The erasure is itself a row of the trail, written first. Returns how many rows lost their details.
    """
    await _record(database, actor_id or subject_id)
    done = 0
    if actor_id:
        done += await _erased(database, _BY, FIRST, LAST, person=actor_id)
    if subject_id:
        done += await _erased(database, _OF, FIRST, LAST, person=subject_id)
    if before:
        end = first_id(moment_of(before))
        async for after, last in strides(database):
            done += await _erased(database, _ALL, after, min(last, end)) if after < end else 0
    return done


async def _record(database: Database, person: UUID | None) -> None:
    token = cause.set(Cause(correlation_id=str(uuid7()), what=WHAT))
    try:
        row = audit_row([Change("kernel_audit (update)", None, None, ["details"], {})], subject_id=person)
    finally:
        cause.reset(token)
    reached("erasure.before_write")
    await database.write([row])
    reached("erasure.after_write")


async def _erased(database: Database, statement: Any, after: UUID, last: UUID, **params: Any) -> int:
    done = 0
    while rows := await database.all(statement, after=after, last=last, **params):
        done += len(rows)
        after = max(UUID(str(row[0])) for row in rows)
    return done
