"""The names of schemas in the OpenAPI document: those of the classes, whatever else there is."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

SCHEMAS = "#/components/schemas/"
PRODUCT = "bailiwick"


def tidied(content: dict[str, Any]) -> dict[str, Any]:
    """The document with short names, and without the titles that only repeat the names of fields."""
    schemas = content["components"]["schemas"]
    names = short_names(schemas)
    tidy: dict[str, Any] = _tidied(content, names)
    tidy["components"]["schemas"] = {
        names[name]: _tidied(schema, names) | ({"title": names[name]} if "title" in schema else {})
        for name, schema in schemas.items()
    }
    return tidy


def short_names(names: Iterable[str]) -> dict[str, str]:
    """What each schema is called.

    Classes of one name in two modules come as `acme__invoices__http__LineBody`. The product's own keeps its
    name, so that no context of a project changes the contract of another; that of a project becomes
    `InvoicesLineBody`.
    """
    names = list(names)
    ours = Counter(_class(name) for name in names if name.startswith(f"{PRODUCT}__") or "__" not in name)
    return {name: _short(name, alone=ours[_class(name)] == 1) for name in names}


def _short(name: str, *, alone: bool) -> str:
    package, *inner = name.split("__")
    if not inner or (package == PRODUCT and alone):
        return _class(name)
    return inner[0].title().replace("_", "") + inner[-1]


def _class(name: str) -> str:
    return name.rpartition("__")[2]


def _tidied(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_tidied(each, names) for each in node]
    if not isinstance(node, dict):
        return node
    tidy = {name: _tidied(value, names) for name, value in node.items()}
    if isinstance(target := node.get("$ref"), str) and target.startswith(SCHEMAS):
        tidy["$ref"] = SCHEMAS + names[target.removeprefix(SCHEMAS)]
    if isinstance(members := tidy.get("properties"), dict):
        tidy["properties"] = {name: _untitled(member) for name, member in members.items()}
    return tidy


def _untitled(schema: Any) -> Any:
    return (
        {key: value for key, value in schema.items() if key != "title"}
        if isinstance(schema, dict)
        else schema
    )
