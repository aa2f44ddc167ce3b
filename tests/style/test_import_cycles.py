"""No module reaches itself through its imports: the largest import cycle is a single module."""

import grimp
import pytest


def cycles(graph: grimp.ImportGraph) -> list[list[str]]:
    """The groups of modules that import each other, directly or not."""
    groups = {
        frozenset(graph.find_upstream_modules(module) & graph.find_downstream_modules(module)) | {module}
        for module in graph.modules
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("bailiwick", cache_dir=None)


def test_no_two_modules_of_the_product_import_each_other(graph: grimp.ImportGraph) -> None:
    assert cycles(graph) == []


def test_a_planted_cycle_through_three_modules_is_seen() -> None:
    planted = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")):
        planted.add_import(importer=importer, imported=imported)
    assert cycles(planted) == [["a", "b", "c"]]


def test_a_planted_import_against_the_direction_is_seen(graph: grimp.ImportGraph) -> None:
    graph.add_import(importer="bailiwick.kernel.domain", imported="bailiwick.kernel.application")
    assert any("bailiwick.kernel.domain" in group for group in cycles(graph))
    graph.remove_import(importer="bailiwick.kernel.domain", imported="bailiwick.kernel.application")
