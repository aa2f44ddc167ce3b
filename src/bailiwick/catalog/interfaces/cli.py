"""`bailiwick stock`: what an operator has counted, and mended."""

from collections.abc import Callable
from typing import Any

from bailiwick.catalog.application.ports import CatalogPorts
from bailiwick.catalog.application.stock import MendStock, mend_stock
from bailiwick.catalog.infrastructure.recount import Count, recount
from bailiwick.kernel.database.connections import Database

EVERY = 10_000


async def recounted(
    database: Database,
    say: Callable[[str], Any],
    progress: Callable[[str], Any],
    mend: CatalogPorts | None = None,
) -> bool:
    """Say which stock is not what its movements made it, and with `mend` put it right. Is all well now?"""

    def tell(done: int) -> None:
        if done % EVERY == 0 and done:
            progress(f"{done} SKUs …")

    found = await recount(database, tell)
    for count in found.wrong:
        for difference in count.differences:
            say(difference)
    if not found.wrong:
        say(f"OK: {_skus(found.skus)} as their movements and reservations make them.")
        return True
    if mend is None:
        say(f"{len(found.wrong)} of {_skus(found.skus)} differ. `--repair` has the stock say what they say.")
        return False
    return await _mended(database, found.wrong, say, mend)


async def _mended(
    database: Database, wrong: list[Count], say: Callable[[str], Any], ports: CatalogPorts
) -> bool:
    for count in wrong:
        if count.can_be_mended:
            await mend_stock(MendStock(count.sku, count.version, count.moved, count.open), ports)
            say(f"{count.sku}: mended, {count.moved} on hand, {count.open} reserved")
    left = [count.sku for count in (await recount(database)).wrong]
    if left:
        say(f"Movements or reservations were changed, and no count can tell how: {', '.join(left[:20])}")
    return not left


def _skus(count: int) -> str:
    return "1 SKU" if count == 1 else f"{count} SKUs"
