"""The code of tasks, which people wrote, does on both databases what its new field, command and event say."""

from pathlib import Path
from shutil import copy, copytree, ignore_patterns

from tests.docs.pages import ROOT
from tests.tooling.generate.projects import run


def test_tasks_are_extended_like_a_generated_context(tmp_path: Path) -> None:
    for folder in ("src", "tests"):
        ignored = ignore_patterns("__pycache__", "node_modules")
        copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    copy(ROOT / "pyproject.toml", tmp_path)
    for words in (
        ["field", "tasks", "Task", "note:str(40)?"],
        ["field", "tasks", "Task", "size:int(1..9)", "--default", "3"],
        ["field", "tasks", "Task", "shade:dark|light?"],
        ["field", "tasks", "Task", "day:date?"],
        ["command", "tasks", "Task", "ArchiveTask"],
        ["event", "tasks", "TaskArchived", "--field", "title:str", "--from", "archive"],
    ):
        done = run(tmp_path, "bailiwick", "new", *words)
        assert done.returncode == 0, done.stderr
    for places, chosen, passed in (
        (["tests/tasks/test_http.py"], "kept_and_changed or answers_with", 10),
        (["tests/kernel/test_migrations.py"], "what_the_code_believes or again and tasks", 4),
        (["tests/policy/test_policy.py"], "archive or table_lists", 14),
    ):
        done = run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", *places, "-k", chosen)
        assert done.returncode == 0, done.stdout[-3000:]
        assert int(done.stdout.rpartition("\n")[0].rpartition("\n")[2].split()[0]) >= passed
