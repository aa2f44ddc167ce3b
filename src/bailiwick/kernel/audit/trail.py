"""The row that each commit leaves in the audit trail, in its own transaction.

Names of changed fields are always told; values only of those that a mapper allows, so no secret can get
here. What may be personal stands in `details` and can be erased; a random salt keeps its seal from giving
away what it was.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import cause
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.messaging.tables import audit

DONE = "done"

_INSERT = insert(audit)


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did to one aggregate, or, without an id, to many rows of a table at once.

    `subject` is whom or what it is about: of an account's sessions, the account.
    """

    kind: str
    id: UUID | None
    version: int | None
    fields: Sequence[str]
    values: Mapping[str, tuple[Any, Any]]
    subject: UUID | None = None


def audit_row(changes: Sequence[Change], outcome: str = DONE, subject_id: UUID | None = None) -> Write:
    """The row for what runs now, as `cause` knows it. The subject is given or that of the changes."""
    why = cause.get()
    values = {str(change.id): change.values for change in changes if change.values}
    details: dict[str, Any] = {"address": why.address, "user_agent": why.user_agent} if why.address else {}
    if values:
        details["values"] = values
    if details:
        details["salt"] = secrets.token_hex(8)
    return Write(
        _INSERT,
        {
            "id": uuid7(),
            "at": datetime.now(UTC),
            "what": why.what,
            "outcome": outcome,
            "actor_id": why.actor_id,
            "correlation_id": why.correlation_id,
            "subject_id": subject_id or next((c.subject or c.id for c in changes if c.id), None),
            "changes": [_told(change) for change in changes],
            "details": details or None,
        },
    )


def _told(change: Change) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": change.kind}
    if change.id is not None:
        told |= {"id": change.id, "version": change.version}
    if change.fields:
        told["fields"] = change.fields
    return told
