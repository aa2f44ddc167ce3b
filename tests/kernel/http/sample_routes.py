"""Routes that show what no shipped one does: deprecation, crashes, contention, bodies of every kind."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict

from bailiwick.kernel.application import Actor, Contention, Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.domain import Conflict
from bailiwick.kernel.http.requests import ExpectedVersion
from bailiwick.kernel.http.routing import Deprecation, Router
from bailiwick.kernel.module import Module
from tests.kernel.samples import SampleUnitOfWork, Shelf, ShelfId

PREFIX = "/api/v1/samples"
SECRET = "correct horse battery staple"
"""What must never be shown."""

router = Router("samples", prefix=PREFIX)


class Ledger:
    """What the endpoints below did, and how often they are to meet contention."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.contended: Counter[str] = Counter()
        self.pause = asyncio.Event()
        self.pause.set()


@dataclass(frozen=True, slots=True)
class Sample:
    id: UUID
    name: str
    version: int = 1


@dataclass(frozen=True, slots=True)
class Odd:
    """A view with what JSON does not know."""

    ids: frozenset[UUID]
    at: datetime
    nothing: None = None


class Numbers(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = ""
    ratio: float = 0.0
    count: int = 0
    anything: dict[str, object] = {}


@router.get("/old", deprecation=Deprecation(date(2030, 1, 1), date(2031, 1, 1), "https://example.com/new"))
async def old(actor: Actor) -> Sample:
    """Will go away."""
    return Sample(actor.id, "old")


@router.get("/crash", public=True)
async def crash() -> Sample:
    """Fails with a message that must not leave the house."""
    raise RuntimeError(f"SELECT is what failed, with password={SECRET}, at /srv/app/secrets.py")


@router.get("/corrupt", public=True)
async def corrupt() -> Sample:
    """What is stored is not what we expect: our mistake, never the caller's."""
    Numbers.model_validate({"count": SECRET})
    return Sample(uuid4(), "never")


@router.get("/away", public=True)
async def away() -> Sample:
    raise Unavailable(f"connection to db.internal:5432 with {SECRET} failed", retry_after=7)


@router.get("/odd", public=True)
async def odd() -> Odd:
    return Odd(frozenset({UUID(int=1)}), datetime(2031, 1, 1, tzinfo=UTC))


@router.get("/opaque", public=True)
async def opaque() -> Sample:
    """A view that holds what is not data: an error, not its repr."""
    return Sample(uuid4(), object())  # type: ignore[arg-type]


@router.get("/guarded")
async def guarded(database: Database) -> Sample:
    """Not public, though it forgets to name its actor."""
    return Sample(UUID(int=1), "guarded")


@router.get("/named/{name}")
async def named(name: str, actor: Actor) -> Sample:
    return Sample(actor.id, name)


@router.post("/numbers", public=True)
async def numbers(body: Numbers) -> Sample:
    return Sample(UUID(int=1), body.name)


@router.put("/versioned", status=200)
async def versioned(version: ExpectedVersion, actor: Actor) -> Sample:
    return Sample(actor.id, str(version), version or 1)


@router.get("/limited", public=True, limit="credentials")
async def limited() -> Sample:
    return Sample(UUID(int=1), "limited")


def shelf_view(shelf: Shelf) -> Sample:
    return Sample(shelf.id, shelf.name, shelf.version)


@router.post("/shelves", status=201, view=shelf_view, location=PREFIX + "/shelves/{id}", idempotent=True)
async def build(body: Numbers, actor: Actor, database: Database, ledger: Ledger) -> Shelf:
    """Store a shelf, as often as it is told to after contention, and after a pause if there is one."""
    ledger.calls[body.name] += 1
    await ledger.pause.wait()
    if ledger.contended[body.name] > 0:
        ledger.contended[body.name] -= 1
        raise Contention("somebody else was quicker")
    if body.count < 0:
        raise Conflict("not with a negative count")
    async with SampleUnitOfWork(database) as uow:
        shelf = Shelf.build(ShelfId(uuid4()), body.name, datetime.now(UTC))
        uow.shelves.add(shelf)
        return await uow.commit(shelf)


@router.post("/other-shelves", status=201, view=shelf_view, idempotent=True)
async def build_other(body: Numbers, actor: Actor, database: Database, ledger: Ledger) -> Shelf:
    return await build(body, actor, database, ledger)


@router.post("/twice", view=shelf_view, idempotent=True)
async def build_twice(body: Numbers, actor: Actor, database: Database, ledger: Ledger) -> Shelf:
    """Commits twice, which a key cannot cover."""
    await build(body, actor, database, ledger)
    return await build(body, actor, database, ledger)


def module(ledger: Ledger) -> Module:
    return Module("samples", routers=(router,), provides=(ledger,))
