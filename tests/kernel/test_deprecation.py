"""An old name works, warns whoever uses it, and hides nobody's mistake."""

import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

CODE = """
from bailiwick.kernel.deprecation import keep_old_name

NEW, OTHER = 7, 8
keep_old_name(__name__, "OLD", "NEW", since="0.2.0", until="0.4.0")
keep_old_name(__name__, "ANOTHER", "OTHER", since="0.3.0", until="0.5.0")
"""


@pytest.fixture
def renovated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module two of whose names have changed."""
    monkeypatch.setattr("bailiwick.kernel.deprecation._kept", {})
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "renovated.py").write_text(CODE)
    yield import_module("renovated")
    del sys.modules["renovated"]


def test_an_old_name_means_the_new_one_and_says_so(renovated: ModuleType) -> None:
    with pytest.warns(
        DeprecationWarning, match=r"renovated\.OLD is called NEW since .* goes in 0\.4\.0: run"
    ):
        assert renovated.OLD == 7
    with pytest.warns(DeprecationWarning, match="ANOTHER is called OTHER"):
        assert renovated.ANOTHER == 8


def test_the_warning_points_at_whoever_imports_it(renovated: ModuleType, tmp_path: Path) -> None:
    user = tmp_path / "user_of_old.py"
    user.write_text("\nfrom renovated import OLD\n")
    with pytest.warns(DeprecationWarning, match="OLD") as caught:
        import_module("user_of_old")
    assert (caught[0].filename, caught[0].lineno) == (str(user), 2)


def test_the_new_name_does_not_warn(renovated: ModuleType) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert renovated.NEW == 7


def test_a_name_that_never_was_is_missed_as_ever(renovated: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'renovated' has no attribute 'OLDER'"):
        _ = renovated.OLDER
