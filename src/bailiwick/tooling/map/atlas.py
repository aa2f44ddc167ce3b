"""What a map shows, as plain data: it is drawn, explained, compared and kept as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

FORM = 1
"""The form of the JSON. Files of another form are refused."""


class NoSuchMap(Exception):
    """There is no map to read, or to compare with. The text says what to do."""


@dataclass(frozen=True)
class Event:
    """A fact that a context publishes, such as `orders.OrderPlaced`. `at` is its file and line."""

    name: str
    says: str
    at: str


@dataclass(frozen=True)
class Question:
    """What others may ask, such as `payments.Payments.hold`."""

    name: str
    says: str
    at: str


@dataclass(frozen=True)
class Contract:
    """A set of questions that one context answers, such as `payments.Payments`."""

    name: str
    questions: tuple[Question, ...]
    at: str


@dataclass(frozen=True)
class Table:
    name: str
    at: str


@dataclass(frozen=True)
class Route:
    """`name` is its method and path."""

    name: str
    says: str
    at: str


@dataclass(frozen=True)
class Subscriber:
    """Who is called with each event of a type. `at` is where it is written, not where it is wired."""

    name: str
    event: str
    at: str


@dataclass(frozen=True)
class Ask:
    """A place where a question of another context is asked; `within` is the function that asks."""

    question: str
    within: str
    at: str


@dataclass(frozen=True)
class Import:
    """A name of another context's contract that a file uses, such as `catalog.Line`."""

    name: str
    at: str


@dataclass(frozen=True)
class Context:
    """One bounded context: what it offers, what it owns, and what it needs of others."""

    name: str
    package: str
    says: str
    events: tuple[Event, ...]
    contracts: tuple[Contract, ...]
    tables: tuple[Table, ...]
    routes: tuple[Route, ...]
    subscribers: tuple[Subscriber, ...]
    asks: tuple[Ask, ...]
    imports: tuple[Import, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        return tuple(each for contract in self.contracts for each in contract.questions)


@dataclass(frozen=True)
class Atlas:
    """The contexts, by name."""

    contexts: tuple[Context, ...]

    def __getitem__(self, name: str) -> Context:
        for context in self.contexts:
            if context.name == name:
                return context
        known = ", ".join(each.name for each in self.contexts)
        raise NoSuchMap(f"There is no context {name}; there are {known}.")

    def heard(self, reader: str, publisher: str) -> list[Subscriber]:
        """What `reader` hears of `publisher`."""
        theirs = self[reader].subscribers
        return [each for each in theirs if each.event.partition(".")[0] == publisher]

    def contracts_asked(self, asker: str, answerer: str) -> list[Contract]:
        """The contracts of `answerer` that `asker` knows, and so asks."""
        known = {each.name for each in self[asker].imports}
        return [each for each in self[answerer].contracts if each.name in known]

    def asked(self, asker: str, answerer: str) -> list[Ask]:
        """The questions that `asker` asks `answerer`, in the order of its files."""
        return [each for each in self[asker].asks if each.question.partition(".")[0] == answerer]

    def imported(self, importer: str, owner: str) -> list[Import]:
        """What `importer` takes from the contract of `owner`."""
        return [each for each in self[importer].imports if each.name.partition(".")[0] == owner]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every two contexts, in both orders."""
        names = [each.name for each in self.contexts]
        return ((one, other) for one in names for other in names if one != other)

    def as_data(self) -> dict[str, Any]:
        return {"map": FORM, **asdict(self)}

    @classmethod
    def of(cls, data: object) -> Self:
        """From what `as_data` gave. Raises NoSuchMap."""
        if not isinstance(data, Mapping) or data.get("map") != FORM:
            raise NoSuchMap("This is no map; make one: bailiwick map --json -o map.json")
        try:
            return TypeAdapter(cls).validate_python({"contexts": data.get("contexts")})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise NoSuchMap(f"This map is damaged at {where}: {first['msg']}") from None
