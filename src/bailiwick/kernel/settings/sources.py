"""Where settings come from: the environment, secret files, a TOML file. Each names what it does not know."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bailiwick.kernel.failpoints import VARIABLE as FAILPOINTS
from bailiwick.kernel.settings.keys import PREFIX, Key, nearest
from bailiwick.kernel.settings.keys import Path as KeyPath

CONFIG = "BAILIWICK_CONFIG"
SECRETS = "BAILIWICK_SECRETS_DIR"
DEFAULT_SECRETS = Path("/run/secrets")
RESERVED = frozenset({CONFIG, SECRETS, FAILPOINTS})

# Kubernetes writes these into every container next to a Service called `bailiwick…`.
SERVICE_LINK = re.compile(
    r"BAILIWICK_(\w+_)?(SERVICE_(HOST|PORT\w*)=.*|PORT_\d+_(TCP|UDP|SCTP)\w*=.*|PORT=(tcp|udp|sctp)://.*)"
)


@dataclass(frozen=True)
class Problem:
    """What is wrong with which key, in plain words, and what to do."""

    about: str
    what: str
    remedy: str
    path: KeyPath = ()


@dataclass
class Source:
    """The values that one place gives, where exactly each was found, and what is wrong there."""

    values: dict[KeyPath, Any] = field(default_factory=dict)
    found_in: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: KeyPath, value: Any, place: str) -> None:
        self.values[path] = value
        self.found_in[path] = place

    def unknown(self, name: str, place: str, known: Iterable[str]) -> None:
        likely = nearest(name, list(known))
        remedy = f"Did you mean {likely}?" if likely else "Remove it; docs/settings.md lists every key."
        self.problems.append(Problem(name, f"is not a setting ({place})", remedy))


def environment(keys: list[Key], variables: Mapping[str, str]) -> Source:
    """`BAILIWICK_HTTP__PORT` and the plain aliases such as `PORT`. An empty variable counts as unset."""
    source = Source()
    names = {key.alias: key for key in keys if key.alias} | {key.environment: key for key in keys}
    for name, key in names.items():
        if variables.get(name):
            source.add(key.path, variables[name], f"environment variable {name}")
    for name in sorted(variables):
        if not name.upper().startswith(PREFIX) or name in names or name in RESERVED:
            continue
        if not SERVICE_LINK.fullmatch(f"{name}={variables[name]}"):
            source.unknown(name, "environment variable", names)
    return source


def secret_files(keys: list[Key], variables: Mapping[str, str], default: Path = DEFAULT_SECRETS) -> Source:
    """One file per key: `secret_key`, `database__url`, or the environment's name in either case."""
    source = Source()
    directory = Path(variables.get(SECRETS) or default)
    if not directory.is_dir():
        if variables.get(SECRETS):
            source.problems.append(
                Problem(SECRETS, f"{directory} is not a directory", "Create it, or unset it.")
            )
        return source
    names = {"__".join(key.path): key for key in keys}
    names |= {key.environment.lower(): key for key in keys} | {
        key.alias.lower(): key for key in keys if key.alias
    }
    try:
        contents = {
            file.name: file.read_text("utf-8").strip() for file in directory.iterdir() if file.is_file()
        }
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Let the user that runs Bailiwick read the files; they are UTF-8 text."
        source.problems.append(Problem(str(directory), f"cannot be read: {error}", remedy))
        return source
    for name, content in contents.items():
        if name.lower() in names:
            source.add(names[name.lower()].path, content, f"secret file {directory / name}")
        elif variables.get(SECRETS) or re.fullmatch(r"\w+", name):
            # Container engines keep files of their own in /run/secrets: none is named like a key.
            source.unknown(name, f"secret file in {directory}", ["__".join(key.path) for key in keys])
    return source


def toml_file(keys: list[Key], variables: Mapping[str, str]) -> Source:
    """`bailiwick.toml` in the working directory, or the file that BAILIWICK_CONFIG names."""
    source = Source()
    path = Path(variables.get(CONFIG) or "bailiwick.toml")
    if not path.is_file():
        if variables.get(CONFIG):
            source.problems.append(
                Problem(CONFIG, f"{path} is not a file", "Create it, or unset the variable.")
            )
        return source
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        source.problems.append(
            Problem(str(path), f"cannot be read: {error}", "Correct the file; it is TOML.")
        )
        return source
    _flatten(content, (), {key.path for key in keys}, path, source)
    return source


def _flatten(table: dict[str, Any], above: KeyPath, known: set[KeyPath], file: Path, source: Source) -> None:
    sections = {path[:depth] for path in known for depth in range(1, len(path))}
    for name, value in table.items():
        path = (*above, name)
        dotted = ".".join(path)
        if path in known:
            source.add(path, value, f"in {file}")
        elif path not in sections:
            source.unknown(
                dotted, f"in {file}", [".".join(each) for each in (*sorted(known), *sorted(sections))]
            )
        elif isinstance(value, dict):
            _flatten(value, path, known, file, source)
        else:
            source.problems.append(
                Problem(dotted, f"is a section (in {file})", f"Write [{dotted}] and keys below it.")
            )


def read(keys: list[Key]) -> list[Source]:
    """All sources, the strongest first."""
    return [each(keys, os.environ) for each in (environment, secret_files, toml_file)]
