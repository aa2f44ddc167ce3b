"""How large a project is, in the figures that architecture.md sets limits to."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.hops import Way, ways
from bailiwick.tooling.check.imports.contracts import import_cycles
from bailiwick.tooling.check.source import Source, python_files
from bailiwick.tooling.project import PRODUCT

LIMITS = {
    "hops of a write": 3,
    "hops of a read": 2,
    "files of an endpoint": 2,
    "files of an aggregate": 10,
    "lines of a file": 80,
    "lines of the longest file": 400,
    "largest import cycle": 1,
    "lines of the kernel": 17_000,
}
"""What each figure may be at most. The first five are medians, the fifth of contexts with one aggregate."""


@dataclass(frozen=True, slots=True)
class Size:
    """One context. Files without code are not counted, lines are as they stand in the files."""

    context: str
    files: int
    lines: int
    aggregates: int
    endpoints: int
    write_hops: int
    read_hops: int

    @property
    def lines_of_an_endpoint(self) -> int:
        return round(self.lines / self.endpoints) if self.endpoints else 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure beside its limit."""

    name: str
    value: float

    @property
    def limit(self) -> int:
        return LIMITS[self.name]

    @property
    def within(self) -> bool:
        return self.value <= self.limit


def sizes(ground: Ground) -> list[Size]:
    """Each context of the project."""
    found = _ways(ground)
    return [_size(context, ground.sources, found) for context in sorted(ground.contexts)]


@lru_cache(maxsize=1)
def _ways(ground: Ground) -> Sequence[Way]:
    return list(ways(ground.modules))


def _size(context: str, sources: Sequence[Source], found: Sequence[Way]) -> Size:
    files = _written(source for source in sources if source.context == context)
    own = [way for way in found if way.context == context]
    return Size(
        context,
        len(files),
        sum(map(_lines, files)),
        _aggregates(files),
        len(own),
        max((way.hops for way in own if way.writes), default=0),
        max((way.hops for way in own if not way.writes), default=0),
    )


def figures(ground: Ground) -> Iterator[Figure]:
    """The figures of the whole project."""
    seen = [way for way in _ways(ground) if way.hops]
    yield Figure("hops of a write", _usual([way.hops for way in seen if way.writes]))
    yield Figure("hops of a read", _usual([way.hops for way in seen if not way.writes]))
    yield Figure("files of an endpoint", _usual([way.files for way in seen]))
    each = [size for size in sizes(ground) if size.aggregates]
    yield Figure("files of an aggregate", _usual([size.files / size.aggregates for size in each]))
    yield Figure(
        "lines of a file", _usual([size.lines / size.files for size in each if size.aggregates == 1])
    )
    product = [source for source in ground.sources if source.in_product]
    yield Figure("lines of the longest file", max(map(_lines, product), default=0))
    yield Figure("largest import cycle", max(map(len, import_cycles(ground)), default=1))
    yield Figure("lines of the kernel", kernel_lines())


def kernel_lines() -> int:
    """Those of the kernel that this process runs, without migrations."""
    found = find_spec(PRODUCT)
    [root] = found.submodule_search_locations if found and found.submodule_search_locations else [""]
    files = (file for file in python_files(Path(root, "kernel")) if file.parent.name != "migrations")
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def _written(sources: Iterator[Source]) -> list[Source]:
    """The files that hold more than a docstring."""
    return [source for source in sources if any(not isinstance(node, ast.Expr) for node in source.tree.body)]


def _lines(source: Source) -> int:
    return len(source.text.splitlines())


def _aggregates(sources: Sequence[Source]) -> int:
    """The classes that a mapper stores."""
    calls = (call for source in sources for call in source.calls("Mapper") if call.args)
    return len({ast.unparse(call.args[0]) for call in calls})


def _usual(values: Sequence[float]) -> float:
    return round(median(values), 1) if values else 0


def as_data(ground: Ground) -> dict[str, Any]:
    """Everything, for machines."""
    return {
        "contexts": [asdict(size) for size in sizes(ground)],
        "figures": [asdict(each) | {"limit": each.limit} for each in figures(ground)],
    }


def as_table(ground: Ground) -> Iterator[str]:
    """Everything, for people: the contexts, then the figures beside their limits."""
    widths = {"files": 7, "lines": 7, "aggregates": 12, "endpoints": 11, "lines/endpoint": 16, "hops": 7}
    yield f"{'context':24}" + "".join(f"{name:>{width}}" for name, width in widths.items())
    for size in sizes(ground):
        hops = f"{size.write_hops}/{size.read_hops}"
        yield (
            f"{size.context:24}{size.files:7}{size.lines:7}{size.aggregates:12}{size.endpoints:11}"
            f"{size.lines_of_an_endpoint:16}{hops:>7}"
        )
    yield ""
    yield f"{'figure':31}{'here':>9}{'at most':>9}"
    for each in figures(ground):
        yield f"{each.name:31}{each.value:>9,.6g}{each.limit:>9,}{'' if each.within else '   too large'}"
