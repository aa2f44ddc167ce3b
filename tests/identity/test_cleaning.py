"""What nobody asks for any more is forgotten; what still counts stays."""

from sqlalchemy import func, select

from bailiwick.identity.application.credentials import ForgetPassword, forget_password
from bailiwick.identity.infrastructure.cleaning import Cleaning
from bailiwick.identity.infrastructure.tables import attempts, links, sessions
from tests.identity.conftest import Town


async def _counts(town: Town) -> list[int]:
    counted = [
        await town.backend.platform.database.first(select(func.count()).select_from(table))
        for table in (sessions, links, attempts)
    ]
    return [row[0] for row in counted if row]


async def test_only_what_is_long_over_is_forgotten(town: Town) -> None:
    await town.join()
    await town.enter()
    await forget_password(ForgetPassword("ada@example.com"), town.ports)
    cleaning = Cleaning(town.backend.platform.database, lambda: town.now)
    before = await _counts(town)
    assert min(before) > 0
    await cleaning.clean()
    assert await _counts(town) == before
    town.wait(days=200)
    await cleaning.clean()
    assert await _counts(town) == [0, 0, 0]
