"""Migrations are safe while the old version serves: judged by squawk on the SQL that PostgreSQL would get."""

import json
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bailiwick.kernel.database.migrations import WAIT_BRIEFLY
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.migrations.rehearsal import Rehearsed
from bailiwick.tooling.check.rules import Finding, rule
from bailiwick.tooling.loading import ToolingMissing

LEFT_OUT = {
    "prefer-text-field": "a limit that grows is a quick change, and the domain has the limit anyway",
    "prefer-bigint-over-int": "what may grow so far is a BigInteger; versions and places in a list do not",
    "prefer-bigint-over-smallint": "the same",
    "prefer-robust-stmts": "the migrator runs all in one transaction: everything or nothing",
    "require-statement-timeout": "a backfill may take its time; that it waits for no lock is what matters",
}
"""Rules of squawk that say nothing about our migrations, and why. A table that is new is never locked."""
LATER = {
    "ban-drop-column": "First release the code that does not read it; drop it in the release after that.",
    "ban-drop-table": "First release the code that does not read it; drop it in the release after that.",
    "renaming-column": "Add the new column, write both, move the readers; drop the old one a release later.",
    "renaming-table": "Make the new table, write both, move the readers; drop the old a release later.",
    "adding-required-field": "Make it nullable, or give it a server_default.",
    "adding-not-nullable-field": "Add a check NOT VALID; in the next migration validate it and set NOT NULL.",
    "changing-column-type": "Add a column of the new type, write both; drop the old a release later.",
    "require-concurrent-index-creation": (
        "Build it CONCURRENTLY by hand before, pass if_not_exists=True here, and name the exception with "
        "this reason in [tool.bailiwick.check.exceptions.migrations_are_safe_under_load] of pyproject.toml."
    ),
}
"""What to do in the words of this product; squawk's own help for the others."""


@rule("migrations", "Take the locking statement apart into steps that the old version can live with.")
def migrations_are_safe_under_load(ground: Ground) -> Iterator[Finding]:
    """No migration blocks or breaks the version that still runs, by the rules of squawk."""
    for each in ground.rehearsed:
        if each.failure:
            what = f"cannot be gone through without a database: {each.failure}"
            yield Finding(
                ground.relative(each.path), 1, what, "Let it bear that a question is answered by nothing."
            )
    for each, seen in judged(ground.rehearsed):
        # The first line of what squawk reads is the time-out that the migrator sets.
        number = max(seen["line"] - 1, 0)
        line = each.lines[number] if number < len(each.lines) else 1
        name = seen["rule_name"]
        fix = LATER.get(name) or seen["help"] or ""
        yield Finding(ground.relative(each.path), line, f"{seen['message'].rstrip('.')} ({name})", fix)


@rule("migrations", "Leave it to the migrator, which waits for 5 seconds and is tried again.")
def migrations_wait_briefly_for_locks(ground: Ground) -> Iterator[Finding]:
    """No migration sets how long it waits for locks: the migrator does, so nobody queues behind it."""
    for each in ground.rehearsed:
        for line in each.says("lock_timeout"):
            yield Finding(ground.relative(each.path), line, "sets lock_timeout")


def judged(migrations: Sequence[Rehearsed]) -> Iterator[tuple[Rehearsed, dict[str, Any]]]:
    """What squawk says about each of them. Raises ToolingMissing."""
    with TemporaryDirectory(prefix="bailiwick-") as folder:
        files = {str(Path(folder, f"{number}.sql")): each for number, each in enumerate(migrations)}
        for file, each in files.items():
            Path(file).write_text(f"{WAIT_BRIEFLY};\n{each.sql}", encoding="utf-8")
        for seen in _squawk(list(files)):
            yield files[seen["file"]], seen


def _squawk(files: list[str]) -> list[dict[str, Any]]:
    if not files:
        return []
    binary = Path(sysconfig.get_path("scripts"), "squawk")
    if not binary.is_file():
        raise ToolingMissing(
            "The check of migrations needs squawk, which is not installed.\n"
            "Install the tools: pip install 'bailiwick[tooling]'"
        )
    command = [str(binary), "--reporter", "json", "--assume-in-transaction", "--exclude", ",".join(LEFT_OUT)]
    ended = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    if not ended.stdout.strip():
        raise RuntimeError(f"squawk failed: {ended.stderr.strip()}")
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found
