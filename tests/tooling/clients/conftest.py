"""The product to call, and the packages of Node.js to call it with."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.server import Server, serving
from tests.docs.pages import ROOT

HERE = Path(__file__).parent / "typescript"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("clients")
    with serving(f"sqlite:///{folder / 'bailiwick.db'}", BAILIWICK_HTTP__WORKERS="1") as running:
        yield running


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder with the `node_modules` of the committed lock: installed once for each lock."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = ROOT / ".cache" / "node" / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(HERE / name, folder)
            words = ["npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-progress"]
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stderr
            (folder / "complete").touch()
    return folder
