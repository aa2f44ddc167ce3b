"""Who does what: subscribers of events and handlers of jobs, as their contexts declare them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from pydantic import TypeAdapter

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.domain import DomainError, Event
from bailiwick.kernel.jobs import GiveUp, Job
from bailiwick.kernel.messaging.outbox import event_type, job_name, queue_of

DELIVERIES_AT_ONCE = 64
DELIVERY_ATTEMPTS = 20
DELIVERY_SECONDS = 60.0

React = Callable[[Any], Awaitable[None]]


class NewerSchema(Exception):
    """A message was written by newer code than ours. Another worker will understand it, or we will later."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """`react` is called with each event of `kind`.

    `name` is unique and never changes: `<context>.<function>`. Everything that the subscribers of a context
    get waits in the queue of that context, so that they hear of an aggregate in the order of its events.
    """

    name: str
    kind: type[Event]
    react: React


@dataclass(frozen=True, slots=True)
class JobHandler:
    """`run` is called with each job of `kind`: an async function, or a plain one, which gets a thread."""

    kind: type[Job]
    run: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Handler:
    """How a worker handles the messages of one name in one queue. Times are in seconds."""

    queue: str
    name: str
    decode: Callable[[dict[str, Any], int], Any]
    handle: Callable[[Any], Awaitable[Any]]
    at_once: int
    most_attempts: int
    time_limit: float
    one_commit: bool
    is_job: bool


def delivery(subscription: Subscription) -> Handler:
    kind = subscription.kind
    return Handler(
        queue=queue_of(subscription.name),
        name=subscription.name,
        decode=decoder(kind),
        handle=subscription.react,
        at_once=DELIVERIES_AT_ONCE,
        most_attempts=DELIVERY_ATTEMPTS,
        time_limit=DELIVERY_SECONDS,
        one_commit=True,
        is_job=False,
    )


def job(handler: JobHandler) -> Handler:
    kind, adapter = handler.kind, TypeAdapter[Any](handler.kind)
    return Handler(
        queue=kind.queue,
        name=job_name(kind),
        decode=lambda payload, schema: adapter.validate_python(payload),
        handle=_awaitable(handler.run),
        at_once=kind.at_once,
        most_attempts=kind.most_attempts,
        time_limit=kind.time_limit.total_seconds(),
        one_commit=kind.one_commit,
        is_job=True,
    )


def decoder(kind: type[Event]) -> Callable[[dict[str, Any], int], Event]:
    """Makes an event from its stored form, lifting one of an older schema step by step.

    Raises NewerSchema, and TypeError where `upcasts` has no way up from an older schema.
    """
    adapter: TypeAdapter[Event] = TypeAdapter(kind)
    if missing := set(range(1, kind.schema)) - set(kind.upcasts):
        raise TypeError(f"{kind.__name__} cannot read its schemas {sorted(missing)}: add them to upcasts")

    def decode(payload: dict[str, Any], schema: int) -> Event:
        if schema > kind.schema:
            raise NewerSchema(f"{kind.__name__} of schema {schema}; this worker knows {kind.schema}")
        for step in range(schema, kind.schema):
            payload = kind.upcasts[step](payload)
        return adapter.validate_python(payload)

    return decode


def reason_of(error: Exception) -> str:
    """What operators are told: the words of our own refusals, and of everything else only its kind."""
    if isinstance(error, DomainError | GiveUp | NewerSchema | Unavailable):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__


def readers_of(subscriptions: Sequence[Subscription]) -> Mapping[str, list[str]]:
    """For each type of event the names of the subscribers that get it."""
    readers: dict[str, list[str]] = {}
    for subscription in subscriptions:
        readers.setdefault(event_type(subscription.kind), []).append(subscription.name)
    return readers


def _awaitable(run: Callable[[Any], Any]) -> Callable[[Any], Awaitable[Any]]:
    inner = run
    while hasattr(inner, "func"):
        inner = inner.func  # a partial
    if iscoroutinefunction(inner):
        return run

    async def in_a_thread(message: Any) -> Any:
        return await asyncio.to_thread(run, message)

    return in_a_thread
