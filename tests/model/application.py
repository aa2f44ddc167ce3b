"""The whole product for money and goods in this process: its routes, its worker and its database."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import uuid4

import httpx2 as httpx

from bailiwick.backend import Backend
from bailiwick.catalog.contract import CatalogPermission
from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.database import migrations
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database, Limits, Orders, Payments
from bailiwick.main import http_application
from bailiwick.orders.contract import OrdersPermission
from bailiwick.payments.contract import PaymentsPermission
from tests.model.clock import Clock, standing

T = TypeVar("T")

CONTEXTS = ["payments", "catalog", "orders"]
FAR_AWAY = 4e9  # seconds: a token of these tests never expires
OPERATOR = Actor(uuid4(), "admin", frozenset({*PaymentsPermission, *CatalogPermission, *OrdersPermission}))


def somebody() -> Actor:
    return Actor(uuid4(), "user", frozenset({OrdersPermission.PLACE}))


@dataclass(frozen=True)
class Answer:
    """What came: a status, the code of the refusal if it is one, and the data otherwise."""

    status: int
    body: bytes
    code: str | None
    data: Any

    @classmethod
    def of(cls, answer: httpx.Response) -> "Answer":
        said = answer.json() if answer.content else {}
        code = None if answer.is_success else said.get("code", answer.text)
        return cls(answer.status_code, answer.content, code, said.get("data"))


class Application:
    """Asked by one after the other: each request, and each bout of work, is over when its call returns."""

    def __init__(self, url: str, clock: Clock, payments: Payments, orders: Orders) -> None:
        settings = Settings(
            contexts=CONTEXTS,
            database=Database(url=url),
            limits=Limits(enabled=False),
            payments=payments,
            orders=orders,
        )
        self.clock, self._actors = clock, dict[str, Actor]()
        authentication = Authentication(self._verify, now=lambda: 0.0)
        authentication.learn(set(), {}, 0.0)
        built = Backend.build(settings)
        first, *others = built.modules
        self.backend = Backend(built.platform, (replace(first, authentication=authentication), *others))
        self.database = built.platform.database
        self.database.readers = self.backend.messaging.readers.own
        self.worker = self.backend.messaging.worker()
        transport = httpx.ASGITransport(app=http_application(self.backend))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://here/api/v1")

    def _verify(self, token: str) -> VerifiedToken:
        if token not in self._actors:
            raise Unauthenticated("no such token")
        return VerifiedToken(self._actors[token], 0, FAR_AWAY)

    def token(self, actor: Actor) -> str:
        self._actors[actor.label] = actor
        return actor.label

    async def ask(
        self, by: Actor, method: str, path: str, body: object = None, key: str | None = None, **query: str
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self.token(by)}"}
        if method == "POST":
            headers["Idempotency-Key"] = key or uuid4().hex
        options: dict[str, Any] = {} if body is None else {"json": body}
        return Answer.of(await self.client.request(method, path, headers=headers, params=query, **options))


class Desk:
    """Where one stands who asks the application and waits for what it says."""

    def __init__(self, application: Application, runner: "asyncio.Runner") -> None:
        self.application, self.clock, self._runner = application, application.clock, runner

    def wait_for(self, done: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(done)

    def ask(self, by: Actor, method: str, path: str, body: object = None, **options: Any) -> Answer:
        return self.wait_for(self.application.ask(by, method, path, body, **options))

    def made(self, by: Actor, path: str, body: object = None) -> Any:
        """What a POST that has to succeed answers."""
        answer = self.ask(by, "POST", path, body)
        assert answer.code is None, answer
        return answer.data

    def refusal(self, done: Coroutine[Any, Any, object]) -> str | None:
        """The code of the refusal that a question of another context meets."""
        try:
            self.wait_for(done)
        except DomainError as refused:
            return refused.code
        return None

    def work(self) -> None:
        """Have a worker do all that is due."""
        self.wait_for(self.application.worker.until_idle())

    def contract(self, kind: type[T]) -> T:
        return self.application.backend.platform.contract(kind)


@contextmanager
def opened(url: str, payments: Payments | None = None, orders: Orders | None = None) -> Iterator[Desk]:
    """The application on a migrated database, in an event loop of its own."""
    with standing() as clock, asyncio.Runner() as runner:
        runner.run(migrations.upgrade_async(url, CONTEXTS))
        application = Application(url, clock, payments or Payments(), orders or Orders())
        running = application.backend.opened()
        runner.run(running.__aenter__())
        try:
            yield Desk(application, runner)
        finally:
            runner.run(application.client.aclose())
            runner.run(running.__aexit__(None, None, None))


def money(amount: int, currency: str = "NAD") -> dict[str, object]:
    return {"amount": amount, "currency": currency}
