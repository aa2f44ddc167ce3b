"""What is cached in this process alone: the memory of cashews, which drops what was not read for longest."""

from collections.abc import Sequence

from cashews.backends.memory import Memory


class OwnStore:
    """At most `size` entries. Nobody else loads what this process loads, so nothing is locked."""

    shared = False

    def __init__(self, size: int) -> None:
        # Its sweep would read every entry each second; the size bounds the memory without it.
        self._memory = Memory(size=size, check_interval=0)

    async def get(self, *keys: str) -> Sequence[bytes | None]:
        return await self._memory.get_many(*keys)

    async def set(self, key: str, value: bytes, seconds: float) -> None:
        await self._memory.set(key, value, expire=seconds)

    async def add(self, key: str, value: bytes, seconds: float) -> None:
        if await self._memory.get(key) is None:
            await self._memory.set(key, value, expire=seconds)

    async def lock(self, key: str, owner: str, seconds: float) -> bool:
        return True

    async def unlock(self, key: str, owner: str) -> None: ...

    async def close(self) -> None:
        await self._memory.close()
