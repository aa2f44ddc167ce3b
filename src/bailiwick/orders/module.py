"""Wires the context: the only place where its ports meet their adapters."""

from datetime import timedelta
from functools import partial

from bailiwick.catalog.contract import Catalog
from bailiwick.kernel.messaging.processes import ProcessHandler
from bailiwick.kernel.module import Module, Platform
from bailiwick.orders.application.ports import OrdersPorts
from bailiwick.orders.application.processes import REFUND, placement
from bailiwick.orders.contract import OrdersPermission
from bailiwick.orders.domain.order import new_number
from bailiwick.orders.infrastructure.rules import SettingsTaxAndShipping
from bailiwick.orders.infrastructure.unit_of_work import SqlOrdersUnitOfWork
from bailiwick.orders.interfaces.http import routers
from bailiwick.payments.contract import Payments


def module(platform: Platform) -> Module:
    settings = platform.settings
    ports = OrdersPorts(
        uow=lambda: SqlOrdersUnitOfWork(platform.database),
        catalog=partial(platform.contract, Catalog),
        payments=partial(platform.contract, Payments),
        rules=SettingsTaxAndShipping(settings.orders),
        payment_time=timedelta(minutes=settings.orders.payment_minutes),
        currency=settings.payments.currency,
        clock=platform.clock,
        new_id=platform.new_id,
        new_number=new_number,
    )
    return Module(
        "orders",
        routers=routers,
        provides=(ports,),
        processes=(ProcessHandler(placement(ports.payment_time), ports), ProcessHandler(REFUND, ports)),
        permissions=frozenset(OrdersPermission),
    )
