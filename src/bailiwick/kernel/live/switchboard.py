"""Live updates of one process, as the composition sees them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from bailiwick.kernel.application import Clock, Unavailable
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http.app import Application, Edge
from bailiwick.kernel.http.authentication import Authentication
from bailiwick.kernel.http.routing import Provide, Router
from bailiwick.kernel.live import routes
from bailiwick.kernel.live.hub import Hub
from bailiwick.kernel.live.room import Room
from bailiwick.kernel.live.sockets import Sockets, origin_of
from bailiwick.kernel.live.tickets import Tickets
from bailiwick.kernel.observability import live_connections, watch
from bailiwick.kernel.settings import Settings

TICKETS_EVERY = 60.0  # seconds between two removals of old tickets


class Switchboard:
    """The hub and the tickets. Where the settings do not want live updates, there are none."""

    def __init__(
        self, settings: Settings, database: Database, clock: Clock, authentication: Authentication | None
    ) -> None:
        live = settings.live
        room = Room(per_user=live.per_user, per_address=live.per_address, per_worker=live.per_worker)
        self._settings, self._enabled, self._authentication = settings, live.enabled, authentication
        self.hub = Hub(database, authentication, room, settings.redis.url)
        self.tickets = Tickets(database, clock)
        watch(live_connections, lambda: room.taken)

    @property
    def routers(self) -> tuple[Router, ...]:
        return (routes.router,) if self._enabled else ()

    @property
    def provided(self) -> Mapping[type[Any], Provide]:
        """What the endpoints are given, made from the request."""
        return {routes.Newcomer: routes.newcomer_of(self._authentication)}

    @property
    def fixed(self) -> Mapping[type[Any], Any]:
        """What the endpoints are given, the same for all requests."""
        return {Hub: self.hub, Tickets: self.tickets}

    @property
    def loops(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        return (self.hub.run, self._forget_tickets) if self._enabled else ()

    async def _forget_tickets(self) -> None:
        while True:
            await asyncio.sleep(TICKETS_EVERY)
            with suppress(Unavailable):
                await self.tickets.forget_old()

    def serve_sockets(self, application: Application, edge: Edge) -> None:
        """Have `application` serve web sockets too."""
        origins = [origin_of(self._settings.http.public_url), *self._settings.http.cors_origins]
        sockets = Sockets(application, edge, self.hub, self.tickets, origins)
        application.sockets = sockets if self._enabled else sockets.refuse
