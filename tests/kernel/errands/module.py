"""Wires the errands to the sample tables."""

from functools import partial

from bailiwick.kernel.messaging.handlers import JobHandler
from bailiwick.kernel.module import Module, Platform
from tests.kernel.errands.jobs import Copy, Double, Refuse, Tell, copy, double, refuse, tell


def module(platform: Platform) -> Module:
    jobs = (
        JobHandler(Copy, partial(copy, database=platform.database)),
        JobHandler(Double, double),
        JobHandler(Refuse, refuse),
        JobHandler(Tell, tell),
    )
    return Module("errands", routers=(), provides=(), jobs=jobs)
