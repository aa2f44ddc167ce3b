"""A generated project as its owner uses it, without installing anything: its .venv is a view of ours."""

import os
import subprocess
import sys
from pathlib import Path

OURS = ("BAILIWICK_", "DATABASE_URL", "REDIS_URL", "PORT", "SECRET_KEY", "MAKE", "MFLAGS", "PYTEST_")
TOOLS = Path(sys.executable).parent


def environment(project: Path, **settings: str) -> dict[str, str]:
    """This machine's environment without our settings, in which the project's package can be imported."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return clean | {"PYTHONPATH": str(project / "src"), "NO_PROXY": "127.0.0.1"} | settings


def pretend_installed(project: Path) -> None:
    """What `make env` would have made: the Makefile finds nothing left to install."""
    seen = project / ".venv"
    seen.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (seen / name).symlink_to(Path(sys.prefix) / name)
    (seen / ".installed").touch()


def run(project: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in the project to its end. A name of one of our tools is that tool."""
    tool = TOOLS / words[0]
    return subprocess.run(
        [str(tool) if tool.exists() else words[0], *words[1:]],
        cwd=project,
        env=environment(project, **settings),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
