"""Each rule is broken once in a copy of a small project; it alone says so, with the place and the fix."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick.tooling.check.api.promise import PROMISE
from bailiwick.tooling.check.catalogue import PARTS, RULES, accept, findings
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.rules import Finding
from bailiwick.tooling.project import Project
from tests.style.plants import VIOLATIONS
from tests.tooling.check import acme
from tests.tooling.check.acme import HTTP, MIGRATIONS, NOTES

SECOND = '''"""More."""

import sqlalchemy as sa
from alembic import op

revision = "notes_0002"
down_revision = "notes_0001"


def upgrade() -> None:
    op.execute("SELECT 1")


def downgrade() -> None:
    op.execute("SELECT 1")
'''
NOTHING = '    op.execute("SELECT 1")'
WRONG = {
    "the_kernel_knows_no_context": {
        "src/acme/start.py": '"""Starts it."""\n',
        f"{NOTES}/store.py": acme.STORE.replace("NewId\n", "NewId\nimport acme.start\n"),
    },
    "contexts_are_layered": {
        f"{NOTES}/contract.py": f"{acme.CONTRACT}\nfrom acme.notes.tables import notes\n"
    },
    "contexts_meet_at_their_contracts": {
        f"{NOTES}/store.py": acme.STORE.replace(
            "from bailiwick", "from bailiwick.identity.domain.user import User\nfrom bailiwick", 1
        )
    },
    "the_business_knows_no_framework": {f"{NOTES}/contract.py": f"{acme.CONTRACT}\nimport pydantic\n"},
    "interfaces_read_through_queries": {},
    "imports_make_no_cycle": {
        "src/acme/one.py": '"""One."""\n\nimport acme.two\n',
        "src/acme/two.py": '"""Two."""\n\nimport acme.one\n',
    },
    "contexts_write_through_their_unit_of_work": {
        f"{NOTES}/store.py": acme.STORE.replace("database.first(_ONE, id=id)", "database.write([_ONE])")
    },
    "the_project_can_be_loaded": {f"{NOTES}/module.py": acme.MODULE.replace('"notes"', '"notes", mistake=1')},
    "every_route_is_in_the_policy": {
        "tests/policy.md": acme.POLICY.replace("GET /api/v1/notes/{note_id}", "GET /api/v1/notes/gone     ")
    },
    "every_event_has_its_golden_file": {
        f"{NOTES}/contract.py": acme.CONTRACT.replace("    words: int", "    words: int\n    lines: int = 1")
    },
    "every_context_has_one_head": {
        f"{MIGRATIONS}/0002_a.py": SECOND,
        f"{MIGRATIONS}/0002_b.py": SECOND.replace("notes_0002", "notes_0003"),
    },
    "every_migration_has_a_way_down": {
        f"{MIGRATIONS}/0001_notes.py": acme.FIRST.replace('op.drop_table("notes_note")', "pass")
    },
    "the_schema_is_what_the_code_believes": {
        f"{MIGRATIONS}/0001_notes.py": acme.FIRST.replace("String(200)", "String(20)")
    },
    "migrations_are_safe_under_load": {
        f"{MIGRATIONS}/0002_more.py": SECOND.replace(
            NOTHING, '    op.create_index("ix_notes_note_text", "notes_note", ["text"])', 1
        ).replace(NOTHING, '    op.drop_index("ix_notes_note_text")'),
        f"{NOTES}/tables.py": acme.TABLES.replace("Column, Integer", "Column, Index, Integer").replace(
            "nullable=False),\n)", 'nullable=False),\n    Index("ix_notes_note_text", "text"),\n)'
        ),
    },
    "migrations_wait_briefly_for_locks": {
        f"{MIGRATIONS}/0002_more.py": SECOND.replace(
            NOTHING,
            '    if op.get_context().dialect.name == "postgresql":\n'
            "        op.execute(\"SET lock_timeout = '1h'\")",
            1,
        )
    },
    "the_api_keeps_what_it_promised": {f"{NOTES}/http.py": HTTP.replace('title: str = ""', "title: str")},
    "trees_equal_the_disk": {"docs/notes.md": acme.PAGE.replace("store.py", "shop.py")},
    "projects_rely_on_what_is_public": {
        "src/acme/odd.py": '"""Odd."""\n\nimport bailiwick.kernel.messaging.worker\n'
    },
    "what_is_public_stays": {},  # is planted in tests/tooling/upgrade
}
SAID = {
    "the_kernel_knows_no_context": "store.py:14: imports what stands above it: acme.notes.store → acme.start",
    "imports_make_no_cycle": "one.py:3: 2 modules import each other: acme.one, acme.two",
    "the_business_knows_no_framework": "contract.py:16: leads to pydantic: acme.notes.contract → pydantic",
    "contexts_meet_at_their_contracts": "store.py:13: imports the inside of bailiwick.identity",
    "every_route_is_in_the_policy": "http.py:28: GET /api/v1/notes/{note_id} is not in tests/policy.md",
    "the_project_can_be_loaded": "module.py:10: TypeError: Module.__init__() got an unexpected keyword",
    "every_event_has_its_golden_file": "contract.py:9: NoteWritten has other fields than its schema 1",
    "the_schema_is_what_the_code_believes": "tables.py:9: notes_note.text is String(length=200) in the code",
    "migrations_are_safe_under_load": "0002_more.py:11: During normal index creation",
    "the_api_keeps_what_it_promised": "http.py:22: POST /api/v1/notes body.title must be sent now",
    "trees_equal_the_disk": "docs/notes.md:7: there is no file notes/shop.py",
    "projects_rely_on_what_is_public": "odd.py:3: bailiwick.kernel.messaging.worker is not public",
}
WITH_IT = {
    "contexts_meet_at_their_contracts": {"projects_rely_on_what_is_public"},
    "contexts_are_layered": {"the_business_knows_no_framework", "imports_make_no_cycle"},
}
"""Rules that the same plant breaks, too."""


@pytest.fixture(scope="module")
def promised(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The document of the project as it is without a plant."""
    root = tmp_path_factory.mktemp("promised")
    acme.write(acme.FILES, root)
    accept(Ground(Project(root, "acme")), though_breaking=False)
    sys.path.remove(str(root / "src"))
    acme.forget()
    return (root / PROMISE).read_text()


@pytest.fixture
def root(tmp_path: Path, promised: str) -> Iterator[Path]:
    """A copy of the project that may be damaged, its API promised."""
    acme.write(acme.FILES | {PROMISE: promised}, tmp_path)
    before = list(sys.path)
    yield tmp_path
    sys.path[:] = before
    acme.forget()


def broken(root: Path) -> list[Finding]:
    return list(findings(Ground(Project(root, "acme")), RULES.values()))


def test_the_small_project_keeps_every_rule(root: Path) -> None:
    assert broken(root) == []


@pytest.mark.parametrize("rule", [rule for rule, files in WRONG.items() if files])
def test_a_planted_violation_is_found_by_its_rule_alone(rule: str, root: Path) -> None:
    acme.write(WRONG[rule], root)
    found = broken(root)
    assert {finding.rule for finding in found} - WITH_IT.get(rule, set()) == {rule}, found
    assert all(finding.fix and not finding.notice for finding in found)
    assert all((root / finding.path).exists() for finding in found)
    assert SAID.get(rule, "") in "\n".join(map(str, found))


def test_every_rule_is_planted_here_or_among_the_plants_of_style() -> None:
    assert set(WRONG) | set(VIOLATIONS) == set(RULES)
    assert set(PARTS) == {
        "imports",
        "style",
        "audit",
        "loading",
        "policy",
        "events",
        "migrations",
        "openapi",
        "public",
        "docs",
    }
