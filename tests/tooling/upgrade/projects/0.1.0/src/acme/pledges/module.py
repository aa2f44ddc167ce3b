"""Wires the context: the only place where its ports meet their adapters."""

from bailiwick.kernel.module import Module, Platform

from acme.pledges.http import router
from acme.pledges.store import PledgesPorts, PledgesUnitOfWork


def module(platform: Platform) -> Module:
    ports = PledgesPorts(
        uow=lambda: PledgesUnitOfWork(platform.database),
        clock=platform.clock,
        new_id=platform.new_id,
    )
    return Module("pledges", routers=(router,), provides=(ports,))
