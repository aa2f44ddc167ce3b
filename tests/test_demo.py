"""The demo fills an empty database with what the enabled contexts can hold, once."""

import asyncio

import pytest

from bailiwick import demo
from bailiwick.kernel.database import migrations
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Argon2, Passwords
from bailiwick.kernel.settings.sections import Database as DatabaseSettings

QUICK = Passwords(argon2=Argon2(memory_kib=8192, time_cost=1))


def prepared(url: str, contexts: list[str]) -> Settings:
    asyncio.run(migrations.upgrade_async(url, contexts))
    return Settings(contexts=contexts, database=DatabaseSettings(url=url), passwords=QUICK)


@pytest.mark.parametrize("contexts", [["identity"], ["identity", "tasks"], ["identity", "catalog"]])
def test_it_adds_what_is_enabled_and_only_once(contexts: list[str], sqlite_url: str) -> None:
    settings = prepared(sqlite_url, contexts)
    told = demo.seed(settings) or ""
    assert all(email in told for email in (demo.ADMIN, *demo.PEOPLE))
    assert demo.seed(settings) is None


def test_it_adds_nothing_where_nobody_could_sign_in(sqlite_url: str) -> None:
    assert demo.seed(prepared(sqlite_url, ["tasks", "catalog"])) is None
