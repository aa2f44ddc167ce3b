"""The changelog has a section for the version of the code, and what it leaves to people is found."""

import re
import tomllib

from bailiwick.tooling.upgrade.changelog import by_hand, changelog
from tests.style.source import ROOT

KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Upgrading"}
TEXT = """
## [0.3.0] - 2027-01-01

### Upgrading

- Last.

## [0.2.0] - 2026-12-01

### Added

- No.

### Upgrading

- First,
  on two lines.
- Second.

### Fixed

- No.

## [0.1.0] - 2026-11-01

### Upgrading

- Never.

[0.1.0]: https://example.com
"""


def test_the_points_come_in_the_order_of_their_versions() -> None:
    assert list(by_hand(TEXT, "0.1.0", "0.3.0")) == ["First, on two lines.", "Second.", "Last."]
    assert list(by_hand(TEXT, "0.2.0", "0.3.0")) == ["Last."]
    assert list(by_hand(TEXT, "0.3.0", "0.3.0")) == []


def test_the_changelog_tells_of_the_version_of_the_code() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    versions = re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", changelog(), re.MULTILINE)
    assert versions[0] == version
    assert versions == sorted(versions, reverse=True)


def test_the_changelog_keeps_to_its_form() -> None:
    assert set(re.findall(r"^### (.+)$", changelog(), re.MULTILINE)) <= KINDS
    linked = set(re.findall(r"^\[([^\]]+)\]: https", changelog(), re.MULTILINE))
    assert set(re.findall(r"^## \[([^\]]+)\]", changelog(), re.MULTILINE)) == linked


def test_the_wheel_carries_the_changelog() -> None:
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert described["targets"]["wheel"]["force-include"] == {
        "CHANGELOG.md": "bailiwick/tooling/upgrade/CHANGELOG.md"
    }
