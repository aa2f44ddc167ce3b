"""The test kit for processes: it passes a right one, and sees what is wrong with each of the wrong ones."""

from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest

from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.process_testing import Elsewhere, Trial, prove
from bailiwick.kernel.processes import Process
from tests.kernel.placements import PLACEMENT, Placement, Ports, changed, trial_of


def trials(process: Process[Placement, Ports], database: Database) -> Any:
    async def make(mortal: Database, elsewhere: Elsewhere) -> Trial[Placement, Ports]:
        return await trial_of(process, database, mortal, elsewhere)

    return make


async def test_a_process_ends_well_wherever_it_is_killed(database: Database) -> None:
    assert await prove(database, trials(PLACEMENT, database)) > 200


async def swallowing(state: Placement, ports: Ports, key: UUID) -> None:
    with suppress(Exception):
        await ports.elsewhere.take_back(key)


async def heedless(state: Placement, ports: Ports, key: UUID) -> None:
    await ports.elsewhere.make("boards", uuid4())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("an undo that is swallowed", {"undo": swallowing}),
        ("a step that ignores its key", {"do": heedless}),
    ],
)
async def test_a_process_that_breaks_its_promises_is_seen(
    database: Database, name: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError):
        await prove(database, trials(changed(reserve_boards=changes), database))
