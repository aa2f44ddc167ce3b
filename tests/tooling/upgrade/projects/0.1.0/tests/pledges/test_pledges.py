"""Pledges keep their rules and are stored."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from bailiwick.backend import Backend
from bailiwick.kernel import money
from bailiwick.kernel.application import Actor
from bailiwick.kernel.database.migrations import upgrade_async
from bailiwick.kernel.domain import Invalid
from bailiwick.kernel.money import Money
from bailiwick.kernel.settings import Settings

from acme.pledges.store import MOST_IN_A_PLEDGE, MakePledge, Pledge, PledgeId, PledgesPorts, make_pledge

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_nobody_pledges_more_than_a_thousandth_of_all_there_can_be() -> None:
    assert money.LARGEST // 1000 == MOST_IN_A_PLEDGE
    with pytest.raises(Invalid):
        Pledge.make(PledgeId(uuid4()), uuid4(), Money(MOST_IN_A_PLEDGE + 1, "NAD"), NOW)


async def test_a_pledge_is_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'acme.db'}"
    settings = Settings.load().model_copy(
        update={"database": Settings.load().database.model_copy(update={"url": url})}
    )
    await upgrade_async(url, settings.contexts)
    backend = Backend.build(settings)
    ports = next(each for m in backend.modules for each in m.provides if isinstance(each, PledgesPorts))
    await backend.platform.database.open()
    try:
        made = await make_pledge(MakePledge(Money(1050, "NAD"), Actor(uuid4(), "user")), ports)
        async with ports.uow() as uow:
            assert (await uow.pledges.get(made.id)).amount == 1050
    finally:
        await backend.platform.database.close()
