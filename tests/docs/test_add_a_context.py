"""The guide to adding a context works: its commands make one that migrates and serves beside the others."""

import re
import subprocess
from pathlib import Path
from shutil import copytree, ignore_patterns

import httpx2 as httpx

from tests.docs.pages import ROOT, blocks, names
from tests.docs.running import running

GUIDE = ROOT / "docs/guides/add-a-context.md"


def test_a_renamed_copy_of_tasks_is_a_context_of_its_own(tmp_path: Path, sqlite_url: str) -> None:
    copytree(ROOT / "src", tmp_path / "src", ignore=ignore_patterns("__pycache__"))
    [make_it] = blocks(GUIDE, "sh")
    subprocess.run(["bash", "-e", "-c", make_it], cwd=tmp_path, check=True)
    notes = tmp_path / "src/bailiwick/notes"
    assert "task" not in "".join(path.read_text().lower() for path in notes.rglob("*.py"))
    for name in names(GUIDE):
        if re.fullmatch(r"[\w/]+\.py", name) and not name.startswith(("kernel/", "tests/")):
            assert (notes / name).exists() or name == "application/subscribers.py", name

    [variable] = [name for name in names(GUIDE) if name.startswith("BAILIWICK_CONTEXTS=")]
    enabled = dict([variable.split("=")])
    with (
        running(sqlite_url, tmp_path, tmp_path / "src", **enabled) as server,
        httpx.Client(base_url=f"{server.address}/api/v1") as client,
    ):
        somebody = {"email": "ann.b@example.com", "password": "a long and quiet river", "full_name": "Ann B"}
        joined = client.post("/auth/register", json=somebody | {"accept_terms": True})
        client.headers["Authorization"] = f"Bearer {joined.json()['data']['access_token']}"
        made = client.post("/notes", json={"title": "mine"})
        assert made.status_code == 201
        assert client.get(made.headers["Location"].removeprefix("/api/v1")).json()["data"]["title"] == "mine"
        assert client.get("/tasks").json()["data"] == []
