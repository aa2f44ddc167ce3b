"""Why two contexts are joined: what crosses between them, where, and what would break without it."""

from collections.abc import Iterator

from bailiwick.tooling.map.atlas import Atlas
from bailiwick.tooling.map.edges import last_part
from bailiwick.tooling.map.words import listed, many


def explain(atlas: Atlas, one: str, other: str) -> str:
    """Both directions in words, each thing with its file and line. Raises NoSuchMap for an unknown name."""
    atlas[one], atlas[other]
    directions = [(one, other)] if one == other else [(one, other), (other, one)]
    lines = [line for a, b in directions for line in _needs(atlas, a, b)]
    if not lines:
        return _nothing(atlas, one, other)
    cut = [line for a, b in directions for line in _cut(atlas, a, b)]
    return "\n".join([*lines, "If it were cut", *cut])


def _needs(atlas: Atlas, one: str, other: str) -> Iterator[str]:
    """What `one` has of `other`."""
    yield from _asks(atlas, one, other)
    heard = atlas.heard(one, other)
    if heard:
        yield f"{one} hears of what happens in {other}" if one != other else f"{one} hears of its own events"
        said = {each.name: each.says for each in atlas[other].events}
        for event in dict.fromkeys(each.event for each in heard):
            yield f"  {event}: {said.get(event, 'no such event any more')}"
            yield from (f"    {each.name}  {each.at}" for each in heard if each.event == event)
        yield ""
    used = _data(atlas, one, other)
    if used:
        yield f"{one} uses names of {other}'s contract"
        yield from (
            f"  {name}  in {many(len(files), 'file')}: {files[0]}{' …' if files[1:] else ''}"
            for name, files in used.items()
        )
        yield ""


def _asks(atlas: Atlas, one: str, other: str) -> Iterator[str]:
    contracts, asks = atlas.contracts_asked(one, other), atlas.asked(one, other)
    if not contracts:
        return
    yield f"{one} asks {other}"
    for contract in contracts:
        for question in contract.questions:
            places = [each for each in asks if each.question == question.name]
            if places:
                yield f"  {question.name}: {question.says}"
                yield from (f"    {each.within or 'the module'}  {each.at}" for each in places)
        unasked = [each for each in contract.questions if all(ask.question != each.name for ask in asks)]
        if unasked:
            yield f"  not asked of {contract.name}: {', '.join(last_part(each.name) for each in unasked)}"
    yield ""


def _data(atlas: Atlas, one: str, other: str) -> dict[str, list[str]]:
    """The names that are neither questions nor heard of, with the files that import them."""
    known = {each.name for each in atlas.contracts_asked(one, other)}
    known |= {each.event for each in atlas.heard(one, other)}
    found: dict[str, list[str]] = {}
    for each in atlas.imported(one, other):
        if each.name not in known:
            found.setdefault(each.name, []).append(each.at)
    return found


def _cut(atlas: Atlas, one: str, other: str) -> Iterator[str]:
    asks, heard, imports = atlas.asked(one, other), atlas.heard(one, other), atlas.imported(one, other)
    if asks:
        within = listed(dict.fromkeys(each.within for each in asks if each.within))
        yield f"  {within} in {one} would have nobody to ask"
    if heard:
        yield f"  {listed(each.name for each in heard)} would never be called"
    if imports:
        files = dict.fromkeys(each.at.rpartition(":")[0] for each in imports)
        yield f"  {many(len(files), 'file')} of {one} would not import:"
        yield from (f"    {file}" for file in files)


def _nothing(atlas: Atlas, one: str, other: str) -> str:
    if one == other:
        return f"{one} hears of none of its own events."
    friends = {name for a, b in atlas.pairs() if one in (a, b) for name in (a, b) if _joined(atlas, a, b)}
    told = (
        f"Nothing crosses between {one} and {other}: neither events nor questions, nor names of a contract."
    )
    return (
        f"{told}\n{one} is joined with {listed(sorted(friends - {one}))}."
        if friends
        else f"{told}\n{one} is joined with no other context."
    )


def _joined(atlas: Atlas, one: str, other: str) -> bool:
    return bool(atlas.heard(one, other) or atlas.imported(one, other))
