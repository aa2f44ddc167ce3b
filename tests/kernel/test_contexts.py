"""A context of one's own lives in one's own package: nothing of the product is copied or changed."""

import sys
from pathlib import Path

import pytest

from bailiwick.backend import Backend
from bailiwick.kernel.database.migrations import status_async, upgrade_async
from bailiwick.kernel.settings import Settings

MODULE = '''"""Wires nothing."""
from bailiwick.kernel.module import Module, Platform

def module(platform: Platform) -> Module:
    return Module("stamps", routers=(), provides=())
'''
MIGRATION = '''"""One table."""
import sqlalchemy as sa
from alembic import op

revision = "stamps_0001"
down_revision = None

def upgrade() -> None:
    op.create_table("stamps_stamp", sa.Column("id", sa.Integer, primary_key=True))

def downgrade() -> None:
    op.drop_table("stamps_stamp")
'''


async def test_a_context_outside_the_product_is_migrated_and_wired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    package = tmp_path / "acme" / "stamps"
    (package / "migrations").mkdir(parents=True)
    for init in (package.parent, package, package / "migrations"):
        (init / "__init__.py").write_text('"""A package."""\n')
    (package / "module.py").write_text(MODULE)
    (package / "migrations" / "0001_stamps.py").write_text(MIGRATION)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        monkeypatch.delitem(sys.modules, name)  # that of another test
    contexts = ["identity", "acme.stamps"]
    await upgrade_async(database_url, contexts)
    assert [s.pending for s in await status_async(database_url, contexts)] == [0, 0, 0]
    backend = Backend.build(Settings(contexts=contexts, database={"url": database_url}))  # type: ignore[arg-type]  # pydantic reads it
    assert [module.name for module in backend.modules] == ["identity", "stamps"]
