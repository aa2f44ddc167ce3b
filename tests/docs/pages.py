"""The documents as tests read them: their blocks of code, their links and the names that they mention."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks in one language, as they are printed."""
    return [text for kind, text in FENCED.findall(page.read_text()) if kind == language]


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead to."""
    return re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text()))


def headings(page: Path) -> set[str]:
    """The anchors that a page offers: of its headings, and those written out."""
    text = FENCED.sub("", page.read_text())
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return made | set(re.findall(r'<a id="([^"]+)"', text))


def names(page: Path) -> list[str]:
    """What stands between backticks in running text."""
    return re.findall(r"`([^`\n]+)`", FENCED.sub("", page.read_text()))


def commands(page: Path) -> Iterator[str]:
    """Every line of the command `bailiwick` that a page shows, without the command itself."""
    lines = [line for _, text in FENCED.findall(page.read_text()) for line in text.splitlines()]
    for line in [*names(page), *lines]:
        if match := re.match(r"(?:\w+=\S+ )*bailiwick ([a-z].*)", line):
            yield re.split("[#|]", match[1])[0].strip()
