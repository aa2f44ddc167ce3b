"""A process that holds a lock: prints its token, and for each line it reads whether its write was taken."""

import asyncio
import sys
from uuid import uuid4

from sqlalchemy import insert

from bailiwick.kernel.application import Contention
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.locks import LockLost, Locks
from bailiwick.kernel.messaging.tables import leases
from tests.kernel.samples import NOON, database_at


async def main(url: str, seconds: float) -> None:
    database = database_at(url)
    await database.open()
    locks = Locks(database)
    tokens: asyncio.Queue[int] = asyncio.Queue()

    async def hold() -> None:
        async with locks.hold("shared", seconds=seconds) as token:
            tokens.put_nowait(token)
            await asyncio.sleep(3_600)

    holding = asyncio.create_task(hold())
    token = await tokens.get()
    print(token, flush=True)
    # What writes is no part of the block, so the loss of the lock does not stop it.
    while line := await asyncio.to_thread(sys.stdin.readline):
        row = {"name": line.strip(), "holder": uuid4(), "token": 0, "until": NOON}
        try:
            await database.write([locks.fence("shared", token), Write(insert(leases), row)])
            print("taken", flush=True)
        except Contention:
            print("refused", flush=True)
    await asyncio.wait([holding], timeout=0.5)  # the end of a lost lock takes a moment
    holding.cancel()
    (ended,) = await asyncio.gather(holding, return_exceptions=True)
    print("lost" if isinstance(ended, LockLost) else "held", flush=True)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
