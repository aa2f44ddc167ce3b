"""The served catalogue: its keeper, who manages it, and strangers, who are not signed in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx

from bailiwick.backend import Backend
from bailiwick.catalog.contract import CatalogPermission
from bailiwick.kernel.application import Actor, Unauthenticated
from bailiwick.kernel.database import migrations
from bailiwick.kernel.http.authentication import Authentication, VerifiedToken
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database as DatabaseSettings
from bailiwick.kernel.settings.sections import Limits
from bailiwick.main import http_application

PRODUCTS, CATEGORIES = "/api/v1/products", "/api/v1/categories"
FAR_AWAY = 4e9
KEEPER = "keeper"


def verify(token: str) -> VerifiedToken:
    permissions = frozenset(CatalogPermission) if token == KEEPER else frozenset[str]()
    if token not in (KEEPER, "customer"):
        raise Unauthenticated("not a token of ours")
    return VerifiedToken(Actor(UUID(int=1), "user", permissions), 0, FAR_AWAY)


@dataclass(frozen=True)
class Shop:
    """The catalogue over HTTP."""

    app: Any
    backend: Backend
    keeper: httpx.AsyncClient
    customer: httpx.AsyncClient
    stranger: httpx.AsyncClient

    async def added(self, name: str = "Cup", **fields: Any) -> dict[str, Any]:
        answer = await self.add(name, **fields)
        assert answer.status_code == 201, answer.text
        product: dict[str, Any] = answer.json()["data"]
        return product

    async def add(self, name: str = "Cup", **fields: Any) -> httpx.Response:
        body = {"name": name, "variants": [variant()], **fields}
        return await self.keeper.post(PRODUCTS, json=body, headers=key())

    async def category(self, slug: str, **fields: Any) -> dict[str, Any]:
        body = {"name": slug, "slug": slug, **fields}
        answer = await self.keeper.post(CATEGORIES, json=body, headers=key())
        assert answer.status_code == 201, answer.text
        category: dict[str, Any] = answer.json()["data"]
        return category

    async def found(self, by: httpx.AsyncClient | None = None, /, **query: str) -> list[str]:
        """The names of the products on the page. `f_colour` stands for `filter[colour]`."""
        answer = await (by or self.stranger).get(PRODUCTS, params=named(query))
        assert answer.status_code == 200, answer.text
        return [product["name"] for product in answer.json()["data"]]


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


def named(query: Mapping[str, str]) -> dict[str, str]:
    return {f"filter[{n[2:]}]" if n.startswith("f_") else n: text for n, text in query.items()}


def sku() -> str:
    return f"S-{uuid4().hex[:12].upper()}"


def variant(code: str | None = None, /, **amounts: int) -> dict[str, Any]:
    """A variant with a price in each of the currencies."""
    prices = [{"amount": amount, "currency": currency} for currency, amount in amounts.items()]
    return {"sku": code or sku(), "prices": prices}


def authentication() -> Authentication:
    made = Authentication(verify, now=lambda: 0.0)
    made.learn(set(), {}, 900)
    return made


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Shop]:
    settings = Settings(
        contexts=["catalog"], database=DatabaseSettings(url=url), limits=Limits(enabled=False)
    )
    await migrations.upgrade_async(url, settings.contexts)
    built = Backend.build(settings)
    [catalog] = built.modules
    backend = Backend(built.platform, (replace(catalog, authentication=authentication()),))
    async with backend.opened():
        app = http_application(backend)
        async with client(app, KEEPER) as keeper, client(app, "customer") as customer, client(app) as nobody:
            yield Shop(app, backend, keeper, customer, nobody)


def client(app: Any, token: str = "") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test", headers=headers)
