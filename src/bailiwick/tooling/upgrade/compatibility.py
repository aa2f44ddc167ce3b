"""What a change of the public API would break, and which names projects use that they cannot rely on."""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from bailiwick.kernel.deprecation import old_names
from bailiwick.tooling.project import Project
from bailiwick.tooling.upgrade.api import Api, present, public_names, released
from bailiwick.tooling.upgrade.codemods import CODEMODS, Rename
from bailiwick.tooling.upgrade.versions import installed, number

PUBLIC_PAGE = "docs/reference/public-api.md"


class Breach(NamedTuple):
    """`path` counts from the project's root."""

    path: str
    line: int
    what: str


def check(project: Project) -> Iterator[Breach]:
    """In Bailiwick what breaks projects; in a project what any version of Bailiwick may break."""
    if not project.is_product:
        yield from not_public(_files(project), public_names())
    else:
        yield from breaches(project)


def breaches(product: Project) -> Iterator[Breach]:
    """What the code of Bailiwick breaks that its last release has promised."""
    for what in broken(released(), present()):
        yield Breach(_file_of(product, what.partition(" ")[0]), 1, what)


def _file_of(project: Project, path: str) -> str:
    """The file of a public name, such as `src/bailiwick/kernel/money.py`."""
    steps = path.split(".")
    places = (project.root / "src" / Path(*steps[:end]) for end in range(len(steps), 0, -1))
    found = next((place for place in places if place.with_suffix(".py").is_file()), project.source)
    return found.with_suffix(".py").relative_to(project.root).as_posix()


def broken(
    before: Api, now: Api, codemods: Sequence[Rename] = CODEMODS, version: str | None = None
) -> list[str]:
    """What a project that was written against `before` would stumble over, and what to do about it."""
    renamed = {codemod.path: codemod for codemod in codemods}
    found: list[str] = []
    for path, parameters in before.items():
        codemod = _covering(path, renamed)
        if codemod is not None:
            found += _half_renamed(codemod, now, version or installed()) if path == codemod.path else []
        elif path not in now:
            found.append(
                f"{path} is gone. Keep the old name (kernel/deprecation.py) and write a codemod "
                "(tooling/upgrade/codemods.py)"
            )
        elif parameters is not None:
            found += [f"{path} {what}" for what in incompatible(parameters, now[path])]
    return found


def incompatible(before: Sequence[str], now: Sequence[str] | None) -> Iterator[str]:
    """How calls that were right before go wrong now. Parameters are written as in an `Api`."""
    if now is None:
        yield "can no longer be called"
        return
    forms = {_name(form): form for form in now}
    known = {_name(form) for form in before}
    for form in before:
        yield from _worse(form, forms.get(_name(form)))
    for name, form in forms.items():
        if name not in known and not form.endswith("="):
            yield f"demands {name}, which is new: give it a default"
    places, places_now = _places(before), _places(now)
    if set(places) <= set(places_now) and places_now[: len(places)] != places:
        yield f"takes its parameters in another order: {', '.join(places)} must come first"


def _worse(form: str, now: str | None) -> Iterator[str]:
    name = _name(form)
    if now is None:
        yield f"has lost its parameter {name}: go on taking it, with a DeprecationWarning"
        return
    if form.endswith("=") and not now.endswith("="):
        yield f"demands {name}, which could be left out: give it a default"
    if now.startswith("*") and not form.startswith("*"):
        yield f"takes {name} by its name only: go on taking it by its place, too"


def _half_renamed(codemod: Rename, now: Api, version: str) -> Iterator[str]:
    if f"{codemod.module}.{codemod.new}" not in now:
        yield f"{codemod.path} is to be called {codemod.new}, which is not public"
    home = vars(import_module(codemod.module))
    is_kept = codemod.old in home or codemod.old in old_names().get(codemod.module, {})
    if not is_kept and number(version) < number(codemod.until):
        yield f"{codemod.path} has to work until {codemod.until}: keep it (kernel/deprecation.py)"


def _covering(path: str, renamed: Mapping[str, Rename]) -> Rename | None:
    """The codemod for a name, or for the class that it belongs to."""
    while path and path not in renamed:
        path = path.rpartition(".")[0]
    return renamed.get(path)


def _name(form: str) -> str:
    return form.strip("*=")


def _places(forms: Sequence[str]) -> list[str]:
    return [_name(form) for form in forms if not form.startswith("*")]


def not_public(
    files: Iterable[tuple[str, ast.Module]], public: Mapping[str, Collection[str]]
) -> Iterator[Breach]:
    """Imports of what is not public, and of names that Bailiwick has given up."""
    renamed = {codemod.path: codemod for codemod in CODEMODS}
    for path, tree in files:
        for line, imported in _imports(tree):
            yield from (Breach(path, line, what) for what in _judged(imported, public, renamed))


def _files(project: Project) -> Iterator[tuple[str, ast.Module]]:
    for place in (project.source, project.root / "tests"):
        for file in sorted(place.rglob("*.py")):
            path = file.relative_to(project.root).as_posix()
            yield path, ast.parse(file.read_text("utf-8"), path)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((alias.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _judged(path: str, public: Mapping[str, Collection[str]], renamed: Mapping[str, Rename]) -> Iterator[str]:
    module, _, name = path.rpartition(".")
    if path in renamed:
        yield f"{renamed[path]} since Bailiwick {renamed[path].since}. Run: bailiwick upgrade"
    elif path.startswith("bailiwick.") and path not in public and name not in public.get(module, ()):
        yield f"{path} is not public: any version may change it. What stays is listed in {PUBLIC_PAGE}"
