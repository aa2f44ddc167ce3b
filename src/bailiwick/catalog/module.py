"""Wires the context: the only place where its ports meet their adapters."""

from functools import partial

from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.application.questions import CatalogQuestions
from bailiwick.catalog.application.stock import ExpireReservation, expire_reservation
from bailiwick.catalog.contract import Catalog, CatalogPermission
from bailiwick.catalog.infrastructure.queries import SqlOffers
from bailiwick.catalog.infrastructure.schemas import JsonSchemas
from bailiwick.catalog.infrastructure.unit_of_work import SqlCatalogUnitOfWork
from bailiwick.catalog.interfaces.http.products import router
from bailiwick.catalog.interfaces.http.stock import router as stock_router
from bailiwick.kernel.messaging.handlers import JobHandler
from bailiwick.kernel.module import Module, Platform


def module(platform: Platform) -> Module:
    ports = CatalogPorts(
        uow=lambda: SqlCatalogUnitOfWork(platform.database),
        schemas=JsonSchemas(),
        offers=SqlOffers(platform.database),
        clock=platform.clock,
        new_id=platform.new_id,
    )
    return Module(
        "catalog",
        routers=(router, stock_router),
        provides=(ports,),
        jobs=(JobHandler(ExpireReservation, partial(expire_reservation, ports=ports)),),
        contracts={Catalog: CatalogQuestions(ports)},
        permissions=frozenset(CatalogPermission),
    )
