"""The guide to starting a project works: its commands make one that serves its demo and passes its tests."""

import os
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from bailiwick.kernel.testing import free_port
from tests.docs.pages import ROOT, blocks
from tests.tooling.generate.projects import TOOLS, environment, pretend_installed

GUIDE = ROOT / "docs/guides/start-a-project.md"
INSTALL, NEW, RUN, TEST, SOME = blocks(GUIDE, "sh")
START_SECONDS = 30


def bash(script: str, where: Path, **settings: str) -> str:
    """Run a printed script to its end and return what it prints. Where it fails, the test does."""
    tools = f"{TOOLS}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=where,
        env=environment(where / "acme", PATH=tools, **settings),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a reader has made the project."""
    folder = tmp_path_factory.mktemp("reader")
    told = bash(NEW, folder)
    assert "cd acme" in told
    assert all(f"  {line}" in told for line in ("make run", "make test"))
    pretend_installed(folder / "acme")
    return folder


@contextmanager
def serving(script: str, where: Path) -> Iterator[tuple[str, Path]]:
    """A script that serves, at the address which is yielded with its log, and is interrupted afterwards."""
    port, log = free_port(), where / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-e", "-c", script],
            cwd=where,
            env=environment(where / "acme", PORT=str(port)),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while f"Bailiwick is ready on {address}" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield address, log
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def test_make_run_serves_the_product_with_a_demo(where: Path) -> None:
    with serving(RUN, where) as (address, log):
        assert httpx.get(f"{address}/health").status_code == 200
        assert httpx.get(f"{address}/api/docs").status_code == 200
        [ann] = [line.split() for line in log.read_text().splitlines() if "ann@example.com" in line]
        body = {"email": ann[0], "password": ann[1]}
        signed_in = httpx.post(f"{address}/api/v1/auth/login", json=body).json()["data"]
        held = {"Authorization": f"Bearer {signed_in['access_token']}"}
        assert len(httpx.get(f"{address}/api/v1/tasks", headers=held).json()["data"]) == 5
    assert (where / "acme/var/bailiwick.db").is_file()


def test_make_test_checks_and_passes_on_both_databases(where: Path) -> None:
    told = bash(f"cd acme\n{TEST}", where, WORKERS="0")
    assert "6 passed" in told, told


def test_only_the_chosen_contexts_are_enabled(where: Path) -> None:
    bash(SOME, where)
    settings = tomllib.loads((where / "library/bailiwick.toml").read_text())
    assert settings["contexts"] == ["identity", "profiles", "tasks"]


def test_the_wheel_in_the_guide_is_of_this_version() -> None:
    """Installing it needs a package index, which tests do not ask; its name and extra can be checked."""
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"bailiwick-{described['version']}-py3-none-any.whl" in INSTALL
    assert "bailiwick[tooling]" in INSTALL
    assert "tooling" in described["optional-dependencies"]


def test_the_files_in_the_guide_are_those_of_a_project(where: Path) -> None:
    rows = [line.split("|")[1] for line in GUIDE.read_text().splitlines() if line.startswith("| `")]
    named = [name.strip(" `") for row in rows for name in row.split(",")]
    assert len(named) > 8
    assert [name for name in named if not (where / "acme" / name).exists()] == ["vendor/"]
