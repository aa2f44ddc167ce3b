"""A tool whose dependency is missing says what to install."""

import sys

import pytest

from bailiwick.tooling.loading import ToolingMissing, load


def test_what_is_there_is_loaded() -> None:
    assert load("bailiwick.tooling.loading:load") is load


def test_a_missing_tool_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libcst", None)
    with pytest.raises(ToolingMissing, match=r"libcst[\s\S]*pip install 'bailiwick\[tooling\]'"):
        load("libcst:parse_module")


def test_anything_else_that_is_missing_is_our_own_mistake() -> None:
    with pytest.raises(ModuleNotFoundError, match="tasks"):
        load("bailiwick.tooling.tasks:nothing")
