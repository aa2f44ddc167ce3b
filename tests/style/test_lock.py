"""The lock is public, hashed and in step with pyproject.toml."""

import re
import tomllib

from tests.style.source import ROOT

LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = [package for package in LOCK["package"] if package["source"] != {"editable": "."}]
OURS = next(package for package in LOCK["package"] if package["source"] == {"editable": "."})


def required(lines: list[str]) -> set[tuple[str, str]]:
    """The name and the version range of each requirement in pyproject.toml."""
    pairs = (re.match(r"([\w-]+)(?:\[[\w,]+\])?([^;]*)", line) for line in lines)
    return {(pair[1], normal(pair[2])) for pair in pairs if pair}


def locked(entries: list[dict[str, str]]) -> set[tuple[str, str]]:
    return {(entry["name"], normal(entry.get("specifier", ""))) for entry in entries}


def normal(versions: str) -> str:
    return ",".join(sorted(versions.replace(" ", "").split(",")))


def test_the_lock_names_the_public_index_only() -> None:
    [registry] = {package["source"]["registry"] for package in PACKAGES}
    assert registry.startswith("https://")
    files = [file for package in PACKAGES for file in package.get("wheels", [])]
    [host] = {file["url"].split("/")[2] for file in files}
    assert host.endswith(".org")


def test_every_file_in_the_lock_has_a_hash() -> None:
    for package in PACKAGES:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]


def test_the_lock_was_made_for_the_present_requirements() -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    assert locked(OURS["metadata"]["requires-dist"]) == required(lines)
    assert locked(OURS["metadata"]["requires-dev"]["dev"]) == required(PROJECT["dependency-groups"]["dev"])
