"""What use cases share: who asks, the unit of work, the clock, pages of answers."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from bailiwick.kernel.domain import Aggregate, Conflict, Forbidden
from bailiwick.kernel.jobs import Job, Priority
from bailiwick.kernel.processes import Process

A = TypeVar("A", bound=Aggregate)
Id = TypeVar("Id", bound=UUID)
IdIn = TypeVar("IdIn", bound=UUID, contravariant=True)
Result = TypeVar("Result")
Item = TypeVar("Item")
State = TypeVar("State")

EVERY_PERMISSION = "*"


class Unauthenticated(Forbidden):
    """Nobody we know is asking: no credentials, or credentials that no longer hold."""


class PermissionRequired(Forbidden):
    """The caller is known but lacks the permission that the use case names."""


class TooMany(Forbidden):
    """Asked too often. `retry_after` is in whole seconds, at least 1."""

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Stale(Conflict):
    """The caller's `If-Match` names a version that is no longer the current one."""


class Contention(Conflict):
    """Somebody else stored the aggregate between our load and our commit. Try the whole again."""


class Unavailable(Exception):
    """Something we depend on does not answer now. `retry_after` is in whole seconds."""

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking. Permissions are names from code; which role holds which is data.

    `label` is the id as text, for logs and counters, made once for all requests of a token.
    """

    id: UUID
    role: str
    permissions: frozenset[str] = frozenset()
    session_id: UUID | None = None
    label: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", str(self.id))

    def may(self, permission: str) -> bool:
        return permission in self.permissions or EVERY_PERMISSION in self.permissions

    def require(self, permission: str) -> None:
        """Raise PermissionRequired unless the actor holds `permission`."""
        if not self.may(permission):
            raise PermissionRequired("you are not allowed to do this", permission=permission)


Clock = Callable[[], datetime]
"""The time now, aware and in UTC."""

NewId = Callable[[], UUID]
"""A new id: unique, and sortable by the time of its making (UUIDv7)."""


class Repository(Protocol[A, IdIn]):
    """Aggregates of one kind, as if they were all in memory."""

    def add(self, aggregate: A) -> None: ...

    async def get(self, id: IdIn, *, version: int | None = None) -> A:
        """Load one. Raises NotFound, or Stale where `version` is given and not the current one."""
        ...


class UnitOfWork(AbstractAsyncContextManager["UnitOfWork"], Protocol):
    """One transaction. Leaving the block without `commit` stores nothing."""

    async def commit(self, result: Result) -> Result:
        """Store every change of this block at once, with its events, and hand `result` back.

        Raises Contention where an aggregate was changed by somebody else since it was loaded.
        """
        ...

    def enqueue(
        self,
        job: Job,
        *,
        delay: timedelta = timedelta(0),
        key: str | None = None,
        unique: str | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> UUID:
        """Have `job` run after the commit, and after `delay`. Returns its id.

        Jobs of one queue with the same `key` (at most 200 characters) run one after the other, in their
        order. While a job with the same `unique` key waits or runs, another is not added.
        """
        ...

    def start(self, process: Process[State, Any], state: State, *, key: str) -> UUID:
        """Have `process` run after the commit. Returns its id.

        `key` (1 to 200 characters) is what the events that it waits for name it by: usually the id of an
        aggregate. Only one process of a kind ever has it: `commit` raises AlreadyStarted for a second.
        """
        ...


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a list. By number (`total_items` is known) or by cursor (`next_cursor` may follow)."""

    items: list[Item]
    per_page: int
    number: int | None = None
    total_items: int | None = None
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something happens: the request or message at its root, and who stands behind it.

    `what` names what is done: an operation, a subscriber, a job or a command of an operator.
    """

    correlation_id: str = ""
    actor_id: UUID | None = None
    address: str = ""
    user_agent: str = ""
    what: str = "direct"


NO_CAUSE = Cause()
cause: ContextVar[Cause] = ContextVar("cause", default=NO_CAUSE)
"""The cause of what runs now. Set by whoever runs a handler; read where events are stored."""
