"""The module of a context: one more router, one more subscription."""

import ast

from bailiwick.tooling.generate.hearing import Heard
from bailiwick.tooling.generate.naming import Names
from bailiwick.tooling.generate.rendering import CannotGenerate


def added_router(text: str, names: Names, event: Heard | None) -> str:
    """module.py with the routes of another aggregate, and with what makes one of an event."""
    router = f"{names.many}_router"
    text = _imported(text, f"from {names.here}.interfaces.http.{names.many} import router as {router}")
    text = _added(text, "routers", router)
    hears = event is not None and f'"{names.context}.{event.function}"' not in text
    return _with_subscription(text, names, event) if event and hears else text


def _with_subscription(text: str, names: Names, event: Heard) -> str:
    for line in (
        "from functools import partial",
        f"from {names.here}.application.subscribers import {event.function}",
        f"from {event.module} import {event.name}",
        "from bailiwick.kernel.messaging.handlers import Subscription",
    ):
        text = _imported(text, line)
    called = f'"{names.context}.{event.function}"'
    hears = f"Subscription({called}, {event.name}, partial({event.function}, ports=ports))"
    return _added(text, "subscriptions", hears)


def also_made(text: str, alone: str, names: Names, event: Heard) -> str:
    """subscribers.py whose function for an event makes this aggregate, too; as it is, where it has none.

    `alone` is how it would be for this aggregate alone.
    """
    there, new = _function(text, event.function), _function(alone, event.function)
    if there is None or new is None:
        return text
    blocks = [node for node in there.body if isinstance(node, ast.AsyncWith)]
    if not blocks or ast.unparse(blocks[-1].body[-1]) != "await uow.commit(None)":
        raise CannotGenerate(
            f"Nothing was changed. In {event.function} of subscribers.py I looked for a "
            "block `async with ports.uow() as uow:` that ends with `await uow.commit(None)`, to add "
            f"{names.says_a}."
        )
    lines, block = text.splitlines(), blocks[-1]
    lines.insert(block.body[-1].lineno - 1, f"        uow.{names.many}.add({names.one})")
    details = f"{names.one}_details"
    made = [ast.unparse(node).replace("details", details, 1) for node in new.body[1:2]]
    made += [ast.unparse(node).replace(", details,", f", {details},") for node in new.body[2:3]]
    lines[block.lineno - 1 : block.lineno - 1] = [f"    {line}" for line in made]
    said = there.body[0].lineno - 1
    lines[said] = lines[said].replace(" of it.", f" and {names.says_a} of it.")
    return "\n".join(lines) + "\n"


def _function(text: str, name: str) -> ast.AsyncFunctionDef | None:
    nodes = ast.parse(text).body
    return next(
        (node for node in nodes if isinstance(node, ast.AsyncFunctionDef) and node.name == name), None
    )


def _imported(text: str, line: str) -> str:
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = text.splitlines()
    lines.insert(nodes[-1].end_lineno or 0, line)
    return "\n".join(lines) + "\n"


def _added(text: str, name: str, value: str) -> str:
    """One more value in a tuple that the call of Module is given; the tuple, where it is not given."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    module = next((c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "Module"), None)
    if module is None:
        raise CannotGenerate("Nothing was changed. In module.py I looked for a call of Module(…).")
    given = next((each.value for each in module.keywords if each.arg == name), None)
    if given is None:
        return _put(text, module, f", {name}=({value},)")
    if not isinstance(given, ast.Tuple):
        raise CannotGenerate(f"Nothing was changed. In module.py I looked for a tuple in {name}=(…).")
    return _put(text, given, f", {value}" if given.elts else f"{value},")


def _put(text: str, node: ast.expr, added: str) -> str:
    """Text inside a node, before the parenthesis that closes it; a comma that stands there is taken over."""
    lines = text.encode().splitlines(keepends=True)
    end = sum(map(len, lines[: (node.end_lineno or 1) - 1])) + (node.end_col_offset or 0) - 1
    before, after = text.encode()[:end].decode().rstrip(), text.encode()[end:].decode()
    return before.removesuffix(",") + added + after
