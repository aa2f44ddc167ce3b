"""The routes of pledges."""

from dataclasses import dataclass
from uuid import UUID

from bailiwick.kernel.application import Actor
from bailiwick.kernel.http.money import MoneyBody, MoneyView
from bailiwick.kernel.http.routing import Router
from bailiwick.kernel.money import Money

from acme.pledges.store import MakePledge, Pledge, PledgesPorts, make_pledge

router = Router("pledges", prefix="/api/v1/pledges")


@dataclass
class PledgeView:
    """A pledge as its owner sees it."""

    id: UUID
    sum: MoneyView

    @classmethod
    def of(cls, pledge: Pledge) -> "PledgeView":
        return cls(pledge.id, MoneyView.of(Money(pledge.amount, pledge.currency)))


@router.post(status=201, view=PledgeView.of, idempotent=True)
async def make(body: MoneyBody, actor: Actor, ports: PledgesPorts) -> Pledge:
    """Promise to give."""
    return await make_pledge(MakePledge(body.money(), by=actor), ports)
