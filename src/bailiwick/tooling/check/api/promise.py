"""The document that clients were promised, `docs/openapi.json`, and how the present one compares."""

import inspect
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bailiwick.tooling.check.api.changes import Change
from bailiwick.tooling.check.api.compatibility import changes
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.rules import Finding, rule

PROMISE = "docs/openapi.json"
RULES_OF_VERSIONS = "docs/versions.md of Bailiwick."
ACCEPT = "Promise it with the next release: bailiwick check --accept"
NAMED = 4
"""So many compatible changes are named."""


@rule("openapi", f"What may change: see {RULES_OF_VERSIONS}")
def the_api_keeps_what_it_promised(ground: Ground) -> Iterator[Finding]:
    """Clients of the promised document, docs/openapi.json, go on working."""
    file = ground.project.root / PROMISE
    if not file.is_file():
        yield Finding(PROMISE, 1, "is not there: nothing is promised yet", ACCEPT, notice=True)
        return
    found = list(changed(file, ground.document))
    for change in found:
        if change.breaking:
            yield Finding(
                *_place(ground, file, change), str(change), f"{change.remedy}: see {RULES_OF_VERSIONS}"
            )
    yield from _compatible([change for change in found if not change.breaking])


def changed(file: Path, document: dict[str, Any]) -> Iterator[Change]:
    """What differs between the promised document and this one."""
    yield from changes(json.loads(file.read_text(encoding="utf-8")), document, datetime.now(UTC).date())


def _compatible(found: Sequence[Change]) -> Iterator[Finding]:
    if found:
        names = "; ".join(str(change) for change in found[:NAMED])
        rest = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
        yield Finding(PROMISE, 1, f"compatible changes: {names}{rest}", ACCEPT, notice=True)


def _place(ground: Ground, file: Path, change: Change) -> tuple[str, int]:
    """Where the route is written; where it is gone, where it was promised."""
    for operation in ground.operations:
        if (operation.method.lower(), operation.path) == (change.method, change.path):
            code = inspect.unwrap(operation.endpoint).__code__
            return ground.relative(code.co_filename), code.co_firstlineno
    lines = file.read_text(encoding="utf-8").splitlines()
    wanted = f"{json.dumps(change.path)}: {{"
    return PROMISE, next((number for number, line in enumerate(lines, 1) if line.strip() == wanted), 1)


def write(ground: Ground) -> Path:
    """Promise the present document."""
    file: Path = ground.project.root / PROMISE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(ground.document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    return file
