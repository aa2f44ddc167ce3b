"""Every problem that a client may meet: its code, its status and what it means, from the code itself."""

import html
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby

from bailiwick.kernel.contexts import package_of
from bailiwick.kernel.domain import DomainError
from bailiwick.kernel.http.problems import STATUS
from bailiwick.kernel.settings import Settings

EVERYWHERE = "everywhere"

# What the kernel's own refusals are defined in. The rest of it knows none.
KERNEL = (
    "domain",
    "application",
    "money",
    "database.listing",
    "processes",
    "operations.commands",
    "operations.lists",
    "operations.processes",
)

# What the edge answers by itself, or in words of its own. All else is a DomainError that says what it means.
EDGE: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON as RFC 8259 has it, or holds NUL or a name twice."),
    "malformed_query": (400, "The query string cannot be read."),
    "malformed_idempotency_key": (400, "The `Idempotency-Key` is not 1 to 255 printable ASCII characters."),
    "idempotency_key_required": (400, "This moves money or goods: send an `Idempotency-Key`."),
    "incomplete_body": (400, "The connection ended before the body did."),
    "foreign_origin": (403, "A page of this origin may not open web sockets; see `http.cors_origins`."),
    "unsupported_version": (404, "No such version of the API; `supported` lists those that there are."),
    "method_not_allowed": (405, "The path does not know this method; `Allow` lists those it knows."),
    "contention": (409, "Others changed the same thing again and again; nothing was stored. Send it again."),
    "body_too_large": (413, "The body is larger than this server takes."),
    "unsupported_media_type": (415, "The body is not sent as `application/json`, or is compressed."),
    "invalid_input": (422, "Some fields are missing, unknown or not of their type; see `errors`."),
    "idempotency_key_reused": (422, "This `Idempotency-Key` was used for another request."),
    "precondition_required": (428, "This server wants `If-Match` with every change of a versioned thing."),
    "too_many": (429, "Asked too often. Wait for `Retry-After` seconds."),
    "internal_error": (500, "Something went wrong on our side; it has been logged."),
    "pdf_not_available": (501, "This server cannot make PDF files: its extra `pdf` is not installed."),
    "unavailable": (503, "Something we depend on does not answer. Wait for `Retry-After` seconds."),
}

INTRODUCTION = (
    "Every error is RFC 9457 problem details. Its `code` is one of these, and its `type` leads here. "
    "Programs look at `code`; `detail` is for people and may change."
)

TABLE_HEAD = "<thead><tr><th>Status</th><th>Code</th><th>Meaning</th></tr></thead>"


@dataclass(frozen=True, slots=True)
class Entry:
    """One problem. `context` is where it comes from, or `everywhere`; `meaning` is one line."""

    code: str
    status: int
    meaning: str
    context: str


def entries(contexts: Iterable[str]) -> list[Entry]:
    """All problems of the kernel and of `contexts`, the kernel's first, each group by status and code."""
    names = list(contexts)
    modules = [f"bailiwick.kernel.{name}" for name in KERNEL] + [
        f"{package_of(name)}.module" for name in names
    ]
    for module in modules:
        # A context's module imports all of it, so whatever it can raise is known afterwards.
        import_module(module)
    found = {code: Entry(code, status, meaning, EVERYWHERE) for code, (status, meaning) in EDGE.items()}
    for kind in _kinds(DomainError):
        context = _context_of(kind.__module__, names)
        if context is not None:
            found.setdefault(kind.code, _entry(kind, context))
    order = [EVERYWHERE, *names]
    return sorted(found.values(), key=lambda entry: (order.index(entry.context), entry.status, entry.code))


def loaded_contexts() -> list[str]:
    """The contexts that this process carries."""
    packages = [
        name.removesuffix(".module")
        for name, module in sorted(sys.modules.items())
        if name.endswith(".module") and hasattr(module, "module")
    ]
    return [package.removeprefix("bailiwick.") for package in packages]


def _context_of(module: str, contexts: Iterable[str]) -> str | None:
    if module.startswith("bailiwick.kernel."):
        return EVERYWHERE
    return next((context for context in contexts if module.startswith(f"{package_of(context)}.")), None)


def _kinds(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


def _entry(kind: type[DomainError], context: str) -> Entry:
    status = next(status for parent, status in STATUS if issubclass(kind, parent))
    return Entry(kind.code, status, (kind.__doc__ or "").strip().split("\n")[0], context)


def as_markdown(found: Iterable[Entry]) -> str:
    """The text of docs/problems.md."""
    lines = ["# Problems", "", "Written by `python -m bailiwick.kernel.http.catalogue`; do not edit by hand."]
    lines += ["", INTRODUCTION]
    for context, group in groupby(found, lambda entry: entry.context):
        lines += ["", f"## {context.capitalize()}", "", "| status | code | meaning |", "|---|---|---|"]
        lines += [f'| {e.status} | <a id="{e.code}"></a>`{e.code}` | {e.meaning} |' for e in group]
    return "\n".join(lines) + "\n"


def as_html(found: Iterable[Entry]) -> str:
    """The same as the inside of a page, each code with an anchor of its name."""
    parts = [f"<p>{_marked(INTRODUCTION)}</p>"]
    for context, group in groupby(found, lambda entry: entry.context):
        parts.append(f"<h2>{context.capitalize()}</h2>\n<table>\n{TABLE_HEAD}\n<tbody>")
        for entry in group:
            cells = (str(entry.status), f"<code>{entry.code}</code>&emsp;", _marked(entry.meaning))
            parts.append(f'<tr id="{entry.code}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        parts.append("</tbody>\n</table>")
    return "\n".join(parts)


def _marked(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


if __name__ == "__main__":
    sys.stdout.write(as_markdown(entries(Settings().contexts)))
