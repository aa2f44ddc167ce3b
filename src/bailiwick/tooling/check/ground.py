"""What the rules look at. Each part is made once, when a rule first asks for it."""

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import Any

from grimp import ImportGraph, build_graph

from bailiwick.kernel.contexts import name_of
from bailiwick.tooling.check.source import Source, sources_of
from bailiwick.tooling.project import PRODUCT, Project


class NotLoaded(Exception):
    """The project cannot be imported and composed: where, and why."""

    def __init__(self, path: str, line: int, what: str) -> None:
        super().__init__(f"{path}:{line}: {what}")
        self.path, self.line, self.what = path, line, what


class Ground:
    """A project as it lies on the disk; tests hand in `sources`, and a graph of imports, of their own."""

    def __init__(
        self, project: Project, sources: Sequence[Source] | None = None, graph: ImportGraph | None = None
    ) -> None:
        self.project, self.package = project, project.package
        self._given, self._graph = sources, graph

    @cached_property
    def sources(self) -> Sequence[Source]:
        return sources_of(self.project) if self._given is None else self._given

    @cached_property
    def modules(self) -> Mapping[str, Source]:
        """The sources of the package by the names that they are imported by."""
        return {source.module: source for source in self.sources if source.in_product}

    @cached_property
    def graph(self) -> ImportGraph:
        """Who imports whom, in which line, in the project and in the Bailiwick that it uses."""
        if self._graph is not None:
            return self._graph
        self._make_importable()
        packages = {PRODUCT, self.package} if self.modules else {PRODUCT}
        # Read anew each time: that takes less than a second, and a cache would have to lie somewhere.
        graph = build_graph(*packages, include_external_packages=True, cache_dir=None)
        graph.add_module(self.package)
        return graph

    def _make_importable(self) -> str:
        source = str(self.project.source.parent)
        if source not in sys.path:
            sys.path.insert(0, source)
        return source

    @cached_property
    def contexts(self) -> frozenset[str]:
        """The folders of the package that are contexts, or should be."""
        return frozenset(source.context for source in self.sources if source.context)

    @cached_property
    def options(self) -> Mapping[str, Any]:
        """`[tool.bailiwick.check]` of pyproject.toml."""
        tool = _toml(self.project.root / "pyproject.toml").get("tool", {})
        found: Mapping[str, Any] = tool.get("bailiwick", {}).get("check", {})
        return found

    @cached_property
    def exceptions(self) -> Mapping[str, Mapping[str, str]]:
        """Paths that a rule leaves alone, by the rule's name, with the reason."""
        found: Mapping[str, Mapping[str, str]] = self.options.get("exceptions", {})
        return found

    @cached_property
    def composition(self) -> Sequence[Sequence[str]]:
        """The modules that stand above the contexts, from top to bottom; those of one row may meet."""
        found: Sequence[Sequence[str]] = self.options.get("composition", ())
        return found

    @cached_property
    def own(self) -> Sequence[str]:
        """The project's contexts as settings name them: `acme.invoices`; for Bailiwick itself `tasks`."""
        names = self.project.contexts
        return names if self.project.is_product else [f"{self.package}.{name}" for name in names]

    @cached_property
    def settings(self) -> Any:
        """Those of a process that carries everything: what is enabled, asked elsewhere, or only written.

        Only `bailiwick.toml` is read, so that a check finds the same on every machine.
        """
        settings = import_module("bailiwick.kernel.settings")
        sections = import_module("bailiwick.kernel.settings.sections")
        said = _toml(self.project.root / "bailiwick.toml")
        enabled = said.get("contexts", settings.Settings().contexts)
        contexts = list(dict.fromkeys([*said.get("remotes", ()), *enabled, *self.own]))
        return settings.Settings(
            contexts=contexts, database=sections.Database(url="sqlite:///never-opened.db")
        )

    @property
    def backend(self) -> Any:
        """The product as these settings compose it, never opened. Raises NotLoaded."""
        if isinstance(self._built, NotLoaded):
            raise self._built
        return self._built

    @cached_property
    def _built(self) -> Any:
        source = self._make_importable()
        try:
            return import_module("bailiwick.backend").Backend.build(self.settings)
        except Exception as error:
            own = [frame for frame in extract_tb(error.__traceback__) if frame.filename.startswith(source)]
            place = (self.relative(own[-1].filename), own[-1].lineno or 1) if own else ("bailiwick.toml", 1)
            return NotLoaded(*place, f"{type(error).__name__}: {error}")

    @cached_property
    def operations(self) -> Sequence[Any]:
        """Every route."""
        found: Sequence[Any] = self.backend.operations
        return found

    @property
    def own_operations(self) -> Sequence[Any]:
        """The routes of the project's own contexts; in Bailiwick itself, all of them."""
        own = self.project.contexts
        return [each for each in self.operations if self.project.is_product or each.context in own]

    @cached_property
    def events(self) -> Sequence[Any]:
        """What the contracts of the project's own contexts publish."""
        _ = self.backend  # what cannot be loaded is said once
        publishing = import_module("bailiwick.kernel.messaging.publishing")
        found: Sequence[Any] = publishing.published_events(self.own)
        return found

    @cached_property
    def migrated(self) -> Sequence[str]:
        """The contexts whose migrations are ours: those with any, and the kernel where it is."""
        folders = (self.project.source / name_of(context) / "migrations" for context in self.own)
        names = [context for context, folder in zip(self.own, folders, strict=True) if folder.is_dir()]
        return ["kernel", *names] if self.project.is_product else names

    @cached_property
    def trial(self) -> Any:
        """What came of migrating an empty database up and down."""
        schema = import_module("bailiwick.tooling.check.migrations.schema")
        _ = self.backend  # loads every module that adds to the kernel's tables
        scripts = import_module("bailiwick.kernel.database.migrations").scripts
        if any(len(scripts(context).get_heads()) > 1 for context in self.migrated):
            return schema.Trial()
        contexts = [context for context in self.migrated if context != "kernel"]
        believed = schema.believed(contexts, self.project.is_product)
        return schema.tried(contexts, self.migrated, believed)

    @cached_property
    def rehearsed(self) -> Sequence[Any]:
        """The SQL of every migration of ours, the oldest first."""
        _ = self.backend
        rehearse = import_module("bailiwick.tooling.check.migrations.rehearsal").rehearse
        scripts = import_module("bailiwick.kernel.database.migrations").scripts
        histories = [reversed(list(scripts(context).walk_revisions())) for context in self.migrated]
        return [rehearse(script) for history in histories for script in history]

    def relative(self, file: str) -> str:
        """The path of a file as findings name it."""
        return file.removeprefix(f"{self.project.root}/")

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        written = import_module("bailiwick.main").openapi_document(self.backend)
        content: dict[str, Any] = json.loads(written)
        return content


def _toml(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
