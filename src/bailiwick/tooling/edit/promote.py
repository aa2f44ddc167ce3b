"""A flat context in the full shape: each statement moves to its layer, and ports come between."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bailiwick.tooling.edit.context import Context, Told, aggregates_of
from bailiwick.tooling.edit.layers import (
    PORTS,
    QUERIES,
    SUBSCRIBERS,
    UNIT_OF_WORK,
    Part,
    modules_of,
    parts_of,
    written,
)
from bailiwick.tooling.edit.ports import with_ports
from bailiwick.tooling.edit.source import NotAsExpected, Source
from bailiwick.tooling.generate.naming import with_article, words
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project

MOVED = {"tables": "infrastructure.tables", "http": "interfaces.http"}


def promote(context_name: str, project: Project | None = None) -> Told:
    """Bring a flat context into the full shape. Raises CannotGenerate, and changes nothing then."""
    context = Context(project or Project.find(), context_name)
    if not context.is_flat:
        raise CannotGenerate(f"{context_name} is in the full shape already.")
    store = _one(context, "store")
    aggregates = aggregates_of(context)
    if not aggregates:
        raise NotAsExpected(store.path, "an aggregate, `class …(Aggregate)`")
    parts = with_ports(store, parts_of(store))
    homes = modules_of(parts)
    _refuse_outward(store, parts, homes)
    for place in dict.fromkeys(part.place for part in parts):
        text = _module(context, store, place, [part for part in parts if part.place == place], homes)
        context.add(context.folder / f"{place}.py", text)
    _add_packages(context)
    for old, new in MOVED.items():
        moved = _one(context, old)
        context.add(context.folder / f"{new.replace('.', '/')}.py", _repointed(context, moved.text, homes))
        context.remove(moved.path)
    context.remove(store.path)
    _repoint_others(context, {store.path, *(context.folder / f"{old}.py" for old in MOVED)}, homes)
    context.left.append(
        f"say in the first line of each file in {context.folder}/domain what is special to it"
    )
    return context.place()


def _one(context: Context, part: str) -> Source:
    found = context.sources(part)
    if [source.path for source in found] != [context.folder / f"{part}.py"]:
        raise NotAsExpected(context.folder, f"the one file {part}.py; put those of the package together")
    return found[0]


def _refuse_outward(store: Source, parts: Sequence[Part], homes: Mapping[str, str]) -> None:
    places = {part.place: part.depth for part in parts}
    for part in parts:
        for name in sorted(part.uses & homes.keys()):
            if places[homes[name]] > part.depth:
                here = part.name or f"line {part.node.lineno}"
                why = f"it goes to {part.place}, which may not use {homes[name]}"
                raise NotAsExpected(store.path, f"{here} to do without {name}: {why}")


def _module(
    context: Context, store: Source, place: str, parts: Sequence[Part], homes: Mapping[str, str]
) -> str:
    used = set().union(*(part.uses for part in parts))
    foreign = {name: homes[name] for name in sorted(used & homes.keys()) if homes[name] != place}
    lines = [f'"""{_sentence(context, place)}"""', "", *_imports(context, store)]
    lines += [
        f"from {context.package}.{home.replace('/', '.')} import {name}" for name, home in foreign.items()
    ]
    return "\n".join([*lines, "", written(parts), ""])


def _imports(context: Context, store: Source) -> list[str]:
    """All that the flat file imports: what a file does not need, the formatter takes out."""
    nodes = [node for node in store.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    own = [
        "from collections.abc import Callable",
        "from typing import Protocol",
        "from bailiwick.kernel.application import UnitOfWork",
    ]
    return [*(_moved(context, ast.unparse(node)) for node in nodes), *own]


def _moved(context: Context, text: str) -> str:
    for old, new in MOVED.items():
        text = re.sub(rf"\b{re.escape(context.package)}\.{old}\b", f"{context.package}.{new}", text)
    return text


def _sentence(context: Context, place: str) -> str:
    layer, _, name = place.partition("/")
    here, said = words(context.name), words(name)
    if layer == "domain":
        article = with_article(said)
        return f"{article[0].upper()}{article[1:]}: its rules."
    return {
        PORTS: f"What the use cases of {here} need from outside.",
        SUBSCRIBERS: f"How {here} follows what happens elsewhere.",
        UNIT_OF_WORK: f"How {here} sit in their tables.",
        QUERIES: f"What readers of {here} see: SQL straight into a view.",
    }.get(
        place, f"The use cases of {said}: each command stands right above the function that carries it out."
    )


def _add_packages(context: Context) -> None:
    here = words(context.name)
    for layer, said in {
        "domain": f"The rules of {here}.",
        "application": f"The use cases of {here}.",
        "infrastructure": f"How {here} are stored and read.",
        "interfaces": f"How {here} are reached from outside.",
    }.items():
        context.add(context.folder / layer / "__init__.py", f'"""{said}"""\n')


def _repointed(context: Context, text: str, homes: Mapping[str, str]) -> str:
    """A module that imports from the places of now. Raises NotAsExpected for a name that store never had."""
    source = Source(Path(context.folder), text)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module == f"{context.package}.store":
            source.replace(node, "\n".join(_import_of(context, alias, homes) for alias in node.names))
    return _moved(context, source.result())


def _import_of(context: Context, alias: ast.alias, homes: Mapping[str, str]) -> str:
    if alias.name not in homes:
        raise NotAsExpected(context.folder / "store.py", f"{alias.name}, which others import from it")
    renamed = f" as {alias.asname}" if alias.asname else ""
    return f"from {context.package}.{homes[alias.name].replace('/', '.')} import {alias.name}{renamed}"


def _repoint_others(context: Context, gone: set[Path], homes: Mapping[str, str]) -> None:
    root = context.project.root
    named = re.compile(rf"\b{re.escape(context.package)}\.(store|tables|http)\b")
    for place in ("src", "tests"):
        for path in sorted((root / place).rglob("*.py")):
            inner = path.relative_to(root)
            text = path.read_text("utf-8")
            if inner not in gone and named.search(text):
                context.rewrite(inner, _repointed(context, text, homes))
                if f"{context.package}.store" in context.read(inner):
                    context.left.append(f"{inner} still names {context.package}.store")
