"""The code that a map is read from: files of a folder or of a revision, never run, only parsed."""

import ast
import io
import json
import re
import subprocess
import tarfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from bailiwick.kernel.settings import Settings
from bailiwick.tooling.map.atlas import NoSuchMap
from bailiwick.tooling.project import Project

Files = Mapping[str, str]
"""Texts by their paths below the project's folder."""
SHIPPED = Path(__file__).parents[2]
NOT_READ = {"migrations", "__pycache__"}


class Unreadable(Exception):
    """The map cannot be read from this code. The text names the place and what to write instead."""


@dataclass(frozen=True, eq=False)
class Source:
    """One Python file. `path` is as people know it, `module` as imports do."""

    module: str
    path: str
    tree: ast.Module

    def at(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    @cached_property
    def nodes(self) -> Sequence[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def calls(self) -> Sequence[ast.Call]:
        return [node for node in self.nodes if isinstance(node, ast.Call)]

    def full_name(self, node: ast.AST) -> str:
        """What a name or an attribute stands for, with its package; empty for any other expression."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.full_name(node.value)}.{node.attr}"
        return self.full_name(node.value) if isinstance(node, ast.Subscript) else ""

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What the names at the top of the file stand for, with their packages."""
        found: dict[str, str] = {}
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom):
                found |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
            elif isinstance(node, ast.Import):
                found |= {each.asname or each.name: each.name for each in node.names}
            else:
                found |= {name: f"{self.module}.{name}" for name in _defined(node)}
        return found


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


@dataclass(frozen=True)
class Code:
    """The sources of one context, by module."""

    name: str
    package: str
    sources: tuple[Source, ...]

    @property
    def contract(self) -> Source | None:
        wanted = f"{self.package}.contract"
        return next((source for source in self.sources if source.module == wanted), None)

    @property
    def says(self) -> str:
        own = (source for source in self.sources if source.module == self.package)
        return next((ast.get_docstring(source.tree) or "" for source in own), "").partition("\n")[0]


def files_here(project: Project) -> Files:
    """The files of the project as they are now."""
    paths = [*project.source.rglob("*.py"), project.root / "bailiwick.toml"]
    return {path.relative_to(project.root).as_posix(): path.read_text() for path in paths if path.is_file()}


def files_of(project: Project, revision: str) -> Files:
    """The files of the project as they were at a revision of git. Raises NoSuchMap."""
    source = project.source.relative_to(project.root).as_posix()
    command = ["git", "-C", str(project.root), "archive", "--format=tar", revision, "--", source, "*.toml"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise NoSuchMap("git is needed to look at another revision: apt-get install git") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise NoSuchMap(f"{revision} is neither a file nor a revision of git here: {said}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        return {
            member.name: content.read().decode()
            for member in archive
            if member.name.endswith((".py", ".toml")) and (content := archive.extractfile(member))
        }


def saved(file: Path) -> object:
    """The JSON of a map that was kept. Raises NoSuchMap."""
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise NoSuchMap(f"{file} is not the JSON of a map: {error}") from None


def code_of(project: Project, files: Files) -> list[Code]:
    """The project's own contexts from `files`, and those of Bailiwick that it has enabled."""
    within = project.source.relative_to(project.root).as_posix()
    own = {PurePosixPath(path).relative_to(within).parts[0] for path in files if _is_contract(path, within)}
    found = [_code(f"{project.package}.{name}", files, f"{within}/{name}") for name in own]
    if not project.is_product:
        shipped = [name for name in _enabled(files) if "." not in name]
        found += [_code(f"bailiwick.{name}", _shipped(name), f"bailiwick/{name}") for name in shipped]
    if not found:
        raise NoSuchMap(f"{within}/ has no context yet. Make one: bailiwick new context NAME")
    return sorted(found, key=lambda code: code.name)


def _is_contract(path: str, within: str) -> bool:
    return PurePosixPath(path).match(f"{within}/*/contract.py")


def _enabled(files: Files) -> Iterable[str]:
    """The contexts that bailiwick.toml names; those of the default settings, where it names none."""
    written = tomllib.loads(files.get("bailiwick.toml", ""))
    enabled: list[str] | str = written.get("contexts", Settings().contexts)
    return re.split(r"[,\s]+", enabled) if isinstance(enabled, str) else enabled


def _shipped(name: str) -> Files:
    folder = SHIPPED / name
    return {path.relative_to(SHIPPED.parent).as_posix(): path.read_text() for path in folder.rglob("*.py")}


def _code(package: str, files: Files, within: str) -> Code:
    sources = []
    for path in sorted(files):
        parts = PurePosixPath(path).parts
        if path.startswith(f"{within}/") and path.endswith(".py") and not NOT_READ.intersection(parts):
            inner = path.removeprefix(f"{within}/").removesuffix(".py").replace("/", ".")
            module = f"{package}.{inner}".removesuffix(".__init__")
            sources.append(_parsed(module, path, files[path]))
    return Code(package.rpartition(".")[2], package, tuple(sources))


@lru_cache(maxsize=1024)
def _parsed(module: str, path: str, text: str) -> Source:
    """Most files are the same in two maps that are compared."""
    try:
        return Source(module, path, ast.parse(text))
    except SyntaxError as error:
        raise Unreadable(f"{path}:{error.lineno} is no Python: {error.msg}") from None
