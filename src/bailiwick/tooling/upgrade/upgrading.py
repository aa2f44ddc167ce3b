"""`bailiwick upgrade`: brings a project's code to the version of Bailiwick that is installed."""

import difflib
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import libcst as cst
import tomlkit
from tomlkit import TOMLDocument
from tomlkit.items import Array, String

from bailiwick.tooling.generate.rendering import undone_on_failure
from bailiwick.tooling.project import Project
from bailiwick.tooling.upgrade.changelog import by_hand, changelog
from bailiwick.tooling.upgrade.codemods import CODEMODS, Rename
from bailiwick.tooling.upgrade.versions import installed, number

FOLDERS = ("src", "tests")
DESCRIPTION = "pyproject.toml"
NEXT = ("make lock", "bailiwick migrate up", "make test")


class CannotUpgrade(Exception):
    """Nothing was changed. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade changes: the new texts by path, below the root. `left` is what people have to do."""

    project: Project
    before: str
    after: str
    texts: Mapping[Path, str]
    left: tuple[str, ...]


def upgrade(start: Path | None = None, *, dry_run: bool = False, force: bool = False) -> str:
    """Upgrade the project of this folder, and tell what was done. Raises CannotUpgrade or NoProject."""
    project = Project.find(start)
    planned = plan(project, made_with(project), installed())
    if planned.before == planned.after:
        return f"Nothing to do: this project is at {planned.after} already."
    if dry_run:
        return f"{difference(planned)}\n{summary(planned)}\nNothing was changed. Run: bailiwick upgrade"
    if not force:
        refuse_what_cannot_be_undone(project)
    store(planned)
    return summary(planned)


def made_with(project: Project) -> str:
    """The version that the project's code was written for. Raises CannotUpgrade."""
    if project.is_product:
        raise CannotUpgrade("This is Bailiwick itself. Run it in a project that builds on Bailiwick.")
    tool = tomllib.loads((project.root / DESCRIPTION).read_text("utf-8"))["tool"]["bailiwick"]
    if not isinstance(version := tool.get("made_with"), str):
        raise CannotUpgrade(
            f"{DESCRIPTION} does not say for which version of Bailiwick this project was written.\n"
            'Write it there, such as:\n\n  [tool.bailiwick]\n  made_with = "0.1.0"'
        )
    return version


def plan(project: Project, before: str, after: str) -> Upgrade:
    """What is to be changed. Raises CannotUpgrade where a file cannot be read, or for a newer project."""
    if number(before) > number(after):
        raise CannotUpgrade(
            f"This project was written for Bailiwick {before}, and {after} is installed.\n"
            f"Install {before} or newer."
        )
    if before == after:
        return Upgrade(project, before, after, {}, ())
    codemods = [each for each in CODEMODS if number(before) < number(each.since) <= number(after)]
    sources = {path: (project.root / path).read_text("utf-8") for path in python_files(project.root)}
    texts = {
        path: tidy(project.root, path, sources[path], text)
        for path, text in changed(sources, codemods).items()
    }
    final = sources | texts
    left = [
        f"{path}:{line}: {codemod}; this line may mean it"
        for codemod in codemods
        for path, text in final.items()
        for line in codemod.leftovers(text)
    ]
    texts[Path(DESCRIPTION)] = described(project, after)
    return Upgrade(project, before, after, texts, (*left, *by_hand(changelog(), before, after)))


def python_files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted(path.relative_to(root) for path in (root / folder).rglob("*.py"))


def changed(sources: Mapping[Path, str], codemods: list[Rename]) -> dict[Path, str]:
    """The new texts of the files that codemods change. Raises CannotUpgrade for files that are no Python."""
    paths, modules, broken = {}, {}, []
    for path, text in sources.items():
        try:
            modules[name := module_name(path)] = cst.parse_module(text)
            paths[name] = path
        except cst.ParserSyntaxError as error:
            broken.append(f"  {path}:{error.raw_line}: {error.message.splitlines()[0]}")
    if broken:
        raise CannotUpgrade("These files are no correct Python. Nothing was changed.\n" + "\n".join(broken))
    for codemod in codemods:
        modules = codemod.apply(modules)
    return {paths[n]: module.code for n, module in modules.items() if module.code != sources[paths[n]]}


def module_name(path: Path) -> str:
    """As it is imported: `src/acme/notes/http.py` is `acme.notes.http`, `tests/notes.py` is `tests.notes`."""
    parts = path.with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def tidy(root: Path, path: Path, before: str, after: str) -> str:
    """Sorted and formatted anew, where the file was so before: a longer name may need another line."""
    for words in (["check", "--select", "I", "--fix"], ["format"]):
        if ruff(root, path, words, before) == before:
            after = ruff(root, path, words, after)
    return after


def ruff(root: Path, path: Path, words: list[str], text: str) -> str:
    command = [
        import_module("ruff").find_ruff_bin(),
        *words,
        "--quiet",
        "--no-cache",
        "--stdin-filename",
        str(path),
        "-",
    ]
    return subprocess.run(
        command, cwd=root, input=text, capture_output=True, encoding="utf-8", check=True
    ).stdout


def described(project: Project, version: str) -> str:
    """The text of pyproject.toml for a version: what made the project, and from which on it runs."""
    document = tomlkit.parse((project.root / DESCRIPTION).read_text("utf-8"))
    document["tool"]["bailiwick"]["made_with"] = version
    for requirements in requirements_of(document):
        for place, line in enumerate(requirements):
            if isinstance(line, String) and (newer := raised(line, version)) != line:
                requirements[place] = newer
    return tomlkit.dumps(document)


def requirements_of(document: TOMLDocument) -> Iterator[Array]:
    project = document.get("project", {})
    groups = [project, project.get("optional-dependencies", {}), document.get("dependency-groups", {})]
    for group in groups:
        yield from (lines for lines in group.values() if isinstance(lines, Array))


def raised(requirement: str, version: str) -> str:
    """A requirement of Bailiwick, from this version on. What is not, or names no version, stays."""
    return re.sub(
        r"^(bailiwick(?:\[[^\]]*\])?\s*(?:>=|~=|==))[^;]*?(\s*;.*)?$", rf"\g<1>{version}\2", requirement
    )


def refuse_what_cannot_be_undone(project: Project) -> None:
    """Raises CannotUpgrade unless git could bring back everything that an upgrade touches."""
    command = ["git", "status", "--porcelain", "--", *FOLDERS, DESCRIPTION]
    try:
        asked = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        asked = subprocess.CompletedProcess(command, 1)
    if asked.returncode:
        raise CannotUpgrade(
            "This project is not kept by git, which could undo the upgrade. Put it there: git init, git add, "
            "git commit\nOr go on without: bailiwick upgrade --force"
        )
    if asked.stdout:
        raise CannotUpgrade(
            f"There are changes that are not committed:\n{asked.stdout.rstrip()}\n"
            "Commit them first, so that the upgrade is a change of its own, or: bailiwick upgrade --force"
        )


def store(planned: Upgrade) -> None:
    root = planned.project.root
    with undone_on_failure(root, list(planned.texts)):
        for path, text in planned.texts.items():
            aside = (root / path).with_name(f".{path.name}.new")
            aside.write_text(text, "utf-8")
            aside.chmod((root / path).stat().st_mode)
            aside.replace(root / path)


def difference(planned: Upgrade) -> str:
    lines: list[str] = []
    for path, text in planned.texts.items():
        before = (planned.project.root / path).read_text("utf-8")
        lines += difflib.unified_diff(
            before.splitlines(), text.splitlines(), f"a/{path}", f"b/{path}", lineterm=""
        )
    return "\n".join(lines)


def summary(planned: Upgrade) -> str:
    files = len(planned.texts)
    lines = [f"From {planned.before} to {planned.after}: {files} file{'s' * (files > 1)} changed."]
    if planned.left:
        lines += ["", "By hand:", *(f"  - {what}" for what in planned.left)]
    return "\n".join([*lines, "", "Then:", *(f"  {command}" for command in NEXT)])
