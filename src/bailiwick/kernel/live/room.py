"""How many may be connected to one worker: in all, of one user, from one address."""

from collections import Counter
from uuid import UUID

from bailiwick.kernel.application import TooMany, Unavailable
from bailiwick.kernel.http.addresses import neighbourhood

WAIT = 10  # seconds after which a refused connection may be tried again


class Room:
    """Counts connections of this worker against their limits."""

    def __init__(self, *, per_user: int, per_address: int, per_worker: int) -> None:
        self._per_user, self._per_address, self._per_worker = per_user, per_address, per_worker
        self.taken = 0
        self._users: Counter[UUID] = Counter()
        self._addresses: Counter[str] = Counter()

    def enter(self, user: UUID, address: str) -> None:
        """Take a place. Raises TooMany where the user or the address has all of theirs, else Unavailable."""
        place = neighbourhood(address)
        if self._users[user] >= self._per_user:
            raise TooMany("you have too many live connections; close one", retry_after=WAIT)
        if self._addresses[place] >= self._per_address:
            raise TooMany("your address has too many live connections", retry_after=WAIT)
        if self.taken >= self._per_worker:
            raise Unavailable("no more live connections here", retry_after=WAIT)
        self.taken += 1
        self._users[user] += 1
        self._addresses[place] += 1

    def leave(self, user: UUID, address: str) -> None:
        self.taken -= 1
        _take_one(self._users, user)
        _take_one(self._addresses, neighbourhood(address))


def _take_one(counts: Counter, key: object) -> None:  # type: ignore[type-arg]  # of whatever
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
