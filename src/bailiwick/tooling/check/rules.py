"""What a rule is, what it finds, and the three ways to write one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bailiwick.tooling.check.ground import Ground, NotLoaded
from bailiwick.tooling.check.source import Source


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a rule is broken, in which words, and what to do. `path` counts from the project's root.

    A `notice` breaks nothing: it is only good to know.
    """

    path: str
    line: int
    what: str
    fix: str = ""
    rule: str = ""
    notice: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


Look = Callable[[Ground], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`part` is what it belongs to, such as `imports`; `fix` is what to do unless a finding knows better."""

    name: str
    part: str
    sentence: str
    fix: str
    look: Look

    def findings(self, ground: Ground) -> Iterator[Finding]:
        """What it finds, without the exceptions of the project; and the exceptions that nothing needs."""
        allowed = ground.exceptions.get(self.name, {})
        needed = set()
        for finding in self._seen(ground):
            if finding.path in allowed:
                needed.add(finding.path)
            else:
                yield replace(finding, rule=self.name, fix=finding.fix or self.fix)
        for path in allowed:
            if path not in needed:
                what = f"is an exception from {self.name} in pyproject.toml, but needs none"
                yield Finding(path, 1, what, "Delete it there.", self.name)

    def _seen(self, ground: Ground) -> Iterator[Finding]:
        """Nothing of what needs the project loaded, where it cannot be: another rule says so."""
        with suppress(NotLoaded):
            yield from self.look(ground)


def rule(part: str, fix: str) -> Callable[[Look], Rule]:
    """A rule that looks at whatever it likes. The first paragraph of its docstring is its sentence."""

    def made(look: Look) -> Rule:
        sentence = " ".join((look.__doc__ or "").partition("\n\n")[0].split())
        return Rule(look.__name__, part, sentence, fix, look)

    return made


def each_file(
    fix: str, part: str = "style"
) -> Callable[[Callable[[Source], Iterator[tuple[int, str]]]], Rule]:
    """A rule that looks at one file at a time, and says in which line what is wrong."""

    def made(seen: Callable[[Source], Iterator[tuple[int, str]]]) -> Rule:
        def look(ground: Ground) -> Iterator[Finding]:
            for source in ground.sources:
                for line, what in seen(source):
                    yield Finding(source.path, line, what)

        look.__name__, look.__doc__ = seen.__name__, seen.__doc__
        return rule(part, fix)(look)

    return made


def whole_tree(
    fix: str, part: str = "style"
) -> Callable[[Callable[[Sequence[Source]], Iterator[tuple[str, int, str]]]], Rule]:
    """A rule that needs several files at once."""

    def made(seen: Callable[[Sequence[Source]], Iterator[tuple[str, int, str]]]) -> Rule:
        def look(ground: Ground) -> Iterator[Finding]:
            for path, line, what in seen(ground.sources):
                yield Finding(path, line, what)

        look.__name__, look.__doc__ = seen.__name__, seen.__doc__
        return rule(part, fix)(look)

    return made
