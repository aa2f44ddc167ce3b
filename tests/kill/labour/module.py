"""Wires the labour: its subscribers, jobs, errands and bystanders, and the defect that it is to have."""

import os
from datetime import timedelta

from bailiwick.kernel.messaging.handlers import JobHandler, Subscription
from bailiwick.kernel.messaging.processes import ProcessHandler
from bailiwick.kernel.messaging.schedules import Schedule
from bailiwick.kernel.module import Module, Platform
from tests.kill.labour.bystanders import messages, others
from tests.kill.labour.deeds import Chore, Happened, Labour, Tick, Turn
from tests.kill.labour.errand import errands
from tests.kill.labour.plants import PLANTS

PAYMENT = timedelta(seconds=float(os.environ.get("LABOUR_PAYMENT", "60")))


def module(platform: Platform) -> Module:
    if plant := os.environ.get("PLANT"):
        PLANTS[plant]()
    labour = Labour(platform.database)
    subscriptions = (
        Subscription("labour.first", Happened, labour.first),
        Subscription("labour.second", Happened, labour.second),
    )
    around = others(platform)
    return Module(
        "labour",
        routers=(),
        provides=(),
        subscriptions=subscriptions,
        jobs=(
            JobHandler(Chore, labour.chore),
            JobHandler(Turn, labour.turn),
            JobHandler(Tick, labour.tick),
        ),
        processes=(ProcessHandler(errands(PAYMENT), platform.database),),
        schedules=(Schedule("labour.tick", "* * * * * *", Tick()),) if around else (),
        background=(*messages(platform, subscriptions), *around),
    )
