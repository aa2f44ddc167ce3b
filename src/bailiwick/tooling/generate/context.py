"""A new context, and a new aggregate in one: everything from the table to the page of the docs."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick.kernel.settings import Settings
from bailiwick.tooling.edit.context import Context
from bailiwick.tooling.generate import phrases
from bailiwick.tooling.generate.enabling import enable, left_in_the_product
from bailiwick.tooling.generate.fields import Field, parse_fields
from bailiwick.tooling.generate.hearing import Heard, heard
from bailiwick.tooling.generate.merging import merged
from bailiwick.tooling.generate.naming import Names, checked_names
from bailiwick.tooling.generate.records import golden_events, with_policy
from bailiwick.tooling.generate.rendering import CannotGenerate, drafted
from bailiwick.tooling.generate.wiring import added_router, also_made
from bailiwick.tooling.project import Project

MERGED = ("contract", "application/ports", "infrastructure/tables", "infrastructure/unit_of_work")
"""The files of a context that all its aggregates share."""
VERBS = ("create", "change", "delete")
EVERY_CONTEXT = "tests/test_every_context.py"


@dataclass(frozen=True)
class Plan:
    """What is to be made. `number` is that of the migration, `after` the revision that it follows."""

    project: Project
    names: Names
    fields: tuple[Field, ...]
    event: Heard | None
    number: int = 1
    after: str | None = None
    queries: str = "queries"
    flat: bool = False

    @property
    def migration(self) -> str:
        called = self.names.many if self.after else self.names.context
        return f"{self.number:04}_{called}"

    @property
    def routes(self) -> dict[str, str]:
        """What the routes are called, which is part of their operation ids: with the aggregate's name where
        the context has another."""
        one = self.names.one
        if self.names.context == self.names.many:
            return {verb: verb for verb in ("create", "read", "change", "delete")}
        called = {"create": "post", "read": "read", "change": "patch", "delete": "remove"}
        return {verb: f"{name}_{one}" for verb, name in called.items()}

    def values(self) -> dict[str, Any]:
        """What the templates ask for."""
        n = self.names
        return {
            "package": n.package,
            "context": n.context,
            "context_page": n.context.replace("_", "-"),
            "n": n,
            "first": self.after is None,
            "flat": self.flat,
            "domain": f"{n.here}.store" if self.flat else f"{n.here}.domain.{n.one}",
            "event": self.event,
            "routes": self.routes,
            "queries": self.queries,
            "migration": self.migration,
            "revision": f"{n.context}_{self.number:04}",
            "down_revision": self.after,
            "product": self.project.is_product,
            "own_kit": self.project.is_product or (self.project.root / EVERY_CONTEXT).exists(),
            "use_cases": [f"{verb.capitalize()}{n.aggregate}" for verb in VERBS]
            + [f"{verb}_{n.one}" for verb in VERBS],
            **phrases.SPOKEN,
            **phrases.of_fields(self.fields, n),
            **phrases.samples(self.fields),
        }


def new_context(
    name: str,
    aggregate: str,
    written: Sequence[str],
    *,
    flat: bool = False,
    on: str | None = None,
    project: Project | None = None,
) -> str:
    """Make a context. Returns what to tell. Raises CannotGenerate, and writes nothing then."""
    project = project or Project.find()
    names = checked_names(project.package, name, aggregate)
    if name in project.contexts:
        raise CannotGenerate(
            f"There is a context {name} already. For another aggregate in it: bailiwick new aggregate {name}"
        )
    if name in Settings().contexts:
        raise CannotGenerate(
            f"{name} is a context of Bailiwick: choose another name. Tables and events are called after it."
        )
    plan = _plan(project, names, written, on, flat=flat)
    shape = "context_flat" if flat else "context_full"
    with drafted(project.root) as draft:
        for folder in (shape, "context_tests"):
            draft.render(folder, plan.values())
        for path, text in golden_events(plan.names, plan.values()["label"], project):
            draft.add(path, text)
        policy = project.policy.relative_to(project.root)
        draft.change(policy, with_policy(project, names))
        left = [*left_in_the_product(names)] if project.is_product else enable(project, names, draft)
        placed = draft.place()
    made = [f"Made the context {name}: {len(placed)} files."]
    return "\n".join([*made, *(f"  {path}" for path in placed), *left, *_next(project, name)])


def new_aggregate(
    name: str,
    aggregate: str,
    written: Sequence[str],
    *,
    on: str | None = None,
    project: Project | None = None,
) -> str:
    """Add an aggregate to a context of the full shape. Returns what to tell. Raises CannotGenerate."""
    project = project or Project.find()
    context = Context(project, name)
    if context.is_flat:
        raise CannotGenerate(f"{name} is flat, and has room for one. First: bailiwick promote {name}")
    names = checked_names(project.package, name, aggregate)
    if (project.root / context.folder / f"domain/{names.one}.py").exists():
        raise CannotGenerate(f"There is {names.says_a} in {name} already.")
    number, after = _head(project.root / context.folder / "migrations", name)
    event_queries = f"{names.one}_queries"
    plan = _plan(project, names, written, on, number=number + 1, after=after, queries=event_queries)
    _separate_routes(context)
    for path, text in _rendered(plan):
        _join(context, plan, path, text)
    for path, text in golden_events(names, plan.values()["label"], project):
        context.add(path, text)
    context.rewrite(project.policy.relative_to(project.root), with_policy(project, names))
    told = context.place()
    return "\n".join([f"Added {names.says_a} to {name}.", str(told), *_next(project, name)])


def _plan(project: Project, names: Names, written: Sequence[str], on: str | None, **more: Any) -> Plan:
    fields = parse_fields(written, names)
    _check_path(project, names)
    event = heard(project, on, fields) if on else None
    return Plan(project, names, fields, event, **more)


def _check_path(project: Project, names: Names) -> None:
    """Two contexts cannot have one path."""
    taken = re.compile(rf'"{names.path}(/[^"]*)?"')
    places = [project.source, Path(__file__).parents[2]]
    for path in (path for place in places for path in place.glob("*/**/*http*/**/*.py")):
        _refuse_path(path, taken, names)
    for path in (path for place in places for path in place.glob("*/**/http.py")):
        _refuse_path(path, taken, names)


def _refuse_path(path: Path, taken: re.Pattern[str], names: Names) -> None:
    if "tooling" not in path.parts and taken.search(path.read_text("utf-8")):
        raise CannotGenerate(
            f"{names.path} is taken by {path.parent.parent.name}: choose another name than {names.aggregate}."
        )


def _head(migrations: Path, context: str) -> tuple[int, str]:
    """The number and the revision of the newest migration."""
    found = sorted(path for path in migrations.glob("[0-9]*.py"))
    text = found[-1].read_text("utf-8") if found else ""
    revision = re.search(r'^revision = "([^"]+)"', text, re.MULTILINE)
    number = re.match(r"\d+", found[-1].name) if found else None
    if revision is None or number is None:
        raise CannotGenerate(f"{migrations} has no migration such as 0001_{context}.py to follow.")
    return int(number[0]), revision[1]


def _rendered(plan: Plan) -> Iterator[tuple[Path, str]]:
    """Every file of a context that has this aggregate alone: its path in the project, and its text."""
    with tempfile.TemporaryDirectory(prefix=".bailiwick-", dir=plan.project.root) as aside:
        with drafted(Path(aside)) as draft:
            for folder in ("context_full", "context_tests"):
                draft.render(folder, plan.values())
            placed = draft.place()
        for path in placed:
            yield path, (Path(aside) / path).read_text("utf-8")


def _join(context: Context, plan: Plan, path: Path, text: str) -> None:
    """Let one of those files be part of the context as it is."""
    names, folder = plan.names, context.folder
    part = path.relative_to(folder).with_suffix("").as_posix() if path.is_relative_to(folder) else ""
    if part in MERGED:
        context.rewrite(path, _spoken_of_all(merged(context.read(path), text), names))
    elif part == "interfaces/http":
        context.add(folder / f"interfaces/http/{names.many}.py", text)
    elif part == "module":
        context.rewrite(path, added_router(context.read(path), names, plan.event))
    elif path.name == "subscribers.py" or path.name == "test_subscribers.py":
        _join_subscribers(context, plan, path, text)
    elif path.suffix == ".md":
        page = context.read(path) if (context.project.root / path).exists() else ""
        section = text[text.index("## ") :]
        context.rewrite(path, f"{page.rstrip()}\n\n{section}") if page else context.add(path, text)
    elif path.name != "__init__.py":
        context.add(path, text)
    elif part == "__init__":
        context.rewrite(path, _spoken_of_all(context.read(path), names))


def _spoken_of_all(text: str, names: Names) -> str:
    """The sentence that opens a module speaks of more than one aggregate now."""
    text = re.sub(r"^(\"\"\"How) .* sits in its table\.", r"\1 each aggregate sits in its table.", text)
    return re.sub(r"^(\"\"\".*), each of one", rf"\1 and {names.says_many}, each of one", text)


def _join_subscribers(context: Context, plan: Plan, path: Path, text: str) -> None:
    if not (context.project.root / path).exists():
        context.add(path, text)
        return
    assert plan.event is not None
    old = context.read(path)
    if path.name == "subscribers.py":
        old = also_made(old, text, plan.names, plan.event)
    context.rewrite(path, merged(old, text))


def _separate_routes(context: Context) -> None:
    """Each aggregate has a file for its routes, once there are two."""
    alone = context.folder / "interfaces/http.py"
    if not (context.project.root / alone).is_file():
        return
    text = context.read(alone)
    found = re.search(rf"^from {re.escape(context.package)}\.application\.(?!ports)(\w+) import", text, re.M)
    first = found[1] if found else context.name
    context.remove(alone)
    context.add(context.folder / "interfaces/http/__init__.py", f'"""The routes of {context.name}."""\n')
    context.add(context.folder / f"interfaces/http/{first}.py", text)
    module = context.folder / "module.py"
    path = f"{context.package}.interfaces.http"
    renamed = context.read(module).replace(f"from {path} import router", f"from {path}.{first} import router")
    context.rewrite(module, renamed)


def _next(project: Project, context: str) -> list[str]:
    run = "make run" if (project.root / "Makefile").exists() else "bailiwick run"
    return ["", "Next:", f"  {run}    # migrates and serves it", f"  .venv/bin/pytest tests/{context}"]
