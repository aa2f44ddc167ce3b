"""Reads the reviewed table of who may do what."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bailiwick.kernel.http.routing import Operation

ROLES = ("anonymous", "guest", "user", "staff", "admin", "super_admin")
FILE = Path(__file__).with_name("policy.md")
CHOSEN = re.compile(r"\{(\w+)=([^}]+)\}")


@dataclass(frozen=True)
class Row:
    """One line: what a caller of each role gets from a route that is about something."""

    method: str
    route: str
    about: str
    expected: Mapping[str, int]

    @property
    def operation(self) -> tuple[str, str]:
        """The method and the path as they are declared."""
        return self.method, CHOSEN.sub(r"{\1}", self.route)

    @property
    def path(self) -> str:
        """The path with the parameters that the line chooses: `{role=staff}` is `staff`."""
        return CHOSEN.sub(r"\2", self.route)


def rows(text: str) -> list[Row]:
    """The lines of every table in the text, one for each thing they are about. Raises ValueError."""
    lines = (line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| route"))
    return [row for line in lines for row in _rows(line)]


def _rows(line: str) -> list[Row]:
    route, about, *statuses = (cell.strip() for cell in line.strip("| ").split("|"))
    method, path = route.split()
    expected = dict(zip(ROLES, map(int, statuses), strict=True))
    return [Row(method, path, each.strip(), expected) for each in about.split(",")]


def unlisted(operations: Iterable[Operation], listed: Sequence[Row]) -> list[str]:
    """Routes that the table forgets."""
    known = {row.operation for row in listed}
    return [f"{o.method} {o.path}" for o in operations if (o.method, o.path) not in known]


def unrouted(operations: Iterable[Operation], listed: Sequence[Row]) -> list[str]:
    """Lines about routes that do not exist."""
    real = {(operation.method, operation.path) for operation in operations}
    return [f"{row.method} {row.route}" for row in listed if row.operation not in real]
