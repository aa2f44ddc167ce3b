"""The reading service as a process of its own, to be killed: `reading_service.py DATABASE BROKER PREFIX`."""

import asyncio
import sys

from tests.kernel.samples import database_at
from tests.kernel.services import Reading, running, transport_at


async def main(database_url: str, broker_url: str, prefix: str) -> None:
    database = database_at(database_url)
    await database.open()
    reading = Reading(database, transport_at(broker_url, prefix))
    async with running(reading.receiver.run, reading.worker.run):
        await asyncio.sleep(120)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
