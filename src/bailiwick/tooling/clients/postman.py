"""A Postman collection: every operation of the OpenAPI document, ready to send."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson

from bailiwick.tooling.clients.contract import example_of, operations

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
EVENTS = "text/event-stream"
JSON = "application/json"
TOKENS = {"access_token": "token", "refresh_token": "refresh_token"}
"""Members of an answer that are kept, and the variables that they are kept in."""
SAID_ONCE = ("email", "password", "refresh_token")
"""Members of public requests that come from variables."""


def collection(content: dict[str, Any]) -> dict[str, Any]:
    """The collection, version 2.1. Its requests use what earlier ones got: tokens, and ids."""
    folders: dict[str, list[dict[str, Any]]] = {}
    signing_in = None
    for method, path, operation in operations(content):
        item = _item(content, method, path, operation)
        folders.setdefault(operation["tags"][0], []).append(item)
        if _gives_tokens(content, operation) and "password" in item["request"].get("body", {}).get("raw", ""):
            signing_in = item
    first = [signing_in | {"name": "Sign in"}] if signing_in else []
    return {
        "info": {
            "name": content["info"]["title"],
            "description": "Set `baseUrl`, `email` and `password`, then send `Sign in`: it keeps the token.",
            "schema": SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [{"key": name, "value": value} for name, value in _variables(content).items()],
        "item": [*first, *({"name": name, "item": items} for name, items in folders.items())],
    }


def _variables(content: dict[str, Any]) -> dict[str, str]:
    found = {"baseUrl": "http://127.0.0.1:8000", "token": "", "refresh_token": ""}
    for _, _, operation in operations(content):
        for parameter in _parameters(operation, "path"):
            found.setdefault(parameter["name"], str(parameter.get("example", "")))
        if "security" not in operation and (body := _body(content, operation)):
            found |= {name: body[name] for name in SAID_ONCE[:2] if name in body and name not in found}
    return found


def _item(content: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    request = {
        "method": method,
        "header": list(_headers(operation)),
        "url": _url(path, operation),
        "description": operation.get("description", ""),
    }
    if "security" not in operation:
        request["auth"] = {"type": "noauth"}
    body = _body(content, operation)
    if body is not None:
        if "security" not in operation:
            body = {name: f"{{{{{name}}}}}" if name in SAID_ONCE else value for name, value in body.items()}
        raw = orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()
        request["body"] = {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
    script = list(_script(content, path, operation))
    return {
        "name": operation["summary"],
        "request": request,
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": script}}],
        "response": list(_responses(content, operation)),
    }


def _parameters(operation: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    return [parameter for parameter in operation.get("parameters", ()) if parameter["in"] == place]


def _headers(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "requestBody" in operation:
        yield {"key": "Content-Type", "value": JSON}
    for parameter in _parameters(operation, "header"):
        keyed = parameter["name"] == "Idempotency-Key"
        described = {"key": parameter["name"], "description": parameter["description"]}
        yield described | ({"value": "{{$guid}}"} if keyed else {"value": "", "disabled": True})


def _url(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    asked = [
        {
            "key": parameter["name"],
            "value": str(parameter["schema"].get("default", "")),
            "description": parameter.get("description", ""),
            "disabled": not parameter["required"],
        }
        for parameter in _parameters(operation, "query")
    ]
    named = [{"key": part[1:], "value": f"{{{{{part[1:]}}}}}"} for part in parts if part.startswith(":")]
    raw = f"{{{{baseUrl}}}}/{'/'.join(parts)}"
    return {"raw": raw, "host": ["{{baseUrl}}"], "path": parts, "query": asked, "variable": named}


def _body(content: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    described = operation.get("requestBody", {}).get("content", {}).get(JSON)
    return None if described is None else dict(example_of(content, described))


def _answers(content: dict[str, Any], operation: dict[str, Any]) -> dict[int, Any]:
    """The examples of what it answers, by status; nothing where there is no JSON."""
    return {
        int(status): example_of(content, answer["content"][JSON])
        if JSON in answer.get("content", {})
        else None
        for status, answer in operation["responses"].items()
        if status < "300"
    }


def _data(answers: dict[int, Any]) -> Any:
    return next((answer["data"] for answer in answers.values() if isinstance(answer, dict)), None)


def _gives_tokens(content: dict[str, Any], operation: dict[str, Any]) -> bool:
    data = _data(_answers(content, operation))
    return (
        isinstance(data, dict)
        and "access_token" in data
        and "full_name" not in (_body(content, operation) or {})
    )


def _responses(content: dict[str, Any], operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for status, answer in _answers(content, operation).items():
        if answer is not None:
            phrase = HTTPStatus(status).phrase
            yield {
                "name": phrase,
                "status": phrase,
                "code": status,
                "header": [{"key": "Content-Type", "value": JSON}],
                "body": orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode(),
                "_postman_previewlanguage": "json",
            }


def _script(content: dict[str, Any], path: str, operation: dict[str, Any]) -> Iterator[str]:
    """Says whether the status is a documented one, and keeps tokens and the id of what was made."""
    statuses = ", ".join(operation["responses"])
    yield "pm.test('answers as documented', () => {"
    yield f"  pm.expect([{statuses}]).to.include(pm.response.code);"
    yield "});"
    answers = _answers(content, operation)
    if kept := dict(_kept(content, path, _data(answers))):
        yield "if (pm.response.code < 300) {"
        yield "  const { data } = pm.response.json();"
        for variable, member in kept.items():
            yield f"  if ({member} !== undefined) pm.collectionVariables.set('{variable}', {member});"
        yield "}"


def _kept(content: dict[str, Any], path: str, data: Any) -> Iterator[tuple[str, str]]:
    """Variables, and where in an answer their values are: tokens, and the id of what is below this path."""
    if isinstance(data, dict):
        yield from ((variable, f"data.{member}") for member, variable in TOKENS.items() if member in data)
    found, member = (data[0], "data[0]?.id") if isinstance(data, list) and data else (data, "data.id")
    if isinstance(found, dict) and "id" in found:
        below = (other.removeprefix(path) for other in content["paths"] if other.startswith(f"{path}/{{"))
        yield from ((part.partition("}")[0][2:], member) for part in below)
