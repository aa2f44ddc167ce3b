"""The guide to adding a context works: its commands make contexts that react to an order at once."""

import os
import re
from pathlib import Path

import pytest

from bailiwick.tooling.generate.project import new_project
from tests.docs.pages import ROOT, blocks, names
from tests.docs.running import running
from tests.tooling.generate.projects import TOOLS, run

GUIDE = ROOT / "docs/guides/add-a-context.md"
*MAKING, TRYING = blocks(GUIDE, "sh")


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which a reader has done what the guide says."""
    where = tmp_path_factory.mktemp("guided")
    new_project("acme", where=where)
    for script in MAKING:
        path = f"{TOOLS}:{os.environ['PATH']}"
        done = run(where / "acme", "bash", "-e", "-c", script, PATH=path)
        assert done.returncode == 0, done.stderr
        for name in (name for name in named() if "/http" in name and script is MAKING[0]):
            assert (where / "acme/src/acme/billing" / name).exists() == (name == "interfaces/http.py"), name
    return where / "acme"


def named() -> list[str]:
    """The files that the guide names."""
    return [name for name in names(GUIDE) if re.fullmatch(r"[\w/]+(\.py|\.md|/)", name)]


def test_every_file_that_the_guide_names_is_made(acme: Path) -> None:
    places = [acme, acme / "src/acme/billing", acme / "src/acme/stamps"]
    missing = [name for name in named() if not any((place / name).exists() for place in places)]
    assert missing == ["interfaces/http.py"]
    assert len(named()) > 15


def test_an_order_becomes_an_invoice_and_a_reminder(acme: Path, sqlite_url: str) -> None:
    with running(sqlite_url, acme, acme / "src") as server:
        order, invoices, reminders, stamp = server.bash(TRYING, acme)
    for made in (invoices, reminders):
        [one] = made["data"]
        assert one["number"] == order["data"]["number"]
        assert one["total"] == order["data"]["total"]
    assert invoices["data"][0]["due_on"] is None
    assert (stamp["data"]["name"], stamp["data"]["colour"]) == ("Zebra", "red")
