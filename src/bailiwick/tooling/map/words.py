"""The map in words: all of it, and how it differs from another."""

import json
from collections.abc import Iterable, Iterator

from bailiwick.tooling.map.atlas import Atlas, Context
from bailiwick.tooling.map.edges import Edge, Kind, changes, edges_of

VERBS = {Kind.EVENT: "hears of", Kind.QUESTION: "asks", Kind.NAME: "uses"}


def as_json(atlas: Atlas) -> str:
    return json.dumps(atlas.as_data(), indent=2, ensure_ascii=False)


def outline(atlas: Atlas) -> str:
    """Each context: what it is about, owns and offers, and what it needs of others."""
    edges = edges_of(atlas)
    return "\n\n".join("\n".join(_outlined(context, edges)) for context in atlas.contexts)


def _outlined(context: Context, edges: Iterable[Edge]) -> Iterator[str]:
    yield ": ".join([context.name, *(" · ".join(lines) for lines in [counts(context)] if lines)])
    yield f"  {context.says}"
    for edge in edges:
        reader, publisher = (edge.end, edge.start) if edge.kind is Kind.EVENT else (edge.start, edge.end)
        if reader == context.name:
            yield f"  {VERBS[edge.kind]} {publisher}: {', '.join(edge.lines)}"


def differences(after: Atlas, before: Atlas, named: str) -> str:
    """What changed since the map that is called `named`, under the contexts that it is about."""
    found = changes(before, after)
    if not found:
        return f"The map is the same as that of {named}."
    lines, last = [f"Since {named}:"], ""
    for change in found:
        if change.about != last:
            lines += ["", change.about]
        last = change.about
        lines.append(f"  {'+' if change.added else '-'} {change.what}")
    return "\n".join(lines)


def counts(context: Context) -> list[str]:
    """What a context owns and what it offers, in two short lines; nothing of what there is none of."""
    owns = {"table": len(context.tables), "route": len(context.routes)}
    offers = {"event": len(context.events), "question": len(context.questions)}
    lines = [[many(count, noun) for noun, count in each.items() if count] for each in (owns, offers)]
    return [" · ".join(line) for line in lines if line]


def many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Iterable[str]) -> str:
    """`a, b and c`. There is at least one."""
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
