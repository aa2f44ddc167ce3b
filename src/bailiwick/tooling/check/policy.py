"""The reviewed table of who may call which route: it has every route, and no other."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bailiwick.kernel.http.routing import Operation
from bailiwick.tooling.check.ground import Ground, NotLoaded
from bailiwick.tooling.check.rules import Finding, rule

ROLES = ("anonymous", "guest", "user", "staff", "admin", "super_admin")
CHOSEN = re.compile(r"\{(\w+)=([^}]+)\}")


@dataclass(frozen=True)
class Row:
    """One line: what a caller of each role gets from a route that is about something."""

    method: str
    route: str
    about: str
    expected: Mapping[str, int]
    line: int = field(default=1, compare=False)

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
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.startswith("| ")]
    return [row for number, line in lines if not line.startswith("| route") for row in _rows(number, line)]


def _rows(number: int, line: str) -> list[Row]:
    route, about, *statuses = (cell.strip() for cell in line.strip("| ").split("|"))
    method, path = route.split()
    expected = dict(zip(ROLES, map(int, statuses), strict=True))
    return [Row(method, path, each.strip(), expected, number) for each in about.split(",")]


def unlisted(operations: Iterable[Operation], listed: Sequence[Row]) -> list[Operation]:
    """Routes that the table forgets."""
    known = {row.operation for row in listed}
    return [operation for operation in operations if (operation.method, operation.path) not in known]


def unrouted(operations: Iterable[Operation], listed: Sequence[Row]) -> list[Row]:
    """Lines about routes that do not exist."""
    real = {(operation.method, operation.path) for operation in operations}
    return [row for row in listed if row.operation not in real]


@rule("loading", "Correct it: nothing that needs the project loaded is checked before.")
def the_project_can_be_loaded(ground: Ground) -> Iterator[Finding]:
    """Every context is imported and composed with the others, as `bailiwick serve` does it."""
    try:
        _ = ground.backend
    except NotLoaded as error:
        yield Finding(error.path, error.line, error.what)


@rule("policy", "Decide who may call it: add a line `| <route> | own | 401 | … |`, a status for each role.")
def every_route_is_in_the_policy(ground: Ground) -> Iterator[Finding]:
    """The policy table has a line for every route of the project, and none for a route that is gone."""
    file = ground.project.policy
    place = file.relative_to(ground.project.root).as_posix()
    if not file.is_file():
        yield Finding(place, 1, "is not there", "Make it: one table, with a column for each role.")
        return
    try:
        table = rows(file.read_text(encoding="utf-8"))
    except ValueError as error:
        yield Finding(
            place, 1, f"cannot be read: {error}", f"Give each line: route, about, {', '.join(ROLES)}."
        )
        return
    for operation in unlisted(ground.own_operations, table):
        path, line = _place(ground, operation)
        yield Finding(path, line, f"{operation.method} {operation.path} is not in {place}")
    for row in unrouted(ground.operations, table):
        what = f"{row.method} {row.route} is no route"
        yield Finding(place, row.line, what, "Delete the line, or write the route as it is declared.")


def _place(ground: Ground, operation: Operation) -> tuple[str, int]:
    """Where the endpoint of a route is written."""
    code = inspect.unwrap(operation.endpoint).__code__
    root = f"{ground.project.root}/"
    return code.co_filename.removeprefix(root), code.co_firstlineno
