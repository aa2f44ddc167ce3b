"""Every rule there is, and how some of them are chosen."""

from collections.abc import Iterable, Iterator

from bailiwick.tooling.check import golden, policy, public, trees
from bailiwick.tooling.check.api import promise
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.imports import contracts
from bailiwick.tooling.check.migrations import history, load, schema
from bailiwick.tooling.check.rules import Finding, Rule
from bailiwick.tooling.check.style import failpoints, files, stored, use_cases

MODULES = (
    contracts,
    use_cases,
    files,
    stored,
    failpoints,
    policy,
    golden,
    history,
    schema,
    load,
    promise,
    public,
    trees,
)
RULES = {
    thing.name: thing for module in MODULES for thing in vars(module).values() if isinstance(thing, Rule)
}
PARTS = tuple(dict.fromkeys(rule.part for rule in RULES.values()))


class NoSuchRule(Exception):
    """A name that no rule and no part of the rules has."""


def chosen(names: Iterable[str]) -> list[Rule]:
    """The rules of these names and parts; all of them where none is named. Raises NoSuchRule."""
    wanted = list(names)
    for name in wanted:
        if name not in RULES and name not in PARTS:
            raise NoSuchRule(f"There is no rule {name}. List them: bailiwick check --list")
    return [rule for rule in RULES.values() if not wanted or {rule.name, rule.part} & set(wanted)]


def findings(ground: Ground, rules: Iterable[Rule]) -> Iterator[Finding]:
    """What the rules find, and exceptions from rules that do not exist."""
    for rule in rules:
        yield from rule.findings(ground)
    for name in ground.exceptions:
        if name not in RULES:
            yield Finding("pyproject.toml", 1, f"names an exception from {name}, which is no rule")


class Breaking(Exception):
    """The API cannot be promised as it is, because clients of the promised one would break."""


def accept(ground: Ground, though_breaking: bool) -> list[str]:
    """Write the golden files of new events, and the promised document. Raises Breaking."""
    file = ground.project.root / promise.PROMISE
    broken = (
        [change for change in promise.changed(file, ground.document) if change.breaking]
        if file.is_file()
        else []
    )
    if broken and not though_breaking:
        raise Breaking(
            "Clients of docs/openapi.json would break:\n"
            + "".join(f"  {change}\n    {change.remedy}.\n" for change in broken)
            + "Nothing is written. docs/versions.md says how to change it; with --breaking it is promised."
        )
    written = [*golden.write_missing(ground.project, ground.events), promise.write(ground)]
    return [path.relative_to(ground.project.root).as_posix() for path in written]
