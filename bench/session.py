"""One session of measurement: the servers that are up in it, and what is measured on them."""

import asyncio
import os
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bailiwick.kernel.testing import create_database, free_port
from bench.load import Clients, Workload, latencies
from bench.pairs import Comparison, Measure, Slice, compare, percentile
from bench.plan import Plan
from bench.servers import (
    API_CORE,
    FLOOR,
    PRODUCT,
    Server,
    clean_environment,
    granian,
    product,
    served,
    uvicorn,
)
from bench.staging import environment

LOGIN_CLIENTS = 16
CROWD = 32
OPEN_LOOP_RATE = 100  # requests per second
Command = Callable[[int], list[str]]
FLOORS: dict[str, Command] = {"uvicorn": partial(uvicorn, FLOOR), "granian": partial(granian, FLOOR)}
PRODUCTS: dict[str, Command] = {"granian": product, "uvicorn": partial(uvicorn, PRODUCT)}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is measured. Times are in seconds."""

    slice: float = 3.0
    warm_up: float = 2.0
    pairs: int = 12
    choosing: float = 1.0
    login_pairs: int = 4
    latency: float = 5.0


SHORT = Pace(slice=0.7, warm_up=0.4, pairs=4, choosing=0.5, login_pairs=2, latency=1.5)


@dataclass
class Session:
    """Starts servers, each on a database of its own with the same data, and ends them all at last."""

    postgres: str
    template: str
    plan: Plan
    directory: Path
    pace: Pace
    stack: ExitStack = field(default_factory=ExitStack)

    def floor(self, name: str, command: Command) -> Server:
        path = self.directory / "plan.json"
        self.plan.write(path)
        changes = {"DATABASE_URL": self._database(), "BENCH_PLAN": str(path)}
        return self._serve(name, command, changes, "/")

    def product(self, name: str, command: Command) -> Server:
        return self._serve(name, command, environment(self._database()), "/health")

    def _database(self) -> str:
        return create_database(self.postgres, template=self.template)

    def _serve(self, name: str, command: Command, changes: dict[str, str], path: str) -> Server:
        port = free_port()
        return self.stack.enter_context(served(name, command(port), port, changes, self.directory, path))

    async def pairs(
        self, workload: Workload, first: Server, second: Server, after_each: Callable[[int], None]
    ) -> Comparison:
        """Both servers under the same load, one after the other."""
        measures = [await self._warm(workload, server) for server in (first, second)]
        return await compare(
            workload.name, workload.meaning, *measures, pairs=self.pace.pairs, after_each=after_each
        )

    async def _warm(self, workload: Workload, server: Server) -> Measure:
        clients = Clients(workload, server.port)
        await clients.run(self.pace.warm_up)
        return partial(measure, clients, server, self.pace.slice)

    async def better(self, workload: Workload, servers: Sequence[Server]) -> Server:
        """The server that answers more of these requests, measured briefly and in turns."""
        clients = {server.name: Clients(workload, server.port) for server in servers}
        rates: dict[str, list[float]] = {server.name: [] for server in servers}
        for turn in range(3):
            for server in servers:
                found = await measure(clients[server.name], server, self.pace.choosing)
                if turn:  # the first turn warms up
                    rates[server.name].append(found.rate)
        return max(servers, key=lambda server: statistics.mean(rates[server.name]))

    async def crowds(
        self, first: Workload, second: Workload, server: Server, after_each: Callable[[int], None]
    ) -> Comparison:
        """One server under two loads, each of many clients."""
        measures = []
        for workload in (first, second):
            clients = Clients(workload, server.port, CROWD)
            await clients.run(self.pace.warm_up)
            measures.append(partial(measure, clients, server, self.pace.slice))
        return await compare(
            first.name, first.meaning, *measures, pairs=self.pace.pairs, after_each=after_each
        )

    async def beside_five(
        self, workload: Workload, server: Server, after_each: Callable[[int], None]
    ) -> Comparison:
        """Transfers of clients against five statements in a transaction, without anything around them."""
        clients = Clients(workload, server.port)
        await clients.run(self.pace.warm_up)
        with loop("bench.five", self._database()) as five:
            return await compare(
                f"{workload.name}′",
                "beside five statements without HTTP",
                partial(measure, clients, server, self.pace.slice),
                partial(five, self.pace.slice),
                pairs=self.pace.pairs,
                after_each=after_each,
            )

    async def logins(
        self, workload: Workload, server: Server, after_each: Callable[[int], None]
    ) -> Comparison:
        """Sign-ins of many clients against nothing but hashing, on the same core."""
        clients = Clients(workload, server.port, LOGIN_CLIENTS)
        await clients.run(self.pace.warm_up)
        with loop("bench.hash_loop") as hashing:
            return await compare(
                workload.name,
                workload.meaning,
                partial(measure, clients, server, self.pace.slice),
                partial(hashing, self.pace.slice),
                pairs=self.pace.login_pairs,
                after_each=after_each,
            )


async def measure(clients: Clients, server: Server, seconds: float) -> Slice:
    """One slice: the rate, and the server's own time for one request."""
    before = server.cpu_seconds()
    answers, took = await clients.run(seconds)
    cpu = server.cpu_seconds() - before
    return Slice(answers / took, cpu / answers * 1e6, cpu / took)


@contextmanager
def loop(*module: str) -> Iterator[Callable[[float], Awaitable[Slice]]]:
    """The loop of a module on the API's core, ready to run for some seconds at a time."""
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        env=clean_environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=partial(os.sched_setaffinity, 0, {API_CORE}),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked, told = process.stdin, process.stdout

    def ask(seconds: float) -> Slice:
        asked.write(f"{seconds}\n")
        asked.flush()
        verified, took, cpu = map(float, told.readline().split())
        return Slice(verified / took, cpu / verified * 1e6, cpu / took)

    async def run(seconds: float) -> Slice:
        return ask(seconds)

    try:
        ask(0.2)
        yield run
    finally:
        asked.close()
        process.wait()


async def waits(reading: Workload, signing_in: Workload, server: Server, pace: Pace) -> tuple[float, float]:
    """The p99 of reads at a fixed rate, in seconds: alone, and while many sign in, three times in turns."""
    alone, meanwhile = [], []
    read = partial(latencies, reading, server.port, per_second=OPEN_LOOP_RATE, seconds=pace.latency)
    for _ in range(3):
        alone += await read()
        crowd = asyncio.ensure_future(Clients(signing_in, server.port, LOGIN_CLIENTS).run(pace.latency + 1))
        await asyncio.sleep(0.5)
        meanwhile += await read()
        await crowd
    return percentile(alone, 99), percentile(meanwhile, 99)
