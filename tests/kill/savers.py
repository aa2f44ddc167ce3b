"""Clients with money: they pay each other, hold, capture, exchange, order and look, and never give up."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

import httpx2 as httpx

from tests.acceptance.people import super_admin
from tests.acceptance.server import Server
from tests.acceptance.shop import ADDRESS, Ware, a_ware, money
from tests.kill.history import Log
from tests.kill.writers import PATIENCE, Writer

CURRENCIES = ("NAD", "ZAR", "EUR", "USD")
"""Each has two decimal places: exchanged at the rate 1, the figures of one owner keep their sum."""
SHORT, LONG = 2, 600  # seconds for which money is held


@dataclass
class Village:
    """Everybody's first wallet, what is for sale, and the holds that are for whom, as far as they know."""

    wallets: list[str] = field(default_factory=list)
    ware: Ware | None = None
    holds: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Saver(Writer):
    """Pays others out of one wallet, and looks how much is left."""

    village: Village = field(default_factory=Village)
    wallet: str = ""
    pays: ClassVar[int] = 120
    asked_twice = (*Writer.asked_twice, "transfer", "convert", "hold", "capture", "void", "order", "cancel")

    async def go_on(self) -> None:
        while not self.stopped.is_set():
            [act] = self.random.choices([self.transfer, self.look, self.refresh], [8, 3, 1])
            await act()

    async def opened(self) -> str:
        """The wallet that everybody gets soon after they have joined."""
        while not self.wallet:
            wallets = (await self.client.get("/wallets", headers=self.own())).json()["data"]
            self.wallet = next((str(wallet["id"]) for wallet in wallets), "")
            await asyncio.sleep(0.1)
        return self.wallet

    async def transfer(self) -> None:
        key, amount = uuid4().hex, self.random.randint(1, self.pays)
        payee = self.random.choice([wallet for wallet in self.village.wallets if wallet != self.wallet])
        paths = {"from_wallet": self.wallet, "to_wallet": payee}
        about = json.dumps({self.wallet: -amount, payee: amount})
        await self.post("transfer", key, "/transfers", paths | paid(amount, key), about)

    async def look(self) -> None:
        await self.insist("look", "", "GET", "/wallets", headers=self.own())

    async def post(self, kind: str, key: str, path: str, body: object, about: str = "") -> httpx.Response:
        return await self.insist(kind, key, "POST", path, about, json=body, headers=self.own(key))


@dataclass
class Exchanger(Saver):
    """An operator who exchanges the money of one household to and fro, and looks at all of it at once."""

    owner: str = ""
    wallets: list[str] = field(default_factory=list)

    async def go_on(self) -> None:
        while not self.stopped.is_set():
            [act] = self.random.choices([self.convert, self.look], [3, 2])
            await act()

    async def convert(self) -> None:
        key, amount = uuid4().hex, self.random.randint(1, self.pays)
        i, j = self.random.sample(range(len(self.wallets)), 2)
        body = {"from_wallet": self.wallets[i], "to_wallet": self.wallets[j], "rate": "1"}
        about = json.dumps({self.wallets[i]: -amount, self.wallets[j]: amount})
        await self.post("convert", key, "/conversions", body | paid(amount, key, CURRENCIES[i]), about)

    async def look(self) -> None:
        await self.insist(
            "look", "", "GET", "/wallets", self.owner, params={"owner": self.owner}, headers=self.own()
        )


@dataclass
class Buyer(Saver):
    """Pays, holds money for others, takes or frees what others hold, orders, and thinks better of it."""

    orders: list[str] = field(default_factory=list)

    async def go_on(self) -> None:
        acts = [self.transfer, self.hold, self.end_hold, self.order, self.cancel, self.refresh]
        while not self.stopped.is_set():
            [act] = self.random.choices(acts, [5, 3, 3, 4, 1, 1])
            await act()

    async def hold(self) -> None:
        lasts, amount = self.random.choice([SHORT, LONG, LONG]), self.random.randint(1, self.pays)
        key = f"{'short' if lasts == SHORT else 'long'}-{uuid4().hex}"
        payee = self.random.choice([wallet for wallet in self.village.wallets if wallet != self.wallet])
        body = {"wallet": self.wallet, "payee_wallet": payee, "reference": key, "expires_in": lasts}
        answer = await self.post("hold", key, "/holds", body | {"amount": money(amount)})
        if answer.status_code == 201:
            self.village.holds[payee].append((answer.json()["data"]["id"], amount))

    async def end_hold(self) -> None:
        mine = self.village.holds[self.wallet]
        if not mine:
            return
        hold, amount = mine.pop(self.random.randrange(len(mine)))
        key, taken = uuid4().hex, self.random.randint(1, amount)
        if self.random.random() < 0.6:
            about = json.dumps([hold, taken])
            await self.post("capture", key, f"/holds/{hold}/capture", {"amount": money(taken)}, about)
        else:
            await self.post("void", key, f"/holds/{hold}/void", None, json.dumps([hold, 0]))

    async def order(self) -> None:
        assert self.village.ware is not None
        key, count = uuid4().hex, self.random.choice([1, 1, 2])
        address, now = ADDRESS | {"street": key}, self.random.random() < 0.7
        body = {"lines": [self.village.ware.line(count)], "shipping_address": address}
        answer = await self.post(
            "order", key, "/orders", body | {"pay": "now" if now else "later"}, str(count)
        )
        if answer.status_code != 201:
            return
        id = answer.json()["data"]["id"]
        self.orders.append(id)
        if not now:
            await self.post("pay", uuid4().hex, f"/orders/{id}/payment", None, id)

    async def cancel(self) -> None:
        if self.orders:
            id = self.orders.pop(self.random.randrange(len(self.orders)))
            await self.post("cancel", uuid4().hex, f"/orders/{id}/cancel", None, id)


def paid(amount: int, key: str, currency: str = "NAD") -> dict[str, Any]:
    return {"amount": money(amount, currency), "description": key}


@dataclass
class Scene:
    """Who is to do what, with a teller who has brought the first money."""

    client: httpx.AsyncClient
    log: Log
    stopped: asyncio.Event
    village: Village
    teller: Saver
    seed: int

    def part(self, kind: type[Saver], **fields: Any) -> Any:
        number = random.Random(f"{self.seed}-{self.log.count}")
        return kind(self.client, self.log, number, self.stopped, village=self.village, **fields)

    async def people(self, kind: type[Saver], count: int, amount: int) -> Sequence[Saver]:
        """So many new ones, each with so much money."""
        people: list[Saver] = [self.part(kind) for _ in range(count)]
        await asyncio.gather(*(person.join() for person in people))
        self.village.wallets += [await person.opened() for person in people]
        for person in people:
            await self.bring(person.wallet, amount, "NAD")
        return people

    async def bring(self, wallet: str, amount: int, currency: str) -> None:
        key = uuid4().hex
        body = {"wallet": wallet} | paid(amount, key, currency)
        await self.teller.post("deposit", key, "/deposits", body, json.dumps({wallet: amount}))

    async def household(self, exchangers: int, amount: int) -> Sequence[Saver]:
        """Somebody with wallets in all currencies, and operators who exchange what is in them."""
        owner: Saver = self.part(Saver)
        await owner.join()
        wallets = [await owner.opened()]
        for currency in CURRENCIES[1:]:
            answer = await owner.post("open", uuid4().hex, "/wallets", {"currency": currency})
            wallets.append(answer.json()["data"]["id"])
        for wallet, currency in zip(wallets, CURRENCIES, strict=True):
            await self.bring(wallet, amount, currency)
        who = (await self.client.get("/users/me", headers=owner.own())).json()["data"]["id"]
        token = self.teller.access_token
        return [
            self.part(Exchanger, owner=who, wallets=wallets, access_token=token) for _ in range(exchangers)
        ]


def scene(
    server: Server, client: httpx.AsyncClient, log: Log, stopped: asyncio.Event, seed: int, pieces: int = 0
) -> Scene:
    """Before anybody has come. With `pieces` of something for sale. Runs no event loop, needs none."""
    village = Village(ware=a_ware(server, pieces) if pieces else None)
    log.answered(log.intend("receive", "", str(pieces)), 201, "", 0.0)
    teller = Saver(client, log, random.Random(seed), stopped, village=village)
    teller.access_token = super_admin(server).access_token
    return Scene(client, log, stopped, village, teller, seed)


def connected(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{server.url}/api/v1", timeout=PATIENCE)
