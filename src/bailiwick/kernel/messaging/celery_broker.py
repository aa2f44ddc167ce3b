"""Celery: how we configure it, on whichever side, and how the dispatcher sends through it."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar

from bailiwick.kernel.application import Clock
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.failpoints import reached
from bailiwick.kernel.messaging.dispatching import BrokerDown, Dispatcher, Message
from bailiwick.kernel.messaging.handlers import Handler
from bailiwick.kernel.settings.sections import Celery as Options

T = TypeVar("T")

MISSING = "Celery is not installed. It comes with an extra: pip install 'bailiwick[celery]'."
CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 5.0


OFF = "Celery is not set up: say in `celery.url` which Redis is between us and its workers."


class CeleryMissing(Exception):
    """The extra `celery` is not installed, or no Redis is named. The text says what to do."""


def application(options: Options) -> Any:
    """The Celery application of this installation, without its tasks. Raises CeleryMissing."""
    if options.url is None:
        raise CeleryMissing(OFF)
    try:
        celery = import_module("celery")
    except ImportError as error:
        raise CeleryMissing(MISSING) from error
    app = celery.Celery("bailiwick", broker=options.url, set_as_current=False)
    app.conf.update(
        result_backend=options.url if options.results else None,
        task_ignore_result=not options.results,
        # Our queue tries again what failed or was lost. A message is worth nothing once its job has begun.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        task_track_started=True,
        worker_send_task_events=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "socket_keepalive": True,
        },
    )
    return app


def queues_of(options: Options, handlers: Sequence[Handler]) -> frozenset[str]:
    """The queues that Celery workers work on: those with jobs and nothing else. None without a Redis."""
    if options.url is None:
        return frozenset()
    jobs = {handler.queue for handler in handlers if handler.is_job}
    return frozenset(jobs.difference(handler.queue for handler in handlers if not handler.is_job))


def dispatcher(options: Options, database: Database, clock: Clock, queues: Iterable[str]) -> Dispatcher:
    resend = timedelta(seconds=options.resend_seconds)
    return Dispatcher(database, CeleryBroker(options), queues, clock, options.most_waiting, resend)


class CeleryBroker:
    """Sends through Celery to Redis, over a connection that is made when it is needed. For one thread."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._app: Any = None
        self._connection: Any = None

    def waiting(self, queues: Sequence[str]) -> list[int]:
        return self._connected(lambda channel: [_depth(channel, queue) for queue in queues])

    def send(self, messages: Sequence[Message]) -> None:
        def each(_: Any) -> None:
            with self._app.amqp.Producer(self._connection) as producer:
                for id, name, queue in messages:
                    reached("celery.before_sending")
                    self._app.send_task(name, args=(str(id),), queue=queue, producer=producer, retry=False)
                    reached("celery.sent")

        self._connected(each)

    def _connected(self, act: Callable[[Any], T]) -> T:
        try:
            if self._connection is None:
                self._app = self._app or application(self._options)
                self._connection = self._app.connection_for_write()
                self._connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_SECONDS)
            return act(self._connection.default_channel)
        except CeleryMissing as error:
            raise BrokerDown(str(error)) from error
        except Exception as error:
            self.close()
            # Its text may hold the address with the password.
            raise BrokerDown(f"Redis, for Celery: {type(error).__name__}") from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it may be broken
                connection.release()


def _depth(channel: Any, queue: str) -> int:
    count: int = channel.queue_declare(queue=queue, durable=True, auto_delete=False).message_count
    return count
