"""The public names as they are in the code.

`python -m bailiwick.tooling.upgrade.api` prints them: that is kept as `released/<version>.json` when a
version is released, and the code of the next one is compared with it.
"""

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import EnumMeta
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from bailiwick.tooling.upgrade.public import FOR_SUBCLASSES, PUBLIC
from bailiwick.tooling.upgrade.versions import number

Api = Mapping[str, list[str] | None]
"""By the path of each name its parameters, or None for what is not called.

A parameter is written `name`, `name=` where it may be left out, `*name` where it goes by its name only.
"""

RELEASED = Path(__file__).with_name("released")
PRODUCT = Path(__file__).parents[2]
NOT_WRITTEN = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def public_names() -> dict[str, Collection[str]]:
    """The public names of each public module, with the contracts of the shipped contexts."""
    found: dict[str, Collection[str]] = dict(PUBLIC)
    for contract in sorted(PRODUCT.glob("*/contract.py")):
        name = f"bailiwick.{contract.parent.name}.contract"
        found[name] = _defined(import_module(name))
    return found


def present(names: Mapping[str, Iterable[str]] | None = None) -> Api:
    """The API as the code has it now. What is declared and not there is left out."""
    names = public_names() if names is None else names
    paths = {f"{module}.{name}" for module, listed in names.items() for name in listed}
    found: dict[str, list[str] | None] = {}
    for path in sorted(paths):
        module, _, name = path.rpartition(".")
        home = vars(import_module(module))
        if name in home:
            found.update(_described(path, home[name], paths))
    return found


def released(folder: Path = RELEASED) -> Api:
    """The API of the newest version that was released; nothing before the first one."""
    files = sorted(folder.glob("*.json"), key=lambda file: number(file.stem))
    api: Api = json.loads(files[-1].read_text()) if files else {}
    return api


def written(api: Api) -> str:
    """As it is kept: a line for each name, so that people can read what changes."""
    lines = (f"  {json.dumps(path)}: {json.dumps(parameters)}" for path, parameters in api.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _defined(module: ModuleType) -> list[str]:
    members = vars(module).items()
    ours = [name for name, value in members if getattr(value, "__module__", None) == module.__name__]
    return sorted(name for name in ours if not name.startswith("_"))


def _described(path: str, value: Any, paths: Collection[str]) -> Iterator[tuple[str, list[str] | None]]:
    if not isinstance(value, type):
        is_called = isinstance(value, FunctionType) and not value.__name__.startswith("test_")
        yield path, _parameters(value) if is_called else None
        return
    yield path, _parameters(value) if _is_made_by_callers(value) else None
    for name, member in _members(value, paths).items():
        if not name.startswith("_") or f"{path}.{name}" in FOR_SUBCLASSES:
            yield f"{path}.{name}", _member(member)


def _members(kind: type, paths: Collection[str]) -> dict[str, Any]:
    """What a class has of its own or from a base of the same package that is not public itself."""
    members: dict[str, Any] = {}
    package = kind.__module__.partition(".")[0]
    for each in reversed(kind.__mro__):
        is_ours = each.__module__.partition(".")[0] == package
        if each is kind or (is_ours and f"{each.__module__}.{each.__qualname__}" not in paths):
            members |= dict.fromkeys(vars(each).get("__annotations__", {})) | vars(each)
    return members


def _member(member: Any) -> list[str] | None:
    if isinstance(member, staticmethod):
        return _parameters(member.__func__)
    function = member.__func__ if isinstance(member, classmethod) else member
    return _parameters(function)[1:] if isinstance(function, FunctionType) else None


def _is_made_by_callers(kind: type) -> bool:
    return not isinstance(kind, EnumMeta) and not getattr(kind, "_is_protocol", False)


def _parameters(value: Callable[..., Any]) -> list[str]:
    try:
        found = signature(value).parameters.values()
    except ValueError:  # made in C, which does not tell
        return []
    return [_written(each) for each in found if each.kind not in NOT_WRITTEN]


def _written(parameter: Parameter) -> str:
    by_name = "*" if parameter.kind is Parameter.KEYWORD_ONLY else ""
    return f"{by_name}{parameter.name}{'' if parameter.default is Parameter.empty else '='}"


if __name__ == "__main__":
    sys.stdout.write(written(present()))
