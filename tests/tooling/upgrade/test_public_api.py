"""What is public keeps its meaning from one version to the next, and each way to break it is seen."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from bailiwick.kernel.deprecation import old_names
from bailiwick.tooling.project import Project
from bailiwick.tooling.upgrade.api import present, public_names, released, written
from bailiwick.tooling.upgrade.codemods import CODEMODS, Rename
from bailiwick.tooling.upgrade.compatibility import broken, check
from bailiwick.tooling.upgrade.public import FOR_SUBCLASSES
from bailiwick.tooling.upgrade.versions import installed, number
from tests.docs.pages import PAGES, blocks
from tests.style.source import ROOT
from tests.tooling.upgrade.conftest import PROJECTS

HOME = "wares"
CODE = '''"""A public module."""
from dataclasses import dataclass
from enum import Enum

LARGEST = 9

class Size(Enum):
    SMALL = 1

@dataclass
class Ware:
    name: str
    price: int = 0

    @classmethod
    def of(cls, text: str) -> "Ware":
        return cls(text)

    def sell(self, buyer: str, amount: int = 1, *, gift: bool = False) -> None: ...

    def _pack(self) -> None: ...

def look(ware: Ware) -> None: ...
'''

# What is changed in the code above, and what is said of it. Nothing is said of what breaks nobody.
BREAKING = [
    ("Ware", "Good", "wares.Ware is gone"),
    ("def look(", "def regard(", "wares.look is gone"),
    ("LARGEST = 9", "", "wares.LARGEST is gone"),
    ("SMALL = 1", "TINY = 1", "wares.Size.SMALL is gone"),
    ("def of(", "def from_text(", "wares.Ware.of is gone"),
    ("price: int = 0", "", "wares.Ware.price is gone"),
    ("price: int = 0", "", "wares.Ware has lost its parameter price"),
    (", *, gift: bool = False", "", "wares.Ware.sell has lost its parameter gift"),
    ("gift: bool = False", "gift: bool", "wares.Ware.sell demands gift, which could be left out"),
    ("look(ware: Ware)", "look(ware: Ware, where: str)", "wares.look demands where, which is new"),
    ("amount: int = 1, *,", "*, amount: int = 1,", "wares.Ware.sell takes amount by its name only"),
    (
        "buyer: str, amount: int = 1",
        "amount: int = 1, buyer: str = ''",
        "wares.Ware.sell takes its parameters in",
    ),
    ("def look(ware: Ware) -> None: ...", "look = None", "wares.look can no longer be called"),
]
HARMLESS = [
    ("def _pack", "def _wrap"),
    ("look(ware: Ware)", "look(ware: Ware, *, where: str = '')"),
    ("gift: bool = False", "gift: bool = True, card: str = ''"),
    ("buyer: str,", "buyer: str = '',"),
    ("SMALL = 1", "SMALL = 2"),
    ("price: int = 0", "price: int = 0\n    colour: str = ''"),
]  # fmt: skip

Api = dict[str, list[str] | None]


@pytest.fixture
def api_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Api]]:
    """The API of a module with this code."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def described(code: str) -> Api:
        (tmp_path / f"{HOME}.py").write_text(code)
        sys.modules.pop(HOME, None)
        home = import_module(HOME)
        names = [name for name in vars(home) if name in ("LARGEST", "look", "Size", "Ware", "HUGEST")]
        return dict(present({HOME: names}))

    yield described
    sys.modules.pop(HOME, None)


def test_this_version_breaks_no_project_of_the_one_before() -> None:
    found = list(check(Project(ROOT, "bailiwick")))
    assert not found, "\n".join(breach.what for breach in found)


@pytest.mark.parametrize(("old", "new", "said"), BREAKING)
def test_what_breaks_a_project_is_seen(api_of: Callable[[str], Api], old: str, new: str, said: str) -> None:
    before, now = api_of(CODE), api_of(CODE.replace(old, new))
    assert any(line.startswith(said) for line in broken(before, now, ())), broken(before, now, ())


@pytest.mark.parametrize(("old", "new"), HARMLESS)
def test_what_breaks_nobody_is_free(api_of: Callable[[str], Api], old: str, new: str) -> None:
    before, now = api_of(CODE), api_of(CODE.replace(old, new))
    assert CODE.replace(old, new) != CODE
    assert broken(before, now, ()) == []


def test_a_name_may_go_when_its_codemod_is_there_and_it_was_kept_for_long_enough(
    api_of: Callable[[str], Api],
) -> None:
    rename = Rename(since="0.5.0", until="0.7.0", module=HOME, old="LARGEST", new="HUGEST")
    before, now = api_of(CODE), api_of(CODE.replace("LARGEST", "HUGEST"))
    assert [line.partition(":")[0] for line in broken(before, now, [rename], "0.6.0")] == [
        "wares.LARGEST has to work until 0.7.0"
    ]
    assert broken(before, now, [rename], "0.7.0") == []
    [said] = broken(before, api_of(CODE.replace("LARGEST = 9", "")), [rename], "0.7.0")
    assert said == "wares.LARGEST is to be called HUGEST, which is not public"


def test_a_breach_tells_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    lost: Api = {"bailiwick.kernel.money.Money.doubled": [], "bailiwick.kernel.application.Nobody": None}
    monkeypatch.setattr("bailiwick.tooling.upgrade.compatibility.released", lambda: lost)
    assert [(breach.path, breach.what.split()[0]) for breach in check(Project(ROOT, "bailiwick"))] == [
        ("src/bailiwick/kernel/money.py", "bailiwick.kernel.money.Money.doubled"),
        ("src/bailiwick/kernel/application.py", "bailiwick.kernel.application.Nobody"),
    ]


def test_everything_that_is_declared_public_is_there() -> None:
    api = present()
    missing = [f"{module}.{name}" for module, names in public_names().items() for name in names]
    assert [path for path in [*missing, *FOR_SUBCLASSES] if path not in api] == []


def test_a_released_api_is_kept_as_it_is_written() -> None:
    assert released()["bailiwick.kernel.money.Money"] == ["amount", "currency"]
    assert json.loads(written(released())) == released()


def test_old_names_and_codemods_say_the_same() -> None:
    kept = {
        Rename(since=name.since, until=name.until, module=module, old=name.old, new=name.new)
        for module, names in old_names().items()
        for name in names.values()
    }
    assert kept == {each for each in CODEMODS if number(installed()) < number(each.until)}


def test_an_old_name_is_kept_for_two_minor_versions() -> None:
    for each in CODEMODS:
        since, until = number(each.since), number(each.until)
        assert until[0] > since[0] or until[1] >= since[1] + 2, each


def test_the_documents_import_only_what_is_public() -> None:
    public, found = public_names(), []
    for page in PAGES:
        for module, names in re.findall(
            r"^[ +]?from (bailiwick[\w.]*) import (.+)$", "\n".join(blocks(page, "python")), re.MULTILINE
        ):
            found += [(page.name, module, n) for n in names.split(", ") if n not in public.get(module, ())]
    shown = {(module, name) for _, module, name in found}
    assert not {(module, name) for module, name in shown if ".kernel" in module}, found


def test_a_project_is_told_what_is_not_public_and_what_has_another_name_now(tmp_path: Path) -> None:
    (tmp_path / "src/acme").mkdir(parents=True)
    (tmp_path / "src/acme/odd.py").write_text(
        "from bailiwick.kernel.domain import (\n    Event,\n    re,\n)\n"
        "from bailiwick.kernel.money import LARGEST\nimport bailiwick.kernel.messaging.worker\n"
        "from bailiwick.kernel import money\nfrom bailiwick.tasks.contract import TaskMoved\nimport json\n"
        "from bailiwick.tasks.domain.task import Task\n"
    )
    found = list(check(Project(tmp_path, "acme")))
    assert [(breach.line, breach.what.split()[0]) for breach in found] == [
        (3, "bailiwick.kernel.domain.re"),
        (5, "bailiwick.kernel.money.LARGEST"),
        (6, "bailiwick.kernel.messaging.worker"),
        (10, "bailiwick.tasks.domain.task.Task"),
    ]
    assert {breach.path for breach in found} == {"src/acme/odd.py"}
    assert "bailiwick upgrade" in found[1].what


def test_a_project_as_it_was_made_uses_only_what_was_public() -> None:
    found = list(check(Project(PROJECTS / "0.1.0", "acme")))
    assert {breach.what.split()[0] for breach in found} == {"bailiwick.kernel.money.LARGEST"}
