"""A renaming changes every place that means the name, and no other character."""

import libcst
import pytest

from bailiwick.tooling.upgrade.codemods import Rename

RENAME = Rename(
    since="0.2.0", until="0.4.0", module="bailiwick.kernel.money", old="LARGEST", new="LARGEST_AMOUNT"
)

CHANGED = {
    "an import and its uses": (
        "from bailiwick.kernel.money import LARGEST, Money\n\nHALF = LARGEST // 2  # half\n",
        "from bailiwick.kernel.money import LARGEST_AMOUNT, Money\n\nHALF = LARGEST_AMOUNT // 2  # half\n",
    ),
    "the attribute of an imported module": (
        "from bailiwick.kernel import money\nX = money.LARGEST\n",
        "from bailiwick.kernel import money\nX = money.LARGEST_AMOUNT\n",
    ),
    "the attribute of a module under another name": (
        "import bailiwick.kernel.money as m\nX = m.LARGEST.bit_length()\n",
        "import bailiwick.kernel.money as m\nX = m.LARGEST_AMOUNT.bit_length()\n",
    ),
    "a dotted name": (
        "import bailiwick.kernel.money\nX = bailiwick.kernel.money.LARGEST\n",
        "import bailiwick.kernel.money\nX = bailiwick.kernel.money.LARGEST_AMOUNT\n",
    ),
    "an import under another name, whose uses stay": (
        "from bailiwick.kernel.money import LARGEST as MOST\nX = MOST\n",
        "from bailiwick.kernel.money import LARGEST_AMOUNT as MOST\nX = MOST\n",
    ),
    "an import over several lines, with its comments": (
        "from bailiwick.kernel.money import (\n    LARGEST,  # why\n    Money,\n)\nX = f'{LARGEST}'\n",
        "from bailiwick.kernel.money import (\n    LARGEST_AMOUNT,  # why\n    Money,\n)\n"
        "X = f'{LARGEST_AMOUNT}'\n",
    ),
    "a file that has the new name already for something else": (
        "from bailiwick.kernel.money import LARGEST\nLARGEST_AMOUNT = 7\nX = LARGEST\n",
        "from bailiwick.kernel.money import LARGEST_AMOUNT as LARGEST\nLARGEST_AMOUNT = 7\nX = LARGEST\n",
    ),
    "only what means it": (
        "from bailiwick.kernel.money import LARGEST\nX = f(LARGEST=LARGEST)\nY = a.LARGEST\n"
        "def g(LARGEST):\n    return LARGEST\n",
        "from bailiwick.kernel.money import LARGEST_AMOUNT\nX = f(LARGEST=LARGEST_AMOUNT)\nY = a.LARGEST\n"
        "def g(LARGEST):\n    return LARGEST\n",
    ),
}  # fmt: skip
UNCHANGED = {
    "one's own name": "LARGEST = 3\nX = LARGEST\n",
    "the same name of another module": "from acme.sizes import LARGEST\nX = LARGEST\n",
    "a text": "X = 'LARGEST'  # LARGEST\n",
    "the attribute of something else": "class A:\n    LARGEST = 3\n\nX = A.LARGEST\n",
    "a relative import": "from .money import LARGEST\nX = LARGEST\n",
}


def renamed(**texts: str) -> dict[str, str]:
    modules = {name: libcst.parse_module(text) for name, text in texts.items()}
    return {name: module.code for name, module in RENAME.apply(modules).items()}


@pytest.mark.parametrize("case", CHANGED)
def test_what_means_the_name_is_changed(case: str) -> None:
    before, after = CHANGED[case]
    assert renamed(acme=before) == {"acme": after}
    assert renamed(acme=after) == {"acme": after}


@pytest.mark.parametrize("case", UNCHANGED)
def test_what_means_something_else_stays(case: str) -> None:
    assert renamed(acme=UNCHANGED[case]) == {"acme": UNCHANGED[case]}


def test_a_name_that_the_project_hands_on_is_followed() -> None:
    first = "from bailiwick.kernel.money import LARGEST\n"
    texts = renamed(
        limits=first, sizes="from limits import LARGEST\n", use="import sizes\nX = sizes.LARGEST\n"
    )
    assert texts == {
        "limits": "from bailiwick.kernel.money import LARGEST_AMOUNT\n",
        "sizes": "from limits import LARGEST_AMOUNT\n",
        "use": "import sizes\nX = sizes.LARGEST_AMOUNT\n",
    }


def test_what_only_a_person_can_judge_is_pointed_at() -> None:
    text = 'X = 1\npatch("bailiwick.kernel.money.LARGEST", 5)\nfrom bailiwick.kernel.money import *\n'
    assert RENAME.leftovers(text) == [2, 3]
    assert RENAME.leftovers('patch("bailiwick.kernel.money.LARGEST_AMOUNT", 5)\n') == []
