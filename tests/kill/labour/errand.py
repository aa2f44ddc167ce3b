"""A process with every kind of step and every kind of fate; the other service is a table of its own."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import bindparam, insert, update
from sqlalchemy.dialects.postgresql import insert as upsert

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.database.columns import Id
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.domain import Conflict
from bailiwick.kernel.processes import Ended, On, Process, Step
from tests.kill.labour.deeds import LabourUnitOfWork, Paid, deed, row_of
from tests.kill.labour.tables import deeds, elsewhere

MENDED = 1_000_000
"""So many tries as if somebody had mended what cannot be taken back."""
FAILURES = {"failing": 1, "stuck": MENDED}
"""How often, by fate, money cannot be given back."""


class NotToday(Conflict):
    """The last step is refused."""


@dataclass(frozen=True)
class Errand:
    """Its `fate` is good, refused, silent (nobody pays), failing or stuck (taking back fails)."""

    witness: str
    fate: str


_key = bindparam("key", type_=Id)
_row = {
    "key": _key,
    "witness": bindparam("witness", type_=elsewhere.c.witness.type),
    "what": bindparam("what", type_=elsewhere.c.what.type),
}
_MAKE = (
    upsert(elsewhere)
    .values(_row | {"made": True, "over": False, "tries": 0})
    .on_conflict_do_update(index_elements=["key"], set_={"made": True}, where=~elsewhere.c.over)
    .returning(elsewhere.c.key)
)
_TRY = (
    upsert(elsewhere)
    .values(_row | {"made": False, "over": False, "tries": 1})
    .on_conflict_do_update(index_elements=["key"], set_={"tries": elsewhere.c.tries + 1})
    .returning(elsewhere.c.tries)
)
_TAKE_BACK = (
    update(elsewhere)
    .where(elsewhere.c.key == bindparam("which", type_=Id))
    .values(over=True)
    .returning(elsewhere.c.key)
)


async def make(state: Errand, database: Database, key: UUID, what: str) -> None:
    await database.all(_MAKE, key=key, witness=state.witness, what=what)


async def take_back(state: Errand, database: Database, key: UUID, what: str, failures: int = 0) -> None:
    [(tries,)] = await database.all(_TRY, key=key, witness=state.witness, what=what)
    if tries <= failures:
        raise Unavailable("it cannot be given back now")
    await database.all(_TAKE_BACK, which=key)


async def reserve(state: Errand, database: Database, key: UUID) -> None:
    await make(state, database, key, "boards")


async def release(state: Errand, database: Database, key: UUID) -> None:
    await take_back(state, database, key, "boards")


async def hold(state: Errand, database: Database, key: UUID) -> None:
    await make(state, database, key, "money")


async def give_back(state: Errand, database: Database, key: UUID) -> None:
    await take_back(state, database, key, "money", FAILURES.get(state.fate, 0))


async def record(state: Errand, database: Database, what: str) -> None:
    done = deed(what, state.witness)
    async with LabourUnitOfWork(database) as uow:
        uow.execute(insert(deeds), **row_of(done))
        await uow.commit(None)


async def build(state: Errand, database: Database, key: UUID) -> None:
    await record(state, database, "built")


async def dismantle(state: Errand, database: Database, key: UUID) -> None:
    await record(state, database, "dismantled")


async def announce(state: Errand, database: Database, key: UUID) -> None:
    if state.fate not in ("good", "silent"):
        raise NotToday("not today")
    await make(state, database, key, "announced")


async def call_off(state: Errand, database: Database, key: UUID) -> None:
    await take_back(state, database, key, "announced")


async def tell(ended: Ended[Errand], database: Database) -> None:
    await record(ended.state, database, "completed" if ended.completed else "compensated")


def errands(payment: timedelta) -> Process[Errand, Database]:
    """An errand is paid for within this time, or taken back."""
    return Process(
        "labour.errand",
        Errand,
        (
            Step("reserve", reserve, release),
            Step("hold", hold, give_back),
            Step("payment", waits_for=(On(Paid, key=lambda event: event.witness),), within=payment),
            Step("build", build, dismantle, commits=True),
            Step("announce", announce, call_off),
        ),
        within=timedelta(minutes=30),
        on_end=tell,
        most_attempts=2,
    )
