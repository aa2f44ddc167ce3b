"""Answers kept for a while: in this process, or in Redis for all processes together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from typing import Any, Protocol
from uuid import uuid4

import orjson

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.encoding import plain

MOST_ENTRIES = 10_000  # in memory; those not read for longest make room
MOST_OWED = 1_000  # tags; if more could not be forgotten, everything is
EVERYTHING = ""  # the tag that all entries have
TAG_SECONDS = 30 * 86_400  # after which a tag begins anew, and what was kept with it is void
LOADING_SECONDS = 10.0  # after which another process may load the same
LOOK_SECONDS = 0.05  # between two looks at what another process loads

Load = Callable[[], Awaitable[Any]]
Flight = tuple[str, bytes]


class Store(Protocol):
    """Where bytes are kept, each for its seconds. Raises Unavailable where it does not answer."""

    shared: bool

    async def get(self, *keys: str) -> Sequence[bytes | None]: ...

    async def set(self, key: str, value: bytes, seconds: float) -> None: ...

    async def add(self, key: str, value: bytes, seconds: float) -> None:
        """The same, unless there is something."""
        ...

    async def lock(self, key: str, owner: str, seconds: float) -> bool: ...

    async def unlock(self, key: str, owner: str) -> None: ...

    async def close(self) -> None: ...


class Cache:
    """Answers by key, each for its time to live. While its store is away everything is loaded anew.

    A key names everything that the answer depends on: what is asked, its parameters, and the user where
    the answer is not the same for all. Values are plain data and come back as from JSON: a UUID as text.
    """

    def __init__(self, redis_url: str | None = None) -> None:
        self._url = redis_url
        self._flights: dict[Flight, asyncio.Task[bytes]] = {}
        self._forgets = 0
        self._owed: set[str] = set()

    async def get_or_load(self, key: str, load: Load, ttl: float, tags: Sequence[str] = ()) -> Any:
        """What is kept under `key`, or what `load` answers, which is kept for `ttl` seconds.

        Whoever asks for the same meanwhile waits for the same load. `forget` of one of `tags` ends it
        earlier. Raises what `load` raises, which is not kept.
        """
        try:
            head, kept = await self._look(key, tags)
        except Unavailable:
            kept = await self._together((key, b"%d" % self._forgets), lambda: _encoded(load))
        else:
            if kept is None:
                # Who asks after a `forget` has another head, so they do not get what was loaded before.
                kept = await self._together(
                    (key, head), lambda: self._load_and_keep(key, load, ttl, tags, head)
                )
        return orjson.loads(kept)

    async def forget(self, *tags: str) -> None:
        """What is kept with one of `tags` is loaded anew. Call it after the commit of the change.

        While the store is away it is owed, and made up for before the next look at it. A process that
        ends before leaves what is kept until its time to live is over.
        """
        self._forgets += 1
        self._owed.update(tags)
        if len(self._owed) > MOST_OWED:
            self._owed = {EVERYTHING}
        with suppress(Unavailable):
            await self._settle()

    async def close(self) -> None:
        """Stop what is being loaded, and close the store."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        if "_store" in self.__dict__:
            await self._store.close()

    @cached_property
    def _store(self) -> Store:
        # The library is loaded by whoever caches something: it would add 0.1 s to every start.
        store: Store
        if self._url is None:
            store = import_module("bailiwick.kernel.own_cache").OwnStore(MOST_ENTRIES)
        else:
            store = import_module("bailiwick.kernel.shared_cache").RedisStore(self._url)
        return store

    async def _settle(self) -> None:
        for tag in list(self._owed):
            await self._store.set(f"tag:{tag}", uuid4().bytes, TAG_SECONDS)
            self._owed.discard(tag)

    async def _look(self, key: str, tags: Sequence[str]) -> tuple[bytes, bytes | None]:
        """What every entry must begin with to be valid, and the rest of the entry of `key` if it does.

        The head says at which version each tag stands. Versions are random and never come back, so a
        tag that was lost makes entries void, never valid again.
        """
        if self._owed:
            await self._settle()
        names = [f"tag:{tag}" for tag in (EVERYTHING, *tags)]
        entry, *versions = await self._store.get(f"key:{key}", *names)
        if None in versions:
            for name, version in zip(names, versions, strict=True):
                if version is None:
                    await self._store.add(name, uuid4().bytes, TAG_SECONDS)
            versions = list(await self._store.get(*names))
        head = b"".join(version or uuid4().bytes for version in versions)
        return head, entry[len(head) :] if entry is not None and entry.startswith(head) else None

    async def _together(self, flight: Flight, work: Callable[[], Awaitable[bytes]]) -> bytes:
        task = self._flights.get(flight)
        if task is None:
            task = self._flights[flight] = asyncio.ensure_future(work())
            task.add_done_callback(lambda done: self._landed(flight, done))
        # Who waits may give up without ending it for the others.
        return await asyncio.shield(task)

    def _landed(self, flight: Flight, task: asyncio.Task[bytes]) -> None:
        del self._flights[flight]
        if not task.cancelled():
            task.exception()  # where all have given up nobody else asks for it

    async def _load_and_keep(
        self, key: str, load: Load, ttl: float, tags: Sequence[str], head: bytes
    ) -> bytes:
        owner = str(uuid4())
        with suppress(Unavailable, TimeoutError):
            if self._store.shared and (kept := await self._turn(key, tags, owner)) is not None:
                return kept
        try:
            value = await _encoded(load)
            with suppress(Unavailable):
                await self._store.set(f"key:{key}", head + value, ttl)
            return value
        finally:
            with suppress(Unavailable):
                await self._store.unlock(f"load:{key}", owner)

    async def _turn(self, key: str, tags: Sequence[str], owner: str) -> bytes | None:
        """Wait until nobody else loads `key`; what they kept, if it is valid. Raises TimeoutError."""
        async with asyncio.timeout(LOADING_SECONDS):
            while not await self._store.lock(f"load:{key}", owner, LOADING_SECONDS):
                await asyncio.sleep(LOOK_SECONDS)
                _, kept = await self._look(key, tags)
                if kept is not None:
                    return kept
        return None


async def _encoded(load: Load) -> bytes:
    return orjson.dumps(await load(), default=plain)
