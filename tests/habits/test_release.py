"""What a release must have is asked for before its tag becomes one."""

from pathlib import Path

import pytest

from bailiwick.tooling.upgrade.api import present, written
from scripts.release import KEPT, MADE, missing

COMPLETE = {
    "pyproject.toml": '[project]\nversion = "0.3.0"\n',
    "CHANGELOG.md": "## [Unreleased]\n\n## [0.3.0] - 2027-01-01\n\n## [0.2.0] - 2026-12-01\n",
    f"{KEPT}/0.3.0.json": written(present()),
    f"{MADE}/0.3.0/pyproject.toml": "",
}


def laid_out(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_a_complete_release_lacks_nothing(tmp_path: Path) -> None:
    assert list(missing("v0.3.0", laid_out(tmp_path, COMPLETE))) == []


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("pyproject.toml", '[project]\nversion = "0.4.0"\n', "the tag is v0.3.0"),
        ("CHANGELOG.md", "## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n", "CHANGELOG.md has no section"),
        (f"{KEPT}/0.3.0.json", "{}", "the API is not kept"),
        (f"{MADE}/0.3.0/pyproject.toml", None, "no project of this version"),
    ],
)
def test_each_thing_that_is_missing_is_named(tmp_path: Path, path: str, text: str | None, said: str) -> None:
    root = laid_out(tmp_path, COMPLETE)
    if text is None:
        (root / path).unlink()
    else:
        (root / path).write_text(text)
    assert any(line.startswith(said) for line in missing("v0.3.0", root))
