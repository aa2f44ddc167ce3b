"""Process managers, as a context declares them: steps across contexts, carried through or taken back.

What a step must promise, because a crash may repeat it: **the same key has the same effect, once, and the
same answer.** Keys differ from step to step and are the same for the `do` and the `undo` of one step, so an
`undo` can name what it takes back even where the answer of `do` was lost. Then an `undo` may also be asked
for what never happened: that changes nothing, except that the `do` of this key, if it arrives only now,
must have no effect any more. A step with `commits` need not think of this: the kernel does.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from bailiwick.kernel.domain import Conflict, Event

S = TypeVar("S")
P = TypeVar("P")
E = TypeVar("E", bound=Event)

TIMED_OUT = "timed_out"
GAVE_UP = "gave_up"


class AlreadyStarted(Conflict):
    """There is a process of this name with this key, running or ended."""


@dataclass(frozen=True)
class On(Generic[E, S]):
    """An event that a step waits for, where `key` gives the key of the process from it.

    `take` gives the new state; it may refuse with a DomainError, which takes the process back. An event
    that comes early is kept until its step waits for it; each is taken by one step.
    """

    kind: type[E]
    key: Callable[[E], str | None]
    take: Callable[[S, E], S] | None = None


@dataclass(frozen=True)
class Step(Generic[S, P]):
    """One step: `do` first, then the wait for the first of `waits_for`.

    `do(state, ports, key)` asks another context; what it returns, unless None, is the new state. A
    DomainError is a refusal: all that was done is taken back, by `undo(state, ports, key)` in reverse order.
    Any other error is tried again. With `commits`, `do` and `undo` commit aggregates of the own context
    instead, once, in the same transaction as the progress of the process; a new state is what they commit:
    `await uow.commit(state)`.

    A step that takes longer than `within` is taken back, too, with all that were done before it.
    """

    name: str
    do: Callable[[S, P, UUID], Awaitable[S | None]] | None = None
    undo: Callable[[S, P, UUID], Awaitable[S | None]] | None = None
    commits: bool = False
    waits_for: tuple[On[Any, S], ...] = ()
    within: timedelta | None = None

    def __post_init__(self) -> None:
        if self.do is None and (self.undo is not None or self.commits or not self.waits_for):
            raise TypeError(f"step {self.name}: it does nothing, or takes back what it does not do")


@dataclass(frozen=True)
class Ended(Generic[S]):
    """How a process ended. `refusal` is None where it was carried through.

    Otherwise all its effects were taken back, and `refusal` is the code of the DomainError, or `timed_out`,
    or `gave_up`; `reason` is a sentence for a person.
    """

    state: S
    refusal: str | None
    reason: str

    @property
    def completed(self) -> bool:
        return self.refusal is None


@dataclass(frozen=True)
class Process(Generic[S, P]):
    """`name` is `<context>.<process>`, and like the names of its steps it never changes.

    `state` is a frozen dataclass of plain data; a field that is added later has a default. A process that
    runs longer than `within` is taken back. `on_end(ended, ports)` commits what follows from the end, in
    the same transaction, as a step with `commits` does. What fails is tried `most_attempts` times, after 2,
    4, 8 … at most 30 s: then a `do` counts as refused, and an `undo` or `on_end` waits for an operator.
    """

    name: str
    state: type[S]
    steps: tuple[Step[S, P], ...]
    within: timedelta
    on_end: Callable[[Ended[S], P], Awaitable[object]] | None = None
    most_attempts: int = 60

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if "." not in self.name:
            raise TypeError(f"{self.name}: the name of a process is <context>.<process>")
        if not names or len(set(names)) < len(names):
            raise TypeError(f"{self.name}: it has steps, each with a name of its own")
        options = getattr(self.state, "__dataclass_params__", None)
        if options is None or not options.frozen:
            raise TypeError(f"{self.name}: its state is a frozen dataclass")
