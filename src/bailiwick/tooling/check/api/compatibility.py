"""Compares two OpenAPI documents, as their clients would notice."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from bailiwick.tooling.check.api.changes import CLOSED, DEMANDED, NARROWED, REMOVED, RENAMED, Change
from bailiwick.tooling.check.api.schemas import Comparison, Told

Document = Mapping[str, Any]
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
SUNSET = "x-sunset"
"""When a deprecated operation may go: the day as it is announced to clients."""


def changes(old: Document, new: Document, today: date) -> Iterator[Change]:
    """Everything that clients of `old` may notice of `new`. Descriptions and examples change freely."""
    before, after = dict(operations(old)), dict(operations(new))
    schemas = [document.get("components", {}).get("schemas", {}) for document in (old, new)]
    for (method, path), operation in before.items():
        if (method, path) not in after:
            sunset = operation.get(SUNSET)
            announced = sunset is not None and date.fromisoformat(sunset) <= today
            yield Change(method, path, "", "is gone", "" if announced else REMOVED)
            continue
        for told in _operation(operation, after[method, path], *schemas):
            yield Change(method, path, *told)
    for method, path in after:
        if (method, path) not in before:
            yield Change(method, path, "", "is new")


def operations(document: Document) -> Iterator[tuple[tuple[str, str], Document]]:
    for path, entry in document.get("paths", {}).items():
        yield from (((method, path), entry[method]) for method in METHODS if method in entry)


def _operation(old: Document, new: Document, before: Document, after: Document) -> Told:
    if old.get("operationId") != new.get("operationId"):
        yield "", f"is called {new.get('operationId')}, was {old.get('operationId')}", RENAMED
    if new.get("security") and not old.get("security"):
        yield "", "asks who is calling now", CLOSED
    if new.get("deprecated") and not old.get("deprecated"):
        yield "", "is deprecated", ""
    yield from _parameters(old, new, Comparison(before, after, "sent"))
    yield from _body(old.get("requestBody"), new.get("requestBody"), Comparison(before, after, "sent"))
    yield from _answers(old["responses"], new["responses"], Comparison(before, after, "answered"))


def _parameters(old: Document, new: Document, comparison: Comparison) -> Told:
    before, after = _named(old), _named(new)
    for name, parameter in before.items():
        if name not in after:
            yield name, "is gone", REMOVED
            continue
        yield from comparison.compare(parameter.get("schema", {}), after[name].get("schema", {}), name)
        if after[name].get("required") and not parameter.get("required"):
            yield name, "must be sent now", DEMANDED
    for name, parameter in after.items():
        if name not in before:
            must = parameter.get("required")
            yield name, "is new and must be sent" if must else "is new", DEMANDED if must else ""


def _named(operation: Document) -> dict[str, Document]:
    return {f"{each['in']} {each['name']}": each for each in operation.get("parameters", ())}


def _body(old: Document | None, new: Document | None, comparison: Comparison) -> Told:
    if old is None or new is None:
        if new is not None:
            must = new.get("required")
            yield "body", "is new and must be sent" if must else "is new", DEMANDED if must else ""
        elif old is not None:
            yield "body", "is gone", REMOVED
        return
    if new.get("required") and not old.get("required"):
        yield "body", "must be sent now", DEMANDED
    for kind, content in old["content"].items():
        if kind not in new["content"]:
            yield "body", f"no longer takes {kind}", NARROWED
        else:
            yield from comparison.compare(content["schema"], new["content"][kind]["schema"], "body")


def _answers(old: Document, new: Document, comparison: Comparison) -> Told:
    for status, answer in old.items():
        if not status.startswith("2"):
            continue  # which refusals a route knows is no promise; their form is one, and the kernel's
        if status not in new:
            yield f"answer {status}", "is gone", REMOVED
            continue
        yield from _answer(status, answer.get("content", {}), new[status].get("content", {}), comparison)
    for status in new:
        if status.startswith("2") and status not in old:
            yield f"answer {status}", "is new", ""


def _answer(status: str, old: Document, new: Document, comparison: Comparison) -> Told:
    for kind, content in old.items():
        if kind not in new:
            yield f"answer {status}", f"is no longer {kind}", REMOVED
        elif "schema" in content and "schema" in new[kind]:
            where = "answer" if status == "200" else f"answer {status} "
            yield from comparison.compare(content["schema"], new[kind]["schema"], where.strip())
