"""The typed clients: made, type-checked and run against the product, as the guide shows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick.tooling.clients import making
from bailiwick.tooling.clients.making import CannotGenerate, make, program
from tests.acceptance.server import Server
from tests.docs.pages import ROOT, blocks
from tests.tooling.clients.conftest import HERE

GUIDE = ROOT / "docs/guides/call-it-from-code.md"
SHOWN = blocks(GUIDE, "text")
UV = making.program("uv", "")

MISTAKEN_PYTHON = """
from bailiwick_client.models import TaskBody, TaskPriority

TaskBody(titel="x")  # type: ignore[call-arg]
TaskBody(title=1)  # type: ignore[arg-type]
TaskPriority.SOON  # type: ignore[attr-defined]
"""
MISTAKEN_TYPESCRIPT = """
import { connect } from "./api/index.js";

const api = connect("");
// @ts-expect-error: no such path
await api.GET("/api/v1/task");
// @ts-expect-error: no such priority
await api.POST("/api/v1/tasks", { body: { title: "x", priority: "soon" } });
// @ts-expect-error: a transfer must have a key
await api.POST("/api/v1/orders", { body: {} });
const { data, error } = await api.GET("/api/v1/tasks/board");
// @ts-expect-error: there may be no data
data.data;
// @ts-expect-error: a code is a text
export const code: number | undefined = error?.code;
"""


def done(words: list[str], folder: Path, **environment: str) -> str:
    """What a program prints. Fails with all that it says unless it ends well."""
    ended = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_python_client_of_the_guide_works_and_knows_its_types(server: Server, tmp_path: Path) -> None:
    [text] = blocks(GUIDE, "python")
    (tmp_path / "program.py").write_text(text.replace("http://127.0.0.1:8000", server.url))
    (tmp_path / "mistaken.py").write_text(MISTAKEN_PYTHON)
    target = tmp_path / "clients" / "python"
    made = server.run("client", "python", "-o", str(target))
    assert made.returncode == 0, made.stderr
    done([UV, "venv", "--quiet", "--python", sys.executable, "env"], tmp_path)
    python = str(tmp_path / "env" / "bin" / "python")
    done([UV, "pip", "install", "--quiet", "--python", python, str(target)], tmp_path)
    checked = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "--config-file="]
    done([*checked, "program.py", "mistaken.py"], tmp_path)
    assert done([python, "program.py"], tmp_path) == SHOWN[0]
    again = server.run("client", "python", "-o", str(target))
    assert (again.returncode, "--force" in again.stderr) == (1, True)


def test_the_typescript_client_of_the_guide_works_and_knows_its_types(
    server: Server, packages: Path, tmp_path: Path
) -> None:
    [text] = blocks(GUIDE, "ts")
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "program.ts").write_text(text.replace("http://127.0.0.1:8000", server.url))
    (tmp_path / "mistaken.ts").write_text(MISTAKEN_TYPESCRIPT)
    client = [sys.executable, "-m", "bailiwick.cli", "client", "typescript", "-o", "api"]
    done(client, tmp_path, DATABASE_URL=server.database_url)
    done(["node", "node_modules/typescript/bin/tsc"], tmp_path)
    assert done(["node", "made/program.js"], tmp_path) == SHOWN[1]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CannotGenerate, match="Name another folder"):
        make(tmp_path, lambda folder: None, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_generator_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(making.MADE_BY)

    def fail(folder: Path) -> None:
        (folder / "half.py").touch()
        making.run([sys.executable, "-c", "raise SystemExit('no such thing')"])

    with pytest.raises(CannotGenerate, match="no such thing"):
        make(tmp_path, fail, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_a_missing_program_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(CannotGenerate, match=r"no-such-program is not installed.*pip install it"):
        program("no-such-program", "pip install it")
