"""What operators look through: the database, and what this very process knows how to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bailiwick.kernel.application import Clock
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.health import OPERATIONS_READ
from bailiwick.kernel.messaging.handlers import Handler
from bailiwick.kernel.messaging.schedules import Schedule
from bailiwick.kernel.module import Module

READ = OPERATIONS_READ
MANAGE = "operations.manage"


@dataclass(frozen=True, slots=True)
class Carried:
    """A context, with its code in `package`. One that is not `here` is only asked: another process has it."""

    package: str
    module: Module
    here: bool


@dataclass(frozen=True, slots=True)
class Console:
    """`handlers`, `schedules` and contexts are those of this process; another may know others."""

    database: Database
    clock: Clock
    handlers: Sequence[Handler] = ()
    schedules: Sequence[Schedule] = ()
    carried: Sequence[Carried] = ()
    _by_name: Mapping[tuple[str, str], Handler] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {(each.queue, each.name): each for each in self.handlers})

    def knows(self, queue: str, name: str) -> bool:
        return (queue, name) in self._by_name

    def places(self, queue: str) -> int:
        """How much of a queue one worker runs at once; 0 where nothing here handles it."""
        return max((each.at_once for each in self.handlers if each.queue == queue), default=0)
