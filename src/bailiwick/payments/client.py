"""Payments where another process carries them: what is asked of them goes there."""

from bailiwick.kernel.http.remotes import Remote, asking
from bailiwick.kernel.module import Module, Platform
from bailiwick.payments.contract import Payments


def client(platform: Platform, remote: Remote) -> Module:
    asked = asking(Payments, "payments", remote)
    return Module("payments", routers=(), provides=(), contracts={Payments: asked})
