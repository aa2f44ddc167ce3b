"""How a client gets into its folder: a generator runs elsewhere, and only what is whole is moved there."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

SECONDS = 300
MADE_BY = "<!-- Made by `bailiwick client`. Do not edit: make it again with --force. -->\n"


class CannotGenerate(Exception):
    """A client cannot be made. The text says what to do."""


def program(name: str, how: str) -> str:
    """Where a program is: beside this Python, or on the path. `how` says how to get it."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=beside) or shutil.which(name)
    if found is None:
        raise CannotGenerate(f"{name} is not installed, and it runs the generator. {how}")
    return found


def make(target: Path, fill: Callable[[Path], None], *, force: bool) -> None:
    """Have `fill` write a client and put it at `target`: all of it, or nothing.

    What is there already is replaced only if a client was made there before, and with `force`.
    """
    check_target(target, force=force)
    with tempfile.TemporaryDirectory(prefix="bailiwick-client-") as folder:
        made = Path(folder) / "client"
        made.mkdir()
        fill(made)
        if target.exists():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, target)


def check_target(target: Path, *, force: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    readme = target / "README.md"
    if not readme.is_file() or not readme.read_text(encoding="utf-8").startswith(MADE_BY):
        raise CannotGenerate(f"{target} has files that are no client made before. Name another folder.")
    if not force:
        raise CannotGenerate(f"There is a client in {target} already. Replace it with --force.")


def run(words: Sequence[str]) -> None:
    """Run a generator to its end. Raises CannotGenerate with what it has said."""
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip()[-2000:]
        raise CannotGenerate(f"The generator failed: {' '.join(words[:6])} …\n{said}")


def template(name: str, **words: str) -> str:
    """A text of this package, with `{{ words }}` filled in."""
    text = files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: words[found[1]], text)
