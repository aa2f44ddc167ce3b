"""The routes for operators, asked of the whole product by a super admin, on either database."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest

from bailiwick.kernel.operations.http import PREFIX
from tests.policy.scene import Scene, Stage, staged
from tests.policy.work import GIVEN_UP, QUEUE, WAITING


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as running:
        yield running


async def ask(
    scene: Scene, method: str, path: str, body: Any = None, key: str | None = None
) -> httpx.Response:
    transport = httpx.ASGITransport(app=scene.app, client=("192.0.2.7", 4711))
    headers = {"Authorization": f"Bearer {scene.access_token}"} | ({"Idempotency-Key": key} if key else {})
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        return await client.request(method, path if path.startswith("/api") else PREFIX + path, json=body)


async def got(scene: Scene, path: str) -> Any:
    answer = await ask(scene, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.mark.parametrize("kind", ["messages", "jobs"])
async def test_what_waits_in_a_paused_queue_is_explained_and_cancelled(stage: Stage, kind: str) -> None:
    scene = await stage.scene("super_admin", WAITING)
    one = f"/{kind}/{scene.work[kind]}"
    assert (await got(scene, one))["payload"] == {}
    assert [each["id"] for each in await got(scene, f"/{kind}?queue={QUEUE}")] == [str(scene.work[kind])]
    answer = await ask(scene, "PUT", f"/queues/{QUEUE}/pause", {"reason": "the floor is wet"})
    assert answer.status_code == 204
    told = await got(scene, f"{one}/why")
    assert told["reasons"][0]["code"] == "paused"
    assert f"by {scene.caller.id}: the floor is wet" in told["answer"]
    [queue] = [each for each in await got(scene, "/queues") if each["queue"] == QUEUE]
    assert (queue["waiting"], queue["paused"]["reason"]) == (2, "the floor is wet")
    assert (await ask(scene, "DELETE", f"/queues/{QUEUE}/pause")).status_code == 204
    assert (await ask(scene, "POST", f"{one}/cancel")).status_code == 204
    assert (await got(scene, one))["state"] == "cancelled"


async def test_a_replay_that_is_sent_again_with_its_key_is_answered_alike(stage: Stage) -> None:
    scene = await stage.scene("super_admin", GIVEN_UP)
    path = f"/jobs/{scene.work['jobs']}/replay"
    first, again, other = [await ask(scene, "POST", path, key=key) for key in ("one", "one", "two")]
    assert (first.status_code, again.status_code) == (204, 204)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status_code, other.json()["code"], other.json()["state"]) == (
        409,
        "work_state_forbids",
        "waiting",
    )


async def test_all_the_dead_of_a_queue_are_replayed_and_counted(stage: Stage) -> None:
    scene = await stage.scene("super_admin", GIVEN_UP)
    answer = await ask(scene, "POST", f"/queues/{QUEUE}/replay")
    assert answer.json()["data"] == {"count": 2}
    assert (await ask(scene, "DELETE", f"/queues/{QUEUE}/dead")).json()["data"] == {"count": 0}


async def test_the_event_store_is_read_by_aggregate_with_a_cursor(stage: Stage) -> None:
    scene = await stage.scene("super_admin", "-")
    person = {"email": "grace@example.com", "full_name": "Grace Hopper"}
    made = (await ask(scene, "POST", "/api/v1/users", person)).json()["data"]["id"]
    await ask(scene, "DELETE", f"/api/v1/users/{made}")
    first = await ask(scene, "GET", f"/events?aggregate={made}&per_page=1&sort=id")
    assert [each["type"] for each in first.json()["data"]] == ["identity.UserRegistered"]
    rest = await ask(scene, "GET", first.json()["links"]["next"])
    assert "identity.UserDeleted" in [each["type"] for each in rest.json()["data"]]
    assert "page" not in first.json()["links"]["next"].replace("per_page", "")
    numbered = await ask(scene, "GET", "/events?page=1")
    assert (numbered.status_code, numbered.json()["errors"][0]["field"]) == (422, "page")


async def test_the_audit_trail_says_who_did_what_to_what_from_where(stage: Stage) -> None:
    scene = await stage.scene("super_admin", WAITING)
    job: UUID = scene.work["jobs"]
    await ask(scene, "POST", f"/jobs/{job}/cancel")
    [row] = await got(scene, f"/audit?actor={scene.caller.id}&filter[what]=operations_cancel_job")
    assert (row["subject_id"], row["details"]["address"]) == (str(job), "192.0.2.7")
    assert row["changes"][0]["fields"] == ["state"]
    assert await got(scene, f"/audit?subject={job}") == [row]


async def test_readers_and_schedules_are_listed(stage: Stage) -> None:
    scene = await stage.scene("super_admin", "-")
    readers = {each["reader"]: each["handled"] for each in await got(scene, "/readers")}
    assert readers["profiles.on_user_registered"] is True
    assert isinstance(await got(scene, "/schedules"), list)
