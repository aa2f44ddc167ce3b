"""The guide to PostgreSQL works: a shop full of orders goes along, and every proof still holds."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from bailiwick.kernel.database import migrations
from bailiwick.kernel.database.copying import CannotCopy, Copied, copy
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from bailiwick.kernel.testing import execute
from tests.docs.pages import ROOT, blocks
from tests.docs.running import BAILIWICK, environment
from tests.docs.test_open_a_shop import toured

GUIDE = ROOT / "docs/guides/move-to-postgresql.md"
CONTEXTS = Settings().contexts


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with var/bailiwick.db, as the tour through the shop leaves it."""
    place = tmp_path_factory.mktemp("shop")
    place.joinpath("var").mkdir()
    with toured(f"sqlite:///{place}/var/bailiwick.db", place):
        pass
    return place


@pytest.fixture
def made(postgres: str) -> Iterator[str]:
    """The URL of the database that the guide has us make, under names of this test's own."""
    name = f"shop_{uuid4().hex[:8]}"
    [script] = blocks(GUIDE, "sql")
    for statement in script.replace("bailiwick", name).strip().splitlines():
        execute(postgres, statement)
    url = make_url(postgres).set(username=name, password="choose-a-long-one", database=name)
    yield url.render_as_string(hide_password=False)
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")
    execute(postgres, f"DROP ROLE {name}")


def rows(url: str) -> dict[str, int]:
    """How many rows each table has."""
    engine = create_engine(url)
    with engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
        count = "SELECT count(*) FROM "
        return {name: connection.exec_driver_sql(count + name).scalar_one() for name in names}


def test_the_shop_moves_as_printed_and_every_proof_holds(shop: Path, made: str) -> None:
    move, prove = blocks(GUIDE, "sh")
    [named] = re.findall(r"postgresql://\S+", move)
    script = (move + prove).replace(named, made).replace("bailiwick ", f"{BAILIWICK} ")
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=shop,
        env=environment(""),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    held = rows(f"sqlite:///{shop}/var/bailiwick.db")
    printed = re.findall(r"^(\w+_\w+) +(\d+)$", done.stdout, re.MULTILINE)
    copied = {name: int(count) for name, count in printed}
    assert copied == {name: count for name, count in held.items() if count and not name.endswith("_version")}
    assert {"orders_order", "payments_entry", "kernel_audit"} <= copied.keys()


def described(url: str, **changes: Any) -> Settings:
    return Settings(database=Database(url=url), **changes)


def test_a_database_that_was_used_takes_no_copy(shop: Path, tmp_path: Path) -> None:
    old, new = f"sqlite:///{shop}/var/bailiwick.db", f"sqlite:///{tmp_path}/new.db"
    migrations.upgrade(described(new))
    assert Copied("identity_role", 5) in copy(old, new, CONTEXTS)
    before = rows(new)
    with pytest.raises(CannotCopy, match="has been used"):
        copy(old, new, CONTEXTS)
    assert rows(new) == before


def test_what_does_not_fit_is_refused_before_anything_is_written(shop: Path, tmp_path: Path) -> None:
    old, new = f"sqlite:///{shop}/var/bailiwick.db", f"sqlite:///{tmp_path}/new.db"
    with pytest.raises(CannotCopy, match="same database"):
        copy(old, old, CONTEXTS)
    with pytest.raises(CannotCopy, match="Nothing here knows the tables catalog_category"):
        copy(old, new, ["identity", "profiles"])
    empty = f"sqlite:///{tmp_path}/empty.db"
    with pytest.raises(CannotCopy, match=r"kernel, identity.* not up to date"):
        copy(empty, new, CONTEXTS)
    assert not (tmp_path / "new.db").exists()


def test_everything_also_goes_back_from_postgresql(shop: Path, tmp_path: Path, postgresql_url: str) -> None:
    old, new = f"sqlite:///{shop}/var/bailiwick.db", postgresql_url
    there = copy(old, new, CONTEXTS)
    assert copy(new, f"sqlite:///{tmp_path}/back.db", CONTEXTS) == there
