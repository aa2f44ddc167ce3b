"""A context that is edited: its files by their layer, its aggregates, all changes until they are placed."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from bailiwick.tooling.edit.source import Function, NotAsExpected, Source, fields_of, last_name, methods_of
from bailiwick.tooling.generate.naming import snake, words
from bailiwick.tooling.generate.rendering import CannotGenerate, drafted, undone_on_failure
from bailiwick.tooling.project import Project

MOST_LINES = 400
NOT_USE_CASES = {"__init__", "ports", "subscribers", "processes"}


@dataclass
class Told:
    """What a command says when it is done: the files it touched, and what only a person can do."""

    touched: list[Path] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        lines = ["Touched:", *(f"  {path}" for path in self.touched)]
        lines += [f"  {path} (gone)" for path in self.removed]
        if self.left:
            lines += ["Left for you:", *(f"  - {each}" for each in self.left)]
        return "\n".join(lines)


class Context:
    """One context of a project. Nothing is written before `place`, and then all or nothing."""

    def __init__(self, project: Project, name: str) -> None:
        if name not in project.contexts:
            known = ", ".join(project.contexts) or "none yet: bailiwick new context"
            raise CannotGenerate(f"{project.package} has no context {name}; there are {known}.")
        self.project, self.name = project, name
        self.package = f"{project.package}.{name}"
        self.folder = (project.source / name).relative_to(project.root)
        self.tests = Path("tests", name)
        self.left: list[str] = []
        self._sources: dict[Path, Source] = {}
        self._texts: dict[Path, str] = {}
        self._new: dict[Path, str] = {}
        self._removed: list[Path] = []

    @property
    def is_flat(self) -> bool:
        return any((self.project.root / self.folder / name).exists() for name in ("store.py", "store"))

    def source(self, path: Path) -> Source:
        """A file by its path below the project."""
        if path not in self._sources:
            self._sources[path] = Source(path, (self.project.root / path).read_text("utf-8"))
        return self._sources[path]

    def sources(self, *parts: str) -> list[Source]:
        """The files of a part of the context, such as `domain` or `infrastructure/tables`, or all its tests.

        A part is a file, or a folder with files."""
        return list(self._of(self.folder.joinpath(*parts)))

    def tested(self) -> list[Source]:
        return list(self._of(self.tests))

    def _of(self, place: Path) -> Iterator[Source]:
        alone = place.with_suffix(".py")
        if (self.project.root / alone).is_file():
            yield self.source(alone)
        found = sorted((self.project.root / place).rglob("*.py"))
        yield from (self.source(path.relative_to(self.project.root)) for path in found)

    def module_of(self, source: Source) -> str:
        parts = source.path.with_suffix("").relative_to("src").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def add(self, path: Path, text: str) -> None:
        self._new[path] = text

    def read(self, path: Path) -> str:
        return self._texts.get(path) or (self.project.root / path).read_text("utf-8")

    def rewrite(self, path: Path, text: str) -> None:
        """The whole new text of a file that is no Python."""
        if text != self.read(path):
            self._texts[path] = text

    def remove(self, path: Path) -> None:
        self._removed.append(path)

    def use_cases(self) -> list[Source]:
        if self.is_flat:
            return self.sources("store")
        return [each for each in self.sources("application") if each.path.stem not in NOT_USE_CASES]

    def routes(self) -> list[Source]:
        return self.sources("http") if self.is_flat else self.sources("interfaces", "http")

    def adapters(self) -> list[Source]:
        return self.sources("store") if self.is_flat else self.sources("infrastructure")

    def tables(self) -> list[Source]:
        return self.sources("tables") if self.is_flat else self.sources("infrastructure", "tables")

    def place(self) -> Told:
        """Write everything. Raises CannotGenerate, and leaves all as it was, where the linter objects."""
        changed = {each.path: each.result() for each in self._sources.values() if each.changed} | self._texts
        paths = sorted({*changed, *self._new, *self._removed})
        root = self.project.root
        with undone_on_failure(root, paths), drafted(root) as draft:
            for path, text in changed.items():
                if path not in self._removed:
                    draft.change(path, text)
            for path, text in self._new.items():
                draft.add(path, text)
            placed = draft.place()
            for path in self._removed:
                (root / path).unlink()
            self._check([path for path in placed if path.suffix == ".py"])
        return Told([path for path in paths if path not in self._removed], self.left, self._removed)

    def _check(self, paths: list[Path]) -> None:
        root = self.project.root
        for path in paths:
            lines = len((root / path).read_text("utf-8").splitlines())
            if lines > MOST_LINES and path.parts[0] == "src":
                raise CannotGenerate(
                    f"Nothing was changed: {path} would have {lines} lines, and {MOST_LINES} are the most.\n"
                    "Make it a package of the same name first."
                )
        command = import_module("ruff").find_ruff_bin()  # it has no types
        ruff = [command, "check", "--quiet", "--no-cache", "--output-format", "concise", "--"]
        done = subprocess.run(
            [*ruff, *map(str, paths)], cwd=root, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotGenerate(f"Nothing was changed: the linter would object.\n{done.stdout}{done.stderr}")


@dataclass(frozen=True)
class Aggregate:
    """An aggregate where it is defined."""

    source: Source
    node: ast.ClassDef

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def word(self) -> str:
        """As a variable: `purchase_order` of `PurchaseOrder`."""
        return snake(self.name)

    @property
    def words(self) -> str:
        return words(self.word)

    @property
    def fields(self) -> dict[str, ast.AnnAssign]:
        return fields_of(self.node)

    @property
    def methods(self) -> dict[str, Function]:
        return methods_of(self.node)

    @property
    def last_method(self) -> ast.stmt:
        """The one to write the next below: the last that is not private."""
        public = [method for name, method in self.methods.items() if not name.startswith("_")]
        return public[-1] if public else self.node.body[-1]

    def add_method(self, text: str) -> None:
        self.source.below(self.last_method, "\n" + indented(text))


def aggregates_of(context: Context) -> list[Aggregate]:
    places = context.sources("store") if context.is_flat else context.sources("domain")
    return [
        Aggregate(source, node)
        for source in places
        for node in source.classes()
        if "Aggregate" in map(last_name, node.bases)
    ]


def aggregate_of(context: Context, name: str) -> Aggregate:
    """Raises NotAsExpected."""
    found = aggregates_of(context)
    for each in found:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in found) or "none"
    place = context.folder / ("store.py" if context.is_flat else "domain")
    raise NotAsExpected(place, f"the aggregate `class {name}(Aggregate)`; there are {known}")


def indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else line for line in text.splitlines())
