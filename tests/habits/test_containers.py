"""The container file, the compose file and the development container say what they should."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bailiwick.kernel.settings import Settings, SettingsError
from tests.habits.tools import damaged, run, violations
from tests.style.source import ROOT

CONTAINERFILE = "deploy/Containerfile"
COMPOSE = "deploy/compose.yaml"
DEVCONTAINER = ".devcontainer/devcontainer.json"
SCHEMA = Path(__file__).with_name("devContainer.base.schema.json")
OURS = ("BAILIWICK_", "DATABASE_URL", "REDIS_URL", "PORT", "SECRET_KEY")
STRICT = ("--failure-threshold", "style")


def services(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["services"]
    return found


def unsafe_image(text: str) -> list[str]:
    """What the linter does not look for in a container file."""
    last = re.split(r"^FROM ", text, flags=re.MULTILINE)[-1]
    user = re.search(r"^USER (\d+):(\d+)$", last, re.MULTILINE)
    found = ["runs as root"] if user is None or "0" in user.groups() else []
    found += [] if "\nHEALTHCHECK " in last else ["has no health check"]
    found += ["copies everything"] if re.search(r"^COPY (--\S+ )*\. ", text, re.MULTILINE) else []
    found += [] if re.search(r"--frozen", text) else ["does not install what is locked"]
    return found + (
        ["has the tools to build in it"] if re.search("pip install|uv sync|apt-get", last) else []
    )


def unsafe_services(described: dict[str, Any]) -> list[str]:
    """What the schema of compose files does not ask for."""
    found = [f"{name} drops no rights" for name, each in described.items() if each.get("cap_drop") != ["ALL"]]
    found += [f"{name} may write" for name, each in described.items() if not each.get("read_only")]
    for name, each in described.items():
        published = each.get("ports", [])
        found += [f"{name} is open to the network" for port in published if not port.startswith("127.0.0.1:")]
        for variable, value in (each.get("environment") or {}).items():
            if re.search("PASSWORD$|SECRET|TOKEN|DATABASE_URL", variable):
                found.append(f"{name} has its secret {variable} in the open: {value}")
    return found


def test_the_container_file_is_without_fault() -> None:
    assert run("hadolint", *STRICT, CONTAINERFILE) == (0, "")
    assert unsafe_image((ROOT / CONTAINERFILE).read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("python:3.11-slim-bookworm", "python", "DL3006"),
        ("--no-cache-dir ", "", "DL3042"),
        ("USER 10001:10001", "USER root", "DL3002"),
    ],
)
def test_the_linter_sees_a_fault_in_it(tmp_path: Path, old: str, new: str, said: str) -> None:
    code, told = run("hadolint", *STRICT, damaged(CONTAINERFILE, tmp_path, old, new))
    assert code == 1
    assert said in told


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("USER 10001:10001\n", "", "runs as root"),
        ("10001:10001", "0:0", "runs as root"),
        ("HEALTHCHECK", "# no", "has no health check"),
        ("COPY src src", "COPY . .", "copies everything"),
        ("--frozen", "", "does not install what is locked"),
        ("USER 1", "RUN pip install uv==0.13.8\nUSER 1", "has the tools to build in it"),
    ],
)
def test_each_unsafe_image_is_seen(old: str, new: str, said: str) -> None:
    text = (ROOT / CONTAINERFILE).read_text()
    assert said in unsafe_image(text.replace(old, new))


def test_everything_that_is_copied_exists_and_is_not_ignored() -> None:
    text = (ROOT / CONTAINERFILE).read_text()
    ignored = (ROOT / f"{CONTAINERFILE}.dockerignore").read_text().splitlines()
    copied = [line.split()[:-1] for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)]
    for path in (path for line in copied for path in line):
        assert (ROOT / path).exists(), path
        assert f"!{path}" in ignored, path


def test_the_compose_file_keeps_to_its_schema() -> None:
    assert violations(COMPOSE, "compose-spec") == []


def test_a_fault_in_the_compose_file_is_seen(tmp_path: Path) -> None:
    copy = damaged(COMPOSE, tmp_path, "read_only: true", "readonly: true")
    assert "'readonly'" in "".join(violations(copy, "compose-spec"))


def test_no_service_can_do_more_than_it_must() -> None:
    described = services(ROOT / COMPOSE)
    # PostgreSQL's image begins as root, writes everywhere and then becomes somebody else by itself.
    meant = {"postgres drops no rights", "postgres may write"}
    assert set(unsafe_services(described)) == meant
    assert {name for name, each in described.items() if "healthcheck" in each} == {"postgres", "valkey"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cap_drop: [ALL]", "cap_drop: [CHOWN]", "app drops no rights"),
        ("read_only: true", "read_only: false", "valkey may write"),
        ("127.0.0.1:8000:8000", "8000:8000", "app is open to the network"),
        (
            "POSTGRES_PASSWORD_FILE:",
            "POSTGRES_PASSWORD:",
            "postgres has its secret POSTGRES_PASSWORD in the open",
        ),
    ],
)
def test_each_unsafe_service_is_seen(tmp_path: Path, old: str, new: str, said: str) -> None:
    found = unsafe_services(services(damaged(COMPOSE, tmp_path, old, new)))
    assert any(line.startswith(said) for line in found), found


def test_its_secrets_are_made_once_and_are_never_the_same(tmp_path: Path) -> None:
    made = [secrets_made_in(tmp_path / name) for name in ("one", "one", "two")]
    assert made[0] == made[1]
    assert all(made[0][name] != made[2][name] for name in ("secret_key", "database_url"))
    assert made[0]["postgres_password"] in made[0]["database_url"]


def secrets_made_in(place: Path) -> dict[str, str]:
    place.mkdir(exist_ok=True)
    script = place / "make-secrets"
    script.write_text((ROOT / "deploy/make-secrets").read_text())
    subprocess.run(["sh", script], check=True, timeout=10)
    return {path.name: path.read_text() for path in (place / "secrets").iterdir()}


def test_production_accepts_what_the_compose_file_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets_made_in(tmp_path)
    described = services(ROOT / COMPOSE)["app"]
    named = yaml.safe_load((ROOT / COMPOSE).read_text())["secrets"]
    assert {Path(each["file"]).name for each in named.values()} == set(named)
    values = {
        name: filled(str(value), PUBLIC_URL="https://x.example.com", MAIL_HOST="smtp.example.com")
        for name, value in described["environment"].items()
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BAILIWICK_CONFIG", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="secret_key"):
        Settings.load()
    (tmp_path / "secrets/postgres_password").unlink()  # the service is not given it
    monkeypatch.setenv("BAILIWICK_SECRETS_DIR", str(tmp_path / "secrets"))
    settings = Settings.load()
    assert settings.profile == "production"
    assert settings.database.url.startswith("postgresql://bailiwick:")


def filled(text: str, **given: str) -> str:
    """A text of a compose file, with its variables: `${NAME:-default}` and `${NAME:?complaint}`."""
    return re.sub(
        r"\$\{(\w+):([-?])([^}]*)\}",
        lambda found: given.get(found[1]) or (found[3] if found[2] == "-" else ""),
        text,
    )


def test_the_development_container_keeps_to_its_schema(tmp_path: Path) -> None:
    assert violations(DEVCONTAINER, SCHEMA) == []
    copy = damaged(DEVCONTAINER, tmp_path, '"forwardPorts": [8000]', '"forwardPorts": "8000"')
    assert violations(copy, SCHEMA) != []
    described = json.loads((ROOT / DEVCONTAINER).read_text())
    assert described["remoteUser"] != "root"
    assert not described["image"].endswith((":latest", "/python"))
