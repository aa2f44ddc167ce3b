"""Trees of files in the documents are compared with the disk."""

from pathlib import Path

import pytest

from bailiwick.tooling.check.trees import differences, trees
from tests.style.source import ROOT

TREE = """```
shop/
  till.py        what is sold
  stock/
    shelf.py
    cellar.py    and what is not
  staff/people.py
  papers/
```
"""
ON_DISK = ("till.py", "stock/shelf.py", "stock/cellar.py", "staff/people.py", "papers/one.txt", "__init__.py")


def told(page: str, root: Path, *more: str) -> list[str]:
    for name in (*ON_DISK, *more):
        (root / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "shop" / name).touch()
    return [f"{line}: {what}" for tree in trees(page) for line, what in differences(tree, [root])]


def test_a_tree_that_equals_the_disk_passes(tmp_path: Path) -> None:
    assert told(TREE, tmp_path, "papers/two.txt") == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("shelf.py", "shelves.py", "5: there is no file shop/stock/shelves.py"),
        ("staff/people.py", "staff/persons.py", "7: there is no file shop/staff/persons.py"),
        ("  papers/", "  letters/", "8: there is no folder shop/letters"),
        ("    cellar.py    and what is not\n", "", "5: shop/stock/cellar.py is not in the tree"),
        ("shop/\n", "market/\n", "2: there is no folder market/"),
    ],
)
def test_a_tree_that_differs_is_seen(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert said in told(TREE.replace(old, new), tmp_path)


def test_a_file_that_no_tree_names_is_seen(tmp_path: Path) -> None:
    assert told(TREE, tmp_path, "safe.py") == ["8: shop/safe.py is not in the tree"]


@pytest.mark.parametrize(
    "block", ["```sh\nls shop/\n```\n", "```\nshop/\n```\n", "```\nno tree\n  at all\n```\n"]
)
def test_what_is_no_tree_is_left_alone(block: str) -> None:
    assert list(trees(block)) == []


def test_there_is_a_tree_in_the_documents() -> None:
    assert list(trees((ROOT / "docs/architecture.md").read_text()))
