"""Settings: where they come from, which wins, and everything that is refused."""

import os
from pathlib import Path

import pytest
from limits import parse_many
from pydantic import ValidationError

from bailiwick.kernel.settings import DEVELOPMENT_KEY, Settings, SettingsError, reference
from bailiwick.kernel.settings.forms import rate
from bailiwick.kernel.settings.keys import keys_of
from bailiwick.kernel.settings.sections import Database, Http
from bailiwick.kernel.settings.sources import secret_files

LONG = "0123456789abcdef0123456789abcdef"
SOUND_PRODUCTION = {
    "BAILIWICK_PROFILE": "production",
    "SECRET_KEY": LONG,
    "DATABASE_URL": "postgresql://app:hunter2@db/app",
    "BAILIWICK_HTTP__PUBLIC_URL": "https://app.example.com",
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the machine's environment nor a file of the working directory reaches a test."""
    for name in list(os.environ):
        if name.startswith("BAILIWICK_") or name in ("DATABASE_URL", "REDIS_URL", "PORT", "SECRET_KEY"):
            monkeypatch.delenv(name)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    monkeypatch.setenv("BAILIWICK_SECRETS_DIR", str(secrets))
    monkeypatch.chdir(tmp_path)


def refused() -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    return str(caught.value)


def test_an_empty_environment_gives_the_defaults_of_development() -> None:
    settings = Settings.load()
    assert settings.profile == "development"
    assert settings.secret_key.get_secret_value() == DEVELOPMENT_KEY
    assert settings.database.url == "sqlite:///var/bailiwick.db"
    assert settings == Settings()


def test_the_environment_wins_over_secret_files_over_toml_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bailiwick.toml").write_text(
        '[mail]\nusername = "toml"\nhost = "toml"\nsender = "toml@x.example"\n'
    )
    (tmp_path / "secrets" / "mail__username").write_text("file\n")
    (tmp_path / "secrets" / "mail__host").write_text("file\n")
    monkeypatch.setenv("BAILIWICK_MAIL__USERNAME", "environment")
    mail = Settings.load().mail
    assert (mail.username, mail.host, mail.sender, mail.port) == (
        "environment",
        "file",
        "toml@x.example",
        587,
    )


def test_plain_names_set_what_platforms_set_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u:p@h/d")
    monkeypatch.setenv("REDIS_URL", "redis://h/1")
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("SECRET_KEY", LONG)
    settings = Settings.load()
    assert settings.database.url == "postgresql://u:p@h/d"
    assert settings.redis.url == "redis://h/1"
    assert settings.http.port == 9000
    assert settings.secret_key.get_secret_value() == LONG


def test_the_full_name_wins_over_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("BAILIWICK_HTTP__PORT", "9001")
    assert Settings.load().http.port == 9001


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert Settings.load().redis.url is None


@pytest.mark.parametrize("written", ["identity,tasks", "identity, tasks", '["identity", "tasks"]'])
def test_a_list_is_written_with_commas_or_as_json(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAILIWICK_CONTEXTS", written)
    assert Settings.load().contexts == ["identity", "tasks"]


REMOTES = {"identity": "http://10.0.0.5:8000", "profiles": "https://profiles.example.com"}


@pytest.mark.parametrize("name", ["taks", "acme.invoices", "bailiwick.kernel.taks"])
def test_a_context_that_is_not_installed_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAILIWICK_CONTEXTS", f"identity,{name}")
    with pytest.raises(SettingsError, match=f"contexts names {name}, which is not installed here"):
        Settings.load()


@pytest.mark.parametrize(
    "written",
    [
        "identity=http://10.0.0.5:8000/, profiles=https://profiles.example.com",
        '{"identity": "http://10.0.0.5:8000", "profiles": "https://profiles.example.com"}',
    ],
)
def test_texts_by_name_are_written_with_commas_or_as_json(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "tasks")
    monkeypatch.setenv("BAILIWICK_SERVICE_TOKEN", LONG)
    monkeypatch.setenv("BAILIWICK_REMOTES", written)
    settings = Settings.load()
    assert settings.remotes == REMOTES
    assert settings.shown()["remotes"] == ", ".join(f"{name}={url}" for name, url in REMOTES.items())


def test_texts_by_name_are_a_table_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "bailiwick.toml").write_text(
        f'contexts = ["tasks"]\nservice_token = "{LONG}"\n[remotes]\nidentity = "http://10.0.0.5:8000"\n'
    )
    assert Settings.load().remotes == {"identity": "http://10.0.0.5:8000"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"BAILIWICK_REMOTES": "tasks=http://10.0.0.5:8000"},
            "names tasks, which this process carries itself",
        ),
        ({"BAILIWICK_REMOTES": "bailiwick.tasks=http://10.0.0.5:8000"}, "which this process carries itself"),
        ({"BAILIWICK_REMOTES": "identity=http://a, identity=http://b"}, "names the same thing twice"),
        ({"BAILIWICK_REMOTES": "identity"}, "must look like https://app.example.com"),
        ({"BAILIWICK_REMOTES": "http://10.0.0.5:8000"}, "must look like https://app.example.com"),
        ({"BAILIWICK_REMOTES": "=http://10.0.0.5:8000"}, "has an address without a context"),
        ({"BAILIWICK_REMOTES": "{"}, "is not a valid JSON object"),
        ({"BAILIWICK_REMOTES": '{"identity": 7}'}, "should be a valid string"),
        ({"BAILIWICK_SERVICE_TOKEN": ""}, "service_token is missing, and remotes are asked with it"),
        ({"BAILIWICK_SERVICE_TOKEN": LONG[:-1]}, "is shorter than 32 characters"),
        ({"SECRET_KEY": LONG}, "service_token is the secret_key"),
    ],
)
def test_remotes_that_cannot_be_asked_are_refused(
    changes: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = {
        "BAILIWICK_CONTEXTS": "tasks",
        "BAILIWICK_REMOTES": "identity=http://10.0.0.5:8000",
        "BAILIWICK_SERVICE_TOKEN": LONG,
    }
    for name, value in (sound | changes).items():
        monkeypatch.setenv(name, value)
    message = refused()
    assert said in message
    assert "have 1 problem" in message
    for name in changes:
        monkeypatch.setenv(name, sound.get(name, ""))
    assert Settings.load().remotes == {"identity": "http://10.0.0.5:8000"}


def test_production_refuses_the_service_token_that_everybody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SOUND_PRODUCTION.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BAILIWICK_SERVICE_TOKEN", DEVELOPMENT_KEY)
    assert "service_token holds the value that everybody knows" in refused()
    monkeypatch.setenv("BAILIWICK_SERVICE_TOKEN", LONG[::-1])
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "tasks")
    monkeypatch.setenv("BAILIWICK_REMOTES", "identity=http://10.0.0.5:8000")
    assert "unencrypted" in " ".join(Settings.load().warnings())


def test_the_public_url_follows_the_address_until_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    assert Settings.load().http.public_url == "http://127.0.0.1:9000"
    assert Http(host="0.0.0.0").public_url == "http://127.0.0.1:8000"
    assert Http(host="::1").public_url == "http://[::1]:8000"
    assert Http(public_url="https://a.example/").public_url == "https://a.example"


def test_an_unknown_key_is_refused_with_the_nearest_one_in_every_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bailiwick.toml").write_text('profil = "x"\n[sessions]\nidle_day = 3\n')
    (tmp_path / "secrets" / "secret_kye").write_text("x")
    monkeypatch.setenv("BAILIWICK_HTTP__PROT", "1")
    monkeypatch.setenv("BAILIWICK_HTTP_WORKERS", "1")
    text = refused()
    for wrong, right in {
        "BAILIWICK_HTTP__PROT": "BAILIWICK_HTTP__PORT",
        "BAILIWICK_HTTP_WORKERS": "BAILIWICK_HTTP__WORKERS",
        "profil": "profile",
        "sessions.idle_day": "sessions.idle_days",
        "secret_kye": "secret_key",
    }.items():
        assert f"{wrong} is not a setting" in text
        assert f"Did you mean {right}?" in text


def test_what_kubernetes_writes_for_a_service_of_our_name_is_no_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BAILIWICK_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("BAILIWICK_SERVICE_PORT_HTTP", "80")
    monkeypatch.setenv("BAILIWICK_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("BAILIWICK_PORT_80_TCP_ADDR", "10.0.0.1")
    Settings.load()


def test_a_port_under_the_wrong_name_is_still_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAILIWICK_PORT", "9000")
    assert "BAILIWICK_PORT is not a setting" in refused()


def test_foreign_files_in_the_shared_secrets_folder_are_left_alone(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "kubernetes.io" / "serviceaccount").mkdir(parents=True)
    (shared / "kubernetes.io" / "serviceaccount" / "token").write_text("x")
    (shared / "redhat.repo").write_text("x")
    (shared / "SECRET_KEY").write_text(LONG)
    source = secret_files(list(keys_of(Settings)), {}, shared)
    assert source.problems == []
    assert source.values == {("secret_key",): LONG}
    (shared / "secret_kye").write_text("x")
    assert len(secret_files(list(keys_of(Settings)), {}, shared).problems) == 1


def test_secret_files_mounted_by_kubernetes_are_read_through_their_links(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    (folder / "..2026_11_21").mkdir(parents=True)
    (folder / "..2026_11_21" / "secret_key").write_text(LONG + "\n")
    (folder / "..data").symlink_to("..2026_11_21")
    (folder / "secret_key").symlink_to("..data/secret_key")
    source = secret_files(list(keys_of(Settings)), {"BAILIWICK_SECRETS_DIR": str(folder)})
    assert (source.values, source.problems) == ({("secret_key",): LONG}, [])


@pytest.mark.parametrize("name", ["BAILIWICK_CONFIG", "BAILIWICK_SECRETS_DIR"])
def test_a_named_place_that_is_missing_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/nowhere/at/all")
    assert name in refused()


def test_a_broken_toml_file_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bailiwick.toml").write_text("profile = \n")
    assert "line 1" in refused()


def test_a_section_written_as_a_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bailiwick.toml").write_text("http = 3\n")
    assert "Write [http] and keys below it" in refused()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BAILIWICK_PROFILE", "prod", "'development' or 'production'"),
        ("PORT", "0", "1 to 65,535"),
        ("PORT", "http", "whole number"),
        ("DATABASE_URL", "mysql://h/d", "postgresql:// or sqlite:///"),
        ("DATABASE_URL", "postgresql://h", "names no database"),
        ("DATABASE_URL", "sqlite://", "names no file"),
        ("REDIS_URL", "http://h", "redis://"),
        ("BAILIWICK_DATABASE__POOL_SIZE", "201", "1 to 200"),
        ("BAILIWICK_DATABASE__ACQUIRE_TIMEOUT", "nan", "finite"),
        ("BAILIWICK_HTTP__PUBLIC_URL", "app.example.com", "https://app.example.com"),
        ("BAILIWICK_HTTP__CORS_ORIGINS", "https://a.example/path", "not an origin"),
        ("BAILIWICK_HTTP__TRUSTED_PROXIES", "10.0.0.0/40", "not a network"),
        ("BAILIWICK_LIMITS__ACTOR", "often", "not a rate"),
        ("BAILIWICK_PASSWORDS__MIN_LENGTH", "7", "8 to 64"),
        ("BAILIWICK_PASSWORDS__HISTORY", "25", "0 to 24"),
        ("BAILIWICK_SESSIONS__ACCESS_SECONDS", "3601", "60 to 3,600"),
        ("BAILIWICK_SESSIONS__GRACE_SECONDS", "11", "0 to 10"),
        ("BAILIWICK_SESSIONS__IDLE_DAYS", "31", "may not exceed absolute_days"),
        ("BAILIWICK_MAIL__SENDER", "nobody", "not an email address"),
        ("BAILIWICK_MAIL__SENDER", "A <a@b.example>\r\nBcc: x@y.example", "line breaks"),
        ("BAILIWICK_PHONE_REGION", "NAM", "two letters"),
        ("BAILIWICK_CONTEXTS", "tasks,tasks", "twice"),
        ("BAILIWICK_CONTEXTS", "[]", "at least one"),
        ("BAILIWICK_LOG__LEVEL", "LOUD", "DEBUG"),
    ],
)
def test_a_value_out_of_its_form_or_range_is_refused(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    text = refused()
    assert "1 problem" in text
    assert said in text
    assert name in text or "sessions" in text


def test_every_problem_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bailiwick.toml").write_text('[database]\nurls = "x"\n')
    monkeypatch.setenv("BAILIWICK_PROFILE", "production")
    monkeypatch.setenv("PORT", "70000")
    monkeypatch.setenv("BAILIWICK_DEBUG", "true")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    about = {problem.about.split(" ")[0] for problem in caught.value.problems}
    assert about == {"database.urls", "http.port", "debug", "secret_key", "database.url", "http.public_url"}
    assert all(problem.remedy for problem in caught.value.problems)


@pytest.mark.parametrize("written", ["600/minute", "10/second;600/minute", "5 per 2 hours", "1000 per day"])
def test_rates_are_written_as_the_limits_library_reads_them(written: str) -> None:
    assert rate(written) == written
    assert parse_many(written)


# --- production ------------------------------------------------------------------------------------


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SOUND_PRODUCTION.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("production")
def test_sound_settings_are_accepted_in_production() -> None:
    settings = Settings.load()
    assert settings.is_production
    assert settings.warnings() == [
        "Mails are only written to the log: set mail.adapter to smtp, and mail.host."
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SECRET_KEY", "", "everybody knows"),
        ("SECRET_KEY", DEVELOPMENT_KEY, "everybody knows"),
        ("SECRET_KEY", LONG[:-1], "shorter than 32"),
        ("BAILIWICK_PREVIOUS_SECRET_KEYS", "short", "previous_secret_keys is shorter"),
        ("BAILIWICK_PREVIOUS_SECRET_KEYS", DEVELOPMENT_KEY, "previous_secret_keys holds the value"),
        ("BAILIWICK_PASSWORDS__PEPPER", "short", "passwords.pepper is shorter"),
        ("BAILIWICK_HTTP__OPERATOR_TOKEN", "short", "http.operator_token is shorter"),
        ("BAILIWICK_DEBUG", "true", "debug may not be on"),
        ("BAILIWICK_HTTP__CORS_ORIGINS", "https://a.example,*", "may not contain *"),
        ("DATABASE_URL", "sqlite:///x.db", "is SQLite"),
        ("DATABASE_URL", "", "is SQLite"),
        ("BAILIWICK_HTTP__PUBLIC_URL", "http://app.example.com", "must be https"),
        ("BAILIWICK_HTTP__PUBLIC_URL", "http://127.0.0.1:8000", "must be https"),
        ("BAILIWICK_HTTP__PUBLIC_URL", "", "must be https"),
    ],
)
@pytest.mark.usefixtures("production")
def test_production_refuses_what_is_unsafe(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    text = refused()
    assert "1 problem" in text
    assert said in text
    monkeypatch.setenv("BAILIWICK_PROFILE", "development")
    Settings.load()


@pytest.mark.usefixtures("production")
def test_production_takes_sqlite_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///x.db")
    monkeypatch.setenv("BAILIWICK_DATABASE__ALLOW_SQLITE_IN_PRODUCTION", "true")
    Settings.load()


# --- nothing secret shows --------------------------------------------------------------------------


def test_no_secret_shows_in_texts_of_settings() -> None:
    settings = Settings.model_validate(
        {
            "secret_key": "hunter2-key",
            "previous_secret_keys": ["hunter2-previous"],
            "database": {"url": "postgresql://app:hunter2@db/app"},
            "redis": {"url": "redis://:hunter2@cache/0"},
            "passwords": {"pepper": "hunter2-pepper"},
            "http": {"operator_token": "hunter2-token"},
            "mail": {"password": "hunter2-mail"},
        }
    )
    assert "hunter2" not in f"{settings!r} {settings} {settings.database!r} {settings.shown()}"
    assert settings.shown()["database.url"] == "postgresql://app:********@db/app"


def test_no_secret_shows_in_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://app:hunter2@db/app")
    monkeypatch.setenv("REDIS_URL", "mysql://app:hunter2@db/app")
    monkeypatch.setenv("BAILIWICK_PREVIOUS_SECRET_KEYS", "[hunter2")
    assert "hunter2" not in refused()


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().http.port = 1


# --- the catalogue ---------------------------------------------------------------------------------


def test_every_key_says_what_it_means_and_every_number_its_range() -> None:
    for key in keys_of(Settings):
        assert key.field.description, key.name
        if key.kind.startswith(("whole number", "number")):
            assert None not in key.bounds, key.name


def test_the_committed_reference_is_the_generated_one() -> None:
    committed = Path(__file__).parents[2] / "docs" / "settings.md"
    assert committed.read_text() == reference(), "run: bailiwick settings --reference > docs/settings.md"


def test_defaults_are_themselves_valid() -> None:
    settings = Settings()
    assert Settings.model_validate(settings.model_dump()) == settings
    assert Database.model_validate(Database().model_dump()) == Database()
