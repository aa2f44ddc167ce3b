"""The import contracts of pyproject.toml hold, and each of them is seen to fail on a planted import."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.style.source import ROOT, read

CONFIGURATION = ROOT / "pyproject.toml"
PACKAGE = ROOT / "src" / "bailiwick"

# The contract, the file that gets a forbidden import, and the import. A file that is not there is made.
PLANTS = [
    ("product", "kernel/domain.py", "bailiwick.tasks.contract"),
    ("product", "kernel/domain.py", "bailiwick.main"),
    ("product", "tasks/domain/task.py", "bailiwick.main"),
    ("layers", "tasks/domain/task.py", "bailiwick.tasks.application.ports"),
    ("layers", "tasks/application/tasks.py", "bailiwick.tasks.infrastructure.tables"),
    ("layers", "tasks/contract.py", "bailiwick.tasks.domain.task"),
    ("layers", "tasks/infrastructure/tables.py", "bailiwick.tasks.interfaces.http"),
    ("contexts", "tasks/application/tasks.py", "bailiwick.identity.domain.user"),
    ("contexts", "tasks/infrastructure/queries.py", "bailiwick.identity.infrastructure.tables"),
    ("contexts", "tasks/application/tasks.py", "bailiwick.identity.client"),
    ("frameworks", "tasks/contract.py", "pydantic"),
    ("frameworks", "tasks/domain/task.py", "sqlalchemy.orm"),
    ("frameworks", "tasks/application/tasks.py", "bailiwick.kernel.database.connections"),
    ("frameworks", "kernel/domain.py", "fastapi"),
    ("reads", "tasks/interfaces/http.py", "bailiwick.tasks.infrastructure.tables"),
    ("reads", "tasks/interfaces/http.py", "bailiwick.tasks.infrastructure.unit_of_work"),
]
MEANT_TO_PASS = [
    ("contexts", "tasks/application/tasks.py", "bailiwick.identity.contract"),
    ("contexts", "tasks/module.py", "bailiwick.identity.client"),
    ("reads", "tasks/interfaces/http.py", "bailiwick.tasks.infrastructure.queries"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package that may be damaged."""
    for path in read(PACKAGE):
        target = tmp_path / "bailiwick" / path.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def lint(place: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package that lies in `place`; on all contracts where none is named."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    command += ["--config", str(CONFIGURATION)]
    for contract in contracts:
        command += ["--contract", contract]
    environment = {**os.environ, "PYTHONPATH": str(place), "COLUMNS": "400"}
    return subprocess.run(
        command, cwd=place, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True, check=False
    )


def plant(place: Path, file: str, imported: str) -> str:
    """Add an import to a file, make what it names where that is missing, and say it as the linter does."""
    for name in (file, f"{imported.replace('.', '/')}.py".removeprefix("bailiwick/")):
        path = place / "bailiwick" / name
        if name == file or (imported.startswith("bailiwick") and not path.with_suffix("").is_dir()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    with (place / "bailiwick" / file).open("a") as planted:
        planted.write(f"\nimport {imported}\n")
    importer = "bailiwick." + file.removesuffix(".py").replace("/", ".")
    known = imported if imported.startswith("bailiwick") else imported.partition(".")[0]
    return f"{importer} -> {known}"


def test_the_product_keeps_every_import_contract() -> None:
    checked = lint(ROOT / "src")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(("contract", "file", "imported"), PLANTS)
def test_a_planted_import_breaks_its_contract(copy: Path, contract: str, file: str, imported: str) -> None:
    planted = plant(copy, file, imported)
    checked = lint(copy, contract)
    assert checked.returncode == 1, checked.stdout
    assert planted in checked.stdout


@pytest.mark.parametrize(("contract", "file", "imported"), MEANT_TO_PASS)
def test_an_import_that_is_meant_to_be_possible_passes(
    copy: Path, contract: str, file: str, imported: str
) -> None:
    planted = plant(copy, file, imported)
    assert planted not in lint(copy, contract).stdout


def test_a_context_that_no_contract_names_is_seen(copy: Path) -> None:
    (copy / "bailiwick" / "newcomers").mkdir()
    (copy / "bailiwick" / "newcomers" / "__init__.py").touch()
    checked = lint(copy, "product")
    assert checked.returncode == 1
    assert "newcomers" in checked.stdout


def test_every_contract_has_a_planted_violation_and_every_context_its_place() -> None:
    contracts = tomllib.loads(CONFIGURATION.read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["id"] for contract in contracts} == {plant[0] for plant in PLANTS}
    named = {contract["id"]: contract for contract in contracts}
    contexts = set(named["contexts"]["modules"])
    assert set(named["layers"]["containers"]) == contexts
    assert {f"bailiwick.{name}" for name in named["product"]["layers"][-2].split(" : ")} == contexts
