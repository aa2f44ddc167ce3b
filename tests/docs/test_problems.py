"""The catalogue of problems is complete, committed, and served where the `type` of a problem leads."""

import ast
import re
from collections.abc import Iterator, Sequence

import pytest
from starlette.routing import Router
from starlette.testclient import TestClient

from bailiwick.kernel.http.catalogue import EDGE, Entry, as_html, as_markdown, entries, loaded_contexts
from bailiwick.kernel.http.documents import document_routes
from bailiwick.kernel.http.problems import STATUS, Problem
from bailiwick.kernel.settings import Settings
from bailiwick.tooling.check.source import Source, last_name, literal, snake
from tests.docs.pages import ROOT
from tests.style.source import repository

KNOWN = entries(Settings().contexts)
PROBLEMS_MODULE = "bailiwick.kernel.http.problems"
EDGE_FILE = "src/bailiwick/kernel/http/requests.py"
SOURCES = [source for source in repository() if source.in_product]
CONTEXT_FILE = "src/bailiwick/tasks/domain/task.py"


def test_the_committed_page_is_what_the_code_says() -> None:
    written = (ROOT / "docs/problems.md").read_text()
    assert written == as_markdown(KNOWN), "python -m bailiwick.kernel.http.catalogue > docs/problems.md"


def test_every_problem_has_one_meaning_on_one_line() -> None:
    named = [code for source in SOURCES for _, code in named_refusals(source)]
    assert sorted(set(named)) == sorted(named), "two refusals with one name: a code belongs to one of them"
    for entry in KNOWN:
        assert re.fullmatch(r"[A-Z`].+[.]", entry.meaning), entry
        assert entry.status >= 400


def missing(sources: Sequence[Source], known: Sequence[Entry]) -> Iterator[str]:
    """Codes in the source that the catalogue lacks, or that it gives another status."""
    statuses = {entry.code: entry.status for entry in known}
    for source in sources:
        for status, code in [*literal_problems(source), *named_refusals(source)]:
            if code not in statuses:
                yield f"{source.path}: {code} is not in the catalogue"
            elif status not in (None, statuses[code]):
                yield f"{source.path}: {code} is {status} here and {statuses[code]} in the catalogue"


def literal_problems(source: Source) -> Iterator[tuple[int | None, str]]:
    """`Problem(status, "code", …)`; the class of that name that settings have is another one."""
    imported = any(
        isinstance(node, ast.ImportFrom) and node.module == PROBLEMS_MODULE for node in source.nodes
    )
    for call in source.calls("Problem") if imported or source.path.endswith("http/problems.py") else ():
        arguments = dict(zip(("status", "code"), call.args, strict=False)) | {
            keyword.arg: keyword.value for keyword in call.keywords if keyword.arg
        }
        code, status = literal(arguments.get("code")), arguments.get("status")
        if code is not None:
            yield (status.value if isinstance(status, ast.Constant) else None), code  # type: ignore[misc]  # a number


def named_refusals(source: Source) -> Iterator[tuple[int | None, str]]:
    """Subclasses of the kinds of refusal, wherever they stand."""
    families = {kind.__name__: status for kind, status in STATUS}
    for node in source.classes():
        for base in map(last_name, node.bases):
            if base in families:
                yield families.setdefault(node.name, families[base]), snake(node.name)


def test_every_code_in_the_source_is_in_the_catalogue() -> None:
    assert list(missing(SOURCES, KNOWN)) == []


@pytest.mark.parametrize(
    "text",
    [
        f'from {PROBLEMS_MODULE} import Problem\nraise Problem(418, "teapot", "short and stout")',
        f'from {PROBLEMS_MODULE} import Problem\nraise Problem(status=418, code="teapot", detail="")',
        f'from {PROBLEMS_MODULE} import Problem\nraise Problem(400, "body_too_large", "another status")',
        "class Teapot(Conflict): ...",
        "class TooHot(Conflict): ...\nclass Teapot(TooHot): ...",
    ],
)
def test_a_planted_code_that_the_catalogue_lacks_is_seen(text: str) -> None:
    path = EDGE_FILE if "Problem" in text else CONTEXT_FILE
    assert list(missing([Source(path, text)], KNOWN))


def test_the_right_form_of_a_problem_passes() -> None:
    edge = f'from {PROBLEMS_MODULE} import Problem\nraise Problem(413, "body_too_large", "x")'
    other = 'from bailiwick.kernel.settings.sources import Problem\nProblem("name", "what", "remedy")'
    named = "class IllegalMove(Conflict): ..."
    sources = [Source(EDGE_FILE, edge), Source("src/bailiwick/doctor.py", other), Source(CONTEXT_FILE, named)]
    assert list(missing(sources, KNOWN)) == []


def test_no_problem_of_the_edge_is_kept_that_nobody_raises() -> None:
    sources = [source for source in repository() if source.in_product]
    raised = {code for source in sources for _, code in [*literal_problems(source), *named_refusals(source)]}
    assert EDGE.keys() <= raised


def test_a_process_shows_the_problems_of_its_own_contexts() -> None:
    assert set(Settings().contexts) <= set(loaded_contexts())
    assert "illegal_move" not in {entry.code for entry in entries(["identity"])}
    assert "not_found" in {entry.code for entry in entries([])}


def test_the_type_of_a_problem_leads_to_its_row_on_the_page() -> None:
    client = TestClient(Router(document_routes(lambda: b"{}")))
    page = client.get("/api/docs/problems")
    assert page.status_code == 200
    assert (
        page.headers["Content-Security-Policy"] == client.get("/api/docs").headers["Content-Security-Policy"]
    )
    for entry in KNOWN:
        assert f'<tr id="{entry.code}">' in page.text
    assert "style=" not in page.text
    assert "<script" not in page.text
    assert 'href="/api/docs/problems"' in client.get("/api/docs").text
    body = Problem(409, "illegal_move", "").body(instance="/", request_id="", now=None)  # type: ignore[arg-type]
    assert b'"type":"/api/docs/problems#illegal_move"' in body


def test_meanings_are_text_and_not_markup() -> None:
    page = as_html([Entry("odd", 400, "Less than `a<b` & <b>more</b>.", "everywhere")])
    assert "<td>Less than <code>a&lt;b</code> &amp; &lt;b&gt;more&lt;/b&gt;.</td>" in page
