"""Where another process carries identity: whose token counts is known from what identity tells."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2 as httpx
import pytest
from pydantic import SecretStr

from bailiwick.backend import Backend
from bailiwick.identity.contract import AccessNews, AccessTokens
from bailiwick.identity.domain.role import Role
from bailiwick.identity.domain.session import SessionId
from bailiwick.identity.infrastructure.key_ring import KeyRing
from bailiwick.identity.infrastructure.revocations import OVERLAP, Revocations
from bailiwick.identity.infrastructure.tokens import JwtAccessTokens, TokenVerifier
from bailiwick.kernel.application import Unauthenticated, Unavailable
from bailiwick.kernel.database import migrations
from bailiwick.kernel.http.authentication import BLIND_SECONDS, Authentication
from bailiwick.kernel.http.remotes import Remote, asking
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.settings.sections import Database
from bailiwick.main import http_application
from tests.identity.people import a_user

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ISSUER = "https://app.example.com"
OLD, NEW = KeyRing("the first secret key of this test 123"), KeyRing("the second secret key of this test 45")
USER, SESSION = a_user("staff"), SessionId(UUID("018f0000-0000-7000-8000-00000000000a"))


def tokens_of(ring: KeyRing) -> JwtAccessTokens:
    return JwtAccessTokens(ring, issuer=ISSUER)


def bearer(ring: KeyRing) -> str:
    return "Bearer " + tokens_of(ring).issue(USER, Role("staff", 60, ("tasks.read",)), SESSION, NOW)


class Told:
    """Identity as it answers from elsewhere, or not at all."""

    def __init__(self) -> None:
        self.news = AccessNews(ISSUER, tokens_of(OLD).public_keys, 900, frozenset(), {}, NOW)
        self.away = False
        self.asked: list[datetime | None] = []

    async def access_news(self, since: datetime | None) -> AccessNews:
        if self.away:
            raise Unavailable("nobody answers")
        self.asked.append(since)
        return self.news


class Worker:
    """A process without identity: it has no secret key."""

    def __init__(self) -> None:
        self.identity, self.at = Told(), NOW.timestamp()
        verifier = TokenVerifier(now=lambda: self.at)
        self.authentication = Authentication(verifier.verify, now=lambda: self.at)
        self.revocations = Revocations(self.identity, verifier, self.authentication)


@pytest.fixture
def worker() -> Worker:
    return Worker()


async def test_a_token_is_verified_with_the_public_keys_that_identity_tells(worker: Worker) -> None:
    await worker.revocations.read()
    actor = worker.authentication.actor(bearer(OLD))
    assert (actor.id, actor.session_id, actor.permissions) == (USER.id, SESSION, frozenset({"tasks.read"}))
    with pytest.raises(Unauthenticated):
        worker.authentication.actor(bearer(NEW))


async def test_a_token_of_another_issuer_is_refused(worker: Worker) -> None:
    worker.identity.news = replace(worker.identity.news, issuer="https://another.example.com")
    await worker.revocations.read()
    with pytest.raises(Unauthenticated):
        worker.authentication.actor(bearer(OLD))


async def test_an_ended_session_and_a_risen_stamp_are_heard_of(worker: Worker) -> None:
    news = worker.identity.news
    for revoked in (
        replace(news, ended=frozenset({SESSION})),
        replace(news, stamps={USER.id: USER.stamp + 1}),
    ):
        fresh = Worker()
        await fresh.revocations.read()
        fresh.authentication.actor(bearer(OLD))
        fresh.identity.news = revoked
        await fresh.revocations.read()
        with pytest.raises(Unauthenticated, match="revoked"):
            fresh.authentication.actor(bearer(OLD))


async def test_without_identity_nobody_is_trusted_from_the_start_and_after_5_seconds(worker: Worker) -> None:
    worker.identity.away = True
    await worker.revocations.try_to_read()
    with pytest.raises(Unavailable):
        worker.authentication.actor(bearer(OLD))
    worker.identity.away = False
    await worker.revocations.try_to_read()
    worker.authentication.actor(bearer(OLD))
    worker.identity.away = True
    worker.at += BLIND_SECONDS + 0.1
    await worker.revocations.try_to_read()
    with pytest.raises(Unavailable):
        worker.authentication.actor(bearer(OLD))


async def test_a_new_key_counts_and_a_withdrawn_one_no_longer_even_for_a_remembered_token(
    worker: Worker,
) -> None:
    await worker.revocations.read()
    worker.authentication.actor(bearer(OLD))
    both = (*tokens_of(NEW).public_keys, *tokens_of(OLD).public_keys)
    worker.identity.news = replace(worker.identity.news, keys=both)
    await worker.revocations.read()
    worker.authentication.actor(bearer(OLD))
    worker.authentication.actor(bearer(NEW))
    worker.identity.news = replace(worker.identity.news, keys=tokens_of(NEW).public_keys)
    await worker.revocations.read()
    worker.authentication.actor(bearer(NEW))
    with pytest.raises(Unauthenticated):
        worker.authentication.actor(bearer(OLD))


async def test_what_is_asked_for_overlaps_by_the_clock_of_identity(worker: Worker) -> None:
    await worker.revocations.read()
    worker.identity.news = replace(worker.identity.news, asked_at=NOW + timedelta(seconds=1))
    await worker.revocations.read()
    await worker.revocations.read()
    assert worker.identity.asked == [None, NOW - OVERLAP, NOW + timedelta(seconds=1) - OVERLAP]


async def test_identity_tells_another_process_what_it_tells_itself(database_url: str) -> None:
    token = "service-0123456789abcdef-0123456789abcdef"
    settings = Settings(
        contexts=["identity"], database=Database(url=database_url), service_token=SecretStr(token)
    )
    await migrations.upgrade_async(database_url, settings.contexts)
    backend = Backend.build(settings)
    async with backend.running():
        transport = httpx.ASGITransport(app=http_application(backend))
        here = backend.platform.contract(AccessTokens)
        there = asking(AccessTokens, "identity", Remote("http://identity", token, transport=transport))
        before = (await there.access_news(None)).asked_at
        async with httpx.AsyncClient(transport=transport, base_url="http://identity/api/v1/auth") as client:
            somebody = {"email": "a@example.com", "password": "a long and quiet river", "full_name": "A. B."}
            joined = await client.post("/register", json=somebody | {"accept_terms": True})
            client.headers["Authorization"] = f"Bearer {joined.json()['data']['access_token']}"
            assert (await client.post("/logout")).status_code == 204
        for since in (None, before):
            news = await there.access_news(since)
            assert replace(news, asked_at=before) == replace(await here.access_news(since), asked_at=before)
            assert len(news.ended) == 1
        assert (await there.access_news(news.asked_at)).ended == frozenset()
