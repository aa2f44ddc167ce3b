"""Clients that never give up: they write, and where they do not know what became of it, they ask again."""

import asyncio
import base64
import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

import httpx2 as httpx

from tests.acceptance.server import PASSWORD
from tests.kill.history import DEFINITE, Log

PATIENCE = 20.0  # seconds for one answer: on a busy machine a password hash may wait for long
LONGEST = 60.0  # seconds after which even these clients give up
PAUSE = 0.05


class GaveUp(Exception):
    """Nothing definite came for too long. The log says so, and so will the judge."""


@dataclass
class Task:
    id: str
    etag: str
    completed: bool = False


@dataclass
class Writer:
    """One person with one session, doing one thing after the other until told to stop."""

    asked_twice: ClassVar[tuple[str, ...]] = ("create", "refresh")
    """What is now and then asked for once more although the answer is known."""

    client: httpx.AsyncClient
    log: Log
    random: random.Random
    stopped: asyncio.Event
    tasks: list[Task] = field(default_factory=list)
    access_token: str = ""
    refresh_token: str = ""

    async def run(self) -> None:
        with suppress(GaveUp):
            await self.join()
            await self.go_on()

    async def go_on(self) -> None:
        acts = [self.create, self.change, self.complete, self.refresh, self.read, self.register]
        while not self.stopped.is_set():
            [act] = self.random.choices(acts, [8, 6, 2, 3, 2, 1])
            await act()

    async def join(self) -> None:
        email = await self.register()
        login = {"email": email, "password": PASSWORD}
        answer = await self.insist("login", email, "POST", "/auth/login", json=login)
        self.take(answer.json()["data"])

    def take(self, data: dict[str, Any]) -> None:
        self.access_token, self.refresh_token = data["access_token"], data["refresh_token"]

    @property
    def session(self) -> str:
        claims = self.access_token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=="))["sid"])

    async def register(self) -> str:
        email = f"w-{uuid4().hex}@example.com"
        body = {"email": email, "password": PASSWORD, "full_name": "Writer", "accept_terms": True}
        await self.insist("register", email, "POST", "/auth/register", json=body)
        return email

    async def create(self) -> None:
        key = uuid4().hex
        body = {"title": f"first {key}", "description": key}
        answer = await self.insist("create", key, "POST", "/tasks", json=body, headers=self.own(key))
        if answer.status_code == 201:
            self.tasks.append(Task(answer.json()["data"]["id"], answer.headers["ETag"]))

    async def change(self) -> None:
        """The version is the key: a repetition is refused with 412, and reading tells what became of it."""
        if not self.tasks:
            return
        task, title = self.random.choice(self.tasks), f"title {uuid4().hex}"
        headers = self.own() | {"If-Match": task.etag}
        path = f"/tasks/{task.id}"
        answer = await self.insist(
            "change", title, "PATCH", path, task.id, json={"title": title}, headers=headers
        )
        task.etag = answer.headers.get("ETag", "")

    async def complete(self) -> None:
        task = next((task for task in self.tasks if not task.completed), None)
        if task is None:
            return
        path = f"/tasks/{task.id}/complete"
        answer = await self.insist("complete", task.id, "PATCH", path, task.id, headers=self.own())
        task.etag, task.completed = answer.headers.get("ETag", ""), True

    async def refresh(self) -> None:
        body = {"refresh_token": self.refresh_token}
        answer = await self.insist(
            "refresh", self.refresh_token, "POST", "/auth/refresh", self.session, json=body
        )
        if answer.status_code == 200:
            self.take(answer.json()["data"])

    async def read(self) -> None:
        await self.insist("read", "", "GET", "/tasks", headers=self.own())

    def own(self, key: str | None = None) -> dict[str, str]:
        keyed = {"Idempotency-Key": key} if key else {}
        return {"Authorization": f"Bearer {self.access_token}", **keyed}

    async def insist(
        self, kind: str, key: str, method: str, path: str, about: str = "", **options: Any
    ) -> httpx.Response:
        """The definite answer, after as many tries as it takes; one in five is asked for once more."""
        number = self.log.intend(kind, key, about)
        deadline = time.monotonic() + LONGEST
        wanted = 2 if kind in self.asked_twice and self.random.random() < 0.2 else 1
        doubtful = False
        while True:
            answer = await self.attempt(number, method, path, **options)
            if answer.status_code == 412 and doubtful:
                answer = await self.settled(number, key, path)
            wanted -= answer.status_code in DEFINITE
            if wanted == 0:
                return answer
            if time.monotonic() > deadline:
                raise GaveUp
            if answer.status_code not in DEFINITE:
                doubtful = True
                await asyncio.sleep(PAUSE * self.random.uniform(0.5, 1.5))

    async def attempt(self, number: int, method: str, path: str, **options: Any) -> httpx.Response:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self.client.request(method, path, **options)
        except (httpx.TransportError, TimeoutError) as lost:
            answer = httpx.Response(599, text=type(lost).__name__)
        lost_it = answer.status_code == 599
        seconds = time.perf_counter() - started
        self.log.answered(number, 0 if lost_it else answer.status_code, answer.text, seconds)
        return answer

    async def settled(self, number: int, title: str, path: str) -> httpx.Response:
        """What became of a change whose answer was lost: where reading shows it, it is acknowledged."""
        for _ in range(round(LONGEST / PAUSE)):
            with suppress(httpx.TransportError):
                answer = await self.client.get(path, headers=self.own())
                if answer.status_code == 200:
                    stored = answer.json()["data"]["title"] == title
                    self.log.answered(number, 200 if stored else 412, answer.text, 0.0)
                    return answer
            await asyncio.sleep(PAUSE)
        raise GaveUp


async def write_until(stopped: asyncio.Event, url: str, log: Log, *, writers: int, seed: int) -> None:
    """Have so many write until `stopped` is set, each finishing what it began."""
    async with (
        httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=PATIENCE) as client,
        asyncio.TaskGroup() as group,
    ):
        for i in range(writers):
            group.create_task(Writer(client, log, random.Random(f"{seed}-{i}"), stopped).run())
