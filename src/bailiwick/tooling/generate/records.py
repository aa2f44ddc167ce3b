"""What is kept and reviewed beside the code: the stored forms of events, and who may call which route."""

import json
from collections.abc import Iterator
from pathlib import Path

from bailiwick.tooling.edit.policy import aligned
from bailiwick.tooling.generate.fields import Field
from bailiwick.tooling.generate.naming import Names
from bailiwick.tooling.generate.phrases import capital
from bailiwick.tooling.project import Project

SOME_ID = "00000000-0000-0000-0000-000000000007"
SOME_TIME = "2031-01-01T12:00:00+00:00"
ROLES = ("anonymous", "guest", "user", "staff", "admin", "super_admin")
THEIRS = "another's, nobody's"


def golden_events(names: Names, label: Field | None, project: Project) -> Iterator[tuple[Path, str]]:
    """The files of the three events of a new aggregate, by their paths in the project."""
    folder = project.golden(names.context).relative_to(project.root)
    family = {"occurred_at": SOME_TIME, f"{names.one}_id": SOME_ID, "owner_id": SOME_ID}
    created = family | ({label.name: label.name} if label else {})
    for verb, said in (("Created", created), ("Changed", family), ("Deleted", family)):
        yield folder / f"{names.context}.{names.aggregate}{verb}.1.json", json.dumps(said, indent=2) + "\n"


def with_policy(project: Project, names: Names) -> str:
    """The reviewed table with a section for the routes of a new aggregate: only the owner may."""
    one = f"{names.path}/{{{names.one}_id}}"
    rows = [(f"GET {names.path}", "-", 200), (f"POST {names.path}", "-", 201)]
    for method, status in (("GET", 200), ("PATCH", 200), ("DELETE", 204)):
        rows += [(f"{method} {one}", "own", status), (f"{method} {one}", THEIRS, 404)]
    table = [f"| {' | '.join(['route', 'about', *ROLES])} |", "|---" * (2 + len(ROLES)) + "|"]
    table += [f"| {route} | {about} | 401 {f'| {status} ' * 5}|" for route, about, status in rows]
    said = f"Only the owner has {names.says_many}, whatever the role of whoever else asks."
    before = project.policy.read_text("utf-8") if project.policy.exists() else "# Who may do what\n"
    lines = [f"## {capital(names.says_many)}", "", said, "", *aligned(table, 0)]
    return f"{before.rstrip()}\n\n" + "\n".join(lines) + "\n"
