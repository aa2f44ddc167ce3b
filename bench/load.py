"""The load: prepared bytes over kept connections, as fast as answers come or at a fixed rate."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count, cycle
from typing import cast

import orjson

from bench.staging import PASSWORD, TASK, Person, Town, transfer_order

HOST = "127.0.0.1"
PATIENCE = 30.0  # seconds for one answer
CONNECTIONS = 8
Ask = Callable[[bytes], bytes]
"""The next request of one client, from the body of the answer before (empty at first)."""


class WrongAnswer(Exception):
    """The server answered something else than the workload expects: the run says nothing."""


def request(method: str, path: str, token: str = "", body: bytes = b"", **headers: str) -> bytes:
    """One HTTP request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}:8000", "User-Agent: bench", "Accept: */*"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Workload:
    """What clients ask for. `status` is the only answer that counts."""

    status = b"200"

    def __init__(self, name: str, meaning: str) -> None:
        self.name, self.meaning = name, meaning

    def clients(self, number: int) -> list[Ask]:
        raise NotImplementedError


class Reading(Workload):
    """The same few hundred requests again and again."""

    def __init__(self, name: str, meaning: str, requests: Iterable[bytes]) -> None:
        super().__init__(name, meaning)
        self._requests = cycle(list(requests))

    def clients(self, number: int) -> list[Ask]:
        return [lambda _: next(self._requests)] * number


class Creating(Workload):
    """A new task each time, under a key that was never used."""

    status = b"201"

    def __init__(self, name: str, meaning: str, people: Sequence[Person]) -> None:
        super().__init__(name, meaning)
        self._people, self._numbers = people, count()

    def clients(self, number: int) -> list[Ask]:
        return [self._client(person) for person in self._people[:number]]

    def _client(self, person: Person) -> Ask:
        whole = request(
            "POST", "/api/v1/tasks", person.access_token, orjson.dumps(TASK), Idempotency_Key="%KEY%"
        )
        before, after = whole.split(b"%KEY%")
        run = f"{time.time_ns():x}"
        return lambda _: b"%b%b-%d%b" % (before, run.encode(), next(self._numbers), after)


class Transferring(Workload):
    """A hundred each time, from one's own wallet to that of the next, or all into the same one."""

    status = b"201"

    def __init__(
        self,
        name: str,
        meaning: str,
        people: Sequence[Person],
        wallets: Sequence[str],
        hot: str | None = None,
    ) -> None:
        super().__init__(name, meaning)
        self._people, self._wallets, self._hot, self._numbers = people, wallets, hot, count()

    def clients(self, number: int) -> list[Ask]:
        return [self._client(i) for i in range(number)]

    def _client(self, i: int) -> Ask:
        payer, others = self._wallets[i], deque(self._wallets)
        others.rotate(-i - 1)
        payees = cycle([self._hot] if self._hot else [other for other in others if other != payer])
        whole = request(
            "POST",
            "/api/v1/transfers",
            self._people[i].access_token,
            orjson.dumps(transfer_order(payer, "%PAYEE%".ljust(len(payer)))),
            Idempotency_Key="%KEY%",
        )
        before, rest = whole.split(b"%KEY%")
        between, after = rest.split(b"%PAYEE%".ljust(len(payer)))
        run = f"{time.time_ns():x}".encode()

        def ask(_: bytes) -> bytes:
            key = b"%b-%d" % (run, next(self._numbers))
            return before + key + between + next(payees).encode() + after

        return ask


class Refreshing(Workload):
    """Each client uses the refresh token that it got last. One server's clients never go to another."""

    def __init__(self, name: str, meaning: str, people: Sequence[Person]) -> None:
        super().__init__(name, meaning)
        self._people = people

    def clients(self, number: int) -> list[Ask]:
        return [self._client(person) for person in self._people[:number]]

    def _client(self, person: Person) -> Ask:
        whole = request(
            "POST", "/api/v1/auth/refresh", body=orjson.dumps({"refresh_token": person.refresh_token})
        )
        before, after = whole.split(person.refresh_token.encode())
        token, mark = person.refresh_token.encode(), b'"refresh_token":"'

        def ask(answer: bytes) -> bytes:
            nonlocal token
            if answer:
                start = answer.index(mark) + len(mark)
                token = answer[start : answer.index(b'"', start)]
            return before + token + after

        return ask


class SigningIn(Workload):
    """Each client signs in as somebody else each time."""

    def __init__(self, name: str, meaning: str, people: Sequence[Person]) -> None:
        super().__init__(name, meaning)
        bodies = [orjson.dumps({"email": person.email, "password": PASSWORD}) for person in people]
        self._requests = cycle([request("POST", "/api/v1/auth/login", body=body) for body in bodies])

    def clients(self, number: int) -> list[Ask]:
        return [lambda _: next(self._requests)] * number


def workloads(town: Town) -> dict[str, Workload]:
    """W1 to W6 and W9 by their names.

    Those who sign in or refresh do nothing else: one session of each is refreshed by one client, and with
    many sign-ins the session ends that the others' requests would need.
    """
    third = len(town.people) // 3
    readers, refreshing, coming = (town.people[third * i : third * (i + 1)] for i in range(3))
    ones = (
        request("GET", f"/api/v1/tasks/{task}", person.access_token)
        for person, task in town.tasks
        if person in readers
    )
    pages = (
        request("GET", f"/api/v1/tasks?cursor={cursor}&per_page=50", person.access_token)
        for person, cursor in town.pages
        if person in readers
    )
    made = [
        Reading("W1", "GET one task", ones),
        Reading("W2", "GET a page of 50 by cursor", pages),
        SigningIn("W5", "sign in", coming),
        Refreshing("W6", "refresh a session", refreshing),
        Creating("W9", "create a task, with key and event", readers),
        Transferring("W3", "transfer between wallets", town.people, town.wallets),
        Transferring("W4", "transfer into one hot wallet", town.people, town.wallets, town.wallets[-1]),
    ]
    return {workload.name: workload for workload in made}


class Connection(asyncio.Protocol):
    """One kept connection. `answered` is called with the body of each answer."""

    def __init__(self, status: bytes, answered: Callable[["Connection", bytes], None]) -> None:
        self._status, self._answered = status, answered
        self._rest = b""
        self.failed: Exception | None = None
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, content: bytes) -> None:
        self._transport.write(content)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._rest = data
            return
        start = data.index(b"content-length: ") + 16
        length = int(data[start : data.index(b"\r", start)])
        if len(data) < end + 4 + length:
            self._rest = data
            return
        self._rest = b""
        if data[9:12] != self._status:
            self.failed = WrongAnswer(data.decode(errors="replace")[:600])
            self._transport.close()
            return
        self._answered(self, data[end + 4 :])

    def connection_lost(self, error: Exception | None) -> None:
        self.failed = self.failed or error or WrongAnswer("the server closed the connection")


@asynccontextmanager
async def _connected(
    port: int, number: int, status: bytes, answered: Callable[[Connection, bytes], None]
) -> AsyncIterator[list[Connection]]:
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(status, answered), HOST, port) for _ in range(number)
    ]
    connections = [protocol for _, protocol in made]
    try:
        yield connections
        for connection in connections:
            if connection.failed is not None:
                raise connection.failed
    finally:
        for connection in connections:
            connection.close()


class Clients:
    """Clients of one server, each waiting for its answer before it asks again."""

    def __init__(self, workload: Workload, port: int, number: int = CONNECTIONS) -> None:
        self._workload, self._port = workload, port
        self._asks = workload.clients(number)
        self._last = [b""] * number

    async def run(self, seconds: float) -> tuple[int, float]:
        """Ask for so long. Returns how many answers came and how many seconds it took in fact."""
        answers, busy = 0, len(self._asks)
        done = asyncio.Event()
        clock = time.perf_counter

        def answered(connection: Connection, body: bytes) -> None:
            nonlocal answers, busy
            answers += 1
            place = places[connection]
            self._last[place] = body
            if clock() < until:
                connection.send(self._asks[place](body))
                return
            busy -= 1
            if busy == 0:
                done.set()

        async with _connected(self._port, busy, self._workload.status, answered) as connections:
            places = {connection: place for place, connection in enumerate(connections)}
            started = clock()
            until = started + seconds
            for connection, ask, last in zip(connections, self._asks, self._last, strict=True):
                connection.send(ask(last))
            await _finished(done, connections, seconds + PATIENCE)
            return answers, clock() - started


async def _finished(done: asyncio.Event, connections: Sequence[Connection], seconds: float) -> None:
    """Wait, and look now and then whether somebody got a wrong answer. Raises WrongAnswer."""
    until = time.perf_counter() + seconds
    while not done.is_set():
        failed = next((connection.failed for connection in connections if connection.failed), None)
        if failed is not None:
            raise failed
        if time.perf_counter() > until:
            raise WrongAnswer(f"no answer for {PATIENCE} s")
        try:
            await asyncio.wait_for(done.wait(), 0.5)
        except TimeoutError:
            continue


async def latencies(
    workload: Workload, port: int, *, per_second: int, seconds: float, connections: int = 64
) -> list[float]:
    """Ask at a fixed rate, whether or not answers come, and return how long each took, in seconds.

    Time counts from the moment at which the request was due, also where it had to wait for a connection.
    """
    free: list[Connection] = []
    due: deque[float] = deque()
    found: list[float] = []
    clock, [ask] = time.perf_counter, workload.clients(1)
    total, done = int(per_second * seconds), asyncio.Event()

    def answered(connection: Connection, _: bytes) -> None:
        found.append(clock() - connection.sent_at)
        free.append(connection)
        _send_what_is_due()
        if len(found) == total:
            done.set()

    def _send_what_is_due() -> None:
        while due and free:
            connection = free.pop()
            connection.sent_at = due.popleft()
            connection.send(ask(b""))

    async with _connected(port, connections, workload.status, answered) as opened:
        free += opened
        started = clock()
        for number in range(total):
            await asyncio.sleep(max(0.0, started + number / per_second - clock()))
            # Timers of the event loop are late by up to a millisecond; that is not the server's doing.
            due.append(clock())
            _send_what_is_due()
        await _finished(done, opened, PATIENCE)
    return found
