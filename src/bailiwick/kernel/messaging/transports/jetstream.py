"""Events over NATS JetStream (2.9 or newer): a stream for each context, a durable consumer for each group.

The client is nats-py and not a framework above it, because order rests on two things that frameworks do not
offer: a consumer that is set back to its first unconfirmed message when somebody takes over or a connection
breaks, and one confirmation for a whole batch once that is stored.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StorageType, StreamConfig
from nats.js.errors import NoStreamResponseError, NotFoundError

from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.messaging.envelopes import Envelope
from bailiwick.kernel.messaging.transports import BATCH, StreamMissing, Take, TransportDown
from bailiwick.kernel.settings.sections import Transport as Options

PATIENCE = 5  # seconds for a connection and for an answer
WAIT = 2.0  # seconds that one question for new messages stays open
RECOGNISED = 120.0  # seconds for which the server knows the ids of what it got
ROOM = 4096  # bytes that the headers of a message may take


def connect(options: Options) -> "JetStream":
    return JetStream(options)


class JetStream:
    """Keeps as many messages, and for as long, as the settings say: the rest is forgotten, read or not."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._servers = str(options.url).split(",")
        self._connection: Client | None = None
        self._connecting = asyncio.Lock()

    async def publish(self, envelopes: Sequence[Envelope]) -> dict[UUID, str]:
        refused: dict[UUID, str] = {}
        reached("jetstream.before_publish")
        async with _explained():
            client = await self._client()
            stream, largest = client.jetstream(timeout=PATIENCE), client.max_payload - ROOM
            sending, contexts = [], []
            for each in envelopes:
                body = each.encoded()
                if len(body) > largest:
                    refused[each.id] = f"its {len(body)} bytes are more than max_payload of the server allows"
                    continue
                headers = {"Nats-Msg-Id": str(each.id)}
                subject = f"{self._options.prefix}.events.{each.type}"
                sending.append(stream.publish(subject, body, headers=headers))
                contexts.append(each.context)
            answers = await asyncio.gather(*sending, return_exceptions=True)
        _obey()
        reached("jetstream.after_publish")
        for context, answer in zip(contexts, answers, strict=True):
            if isinstance(answer, NoStreamResponseError):
                raise StreamMissing(context)
            if isinstance(answer, BaseException):
                raise TransportDown(f"{type(answer).__name__}: {answer}") from answer
        return refused

    async def lacks(self, context: str) -> bool:
        async with _explained():
            try:
                await (await self._stream()).stream_info(self._name(context))
            except NotFoundError:
                return True
        return False

    async def create(self, context: str) -> None:
        options = self._options
        async with _explained():
            await (await self._stream()).add_stream(
                StreamConfig(
                    name=self._name(context),
                    subjects=[f"{options.prefix}.events.{context}.*"],
                    storage=StorageType.FILE,
                    max_msgs=options.keep_messages,
                    max_age=options.keep_days * 86_400,
                    num_replicas=options.replicas,
                    duplicate_window=RECOGNISED,
                )
            )

    async def consume(self, context: str, group: str, take: Take) -> None:
        name = self._name(context)
        if await self.lacks(context):
            raise StreamMissing(context)
        async with _explained():
            stream = await self._stream()
            await self._set_back(stream, name, group)
            messages = await stream.pull_subscribe_bind(consumer=group, stream=name)
        try:
            await self._pass_on(messages, take)
        finally:
            with suppress(Error, OSError):
                await messages.unsubscribe()

    async def _pass_on(self, messages: JetStreamContext.PullSubscription, take: Take) -> None:
        expected = 1
        while True:
            async with _explained():
                found = await self._fetch(messages)
            if not found:
                continue
            if found[0].metadata.sequence.consumer != expected:
                raise TransportDown("messages were lost on their way; they are asked for again")
            expected = found[-1].metadata.sequence.consumer + 1
            await take([message.data for message in found])
            await self._confirm(found[-1])

    async def _confirm(self, last: Msg) -> None:
        """All up to this one."""
        reached("jetstream.before_confirm")
        async with _explained():
            await last.ack_sync(timeout=PATIENCE)
        _obey()
        reached("jetstream.after_confirm")

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(Error, OSError):
                await self._connection.close()

    def _name(self, context: str) -> str:
        return f"{self._options.prefix}-{context}"

    async def _stream(self) -> JetStreamContext:
        return (await self._client()).jetstream(timeout=PATIENCE)

    async def _client(self) -> Client:
        """The connection, or a new one where it broke: whoever used it has to begin again."""
        async with self._connecting:
            if self._connection is None or self._connection.is_closed:
                self._connection = await nats.connect(
                    self._servers,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    connect_timeout=PATIENCE,
                    ping_interval=10,
                    max_outstanding_pings=2,
                    error_cb=_ignore,
                )
            return self._connection

    async def _set_back(self, stream: JetStreamContext, name: str, group: str) -> None:
        """Have the group begin anew after the last message that it confirmed, or with the oldest."""
        start: dict[str, Any] = {"deliver_policy": DeliverPolicy.ALL}
        with suppress(NotFoundError):
            confirmed = (await stream.consumer_info(name, group)).ack_floor
            if confirmed is not None and confirmed.stream_seq:
                follows = confirmed.stream_seq + 1
                start = {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": follows}
            await stream.delete_consumer(name, group)
        await stream.add_consumer(
            name,
            ConsumerConfig(durable_name=group, ack_policy=AckPolicy.ALL, ack_wait=30, **start),
        )

    async def _fetch(self, messages: JetStreamContext.PullSubscription) -> list[Msg]:
        try:
            return await messages.fetch(BATCH, timeout=WAIT)
        except TimeoutError:
            # Silence is all that is heard of a broken connection and of a stream that was lost.
            await messages.consumer_info()
            return []
        finally:
            _obey()


async def _ignore(error: Exception) -> None:
    """Errors of a connection are told to those who use it."""


def _obey() -> None:
    """Before Python 3.12 `asyncio.wait_for`, which the client uses, may swallow the order to stop."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


@asynccontextmanager
async def _explained() -> AsyncIterator[None]:
    try:
        yield
    except (Error, OSError, TimeoutError) as error:
        raise TransportDown(f"{type(error).__name__}: {error}") from error
