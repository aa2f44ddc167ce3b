"""What goes between contexts, pair by pair, and how two maps differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bailiwick.tooling.map.atlas import Atlas, Context


class Kind(StrEnum):
    """An event goes to who hears of it, a question to who answers it; a name is only imported."""

    EVENT = "event"
    QUESTION = "question"
    NAME = "name"


@dataclass(frozen=True)
class Edge:
    """What goes from one context to another; `lines` name each of it, without the name of the context."""

    start: str
    end: str
    kind: Kind
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """One thing that only the later map has, or only the earlier. `about` is a context, or two of them."""

    about: str
    added: bool
    what: str


def edges_of(atlas: Atlas) -> list[Edge]:
    """Every edge between two different contexts."""
    return [edge for one, other in atlas.pairs() for edge in _between(atlas, one, other) if edge.lines]


def _between(atlas: Atlas, one: str, other: str) -> Iterator[Edge]:
    heard = _once(last_part(each.event) for each in atlas.heard(other, one))
    yield Edge(one, other, Kind.EVENT, heard)
    contracts = atlas.contracts_asked(one, other)
    asked = _once(last_part(each.question) for each in atlas.asked(one, other))
    yield Edge(one, other, Kind.QUESTION, asked or _once(last_part(each.name) for each in contracts))
    heard_here = {each.event for each in atlas.heard(one, other)}
    if not contracts and not heard_here:
        yield Edge(one, other, Kind.NAME, _once(last_part(each.name) for each in atlas.imported(one, other)))


def _once(names: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def last_part(name: str) -> str:
    """`hold` of `payments.Payments.hold`."""
    return name.rpartition(".")[2]


def changes(before: Atlas, after: Atlas) -> list[Change]:
    """What `after` has and `before` has not, and the other way round; lines of files do not count."""
    old, new = dict.fromkeys(_facts(before)), dict.fromkeys(_facts(after))
    found = [Change(about, True, what) for about, what in new if (about, what) not in old]
    found += [Change(about, False, what) for about, what in old if (about, what) not in new]
    return sorted(found, key=lambda each: (each.about, not each.added))


def _facts(atlas: Atlas) -> Iterator[tuple[str, str]]:
    for context in atlas.contexts:
        yield context.name, "the context"
        yield from ((context.name, fact) for fact in _owned(context))
        for subscriber in context.subscribers:
            publisher = subscriber.event.partition(".")[0]
            between = context.name if publisher == context.name else f"{publisher} → {context.name}"
            yield between, f"{subscriber.name} hears of {subscriber.event}"
    for edge in edges_of(atlas):
        if edge.kind is not Kind.EVENT:
            verb = "asks" if edge.kind is Kind.QUESTION else "imports"
            yield from ((f"{edge.start} → {edge.end}", f"{edge.start} {verb} {line}") for line in edge.lines)


def _owned(context: Context) -> Iterator[str]:
    named: Mapping[str, Sequence[str]] = {
        "event": [each.name for each in context.events],
        "question": [each.name for each in context.questions],
        "table": [each.name for each in context.tables],
        "route": [each.name for each in context.routes],
    }
    return (f"{kind} {name}" for kind, names in named.items() for name in names)
