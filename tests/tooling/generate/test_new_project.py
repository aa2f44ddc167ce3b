"""A new project works at once, holds what it promises, and is not made where it would not."""

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from bailiwick.kernel.settings import Settings
from bailiwick.tooling.generate.project import UV, Origin, asked_by, described, new_project
from bailiwick.tooling.generate.rendering import CannotGenerate
from bailiwick.tooling.project import Project


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("projects")
    new_project("acme", where=where)
    return where / "acme"


def test_it_depends_on_bailiwick_and_copies_none_of_it(acme: Path) -> None:
    described = tomllib.loads((acme / "pyproject.toml").read_text())
    assert described["project"]["dependencies"] == [f"bailiwick[redis]>={described_version(acme)}"]
    assert sorted(path.name for path in (acme / "src/acme").iterdir()) == ["__init__.py", "py.typed"]
    assert Project.find(acme / "src") == Project(acme, "acme")
    assert all("{{" not in path.read_text() for path in files(acme) if path.name != "ci.yml")


def described_version(project: Path) -> str:
    made: str = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["bailiwick"]["made_with"]
    return made


def files(project: Path) -> list[Path]:
    return [path for path in project.rglob("*") if path.is_file() and ".git" not in path.parts]


def test_its_tools_are_set_like_ours(acme: Path) -> None:
    theirs = tomllib.loads((acme / "pyproject.toml").read_text())["tool"]
    ours = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["tool"]
    assert theirs["mypy"] == {key: value for key, value in ours["mypy"].items() if key != "exclude"}
    assert theirs["ruff"]["lint"]["select"] == ours["ruff"]["lint"]["select"]
    assert theirs["ruff"]["line-length"] == ours["ruff"]["line-length"]
    assert set(theirs["ruff"]["lint"]["ignore"]) <= set(ours["ruff"]["lint"]["ignore"])


def test_it_is_installed_and_tested_with_what_we_are(acme: Path) -> None:
    root = Path(__file__).parents[3]
    assert f"uv=={UV} " in (root / ".ci/uv.txt").read_text()
    groups = [
        tomllib.loads((folder / "pyproject.toml").read_text())["dependency-groups"]["dev"]
        for folder in (acme, root)
    ]
    theirs, ours = ({line for line in group if not line.startswith("bailiwick")} for group in groups)
    assert theirs < ours


def test_a_git_repository_is_begun_unless_there_is_one(acme: Path) -> None:
    inside = acme / "inside"
    inside.mkdir()
    try:
        assert (acme / ".git").is_dir()
        assert "git" not in new_project("beta", where=inside)
        assert not (inside / "beta/.git").exists()
    finally:
        subprocess.run(["rm", "-r", str(inside)], check=True)


def test_contexts_that_a_chosen_one_asks_are_enabled_with_it(tmp_path: Path) -> None:
    told = new_project("shop", "orders, identity", where=tmp_path)
    enabled = tomllib.loads((tmp_path / "shop/bailiwick.toml").read_text())["contexts"]
    assert enabled == ["identity", "payments", "catalog", "orders"]
    assert "catalog is enabled as well: orders asks it." in told
    assert "Nobody can sign in" not in told


def test_without_identity_it_says_that_nobody_can_sign_in(tmp_path: Path) -> None:
    assert "Nobody can sign in without identity" in new_project("notes", "tasks", where=tmp_path)


def test_who_asks_whom_is_read_from_the_code() -> None:
    asked = {context: asked_by(context) for context in Settings().contexts}
    assert {context: others for context, others in asked.items() if others} == {
        "profiles": {"identity"},
        "orders": {"payments", "catalog"},
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-shop", "Perhaps my_shop?"),
        ("My Shop", "Perhaps my_shop?"),
        ("3rd", "a letter first"),
        ("../acme", "small letters"),
        ("import", "a word of Python"),
        ("email", "Python's library"),
        ("bailiwick", "taken"),
        ("tests", "taken"),
        ("pydantic", "installed here"),
    ],
)
def test_a_name_that_cannot_be_a_package_of_its_own_is_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CannotGenerate, match=re.escape(said)):
        new_project(name, where=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_contexts_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotGenerate, match="no context bills; there are identity"):
        new_project("acme", "identity,bills", where=tmp_path)
    with pytest.raises(CannotGenerate, match="at least one"):
        new_project("acme", ",", where=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/mine.txt").write_text("mine")
    with pytest.raises(CannotGenerate, match="exists already"):
        new_project("acme", where=tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["acme", "mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    new_project("acme", where=tmp_path)
    assert (tmp_path / "acme/pyproject.toml").is_file()


def wheel(folder: Path) -> Path:
    made = folder / "bailiwick-0.1.0-py3-none-any.whl"
    made.write_bytes(b"PK")
    return made


ORIGINS: list[tuple[Callable[[Path], dict[str, object]], str]] = [
    (lambda folder: {"url": wheel(folder).as_uri(), "archive_info": {}}, 'path = "vendor/bailiwick-0.1.0-'),
    (lambda folder: {"url": folder.as_uri(), "dir_info": {}}, 'path = "/'),
    (
        lambda folder: {
            "url": "https://example.com/b.git",
            "vcs_info": {"vcs": "git", "commit_id": "c0ffee"},
        },
        'git = "https://example.com/b.git", rev = "c0ffee"',
    ),
    (
        lambda folder: {"url": "https://example.com/b.whl", "archive_info": {}},
        'url = "https://example.com/b.whl"',
    ),
]


@pytest.mark.parametrize(("left", "source"), ORIGINS)
def test_it_finds_bailiwick_where_the_running_one_came_from(
    left: Callable[[Path], dict[str, object]], source: str, tmp_path: Path
) -> None:
    origin = described(left(tmp_path))
    new_project("acme", where=tmp_path, origin=origin)
    sources = (tmp_path / "acme/pyproject.toml").read_text().partition("[tool.uv.sources]\n")[2]
    assert sources.splitlines()[0].startswith(f"bailiwick = {{ {source}")
    assert tomllib.loads(sources)


def test_a_wheel_is_taken_along(tmp_path: Path) -> None:
    new_project("acme", where=tmp_path, origin=Origin(wheel=wheel(tmp_path)))
    assert (tmp_path / "acme/vendor/bailiwick-0.1.0-py3-none-any.whl").read_bytes() == b"PK"
    assert "COPY vendor vendor" in (tmp_path / "acme/Containerfile").read_text()


def test_from_an_index_it_needs_no_source(tmp_path: Path) -> None:
    new_project("acme", where=tmp_path, origin=Origin())
    assert "tool.uv.sources" not in (tmp_path / "acme/pyproject.toml").read_text()
    assert not (tmp_path / "acme/vendor").exists()


def test_a_wheel_that_is_gone_is_missed_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(CannotGenerate, match="which is gone"):
        described({"url": (tmp_path / "gone.whl").as_uri(), "archive_info": {}})
