"""A typed Python client, by openapi-python-client."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import orjson

from bailiwick.tooling.clients.contract import operations
from bailiwick.tooling.clients.making import MADE_BY, make, program, run, template
from bailiwick.tooling.project import PRODUCT, NoProject, Project

GENERATOR = "openapi-python-client==0.29.1"
GET_UV = "Install it: pip install uv"


def generate(content: dict[str, Any], target: Path, package: str | None, *, force: bool) -> str:
    """Make the package in the folder `target`. Returns what to do next. Raises CannotGenerate."""
    uv = program("uv", GET_UV)
    name = package or f"{_project()}_client"

    def fill(folder: Path) -> None:
        described, configured = folder.parent / "openapi.json", folder.parent / "generator.json"
        described.write_bytes(orjson.dumps(content))
        names = {"project_name_override": name.replace("_", "-"), "package_name_override": name}
        configured.write_bytes(orjson.dumps({**names, "docstrings_on_attributes": True}))
        # In an environment of its own: it asks for another Typer than ours.
        words = [
            uv,
            "tool",
            "run",
            "--python",
            sys.executable,
            "--from",
            GENERATOR,
            "openapi-python-client",
            "generate",
        ]
        words += ["--path", str(described), "--config", str(configured), "--meta", "uv"]
        run([*words, "--output-path", str(folder), "--overwrite"])
        _finish(folder, content, name)

    make(target, fill, force=force)
    return f"The package {name} is in {target}. Install it: pip install {target}"


def _project() -> str:
    try:
        return Project.find().package
    except NoProject:
        return PRODUCT


def _finish(folder: Path, content: dict[str, Any], package: str) -> None:
    shutil.rmtree(folder / ".ruff_cache", ignore_errors=True)
    readable = _readable(content)
    for endpoint in (folder / package / "api").rglob("*.py"):
        text = endpoint.read_text(encoding="utf-8")
        endpoint.write_text(_renamed(text, readable), encoding="utf-8")
    (folder / package / "py.typed").touch()
    (folder / "README.md").write_text(MADE_BY + template("python.md", package=package), encoding="utf-8")


def _readable(content: dict[str, Any]) -> dict[str, str]:
    """Names for arguments: of `filter[due_before]` the generator drops the brackets and makes one word."""
    names = {
        parameter["name"]
        for _, _, operation in operations(content)
        for parameter in operation.get("parameters", ())
    }
    bracketed = [name for name in names if "[" in name]
    return {re.sub(r"[\[\]]", "", name): name.replace("[", "_").replace("]", "") for name in bracketed}


def _renamed(text: str, names: dict[str, str]) -> str:
    return re.sub(
        r"\b(json_)?(filter\w+)\b", lambda found: (found[1] or "") + names.get(found[2], found[2]), text
    )
