"""Files are made all together or not at all, complete and formatted."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from bailiwick.tooling.generate import rendering
from bailiwick.tooling.generate.rendering import CannotGenerate, drafted


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of templates called `thing`."""
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path / "templates")
    folder = tmp_path / "templates/thing"
    (folder / "{{name}}").mkdir(parents=True)
    (folder / "{{name}}/a.py.jinja").write_text('"""Of {{ name }}."""\nimport os,sys\nprint( sys.path)\n')
    return folder


def everything(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_paths_and_texts_are_rendered_and_python_is_tidied(templates: Path, tmp_path: Path) -> None:
    (templates / "notes.txt").write_text("{{ as it is }}")
    (templates / "{% if full %}more.txt{% endif %}.jinja").write_text("more")
    root = tmp_path / "new"
    with drafted(root) as draft:
        draft.render("thing", {"name": "acme", "full": False})
        assert draft.place() == [Path("acme/a.py"), Path("notes.txt")]
    assert everything(root) == {
        "acme/a.py": '"""Of acme."""\n\nimport sys\n\nprint(sys.path)\n',
        "notes.txt": "{{ as it is }}",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "templates"]


def test_a_variable_that_nobody_set_leaves_nothing_behind(templates: Path, tmp_path: Path) -> None:
    (templates / "z.txt.jinja").write_text("{{ unheard_of }}")
    root = tmp_path / "new"
    with pytest.raises(UndefinedError), drafted(root) as draft:
        draft.render("thing", {"name": "acme"})
    assert not root.exists()


def test_what_exists_is_named_and_not_overwritten(templates: Path, tmp_path: Path) -> None:
    root = tmp_path / "old"
    (root / "acme").mkdir(parents=True)
    (root / "acme/a.py").write_text("mine")
    with drafted(root) as draft:
        draft.render("thing", {"name": "acme"})
        draft.add("b.txt", "new")
        with pytest.raises(CannotGenerate, match=r"old/acme/a\.py"):
            draft.place()
    assert everything(root) == {"acme/a.py": "mine"}


def test_code_that_is_not_python_is_not_written(templates: Path, tmp_path: Path) -> None:
    (templates / "b.py.jinja").write_text("def {{ name }}(\n")
    root = tmp_path / "new"
    with drafted(root) as draft:
        draft.render("thing", {"name": "acme"})
        with pytest.raises(CannotGenerate, match=r"b\.py"):
            draft.place()
    assert not root.exists()


def test_where_moving_fails_halfway_all_is_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "old"
    root.mkdir()
    (root / "a.txt").write_text("before")
    (root / "z").write_text("in the way of a folder")
    with drafted(root) as draft:
        draft.change("a.txt", "after")
        draft.add("b/c.txt", "new")
        draft.add("z/y.txt", "cannot be")
        with pytest.raises(OSError, match="z"):
            draft.place()
    assert everything(root) == {"a.txt": "before", "z": "in the way of a folder"}
    assert not (root / "b").exists()


def test_the_rules_of_the_project_hold_for_what_is_added_to_it(tmp_path: Path) -> None:
    (tmp_path / "src/acme").mkdir(parents=True)
    (tmp_path / "src/acme/__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text('[tool.ruff]\nline-length = 20\nsrc = ["src"]\n')
    with drafted(tmp_path) as draft:
        draft.add("src/acme/a.py", "import pytest\nimport acme.a\nx = [acme.a.one, pytest.two]\n")
        draft.place()
    assert (tmp_path / "src/acme/a.py").read_text() == (
        "import pytest\n\nimport acme.a\n\nx = [\n    acme.a.one,\n    pytest.two,\n]\n"
    )
