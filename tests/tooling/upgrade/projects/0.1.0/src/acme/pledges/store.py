"""Pledges: their rules, and each command right above the function that carries it out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from bailiwick.kernel.application import Actor, Clock, NewId
from bailiwick.kernel.database.mapper import Mapper
from bailiwick.kernel.database.unit_of_work import SqlRepository, SqlUnitOfWork
from bailiwick.kernel.domain import Aggregate, Invalid
from bailiwick.kernel.money import LARGEST, Money

from acme.pledges.contract import PledgeMade
from acme.pledges.tables import pledges

PledgeId = NewType("PledgeId", UUID)

MOST_IN_A_PLEDGE = LARGEST // 1000


@dataclass(eq=False, kw_only=True)
class Pledge(Aggregate):
    """What somebody has promised to give."""

    id: PledgeId
    owner_id: UUID
    amount: int
    currency: str
    made_at: datetime

    @classmethod
    def make(cls, id: PledgeId, owner_id: UUID, sum: Money, now: datetime) -> Self:
        """Raises Invalid for nothing, and for more than anybody has."""
        if not 0 < sum.amount <= MOST_IN_A_PLEDGE:
            raise Invalid(f"a pledge is of 1 to {MOST_IN_A_PLEDGE} minor units", field="amount")
        pledge = cls(id=id, owner_id=owner_id, amount=sum.amount, currency=sum.currency, made_at=now)
        pledge._record(
            PledgeMade(
                occurred_at=now, pledge_id=id, owner_id=owner_id, amount=sum.amount, currency=sum.currency
            )
        )
        return pledge


class SqlPledges(SqlRepository[Pledge, PledgeId]):
    mapper = Mapper(Pledge, pledges, audited=("amount", "currency"))


class PledgesUnitOfWork(SqlUnitOfWork):
    @property
    def pledges(self) -> SqlPledges:
        return self._repository(SqlPledges)


@dataclass(frozen=True)
class PledgesPorts:
    uow: Callable[[], PledgesUnitOfWork]
    clock: Clock
    new_id: NewId


@dataclass(frozen=True)
class MakePledge:
    sum: Money
    by: Actor


async def make_pledge(command: MakePledge, ports: PledgesPorts) -> Pledge:
    pledge = Pledge.make(PledgeId(ports.new_id()), command.by.id, command.sum, ports.clock())
    async with ports.uow() as uow:
        uow.pledges.add(pledge)
        return await uow.commit(pledge)
