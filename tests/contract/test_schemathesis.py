"""The OpenAPI document and the product agree, whatever a client of any role sends."""

import os
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from tests.contract.live import Caller, Live, live

EXAMPLES = int(os.environ.get("BAILIWICK_TEST_DEPTH", "1")) * 6
"""Generated requests for each operation and phase; the environment multiplies them."""

SETTINGS: dict[str, Any] = {
    "continue-on-failure": True,
    "cache": {"enabled": False},
    # NUL is refused in every text, which no document should have to repeat: test_document.py asks for it.
    "generation": {
        "max-examples": EXAMPLES,
        "database": "none",
        "deterministic": True,
        "no-shrink": True,
        "allow-x00": False,
    },
    "phases": {"stateful": {"max-steps": 4}},
    "checks": {
        # 412 and 422 are also the words of rules that no schema can state: a password that everybody uses,
        # a link that was used, a key that was used for another request, a tag that is not the current one.
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429"]
        },
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "403", "404", "405", "409", "412", "415", "422", "429"]
        },
    },
}


def settings(url: str, **changes: Any) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict({"base-url": url, **SETTINGS, **changes})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(f"sqlite:///{tmp_path_factory.mktemp('contract') / 'bailiwick.db'}") as running:
        yield running


def breaches(schema: Any) -> list[str]:
    """Run all phases and checks; what failed, and how to repeat it."""
    found: dict[str, str] = {}
    for event in from_schema(schema).execute():
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            found.setdefault(f"{event.label} {event.value}", "")
        if isinstance(event, events.ScenarioFinished) and event.status is Status.FAILURE:
            for checks in event.recorder.checks.values():
                for check in checks:
                    if check.failure_info is not None:
                        failure = check.failure_info.failure
                        label = f"{event.phase.value}: {event.recorder.label}: {check.name}: {failure.title}"
                        found.setdefault(label, f"{failure.message}\n{check.failure_info.code_sample}")
    return [f"{label}\n{details}" for label, details in found.items()]


# The server runs in a thread and draws jitter, which Hypothesis takes for a strategy's.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.parametrize("role", [None, "user", "admin"])
def test_no_request_of_any_role_breaks_the_contract(served: Live, role: str | None) -> None:
    whole = schemathesis.openapi.from_url(f"{served.url}/api/openapi.json", config=settings(served.url))
    schema: Any = whole.exclude(path="/api/v1/stream")  # which never ends
    if role is not None:
        schema.auth(refresh_interval=None)(type("Known", (Caller,), {"live": served, "role": role}))
    found = breaches(schema)
    assert not found, "\n\n".join(found)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
def test_no_request_of_an_operator_breaks_the_contract(served: Live) -> None:
    schema = schemathesis.openapi.from_url(f"{served.url}/api/openapi.json", config=settings(served.url))
    schema.auth(refresh_interval=None)(type("Known", (Caller,), {"live": served, "role": "super_admin"}))
    found = breaches(schema.include(path_regex="^/api/v1/operations/"))
    assert not found, "\n\n".join(found)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
def test_an_answer_that_the_document_does_not_describe_is_noticed(served: Live) -> None:
    document = httpx.get(f"{served.url}/api/openapi.json").json()
    document["components"]["schemas"]["UserView"]["properties"]["version"] = {"type": "string"}
    schema = schemathesis.openapi.from_dict(document, config=settings(served.url))
    schema.auth(refresh_interval=None)(type("Known", (Caller,), {"live": served, "role": "user"}))
    found = breaches(schema.include(path="/api/v1/users/me"))
    assert any("response_schema_conformance" in breach for breach in found), found
