"""The page of the public API: what a project may import, and old names that still work."""

from collections.abc import Iterator
from importlib import import_module
from types import FunctionType

from bailiwick.kernel.deprecation import old_names
from bailiwick.tooling.reference.markdown import code, meaning, opening, table, text
from bailiwick.tooling.upgrade.api import public_names
from bailiwick.tooling.upgrade.public import FOR_SUBCLASSES, PUBLIC

INTRODUCTION = (
    "What a project may rely on. From one version to the next a name here keeps its meaning, and a call that "
    "was right stays right; one that has to go works, with a warning, for at least two minor versions, and "
    "[`bailiwick upgrade`](../guides/upgrade.md) replaces it. Everything else may change with any version, "
    "and `bailiwick check` tells where a project uses it."
)
CONTRACTS = (
    "All that the `contract.py` of a shipped context defines is public as well: [events](events.md), "
    "[permissions](permissions.md), questions and their answers."
)


def page() -> str:
    return text(_lines())


def _lines() -> Iterator[str]:
    yield from opening("Public API", INTRODUCTION, CONTRACTS)
    for module in public_names():
        if module in PUBLIC:
            home = import_module(module)
            rows = [(code(name), _meaning(getattr(home, name, None))) for name in PUBLIC[module]]
            yield from ("", f"## {module}", "", meaning(home))
            yield from table(("name", "is"), rows)
            yield from _for_subclasses(module)
    yield from _old_names()


def _meaning(thing: object) -> str:
    """What its own docstring says; a value has none."""
    return meaning(thing) if isinstance(thing, type | FunctionType) else ""


def _for_subclasses(module: str) -> Iterator[str]:
    ours = sorted(path.removeprefix(f"{module}.") for path in FOR_SUBCLASSES if path.startswith(f"{module}."))
    if ours:
        yield from ("", f"For subclasses: {code(*ours)}.")


def _old_names() -> Iterator[str]:
    rows = [
        (code(f"{module}.{kept.old}"), code(kept.new), kept.since, kept.until)
        for module, names in sorted(old_names().items())
        for kept in names.values()
    ]
    if rows:
        yield from ("", "## Old names")
        yield from table(("old name", "is called", "since", "works until"), rows)
