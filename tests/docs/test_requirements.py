"""The list of requirements is whole, and every place that it names exists."""

import re
from collections import Counter
from collections.abc import Iterator

from bailiwick.backend import Backend
from bailiwick.kernel.http.catalogue import entries
from bailiwick.kernel.settings import Settings
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/every-requirement.md"
COUNTS = {"E": 107, "F": 231, "T": 80, "D": 110, "C": 46, "X": 80}
ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)")
FILE = re.compile(
    r"[\w.-]+(?:/[\w.-]+)*(?:\.(?:py|md|json|yaml|toml)|/)|\.ci/run|deploy/Containerfile|Makefile|LICENSE"
)
"""A file, or a folder, which ends in a slash."""

ROUTES = {(each.method, each.path.removeprefix("/api/v1")) for each in Backend.build(Settings()).operations}
KEYS = set(Settings().shown())
SECTIONS = {key.partition(".")[0] for key in KEYS if "." in key}
CODES = {entry.code for entry in entries(Settings().contexts)}


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row whose first one names ids."""
    for line in text.splitlines():
        if re.match(r"\| [A-Z]-\d", line):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def ids(cell: str) -> Iterator[str]:
    """`E-45 to E-47, E-50` are four."""
    for part in cell.split(", "):
        kind, first, last = re.fullmatch(r"([A-Z])-(\d+)(?: to \1-(\d+))?", part).groups()  # type: ignore[union-attr]
        yield from (f"{kind}-{number:02}" for number in range(int(first), int(last or first) + 1))


def wrong_ids(text: str) -> list[str]:
    """Ids that are missing, unknown or told twice."""
    told = Counter(id for row in rows(text) for id in ids(row[0]))
    wanted = {f"{kind}-{number:02}" for kind, count in COUNTS.items() for number in range(1, count + 1)}
    return sorted((wanted ^ told.keys()) | {id for id, times in told.items() if times > 1})


def dead_names(text: str) -> Iterator[str]:
    """Files, routes, settings and codes of problems that do not exist, and rows that say nothing."""
    for row in rows(text):
        if not row[-1]:
            yield f"{row[0]} says nothing"
        yield from (name for name in re.findall(r"`([^`]+)`", row[-1]) if not exists(name))


def exists(name: str) -> bool:
    if route := ROUTE.fullmatch(name):
        return route.groups() in ROUTES
    if FILE.fullmatch(name):
        return any((place / name).exists() for place in (ROOT, ROOT / "src/bailiwick"))
    if name.partition(".")[0] in SECTIONS and "." in name:
        return name in KEYS
    return not re.fullmatch(r"[a-z]+(?:_[a-z]+)+", name) or name in KEYS | CODES | OTHER


OTHER = {"confirm_password", "kernel_event", "per_page", "http_request_seconds", "before_login"}
"""Names of other kinds: of fields, tables, metrics and values."""


def test_every_requirement_has_its_row() -> None:
    assert wrong_ids(PAGE.read_text()) == []


def test_every_place_that_is_named_exists() -> None:
    assert list(dead_names(PAGE.read_text())) == []


def test_planted_gaps_and_dead_names_are_seen() -> None:
    text = PAGE.read_text()
    assert wrong_ids(text.replace("| E-24 to E-27 |", "| E-24 to E-26 |")) == ["E-27"]
    assert wrong_ids(text.replace("| E-01 |", "| E-01, E-02 |")) == ["E-02"]
    assert wrong_ids(text.replace("| X-80 |", "| X-80, X-81 |")) == ["X-81"]
    for name in ("kernel/gone.py", "tests/gone/", "GET /gone", "sessions.gone", "gone_with_the_wind"):
        assert list(dead_names(f"| E-01 | x | `{name}` |")) == [name]
    assert list(dead_names("| E-01 | x |  |")) == ["E-01 says nothing"]
