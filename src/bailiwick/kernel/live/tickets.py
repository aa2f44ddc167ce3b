"""Tickets: a browser cannot send a token with a web socket, so it trades the token for one address."""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import bindparam, delete, insert

from bailiwick.kernel.application import Actor, Clock, Unauthenticated
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.http.authentication import VerifiedToken
from bailiwick.kernel.messaging.tables import tickets

LIFETIME = timedelta(seconds=30)

_INSERT = insert(tickets)
_USE = (
    delete(tickets)
    .where(
        tickets.c.digest == bindparam("which"),
        tickets.c.expires_at > bindparam("now", type_=tickets.c.expires_at.type),
    )
    .returning(tickets.c.user_id, tickets.c.session_id, tickets.c.stamp, tickets.c.token_expires_at)
)
_FORGET = delete(tickets).where(tickets.c.expires_at <= bindparam("now", type_=tickets.c.expires_at.type))


class Tickets:
    """Kept in the database, so that any process takes what another has issued, and one of them only."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def issue(self, token: VerifiedToken) -> str:
        """A ticket for whoever holds `token`: good once, and for half a minute."""
        ticket, now = secrets.token_urlsafe(32), self._clock()
        row = {
            "digest": _digest(ticket),
            "user_id": token.actor.id,
            "session_id": token.actor.session_id,
            "stamp": token.stamp,
            "token_expires_at": int(token.expires_at),
            "expires_at": now + LIFETIME,
        }
        reached("tickets.before_write")
        await self._database.write([Write(_INSERT, row)])
        reached("tickets.after_write")
        return ticket

    async def use(self, ticket: str) -> VerifiedToken:
        """The token for which it was issued. It says who, not what they may do. Raises Unauthenticated."""
        row = await self._database.first(_USE, which=_digest(ticket), now=self._clock())
        if row is None:
            raise Unauthenticated("the ticket is not known, was used or is too old; ask for another")
        user, session, stamp, expires_at = row
        return VerifiedToken(Actor(user, "", session_id=session), stamp, float(expires_at))

    async def forget_old(self) -> None:
        reached("tickets.before_forget")
        await self._database.write([Write(_FORGET, {"now": self._clock()})])
        reached("tickets.after_forget")


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
