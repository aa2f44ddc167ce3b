"""The inbox: what a transport brings becomes work in the transaction that marks it as known."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from uuid import UUID

import structlog
from sqlalchemy import insert, literal, select
from uuid_utils.compat import uuid7

from bailiwick.kernel.application import Cause, Clock, Contention, Unavailable
from bailiwick.kernel.database.batches import batch_size, one_of, these
from bailiwick.kernel.database.connections import Database, Duplicate
from bailiwick.kernel.database.statements import Write
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.jobs import GiveUp, Priority
from bailiwick.kernel.messaging.envelopes import Envelope, Undecodable, decoded
from bailiwick.kernel.messaging.handlers import Handler
from bailiwick.kernel.messaging.outbox import EVENTS_OF_ONE_COMMIT, queue_of, waiting
from bailiwick.kernel.messaging.tables import DEAD, events, finished, inbox, work

log = structlog.get_logger("inbox")

QUEUE = "inbox"
AT_A_TIME = 32
TRIES = 20
LARGEST = 1_000_000  # characters that are kept of a message nobody can read

_KNOWN = (
    select(inbox.c.reader, inbox.c.message_id)
    .where(one_of(inbox.c.message_id, AT_A_TIME))
    .union_all(select(literal(""), events.c.id).where(one_of(events.c.id, AT_A_TIME)))
)
_MARK = insert(inbox)
_WORK = insert(work)
_DEAD = insert(finished)

Delivery = tuple[str, Envelope]
"""An event and the reader that is to get it."""


class Inbox:
    """Takes in what comes from other services, for the readers of this one; `readers` are those by type.

    An event that was recorded in this very database is left out: its readers here have their work already.
    Nothing that is received becomes an event of this database, so nothing is ever sent on.
    """

    def __init__(self, database: Database, readers: Mapping[str, Sequence[str]], clock: Clock) -> None:
        self._database, self._readers, self._clock = database, readers, clock

    async def take_in(self, context: str, messages: Sequence[bytes]) -> None:
        """Store messages of the stream of `context`, each one once, however often it comes.

        What nobody can read or store is kept as dead work with the reason. Raises Unavailable.
        """
        deliveries: dict[tuple[str, UUID], Envelope] = {}
        for message in messages:
            try:
                envelope = decoded(message)
            except Undecodable as unreadable:
                await self._bury(context, message, str(unreadable))
                continue
            for reader in self._readers.get(envelope.type, ()):
                deliveries.setdefault((reader, envelope.id), envelope)
        rest = [(reader, envelope) for (reader, _), envelope in deliveries.items()]
        while rest:
            size = batch_size(len(rest), AT_A_TIME)
            await self._store_all(context, rest[:size])
            rest = rest[size:]

    def handler(self, context: str) -> Handler:
        """Has another look at a message that could not be read, when an operator replays it."""

        async def read_again(text: str) -> None:
            envelope = decoded(text.encode())
            await self._store([(reader, envelope) for reader in self._readers.get(envelope.type, ())])

        async def take(text: str) -> None:
            try:
                await read_again(text)
            except Undecodable as unreadable:
                raise GiveUp(str(unreadable)) from unreadable

        return Handler(
            queue=QUEUE,
            name=f"{QUEUE}.{context}",
            decode=lambda payload, _: payload["message"],
            handle=take,
            at_once=4,
            most_attempts=3,
            time_limit=60,
            one_commit=True,
            is_job=False,
        )

    async def _store_all(self, context: str, deliveries: Sequence[Delivery]) -> None:
        try:
            await self._store(deliveries)
        except Unavailable:
            raise
        except Exception as error:
            # The database refuses something in it, for ever: the others must not wait for that one.
            if len(deliveries) > 1:
                for each in deliveries:
                    await self._store_all(context, [each])
                return
            [(reader, envelope)] = deliveries
            log.exception("event_not_stored", reader=reader, id=str(envelope.id))
            await self._bury(context, envelope.encoded(), f"{reader}: {type(error).__name__}")

    async def _store(self, deliveries: Sequence[Delivery]) -> None:
        for _ in range(TRIES):
            new = await self._unknown(deliveries)
            if not new:
                return
            reached("inbox.before_write")
            try:
                await self._database.write([write for each in new for write in self._writes(*each)])
            except (Duplicate, Contention):
                continue  # somebody else is just storing some of them
            reached("inbox.after_write")
            self._database.work_added.set()
            return
        raise Unavailable("others keep storing the same events")

    async def _unknown(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        ids = [envelope.id for _, envelope in deliveries]
        rows = await self._database.all(_KNOWN, **these(ids, AT_A_TIME))
        known = {(reader, UUID(str(id))) for reader, id in rows}
        return [
            (reader, envelope)
            for reader, envelope in deliveries
            if not known & {(reader, envelope.id), ("", envelope.id)}
        ]

    def _writes(self, reader: str, envelope: Envelope) -> list[Write]:
        now = self._clock()
        why = Cause(envelope.correlation_id, envelope.actor_id)
        row = waiting(now, envelope.payload, envelope.schema, why) | {
            "id": uuid7(),
            "queue": queue_of(reader),
            "name": reader,
            "key": str(envelope.aggregate_id),
            "sequence": envelope.aggregate_version * EVENTS_OF_ONE_COMMIT + envelope.position,
            "event_id": envelope.id,
        }
        return [self._mark(reader, envelope.id), Write(_WORK, row)]

    def _mark(self, reader: str, id: UUID) -> Write:
        return Write(_MARK, {"reader": reader, "message_id": id, "received_at": self._clock()})

    async def _bury(self, context: str, message: bytes, reason: str) -> None:
        name, now = f"{QUEUE}.{context}", self._clock()
        log.error("message_given_up", stream=context, reason=reason)
        text = message.decode(errors="backslashreplace").replace("\0", "\\x00")
        row = {
            "id": uuid7(),
            "queue": QUEUE,
            "name": name,
            "priority": int(Priority.NORMAL),
            "key": None,
            "sequence": 0,
            "schema": 1,
            "payload": {"message": text[:LARGEST]},
            "event_id": None,
            "actor_id": None,
            "correlation_id": "",
            "enqueued_at": now,
            "attempts": 1,
            "outcome": DEAD,
            "result": None,
            "error": reason,
            "finished_at": now,
        }
        # The same bytes are the same message: it has no id that could be relied on.
        mark = self._mark(name, UUID(bytes=sha256(message).digest()[:16]))
        reached("inbox.before_burial")
        with suppress(Duplicate):
            await self._database.write([mark, Write(_DEAD, row)])
        reached("inbox.after_burial")
