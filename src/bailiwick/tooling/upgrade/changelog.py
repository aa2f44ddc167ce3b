"""What the changelog says is to be done by hand."""

import re
from collections.abc import Iterator
from pathlib import Path

from bailiwick.tooling.upgrade.versions import number

# Inside the wheel it lies beside this file; in a checkout at the root.
PLACES = (Path(__file__).with_name("CHANGELOG.md"), Path(__file__).parents[4] / "CHANGELOG.md")
BY_HAND = "Upgrading"


def changelog() -> str:
    return next(place.read_text("utf-8") for place in PLACES if place.is_file())


def by_hand(text: str, after: str, until: str) -> Iterator[str]:
    """The points under `### Upgrading` of the versions after one and up to another, the oldest first."""
    versions = re.split(r"^## \[(\d[^\]]*)\].*\n", text, flags=re.MULTILINE)[1:]
    for version, section in sorted(
        zip(versions[::2], versions[1::2], strict=True), key=lambda pair: number(pair[0])
    ):
        if number(after) < number(version) <= number(until):
            yield from _points(section)


def _points(section: str) -> list[str]:
    """The points of the list, each as one line."""
    found = re.search(rf"^### {BY_HAND}\n(.*?)(?=^#|\Z)", section, re.MULTILINE | re.DOTALL)
    points = re.split(r"^- ", found[1], flags=re.MULTILINE)[1:] if found else []
    return [" ".join(point.split()) for point in points]
