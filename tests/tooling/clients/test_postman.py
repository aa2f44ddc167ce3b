"""The Postman collection: one request for each operation, and it runs against the product."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bailiwick.tooling.clients import contract, postman
from tests.acceptance.people import super_admin
from tests.acceptance.server import Server
from tests.contract.test_document import document


@pytest.fixture(scope="module")
def collection() -> dict[str, Any]:
    return postman.collection(document())


def requests(collection: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for folder in collection["item"] for item in folder.get("item", [])]


def test_there_is_a_folder_for_each_context_and_a_request_for_each_operation(
    collection: dict[str, Any],
) -> None:
    assert collection["info"]["schema"] == postman.SCHEMA
    first, *folders = collection["item"]
    assert first["name"] == "Sign in"
    assert {folder["name"] for folder in folders} == {
        operation["tags"][0] for _, _, operation in contract.operations(document())
    }
    assert len(requests(collection)) == len(list(contract.operations(document())))


def test_everything_that_a_request_names_is_a_variable(collection: dict[str, Any]) -> None:
    known = {variable["key"] for variable in collection["variable"]}
    for item in requests(collection):
        for variable in item["request"]["url"]["variable"]:
            assert variable["value"].strip("{}") in known
    assert {"baseUrl", "token", "email", "password", "task_id"} <= known


def test_what_takes_a_key_sends_a_new_one_each_time(collection: dict[str, Any]) -> None:
    sent = {
        item["name"]: header["value"]
        for item in requests(collection)
        for header in item["request"]["header"]
        if header["key"] == "Idempotency-Key"
    }
    assert sent["Place"] == "{{$guid}}"
    assert set(sent.values()) == {"{{$guid}}"}


def test_newman_signs_in_and_gets_only_documented_answers(
    server: Server, packages: Path, tmp_path: Path
) -> None:
    admin = super_admin(server)
    path = tmp_path / "collection.json"
    written = server.run("postman", "-o", str(path))
    assert written.returncode == 0, written.stderr
    ends = {"kernel", "live", "identity"}  # which sign out, and a stream that never ends
    names = [item["name"] for item in json.loads(path.read_text())["item"] if item["name"] not in ends]
    words = ["node", "node_modules/newman/bin/newman.js", "run", str(path), "--reporters", "json"]
    words += ["--reporter-json-export", str(tmp_path / "report.json")]
    for name in names:
        words += ["--folder", name]
    for name, value in {"baseUrl": server.url, "email": admin.email, "password": admin.password}.items():
        words += ["--env-var", f"{name}={value}"]
    done = subprocess.run(words, cwd=packages, capture_output=True, text=True, timeout=120, check=False)
    run = json.loads((tmp_path / "report.json").read_text())["run"]
    failures = [(each["source"]["name"], each["error"]["message"]) for each in run["failures"]]
    assert (done.returncode, failures) == (0, []), done.stderr
    statuses = {each["item"]["name"]: each["response"]["code"] for each in run["executions"]}
    assert 401 not in statuses.values()
    made = [statuses[name] for name in ("Create", "Read wallet", "Add", "Add stock movement", "Place")]
    assert made == [201, 200, 201, 201, 201]
