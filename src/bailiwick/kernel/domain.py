"""What every domain may build on: aggregates, events, refusals, money. Imports no framework."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID


class DomainError(Exception):
    """The business said no. Callers need to know only which of the four kinds below it is.

    `code` is the machine-readable name of the refusal: the class name in snake case, so
    `EmailTaken` is `email_taken`. `detail` is one sentence for a person. `field` names the
    input that caused it. `extra` is plain data that helps the caller, such as the legal moves.
    """

    code: ClassVar[str] = "domain_error"

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, detail: str, *, field: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.extra = extra


class NotFound(DomainError):
    """No such thing, or none that the caller may know of: the two look the same."""


class Forbidden(DomainError):
    """The caller may see the thing but not do this to it."""


class Conflict(DomainError):
    """The thing is in a state that does not allow this."""


class Invalid(DomainError):
    """The request makes no sense to the business, whatever the state."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact that others may react to: past tense, plain data, never changed once published.

    Where its fields must change, `schema` is raised, and `upcasts` says for each older schema how to make
    a payload of the next one from it.
    """

    occurred_at: datetime

    schema: ClassVar[int] = 1
    upcasts: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}

    def audience(self) -> UUID | None:
        """The user who is told of it at once where they are connected; None for an event nobody sees."""
        return None


@dataclass(eq=False, kw_only=True)
class Aggregate:
    """Root of one consistency boundary: loaded whole, changed by its methods, stored whole.

    `version` counts the stored changes: 0 means never stored. Only the kernel sets it.
    """

    version: int = 0

    def _record(self, event: Event) -> None:
        self.__dict__.setdefault("_events", []).append(event)

    def pull_events(self) -> list[Event]:
        """Hand over the events recorded since the last call, oldest first."""
        events: list[Event] = self.__dict__.pop("_events", [])
        return events
