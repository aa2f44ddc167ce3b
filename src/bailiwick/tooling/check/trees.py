"""The trees of files that the documents draw are those on the disk."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.rules import Finding, rule

FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r"^(?P<indent> *)(?P<name>[\w.\-/]+)(?:  .*)?$")
SILENT = re.compile(r"__init__\.py|__pycache__|\..*|.*\.pyc")
"""What a tree need not name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a tree: a file or a folder, with the way to it from the tree's root."""

    line: int
    path: PurePosixPath
    is_folder: bool


@rule("docs", "Draw the tree anew.")
def trees_equal_the_disk(ground: Ground) -> Iterator[Finding]:
    """A tree of files in the documents names what is there, and in the folders that it opens, everything."""
    root = ground.project.root
    for page in (root / "README.md", *sorted((root / "docs").rglob("*.md"))):
        for tree in trees(page.read_text(encoding="utf-8")) if page.is_file() else ():
            name = page.relative_to(root).as_posix()
            for line, what in differences(tree, (root, ground.project.source)):
                yield Finding(name, line, what)


def trees(text: str) -> Iterator[list[Entry]]:
    """The blocks without a language whose first line is a folder and whose others are indented below it."""
    for block in FENCED.finditer(text):
        if block["language"]:
            continue
        first = text.count("\n", 0, block.start("text")) + 1
        lines = [
            (first + number, ENTRY.match(line)) for number, line in enumerate(block["text"].splitlines())
        ]
        entries = [(line, match) for line, match in lines if match]
        if len(entries) == len(lines) > 1 and entries[0][1]["name"].endswith("/"):
            yield list(_entries([(line, len(found["indent"]), found["name"]) for line, found in entries]))


def _entries(lines: Sequence[tuple[int, int, str]]) -> Iterator[Entry]:
    above: list[tuple[int, PurePosixPath]] = []
    for line, indent, name in lines:
        while above and above[-1][0] >= indent:
            above.pop()
        path = (above[-1][1] if above else PurePosixPath()) / name.rstrip("/")
        if name.endswith("/"):
            above.append((indent, path))
        yield Entry(line, path, name.endswith("/"))


def differences(tree: Sequence[Entry], places: Sequence[Path]) -> Iterator[tuple[int, str]]:
    """What a tree names that is not there, and what it leaves out; its root lies in one of the places."""
    place = next((place for place in places if (place / tree[0].path).is_dir()), None)
    if place is None:
        yield tree[0].line, f"there is no folder {tree[0].path}/"
        return
    for entry in tree:
        there = place / entry.path
        if not (there.is_dir() if entry.is_folder else there.is_file()):
            yield entry.line, f"there is no {'folder' if entry.is_folder else 'file'} {entry.path}"
    named = {step for entry in tree for step in (entry.path, *entry.path.parents)}
    opened = {entry.path.parent: entry.line for entry in tree[1:]}
    for folder, line in opened.items():
        found = sorted(path.name for path in (place / folder).glob("*") if not SILENT.fullmatch(path.name))
        for name in found:
            if folder / name not in named:
                yield line, f"{folder / name} is not in the tree"
