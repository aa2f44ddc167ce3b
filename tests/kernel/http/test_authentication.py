"""Who asks: tokens are verified once, dropped when revoked, and no route forgets to look."""

from uuid import UUID, uuid4

import httpx2 as httpx
import pytest

from bailiwick.backend import Backend
from bailiwick.kernel.application import Actor, Unauthenticated, Unavailable
from bailiwick.kernel.http.authentication import BLIND_SECONDS, Authentication, VerifiedToken
from tests.kernel.http.sample_routes import PREFIX, Ledger, module
from tests.kernel.http.serving import Served, settings

SESSION = UUID(int=9)


class Office:
    """Verifies tokens of the form `<user> <expiry>`, and a clock that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.verified = 0
        self.authentication = Authentication(self.verify, now=lambda: self.now)
        self.authentication.learn(set(), {}, 900)

    def verify(self, token: str) -> VerifiedToken:
        self.verified += 1
        if not token.startswith("user"):
            raise Unauthenticated("not ours")
        return VerifiedToken(Actor(UUID(int=1), "user", session_id=SESSION), 3, 160.0)

    def passes(self, token: str = "user") -> bool:  # noqa: S107 - a made-up token
        try:
            return self.authentication.actor(f"Bearer {token}").id == UUID(int=1)
        except Unauthenticated:
            return False


def test_a_token_is_verified_once_until_it_expires() -> None:
    office = Office()
    assert office.passes()
    assert office.passes()
    assert office.verified == 1
    office.now = 159.9
    office.authentication.learn(set(), {}, 900)
    assert office.passes()
    office.now = 160.0
    assert not office.passes()


def test_a_bad_token_is_never_remembered() -> None:
    office = Office()
    assert not office.passes("forged")
    assert not office.passes("forged")
    assert office.verified == 2


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dXNlcg==", "user", "Bearer  user"])
def test_only_a_bearer_token_is_looked_at(header: str) -> None:
    office = Office()
    with pytest.raises(Unauthenticated):
        office.authentication.actor(header)


def test_an_ended_session_is_refused_at_once_and_for_as_long_as_its_tokens_live() -> None:
    office = Office()
    assert office.passes()
    office.authentication.learn({SESSION}, {}, 900)
    assert not office.passes()
    office.authentication.learn(set(), {}, 900)
    assert not office.passes()


def test_a_raised_stamp_revokes_the_tokens_before_it() -> None:
    office = Office()
    office.authentication.learn(set(), {UUID(int=1): 3}, 900)
    assert office.passes()
    office.authentication.learn(set(), {UUID(int=1): 4}, 900)
    assert not office.passes()


def test_who_has_not_heard_of_revocations_trusts_nobody() -> None:
    office = Office()
    assert office.passes()
    office.now += BLIND_SECONDS + 0.1
    with pytest.raises(Unavailable):
        office.authentication.actor("Bearer user")
    fresh = Authentication(office.verify, now=lambda: 100.0)
    with pytest.raises(Unavailable):
        fresh.actor("Bearer user")


async def test_without_credentials_there_is_only_401(served: Served) -> None:
    async with served.stranger() as nobody:
        for headers in ({}, {"Authorization": "Bearer forged"}, {"Authorization": "Basic x"}):
            answer = await nobody.get(f"/api/v1/tasks/{uuid4()}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_who_asks_is_settled_before_what_is_asked(served: Served) -> None:
    """A stranger learns nothing about fields, filters or versions."""
    async with served.stranger() as nobody:
        for answer in (
            await nobody.post("/api/v1/tasks", content=b"{"),
            await nobody.get("/api/v1/tasks?filter[x]=1"),
            await nobody.get("/api/v1/tasks/no-id"),
            await nobody.patch(f"/api/v1/tasks/{uuid4()}", json={"x": 1}, headers={"If-Match": "x"}),
            await nobody.post("/api/v1/tasks", json={}, headers={"Idempotency-Key": "\t"}),
        ):
            assert answer.status_code == 401


async def test_a_route_that_forgets_its_actor_is_still_closed(served: Served, ada: httpx.AsyncClient) -> None:
    async with served.stranger() as nobody:
        assert (await nobody.get(f"{PREFIX}/guarded")).status_code == 401
    assert (await ada.get(f"{PREFIX}/guarded")).status_code == 200


async def test_bad_credentials_do_not_close_a_public_route(served: Served) -> None:
    async with served.stranger(Authorization="Bearer forged") as nobody:
        assert (await nobody.post(f"{PREFIX}/numbers", json={})).status_code == 200


async def test_every_route_is_closed_unless_it_is_declared_public(served: Served, served_url: str) -> None:
    """Asked of every operation there is, so that a new one cannot be forgotten."""
    backend = Backend.build(settings(served_url))
    asked = 0
    async with served.stranger() as nobody:
        for operation in [*backend.operations, *module(Ledger()).routers[0].operations]:
            if not operation.public:
                path = operation.path.replace("{name}", "x").replace("{task_id}", str(uuid4()))
                assert (await nobody.request(operation.method, path)).status_code == 401, operation.id
                asked += 1
    assert asked >= 15
