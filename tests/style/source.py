"""Source files of this repository, as the style rules see them."""

from pathlib import Path

from bailiwick.tooling.check.source import Source, sources_of
from bailiwick.tooling.project import Project

ROOT = Path(__file__).parents[2]
PROJECT = Project(ROOT, "bailiwick")


def repository() -> list[Source]:
    """Every Python file of the product, its tests, its benchmarks and its tools."""
    return sources_of(PROJECT)
