"""The OpenAPI document has what clients are made from: examples, and names that stay."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from bailiwick.backend import Backend
from bailiwick.cli import app
from bailiwick.kernel.database.connections import Database
from bailiwick.kernel.http import openapi
from bailiwick.kernel.http.examples import Examples
from bailiwick.kernel.http.routing import PROVIDED, Router
from bailiwick.kernel.http.schema_names import short_names
from bailiwick.kernel.settings import Settings
from bailiwick.tooling.clients import contract
from tests.contract.test_document import document

TASKS = "/api/v1/tasks"


def test_every_body_and_every_answer_has_an_example_that_keeps_to_its_schema() -> None:
    assert list(contract.complaints(document())) == []


def test_an_operation_without_an_example_would_be_seen() -> None:
    planted = copy.deepcopy(document())
    del planted["paths"][TASKS]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert list(contract.complaints(planted)) == [f"POST {TASKS}: the body has no example"]


def test_an_example_that_breaks_its_schema_would_be_seen() -> None:
    planted = copy.deepcopy(document())
    planted["components"]["examples"]["TaskBody"]["value"]["title"] = ""
    [first, *_] = contract.complaints(planted)
    assert first.startswith(f"POST {TASKS}: the body has a wrong example at title:")


def test_no_example_falls_back_on_the_name_of_its_field() -> None:
    for name, example in document()["components"]["examples"].items():
        for field, value in members(example["value"]):
            assert value != field.replace("_", " ").capitalize(), f"{name}: say a word for {field}"


def members(value: Any) -> list[tuple[str, Any]]:
    """The names and values of all members, however deep."""
    if isinstance(value, list):
        return [found for each in value for found in members(each)]
    if not isinstance(value, dict):
        return []
    return [*value.items(), *(found for each in value.values() for found in members(each))]


def test_ids_are_readable_and_name_their_context() -> None:
    for _, path, operation in contract.operations(document()):
        assert re.fullmatch(rf"{operation['tags'][0]}(_[a-z]+)+", operation["operationId"]), path


def test_the_product_has_no_two_classes_of_one_name_in_its_contract() -> None:
    assert [name for name in document()["components"]["schemas"] if not name.isalnum()] == []


def test_a_class_of_a_project_takes_no_name_from_the_product() -> None:
    ours, theirs = "bailiwick__orders__interfaces__http__LineBody", "acme__bills__http__LineBody"
    names = short_names([ours, theirs, "TaskBody"])
    assert names == {ours: "LineBody", theirs: "BillsLineBody", "TaskBody": "TaskBody"}


class OrderView(BaseModel):
    """A view of a project, called like one of the product."""

    bottles: int


bills = Router("bills", prefix="/api/v1/bills", examples={"bottles": 12})


@bills.get("/order", public=True)
async def read_order() -> OrderView:
    """An order of wine."""
    return OrderView(bottles=12)


def test_two_views_of_one_name_stand_side_by_side() -> None:
    backend = Backend.build(Settings())
    orders = [o for o in backend.operations if o.id == "orders_read_order"]
    own = {type(thing) for module in backend.modules for thing in module.provides}
    provided = {*PROVIDED, Database, *own}
    content = json.loads(openapi.document([*orders, *bills.operations], provided, server="", version="1"))
    assert {"OrderView", "OrderViewAnswer"} <= set(content["components"]["schemas"])
    answers = [
        operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        for _, _, operation in contract.operations(content)
    ]
    assert len(set(answers)) == 2
    assert list(contract.complaints(content)) == []


def test_a_schema_that_contains_itself_has_an_example_with_an_end() -> None:
    tree = {"type": "object", "required": ["inner"], "properties": {"inner": {"$ref": "#/x/Tree"}}}
    found = Examples({"Tree": tree}, {}).value({"$ref": "#/x/Tree"}, "tree")
    assert found == {"inner": None}


def test_the_document_is_written_as_yaml(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["openapi", "-o", str(tmp_path / "api.yaml")])
    assert done.exit_code == 0, done.stderr
    assert yaml.safe_load((tmp_path / "api.yaml").read_text())["paths"].keys() == document()["paths"].keys()


@pytest.mark.parametrize(
    ("name", "format"), [("a.yml", "yaml"), ("a.yaml", "yaml"), ("a.json", "json"), (None, "json")]
)
def test_the_ending_of_the_file_says_how_it_is_written(name: str | None, format: str) -> None:
    assert contract.format_of(Path(name) if name else None) == format


def test_an_unknown_format_is_refused() -> None:
    done = CliRunner().invoke(app, ["openapi", "--format", "xml"])
    assert done.exit_code == 2
    assert "there are json and yaml" in done.stderr
