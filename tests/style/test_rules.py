"""The design rules hold in the whole repository, and each of them is seen to fail where it should."""

import pytest

from tests.style.plants import RIGHT, VIOLATIONS, Files
from tests.style.rules import RULES
from tests.style.source import Source, repository

SOURCES = repository()
EVERY_RULE = pytest.mark.parametrize("rule", RULES)
EVERY_PLANT = [
    pytest.param(rule, files, id=f"{rule}-{number}")
    for rule, plants in VIOLATIONS.items()
    for number, files in enumerate(plants, 1)
]


def planted(files: Files) -> list[Source]:
    return [Source(path, text) for path, text in files.items()]


@EVERY_RULE
def test_the_repository_keeps_the_rule(rule: str) -> None:
    found = RULES[rule](SOURCES)
    assert not found, "\n".join([RULES[rule].__doc__ or rule, *found])


@pytest.mark.parametrize(("rule", "files"), EVERY_PLANT)
def test_a_planted_violation_is_seen(rule: str, files: Files) -> None:
    assert RULES[rule](planted(files))


@EVERY_RULE
def test_the_right_form_passes(rule: str) -> None:
    assert RULES[rule](planted(RIGHT[rule])) == []


def test_every_rule_has_a_planted_violation() -> None:
    assert set(RULES) == set(VIOLATIONS) == set(RIGHT)
