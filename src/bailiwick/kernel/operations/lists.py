"""Lists for operators: messages and jobs in every state, the event store, the audit trail."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from bailiwick.kernel.database.columns import Id, Json, UtcDateTime
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.listing import Filter, InvalidListing, Listing, ListRequest, columns_of
from bailiwick.kernel.domain import Invalid, NotFound
from bailiwick.kernel.messaging.queue import HANDED_OVER
from bailiwick.kernel.messaging.tables import KEPT, audit, events, finished, work
from bailiwick.kernel.specification import Relation

V = TypeVar("V")

MOST_LOOKED_THROUGH = 100_000


class Kind(StrEnum):
    """A message is an event on its way to one subscriber; a job was enqueued by a handler or a schedule."""

    MESSAGE = "message"
    JOB = "job"


class WorkState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"


class AmbiguousId(Invalid):
    """The part of an id that was given belongs to several; `ids` names some of them."""


@dataclass
class WorkView:
    """A message or a job. `name` is who handles it; `due_at`, `leased_…` and `progress` are None once it
    is over, `finished_at` before. `error` is why it failed last, or why it was given up."""

    id: UUID
    queue: str
    name: str
    state: WorkState
    key: str | None
    attempts: int
    enqueued_at: datetime
    due_at: datetime | None
    finished_at: datetime | None
    leased_by: UUID | None
    leased_until: datetime | None
    cancelled: bool
    progress: dict[str, Any] | None
    error: str | None
    event_id: UUID | None
    correlation_id: str
    actor_id: UUID | None


@dataclass
class WholeWorkView(WorkView):
    """The same with what it is about, which may be personal, and what came of it."""

    priority: int
    sequence: int
    schema: int
    payload: dict[str, Any]
    result: Any


@dataclass
class EventView:
    """A fact as it was stored, for ever unchanged."""

    id: UUID
    type: str
    schema: int
    payload: dict[str, Any]
    occurred_at: datetime
    aggregate_id: UUID
    aggregate_version: int
    actor_id: UUID | None
    correlation_id: str


@dataclass
class AuditView:
    """What one commit did. `details` are addresses and values, until they are erased."""

    id: UUID
    at: datetime
    what: str
    outcome: str
    actor_id: UUID | None
    correlation_id: str
    subject_id: UUID | None
    changes: list[dict[str, Any]]
    details: dict[str, Any] | None


class Stream(Listing[V]):
    """A list that grows at its end: by cursor only. A filter may also be named without `filter[…]`.

    Sorted by ids, which grow with time: the newest or the oldest come first.
    """

    def __init__(
        self, view: type[V], rows: Select[Any], id: ColumnElement[Any], filters: Mapping[str, Filter]
    ) -> None:
        super().__init__(view, rows, key=id, sorts={"id": id}, default_sort="-id", filters=filters)

    def parse(self, query: Mapping[str, str], seal: bytes = b"") -> ListRequest:
        if "page" in query:
            raise InvalidListing("this list has no numbered pages; ask with a cursor", field="page")
        named = {f"filter[{name}]" if name in self._filters else name: text for name, text in query.items()}
        return super().parse({"cursor": "", **named}, seal)

    def parameters(self) -> list[dict[str, Any]]:
        known = [each for each in super().parameters() if each["name"] != "page"]
        short = [
            each | {"name": name, "description": f"The same as `{each['name']}`."}
            for each in known
            if (name := each["name"].removeprefix("filter[").removesuffix("]")) != each["name"]
        ]
        return known + short


_state = case(
    (work.c.leased_by != HANDED_OVER, literal(WorkState.RUNNING.value)),
    (work.c.last_error.is_not(None), literal(WorkState.RETRYING.value)),
    else_=literal(WorkState.WAITING.value),
)
_open = select(
    *(work.c[name] for name in KEPT),
    cast(_state, String).label("state"),
    work.c.available_at.label("due_at"),
    cast(null(), UtcDateTime).label("finished_at"),
    work.c.leased_by,
    work.c.leased_until,
    work.c.cancelled,
    work.c.progress,
    work.c.last_error.label("error"),
    cast(null(), Json).label("result"),
)
_closed = select(
    *(finished.c[name] for name in KEPT),
    cast(finished.c.outcome, String).label("state"),
    cast(null(), UtcDateTime).label("due_at"),
    finished.c.finished_at,
    cast(null(), Id).label("leased_by"),
    cast(null(), UtcDateTime).label("leased_until"),
    (finished.c.outcome == WorkState.CANCELLED.value).label("cancelled"),
    cast(null(), Json).label("progress"),
    finished.c.error,
    finished.c.result,
)


_every = union_all(_open, _closed).subquery()
"""Branches without conditions of their own: then PostgreSQL merges them in the order of both primary keys."""

_KINDS: Mapping[Kind, ColumnElement[bool]] = {
    Kind.MESSAGE: _every.c.event_id.is_not(None),
    Kind.JOB: _every.c.event_id.is_(None),
}


def _list(of_kind: ColumnElement[bool]) -> Stream[WorkView]:
    return Stream(
        WorkView,
        select(*(_every.c[each.name] for each in fields(WorkView))).where(of_kind),
        _every.c.id,
        filters={
            "queue": Filter(_every.c.queue, str),
            "name": Filter(_every.c.name, str),
            "state": Filter(_every.c.state, WorkState),
            "key": Filter(_every.c.key, str),
            "correlation": Filter(_every.c.correlation_id, str),
            "event": Filter(_every.c.event_id, UUID),
        },
    )


WORK: Mapping[Kind, Stream[WorkView]] = {kind: _list(of_kind) for kind, of_kind in _KINDS.items()}

_ONE = {
    kind: select(*(_every.c[each.name] for each in fields(WholeWorkView))).where(
        of_kind, _every.c.id == bindparam("id")
    )
    for kind, of_kind in _KINDS.items()
}


def named_by_digits(ids: ColumnElement[UUID], *conditions: ColumnElement[bool]) -> Select[Any]:
    """Those of the newest 100,000 ids that match `head` or `tail`, without their dashes."""
    newest = select(ids.label("id")).where(*conditions).order_by(ids.desc()).limit(MOST_LOOKED_THROUGH)
    id: ColumnElement[UUID] = newest.subquery().c.id
    digits = func.replace(cast(id, String), "-", "")
    ends = (digits.like(bindparam("head", type_=String)), digits.like(bindparam("tail", type_=String)))
    return select(id).where(or_(*ends)).order_by(id.desc()).limit(5)


_NAMED = {kind: named_by_digits(_every.c.id, of_kind) for kind, of_kind in _KINDS.items()}

EVENTS = Stream(
    EventView,
    select(*columns_of(EventView, events)),
    events.c.id,
    filters={
        "aggregate": Filter(events.c.aggregate_id, UUID),
        "type": Filter(events.c.type, str),
        "actor": Filter(events.c.actor_id, UUID),
        "correlation": Filter(events.c.correlation_id, str),
        "before": Filter(events.c.occurred_at, datetime, Relation.BEFORE),
        "after": Filter(events.c.occurred_at, datetime, Relation.AFTER),
    },
)

AUDIT = Stream(
    AuditView,
    select(*columns_of(AuditView, audit)),
    audit.c.id,
    filters={
        "actor": Filter(audit.c.actor_id, UUID),
        "subject": Filter(audit.c.subject_id, UUID),
        "what": Filter(audit.c.what, str),
        "outcome": Filter(audit.c.outcome, str),
        "correlation": Filter(audit.c.correlation_id, str),
        "before": Filter(audit.c.at, datetime, Relation.BEFORE),
        "after": Filter(audit.c.at, datetime, Relation.AFTER),
    },
)


async def one_work(database: Database, kind: Kind, id: UUID) -> WholeWorkView:
    """Raises NotFound. A message that was delivered leaves nothing behind but its effect."""
    row = await database.first(_ONE[kind], id=id)
    if row is None:
        gone = "; one that was delivered is not kept" if kind is Kind.MESSAGE else ""
        raise NotFound(f"no such {kind}{gone}")
    view = WholeWorkView(*row)
    view.state = WorkState(view.state)
    return view


async def id_from(database: Database, kind: Kind, text: str) -> UUID:
    """As `id_by`, of a message or a job."""
    return await id_by(database, _NAMED[kind], kind, text)


async def id_by(database: Database, named: Select[Any], kind: str, text: str) -> UUID:
    """The id that begins or ends with these hexadecimal digits, at least 4 of them; dashes do not count.

    Raises NotFound, AmbiguousId, and Invalid for what is no part of an id.
    """
    digits = text.lower().replace("-", "")
    if not re.fullmatch("[0-9a-f]{4,32}", digits):
        raise Invalid(f"{text} is not an id, nor 4 or more digits at its beginning or end")
    if len(digits) == 32:
        return UUID(digits)
    found = [row[0] for row in await database.all(named, head=f"{digits}%", tail=f"%{digits}")]
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise AmbiguousId(f"{text} belongs to several; give more of it: {names}", ids=found)
    if not found:
        raise NotFound(f"no {kind} has an id that begins or ends with {text}")
    id: UUID = found[0]
    return id
