"""The static checkers, run on files of the repository or on damaged copies of them."""

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema_rs
import yaml

from tests.style.source import ROOT

BIN = Path(sys.executable).parent


def run(tool: str, *words: str | Path, at: Path = ROOT) -> tuple[int, str]:
    """The exit code of a checker of the environment, and what it says."""
    done = subprocess.run(
        [BIN / tool, *words], cwd=at, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def violations(file: str | Path, schema: str | Path) -> list[str]:
    """Where a file breaks its schema: that of a file, or by its name one that check-jsonschema carries."""
    carried = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{schema}.json"
    text = schema.read_text() if isinstance(schema, Path) else carried.read_text()
    validator = jsonschema_rs.validator_for(json.loads(text))
    content = TextOnly((ROOT / file).read_text()).get_single_data()
    return [error.message for error in validator.iter_errors(content)]


class TextOnly(yaml.SafeLoader):
    """YAML 1.2 as its users read it: `on` is a word, not a truth."""


TextOnly.yaml_implicit_resolvers = {
    letter: [each for each in resolvers if letter not in {"o", "O"} or not each[0].endswith(":bool")]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def damaged(path: str, place: Path, old: str, new: str) -> Path:
    """A copy of a file of the repository in which one text is replaced by another."""
    text = (ROOT / path).read_text()
    assert old in text, f"{path} has no {old!r}"
    copy = place / path
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(text.replace(old, new))
    return copy
