"""What profiles tells other contexts, and how it sits in the database."""

from uuid import uuid4

import pytest

from bailiwick.kernel.database import migrations
from bailiwick.kernel.domain import Conflict, Invalid
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from bailiwick.profiles.contract import ProfileDirectory
from tests.profiles.town import ME, USERNAME, Town


def directory(town: Town) -> ProfileDirectory:
    answerer: ProfileDirectory = town.backend.platform.contracts[ProfileDirectory]
    return answerer


async def test_display_names_are_told_by_user(town: Town) -> None:
    erna, ben = town.settle(), town.settle("b@example.com", "Ben Li")
    async with town.browser(erna) as one, town.browser(ben) as other:
        await one.patch(ME, json={"display_name": "E. B."})
        await other.get(ME)
    before = town.database.statements
    names = await directory(town).display_names([erna, uuid4(), ben])
    assert names == {erna: "E. B.", ben: "Ben"}
    assert town.database.statements - before == 1
    assert await directory(town).display_names([]) == {}


async def test_too_many_names_at_once_are_refused(town: Town) -> None:
    with pytest.raises(ValueError, match="at most 100"):
        await directory(town).display_names([uuid4()] * 101)


async def test_whether_a_username_is_free_can_be_asked(town: Town) -> None:
    async with town.browser(town.settle()) as erna:
        await erna.put(USERNAME, json={"username": "erna"})
    await directory(town).check_username("ben")
    with pytest.raises(Conflict):
        await directory(town).check_username("ERNA")
    with pytest.raises(Invalid):
        await directory(town).check_username("admin")


def test_the_migrations_go_up_and_down_and_up_again(database_url: str) -> None:
    settings = Settings(contexts=["profiles"], database=Database(url=database_url))
    migrations.upgrade(settings)
    assert migrations.downgrade(settings, "profiles").current is None
    migrations.upgrade(settings)
    assert [status.pending for status in migrations.status(settings)] == [0, 0]
