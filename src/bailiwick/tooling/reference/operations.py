"""The page of the API: every operation with what it does, from the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick.backend import Backend
from bailiwick.main import openapi_document
from bailiwick.tooling.reference.markdown import code, opening, table, text

INTRODUCTION = (
    "Every operation of the API. Bodies and answers are in the document, `/api/openapi.json`, and can be "
    "tried at `/api/docs`; what holds for all of them is told in [using the API](../api.md). The name is the "
    "`operationId`, which clients and tests may rely on."
)
METHODS = ("get", "post", "put", "patch", "delete")


def page(backend: Backend) -> str:
    return text(_lines(json.loads(openapi_document(backend))))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield from opening("Operations of the API", INTRODUCTION)
    by_tag: dict[str, list[tuple[str, str, str]]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                asked = methods[method]
                row = (f"`{method.upper()} {path}`", _told(asked), code(asked["operationId"]))
                by_tag.setdefault(asked["tags"][0], []).append(row)
    for tag, rows in by_tag.items():
        yield from ("", f"## {tag.capitalize()}")
        yield from table(("route", "what it does", "name"), rows)


def _told(operation: Mapping[str, Any]) -> str:
    """The first sentence of what is said of it, who may ask, and which headers matter."""
    notes = [] if operation.get("security") or operation["tags"] == ["kernel"] else ["without signing in"]
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header" and parameter["name"] in ("Idempotency-Key", "If-Match"):
            must = " required" if parameter.get("required") else ""
            notes.append(f"{code(parameter['name'])}{must}")
    first = operation.get("description", "").partition("\n\n")[0]
    words = " ".join(first.split())
    return words + (f" *{', '.join(notes)}*" if notes else "") + _age(operation)


def _age(operation: Mapping[str, Any]) -> str:
    return " **Deprecated.**" if operation.get("deprecated") else ""
