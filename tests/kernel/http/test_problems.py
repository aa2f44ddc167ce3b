"""Every refusal is an RFC 9457 problem, and none says more than it should."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx2 as httpx
import pytest

from bailiwick.kernel.application import Contention, Stale, TooMany, Unauthenticated, Unavailable
from bailiwick.kernel.domain import Conflict, DomainError, Forbidden, Invalid, NotFound
from bailiwick.kernel.http.problems import problem_of
from bailiwick.kernel.observability import configure_logging
from bailiwick.kernel.settings import Settings
from tests.kernel.http.sample_routes import PREFIX, SECRET
from tests.kernel.http.serving import Served

TASKS = "/api/v1/tasks"
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "errors", "request_id", "timestamp"}

Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]

REFUSALS: dict[int, Call] = {
    400: lambda client: client.post(TASKS, content=b"{", headers={"Content-Type": "application/json"}),
    401: lambda client: client.get(TASKS, headers={"Authorization": "Bearer forged"}),
    404: lambda client: client.get(f"{TASKS}/{uuid4()}"),
    405: lambda client: client.put(TASKS),
    412: lambda client: client.post(TASKS, json={"title": "x"}),
    413: lambda client: client.post(TASKS, json={"title": "x" * 1_000_001}),
    415: lambda client: client.post(TASKS, content=b"{}"),
    422: lambda client: client.post(TASKS, json={}),
    500: lambda client: client.get(f"{PREFIX}/crash"),
    503: lambda client: client.get(f"{PREFIX}/away"),
}


async def refused(client: httpx.AsyncClient, status: int) -> httpx.Response:
    answer = await REFUSALS[status](client)
    if status == 412:
        return await client.patch(answer.headers["Location"], json={}, headers={"If-Match": '"9"'})
    return answer


@pytest.mark.parametrize("status", REFUSALS)
async def test_a_refusal_has_all_members_and_its_own_status(ada: httpx.AsyncClient, status: int) -> None:
    answer = await refused(ada, status)
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(problem) >= MEMBERS
    assert problem["instance"] == answer.request.url.path
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem["type"] == f"/api/docs/problems#{problem['code']}"
    for error in problem["errors"]:
        assert set(error) == {"field", "message", "type"}


async def test_refusals_carry_the_headers_that_help(ada: httpx.AsyncClient) -> None:
    assert (await refused(ada, 401)).headers["WWW-Authenticate"] == "Bearer"
    assert (await refused(ada, 503)).headers["Retry-After"] == "7"


@pytest.mark.parametrize("path", ["crash", "corrupt", "away", "opaque"])
async def test_a_failure_of_ours_says_nothing_about_our_insides(served: Served, path: str) -> None:
    async with served.stranger() as client:
        answer = await client.get(f"{PREFIX}/{path}")
    assert answer.status_code in (500, 503)
    shown = answer.text + str(answer.headers)
    for leak in (SECRET, "SELECT", "Traceback", "/srv", ".py", "RuntimeError", "db.internal", "Numbers"):
        assert leak not in shown


async def test_the_log_of_a_failure_names_the_request_and_no_secret(
    served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging(Settings())
    token = f"Bearer {uuid4()}"
    async with served.stranger() as client:
        body = {"name": "x", "password": SECRET, "count": SECRET}
        headers = {"Authorization": token, "X-Request-ID": "look-for-me"}
        await client.post(f"{PREFIX}/numbers?token={SECRET}", json=body, headers=headers)
        await client.get(f"{TASKS}/{SECRET}", headers={**headers, "Authorization": f"Bearer {SECRET}"})
        await client.get(f"{PREFIX}/away", headers=headers)
    lines = "".join(capfd.readouterr())
    assert lines.count("look-for-me") >= 3
    assert SECRET not in lines
    assert token not in lines


async def test_a_strange_path_is_shown_as_it_was_without_harm(served: Served) -> None:
    async with served.stranger() as client:
        answer = await client.get("/%3Cscript%3E%0d%0a%22%E2%80%AE")
    assert answer.json()["instance"] == '/<script>\r\n"\u202e'
    assert b"\r" not in answer.content


class Misplaced(Conflict):
    """A refusal of a context."""


class Kindless(DomainError):
    """A refusal that is none of the four kinds, which is a mistake of ours."""


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("x"), 404, "not_found"),
        (Forbidden("x"), 403, "forbidden"),
        (Conflict("x"), 409, "conflict"),
        (Invalid("x"), 422, "invalid"),
        (Misplaced("x"), 409, "misplaced"),
        (Unauthenticated("x"), 401, "unauthenticated"),
        (TooMany("x", retry_after=3), 429, "too_many"),
        (Stale("x"), 412, "stale"),
        (Contention("x"), 409, "contention"),
        (Unavailable("x"), 503, "unavailable"),
        (Kindless("x"), 500, "internal_error"),
        (StopAsyncIteration(), 500, "internal_error"),
    ],
)
def test_one_table_turns_refusals_into_statuses(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)


def test_what_a_refusal_adds_never_replaces_what_a_problem_is() -> None:
    problem = problem_of(Misplaced("no", field="where", status=200, type="evil", allowed=["here"]))
    assert (problem.status, problem.extra["allowed"]) == (409, ["here"])
    assert problem.errors == [{"field": "where", "message": "no", "type": "misplaced"}]
