"""The OpenAPI document of the running settings, as a file, and what it must have besides being valid."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from bailiwick.backend import Backend
from bailiwick.kernel.settings import Settings
from bailiwick.main import openapi_document
from bailiwick.tooling.loading import load

YAML_ENDINGS = (".yaml", ".yml")


class Format(StrEnum):
    """How a document is written."""

    JSON = "json"
    YAML = "yaml"


def current() -> dict[str, Any]:
    """The document of the contexts that the settings enable. Raises SettingsError."""
    content: dict[str, Any] = orjson.loads(openapi_document(Backend.build(Settings.load())))
    return content


def written(content: dict[str, Any], format: Format) -> str:
    """The document as text that ends with a line."""
    if format is Format.YAML:
        text: str = load("yaml:safe_dump")(content, sort_keys=False, allow_unicode=True, width=110)
        return text
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def format_of(path: Path | None) -> Format:
    """What the ending of a file asks for."""
    return Format.YAML if path is not None and path.suffix in YAML_ENDINGS else Format.JSON


def operations(content: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation."""
    for path, methods in content["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def example_of(content: dict[str, Any], described: dict[str, Any]) -> Any:
    """The first example of a body or an answer. Raises LookupError where there is none."""
    if "example" in described:
        return described["example"]
    first = next(iter(described["examples"].values()))
    if "$ref" in first:
        first = content["components"]["examples"][first["$ref"].rpartition("/")[2]]
    return first["value"]


def complaints(content: dict[str, Any]) -> Iterator[str]:
    """What clients would miss: an example that keeps to its schema, in every body and JSON answer."""
    for method, path, operation in operations(content):
        bodies = [("body", operation.get("requestBody", {}).get("content", {}))]
        answers = operation["responses"].items()
        bodies += [(f"answer {status}", a.get("content", {})) for status, a in answers if status < "300"]
        for what, described in bodies:
            for media_type in described:
                if media_type.endswith("json"):
                    for wrong in _wrong(content, described[media_type]):
                        yield f"{method} {path}: the {what} {wrong}"


def _wrong(content: dict[str, Any], described: dict[str, Any]) -> Iterator[str]:
    try:
        example = example_of(content, described)
    except LookupError:
        yield "has no example"
        return
    schema = {**described["schema"], "components": content["components"]}
    for error in jsonschema_rs.validator_for(schema, validate_formats=True).iter_errors(example):
        place = "/".join(map(str, error.instance_path))
        yield f"has a wrong example at {place or 'the top'}: {error.message}. Say one: Router(examples=…)"
