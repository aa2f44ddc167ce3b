"""The design rules hold in the whole repository, and each of them is seen to fail where it should."""

from collections.abc import Sequence

import pytest

from bailiwick.tooling.check.catalogue import RULES
from bailiwick.tooling.check.ground import Ground
from bailiwick.tooling.check.source import Source
from tests.style.plants import RIGHT, VIOLATIONS, Files
from tests.style.source import PROJECT, repository

STYLE = [rule.name for rule in RULES.values() if rule.part in ("style", "audit")]
SOURCES = repository()
EVERY_RULE = pytest.mark.parametrize("rule", STYLE)
EVERY_PLANT = [
    pytest.param(rule, files, id=f"{rule}-{number}")
    for rule, plants in VIOLATIONS.items()
    for number, files in enumerate(plants, 1)
]


def found(rule: str, sources: Sequence[Source]) -> list[str]:
    return [f"{finding} {finding.fix}" for finding in RULES[rule].look(Ground(PROJECT, sources))]


def planted(files: Files) -> list[Source]:
    return [Source(path, text) for path, text in files.items()]


@EVERY_RULE
def test_the_repository_keeps_the_rule(rule: str) -> None:
    assert list(map(str, RULES[rule].findings(Ground(PROJECT, SOURCES)))) == []


@pytest.mark.parametrize(("rule", "files"), EVERY_PLANT)
def test_a_planted_violation_is_seen(rule: str, files: Files) -> None:
    assert found(rule, planted(files))


@EVERY_RULE
def test_the_right_form_passes(rule: str) -> None:
    assert found(rule, planted(RIGHT[rule])) == []


def test_every_rule_has_a_planted_violation() -> None:
    assert set(STYLE) == set(VIOLATIONS) == set(RIGHT)


def test_an_exception_lets_a_violation_pass_and_one_that_is_not_needed_is_seen() -> None:
    [listed] = [path for path in WRITES if path.endswith("cleaning.py")]
    rule = RULES["contexts_write_through_their_unit_of_work"]
    for text, seen in (("database.write([old])", []), ("class Cleaning: ...", ["needs none"])):
        told = [str(finding) for finding in rule.findings(Ground(PROJECT, [Source(listed, text)]))]
        assert [
            word for word in ("beside", "needs none") if any(word in line for line in told if listed in line)
        ] == seen


WRITES = Ground(PROJECT, []).exceptions["contexts_write_through_their_unit_of_work"]
