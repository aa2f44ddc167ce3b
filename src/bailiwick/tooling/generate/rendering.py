"""Files made from templates: all of them, complete and formatted, or none at all."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).with_name("templates")
SUFFIX = ".jinja"
TIDY = ("I", "F401")  # a template need not know how imports sort, nor which of them a name makes needless


class CannotGenerate(Exception):
    """Nothing was written. The text says why and what to do."""


class Draft:
    """Files on their way into the folder `root`: they lie beside it until `place` moves all of them there."""

    def __init__(self, root: Path, aside: Path) -> None:
        self.root = root.absolute()
        self._aside = aside
        self._new: set[Path] = set()
        self._changed: set[Path] = set()

    def render(self, templates: str, values: Mapping[str, object]) -> None:
        """Add every file of a folder below `templates/`. Names of files and folders are templates as well.

        What ends in `.jinja` is rendered; all else is copied. A file is left out where a part of its path
        renders to nothing. An unknown variable raises jinja2.UndefinedError.
        """
        folder = TEMPLATES / templates
        makes = Environment(  # noqa: S701 - it makes no HTML
            loader=FileSystemLoader(TEMPLATES),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        for source in sorted(path for path in folder.rglob("*") if path.is_file()):
            if "__pycache__" in source.parts:
                continue
            parts = [makes.from_string(part).render(values) for part in source.relative_to(folder).parts]
            if not all(part.removesuffix(SUFFIX) for part in parts):
                continue
            text = source.read_text("utf-8")
            if source.name.endswith(SUFFIX):
                text = makes.from_string(text).render(values)
            self.add(Path(*parts[:-1], parts[-1].removesuffix(SUFFIX)), text)

    def add(self, path: Path | str, text: str) -> None:
        """A file that must not exist yet; `path` is relative to the root."""
        self._new.add(self._write(Path(path), text))

    def copy(self, path: Path | str, source: Path) -> None:
        """A copy of a file of any kind, which must not exist yet; `path` is relative to the root."""
        target = self._aside / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        self._new.add(Path(path))

    def change(self, path: Path | str, text: str) -> None:
        """The whole new text of a file that exists; `path` is relative to the root."""
        self._changed.add(self._write(Path(path), text))

    def _write(self, path: Path, text: str) -> Path:
        target = self._aside / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
        return path

    def place(self) -> list[Path]:
        """Format the Python files and move everything into place. Returns the paths, below the root.

        Raises CannotGenerate where a new file exists already; nothing is overwritten then, nor written.
        """
        there = sorted(path for path in self._new - self._changed if os.path.lexists(self.root / path))
        if there:
            listed = "\n".join(f"  {self.root / path}" for path in there)
            raise CannotGenerate(
                f"Nothing was written, for this exists already:\n{listed}\n"
                "Choose another name, or move it away."
            )
        self._format()
        placed = sorted(self._new | self._changed)
        with undone_on_failure(self.root, placed):
            for path in placed:
                (self.root / path).parent.mkdir(parents=True, exist_ok=True)
                (self._aside / path).replace(self.root / path)
        return placed

    def _format(self) -> None:
        files = [str(path) for path in sorted(self._new | self._changed) if path.suffix == ".py"]
        if not files:
            return
        # What is not in place yet is the project's own all the same.
        own = [str(folder / source) for folder in (self.root, self._aside) for source in ("src", "")]
        self._ruff("check", "--fix", "--select", ",".join(TIDY), "--config", f"src = {own}", *files)
        self._ruff("format", *files)

    def _ruff(self, *words: str) -> None:
        command = import_module("ruff").find_ruff_bin()  # it has no types
        done = subprocess.run(
            [command, *words, "--quiet", "--no-cache"],
            cwd=self._aside,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotGenerate(f"The code that was made is not correct:\n{done.stdout}{done.stderr}")


@contextmanager
def drafted(root: Path) -> Iterator[Draft]:
    """A draft for `root`, a folder that need not exist. What is not placed is forgotten.

    It lies inside the root or the nearest folder that exists: there the project's settings of the formatter
    hold, and moving a file is one step.
    """
    nearest = next(folder for folder in (root, *root.absolute().parents) if folder.is_dir())
    with tempfile.TemporaryDirectory(prefix=".bailiwick-", dir=nearest) as aside:
        yield Draft(root, Path(aside))


@contextmanager
def undone_on_failure(root: Path, paths: list[Path]) -> Iterator[None]:
    """Leave these files of `root`, and the folders above them, as they were if the block fails."""
    before = {path: (root / path).read_bytes() for path in paths if (root / path).is_file()}
    folders = {folder for path in paths for folder in (root / path).parents}
    missing = sorted((folder for folder in folders if not folder.exists()), reverse=True)
    try:
        yield
    except BaseException:
        for path in paths:
            if path in before:
                (root / path).write_bytes(before[path])
            else:
                with suppress(OSError):
                    (root / path).unlink()
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise
