"""The catalogue where another process carries it: its answers."""

from bailiwick.catalog.contract import Catalog
from bailiwick.kernel.http.remotes import Remote, asking
from bailiwick.kernel.module import Module, Platform


def client(platform: Platform, remote: Remote) -> Module:
    catalog = asking(Catalog, "catalog", remote)
    return Module("catalog", routers=(), provides=(), contracts={Catalog: catalog})
