"""Names that were given up still work for a while, and say what to write instead.

For a name that is replaced within its module. A function, class or overload that goes away without another
name carries the standard decorator `typing_extensions.deprecated`.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from warnings import warn


@dataclass(frozen=True, slots=True)
class OldName:
    """`old` of a module means `new` of it. It came to be so in version `since` and ends in `until`."""

    old: str
    new: str
    since: str
    until: str


_kept: dict[str, dict[str, OldName]] = {}


def old_names() -> Mapping[str, Mapping[str, OldName]]:
    """All that are still kept, by the name of their module, of the modules that are loaded."""
    return _kept


def keep_old_name(module: str, old: str, new: str, *, since: str, until: str) -> None:
    """Let `module.old` go on working, with a DeprecationWarning. A module calls it at its end.

    It is done behind the type checker's back, to which a `__getattr__` would say that every name exists:
    annotate the old name, without a value, where it shall pass the check until it goes.
    """
    names = _kept.setdefault(module, {})
    names[old] = OldName(old, new, since, until)
    home = sys.modules[module]

    def replaced(asked: str) -> Any:
        if asked not in names:
            raise AttributeError(f"module {module!r} has no attribute {asked!r}")
        kept = names[asked]
        warn(
            f"{module}.{asked} is called {kept.new} since Bailiwick {kept.since}, and the old name goes in "
            f"{kept.until}: run `bailiwick upgrade`",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(home, kept.new)

    vars(home)["__getattr__"] = replaced
