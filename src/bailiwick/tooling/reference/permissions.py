"""The page of permissions: what each allows, and which roles hold it in a new installation."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from textwrap import dedent

from bailiwick.backend import Backend
from bailiwick.kernel.application import EVERY_PERMISSION
from bailiwick.kernel.operations import console
from bailiwick.tooling.reference.markdown import code, opening, table, text

INTRODUCTION = (
    "What a role may allow. Code asks for permissions and never for roles; which role holds what is data, "
    "in the table `identity_role`, and this is what a new installation starts with. What needs none is open "
    "to everybody who has signed in, for what is their own."
)
KERNEL = {
    console.READ: "Look at queues, messages, jobs, processes, the event log, the audit trail and metrics.",
    console.MANAGE: "Retry, replay, cancel and discard work, and pause queues.",
}


def page(backend: Backend) -> str:
    return text(_lines(backend))


def _lines(backend: Backend) -> Iterator[str]:
    yield from opening("Permissions", INTRODUCTION)
    roles = import_module("bailiwick.identity.domain.role").BUILT_IN_ROLES
    known = {"the process itself": KERNEL} | {
        module.name: _meanings(module.permissions) for module in backend.modules if module.permissions
    }
    rows = [
        (code(name), meaning, context, code(*_holders(name, roles)))
        for context, meanings in known.items()
        for name, meaning in meanings.items()
    ]
    yield from table(("permission", "allows to", "of", "held by"), rows)
    yield from ("", "## Roles", "", "A role acts on accounts whose role has a lower rank, and on no others.")
    held = ((code(r.name), str(r.rank), "everything" if _all(r) else code(*r.permissions)) for r in roles)
    yield from table(("role", "rank", "holds"), held)


def _all(role: object) -> bool:
    return EVERY_PERMISSION in getattr(role, "permissions", ())


def _holders(permission: str, roles: tuple[object, ...]) -> list[str]:
    held = (role for role in roles if _all(role) or permission in getattr(role, "permissions", ()))
    return [getattr(role, "name", "") for role in held]


def _meanings(permissions: frozenset[str]) -> dict[str, str]:
    """Each permission, in the order of its enumeration, with the text that stands below it there."""
    found: dict[str, str] = {}
    for kind in sorted({type(each) for each in permissions}, key=lambda kind: kind.__name__):
        texts = _documented(kind)
        members = getattr(kind, "__members__", {each: each for each in sorted(permissions)})
        found |= {
            str(member): texts.get(name, "") for name, member in members.items() if member in permissions
        }
    return found


def _documented(kind: type) -> dict[str, str]:
    if kind is str:
        return {}
    [definition] = ast.parse(dedent(inspect.getsource(kind))).body
    texts: dict[str, str] = {}
    name = ""
    for node in getattr(definition, "body", ()):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]):
                pass
            case ast.Expr(value=ast.Constant(value=str(told))) if name:
                texts[name] = " ".join(told.split())
    return texts
