"""`release v0.2.0`: says what is missing before this tag may become a release; exit code 1 then."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from bailiwick.tooling.upgrade.api import present, written

ROOT = Path(__file__).parents[1]
KEPT = "src/bailiwick/tooling/upgrade/released"
MADE = "tests/tooling/upgrade/projects"


def missing(tag: str, root: Path = ROOT) -> Iterator[str]:
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    if tag != f"v{version}":
        yield f"the tag is {tag}, the version in pyproject.toml {version}"
    newest = re.search(
        r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", (root / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    if newest is None or newest[1] != version:
        yield f"CHANGELOG.md has no section of {version} with a date above all others"
    kept = root / KEPT / f"{version}.json"
    if not kept.is_file() or kept.read_text() != written(present()):
        yield f"the API is not kept. Run: python -m bailiwick.tooling.upgrade.api > {KEPT}/{version}.json"
    if not (root / MADE / version / "pyproject.toml").is_file():
        yield f"no project of this version is kept, for the next one to upgrade: make one in {MADE}/{version}"


def main(tag: str) -> int:
    found = list(missing(tag))
    print("\n".join(found) or f"{tag} may be released")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
