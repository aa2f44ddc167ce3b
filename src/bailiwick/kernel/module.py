"""What a context is made of at run time, and what it is made from."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bailiwick.kernel.application import Clock, NewId
from bailiwick.kernel.cache import Cache
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.authentication import Authentication
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.locks import Locks
from bailiwick.kernel.messaging.handlers import JobHandler, Subscription
from bailiwick.kernel.messaging.processes import ProcessHandler
from bailiwick.kernel.messaging.schedules import Schedule
from bailiwick.kernel.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Platform:
    """What the composition offers to every context."""

    settings: Settings
    database: Database
    clock: Clock
    new_id: NewId
    locks: Locks
    cache: Cache
    contracts: dict[type[Any], Any] = field(default_factory=dict)

    def contract(self, kind: type[T]) -> T:
        """The answerer of another context's published questions. Raises LookupError if it is not here."""
        if kind not in self.contracts:
            raise LookupError(f"no enabled context answers {kind.__module__}.{kind.__name__}")
        answerer: T = self.contracts[kind]
        return answerer


@dataclass(frozen=True, slots=True)
class Module:
    """One bounded context, wired and ready to serve, alone or beside others.

    `provides` are the objects that its endpoints may name by type. `before` runs before the first
    request, `background` from start to stop. `permissions` are the names that its code asks for.
    """

    name: str
    routers: tuple[Router, ...]
    provides: tuple[object, ...]
    subscriptions: tuple[Subscription, ...] = ()
    jobs: tuple[JobHandler, ...] = ()
    processes: tuple[ProcessHandler, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    contracts: Mapping[type[Any], Any] = field(default_factory=dict)
    permissions: frozenset[str] = frozenset()
    authentication: Authentication | None = None
    before: tuple[Callable[[], Awaitable[None]], ...] = ()
    background: tuple[Callable[[], Awaitable[None]], ...] = ()
