"""The doctor finds each planted fault and says what to do; a sound installation passes."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest

from bailiwick import doctor
from bailiwick.doctor import Finding, as_json, as_table, examine
from bailiwick.kernel.database import migrations
from bailiwick.kernel.settings import Settings
from bailiwick.kernel.testing import database_name, execute

CLOSED_PORT = 1
SOUND = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "data_checksums": "on",
    "server_encoding": "UTF8",
    "timezone": "Etc/UTC",
    "server_version": "15.4",
    "server_version_num": "150004",
    "max_connections": "100",
    "superuser_reserved_connections": "3",
    "may_create": True,
    "skew": 0.01,
}


@pytest.fixture(autouse=True)
def a_place_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("BAILIWICK_") or name in ("DATABASE_URL", "REDIS_URL", "PORT", "SECRET_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BAILIWICK_CONTEXTS", "tasks")
    monkeypatch.chdir(tmp_path)


def found(findings: list[Finding], about: str) -> Finding:
    return next(finding for finding in findings if finding.about == about)


def verdicts(findings: list[Finding]) -> dict[str, str]:
    return {finding.about: finding.verdict for finding in findings}


def test_a_sound_installation_on_sqlite_passes() -> None:
    migrations.upgrade(Settings.load())
    findings = examine()
    assert set(verdicts(findings).values()) == {"ok"}
    assert found(findings, "journal_mode").found == "wal"


def test_wrong_settings_are_findings_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAILIWICK_HTTP__PROT", "1")
    monkeypatch.setenv("PORT", "0")
    findings = examine()
    assert [finding.verdict for finding in findings] == ["fail", "fail"]
    assert any("BAILIWICK_HTTP__PORT" in finding.remedy for finding in findings)


def test_a_database_that_was_never_made_is_found_and_not_made_by_looking(tmp_path: Path) -> None:
    findings = examine()
    assert found(findings, "migrations").verdict == "fail"
    assert "bailiwick migrate up" in found(findings, "migrations").remedy
    assert list(tmp_path.iterdir()) == []


def test_a_pending_migration_is_found() -> None:
    settings = Settings.load()
    migrations.upgrade(settings)
    migrations.downgrade(settings, "tasks", 1)
    assert "tasks 1" in found(examine(), "migrations").found


def test_a_file_that_is_no_database_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "letter.db").write_text("Dear Sir or Madam, " * 100)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///letter.db")
    findings = examine()
    assert found(findings, "database").verdict == "fail"
    assert "migrations" not in verdicts(findings)


def test_a_journal_that_makes_readers_wait_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = sqlite3.connect(tmp_path / "old.db")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    monkeypatch.setenv("DATABASE_URL", "sqlite:///old.db")
    assert found(doctor.sqlite_findings(Settings.load()), "journal_mode").verdict == "warn"


def test_a_folder_that_cannot_be_written_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////proc/bailiwick.db")
    assert found(examine(), "database").verdict == "fail"


# --- PostgreSQL ------------------------------------------------------------------------------------


def test_a_real_server_is_examined(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", postgresql_url)
    findings = examine()
    assert found(findings, "database").found.startswith("PostgreSQL ")
    assert found(findings, "clock").verdict == "ok"
    assert found(findings, "connections").verdict == "ok"
    assert {"fsync", "full_page_writes", "synchronous_commit", "data_checksums"} <= set(verdicts(findings))
    assert found(findings, "migrations").verdict == "fail"
    migrations.upgrade(Settings.load())
    assert found(examine(), "migrations").verdict == "ok"


def test_a_server_that_does_not_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app:hunter2@127.0.0.1:{CLOSED_PORT}/app")
    findings = examine()
    assert found(findings, "database").verdict == "fail"
    assert "hunter2" not in as_json(findings)


def test_more_connections_than_the_server_allows_are_found(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgresql_url)
    monkeypatch.setenv("BAILIWICK_HTTP__WORKERS", "256")
    monkeypatch.setenv("BAILIWICK_DATABASE__POOL_SIZE", "200")
    assert found(examine(), "connections").verdict == "fail"


def test_a_time_zone_other_than_utc_is_found(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = database_name(postgresql_url)
    execute(postgresql_url, f"ALTER DATABASE \"{name}\" SET timezone = 'Africa/Windhoek'")
    monkeypatch.setenv("DATABASE_URL", postgresql_url)
    assert found(examine(), "timezone").verdict == "warn"


def test_a_user_without_the_right_to_create_tables_is_found(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(postgresql_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    name = f"guest_{database_name(postgresql_url)}"
    execute(postgresql_url, f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'guest'")
    try:
        host = postgresql_url.partition("@")[2]
        monkeypatch.setenv("DATABASE_URL", f"postgresql://{name}:guest@{host}")
        assert found(doctor.postgresql_findings(Settings.load()), "rights").verdict == "fail"
    finally:
        execute(postgresql_url, f'DROP ROLE "{name}"')


def examined(**planted: Any) -> dict[str, str]:
    facts, settings = SOUND | planted, Settings.load()
    return verdicts(
        [
            *doctor.server_findings(facts, settings),
            *doctor.durability_findings(facts, production=True),
            doctor.clock_finding(facts),
        ]
    )


def test_a_sound_server_passes() -> None:
    assert set(examined().values()) == {"ok"}


@pytest.mark.parametrize(
    ("planted", "about", "verdict"),
    [
        ({"fsync": "off"}, "fsync", "fail"),
        ({"full_page_writes": "off"}, "full_page_writes", "fail"),
        ({"synchronous_commit": "off"}, "synchronous_commit", "fail"),
        ({"data_checksums": "off"}, "data_checksums", "warn"),
        ({"server_encoding": "SQL_ASCII"}, "encoding", "fail"),
        ({"timezone": "Europe/Berlin"}, "timezone", "warn"),
        ({"server_version_num": "130012"}, "version", "warn"),
        ({"max_connections": "12"}, "connections", "fail"),
        ({"may_create": False}, "rights", "fail"),
        ({"skew": -2.0}, "clock", "warn"),
        ({"skew": 60.0}, "clock", "fail"),
    ],
)
def test_each_planted_fault_of_a_server_is_found(planted: dict[str, Any], about: str, verdict: str) -> None:
    assert examined(**planted)[about] == verdict


def test_a_server_that_forgets_writes_is_a_warning_in_development() -> None:
    findings = doctor.durability_findings(SOUND | {"fsync": "off"}, production=False)
    assert found(findings, "fsync").verdict == "warn"


# --- neighbours ------------------------------------------------------------------------------------


def test_a_redis_that_answers_passes_without_showing_its_password(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    (finding,) = doctor.redis_findings(Settings.load())
    assert finding.verdict == "ok"
    assert "********" in finding.found


def test_a_redis_that_does_not_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{CLOSED_PORT}/0")
    assert found(examine(), "redis").verdict == "fail"


@pytest.mark.parametrize("broker", ["redis", "nats"])
def test_a_broker_that_answers_passes_and_one_that_does_not_is_found(
    broker: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.transport_findings(Settings()) == []
    monkeypatch.setenv("BAILIWICK_TRANSPORT__URL", request.getfixturevalue(f"{broker}_url"))
    (finding,) = doctor.transport_findings(Settings.load())
    assert finding.verdict == "ok"
    monkeypatch.setenv("BAILIWICK_TRANSPORT__URL", f"{broker}://127.0.0.1:{CLOSED_PORT}")
    (finding,) = doctor.transport_findings(Settings.load())
    assert finding.verdict == "fail"
    assert "transport.url" in finding.remedy


SERVICE_TOKEN = "service-0123456789abcdef-0123456789abcdef"


class _Neighbour(BaseHTTPRequestHandler):
    """A process that carries identity and answers who knows the service token."""

    def do_GET(self) -> None:
        known = (self.path, self.headers["Authorization"]) == ("/contracts", f"Bearer {SERVICE_TOKEN}")
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b'{"identity": ["people"]}' if known else b"{}")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def neighbour() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Neighbour) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def with_remotes(
    monkeypatch: pytest.MonkeyPatch, token: str = SERVICE_TOKEN, **remotes: str
) -> list[Finding]:
    monkeypatch.setenv("BAILIWICK_REMOTES", json.dumps(remotes))
    monkeypatch.setenv("BAILIWICK_SERVICE_TOKEN", token)
    return [finding for finding in examine() if finding.about.startswith("remote")]


def test_a_remote_that_answers_passes(neighbour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = with_remotes(monkeypatch, identity=neighbour)
    assert (finding.about, finding.verdict) == ("remote identity", "ok")
    assert "people" in finding.found


def test_a_remote_that_refuses_the_token_is_found(neighbour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = with_remotes(monkeypatch, SERVICE_TOKEN[::-1], identity=neighbour)
    assert finding.verdict == "fail"
    assert "service_token" in finding.remedy
    assert SERVICE_TOKEN[::-1] not in as_json([finding])


def test_a_remote_that_does_not_carry_the_context_is_found(
    neighbour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = with_remotes(monkeypatch, identity=neighbour, profiles=neighbour)
    assert (good.verdict, bad.verdict) == ("ok", "fail")
    assert "does not carry" in bad.found


def test_a_remote_that_does_not_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = with_remotes(monkeypatch, identity=f"http://127.0.0.1:{CLOSED_PORT}")
    assert finding.verdict == "fail"
    assert "remotes.identity" in finding.remedy


def test_a_remote_that_cannot_be_asked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = with_remotes(monkeypatch, nowhere="http://127.0.0.1:1")
    assert finding.verdict == "fail"
    assert "nowhere" in finding.found


class _PlainMailServer(StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            self.wfile.write(b"221 bye\r\n" if line.lower().startswith(b"quit") else b"250 plain.example\r\n")


@pytest.fixture
def mail_port() -> Iterator[int]:
    with ThreadingTCPServer(("127.0.0.1", 0), _PlainMailServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def with_mail(monkeypatch: pytest.MonkeyPatch, port: int, starttls: str) -> str:
    monkeypatch.setenv("BAILIWICK_MAIL__ADAPTER", "smtp")
    monkeypatch.setenv("BAILIWICK_MAIL__HOST", "127.0.0.1")
    monkeypatch.setenv("BAILIWICK_MAIL__PORT", str(port))
    monkeypatch.setenv("BAILIWICK_MAIL__STARTTLS", starttls)
    return found(examine(), "mail").verdict


def test_a_mail_server_that_answers_passes(mail_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_mail(monkeypatch, mail_port, "false") == "ok"


def test_a_mail_server_that_cannot_encrypt_is_found(mail_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_mail(monkeypatch, mail_port, "true") == "fail"


def test_a_mail_server_that_does_not_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_mail(monkeypatch, CLOSED_PORT, "true") == "fail"


def test_what_is_allowed_but_hardly_meant_in_production_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAILIWICK_PROFILE", "production")
    monkeypatch.setenv("SECRET_KEY", "x" * 32)
    monkeypatch.setenv("BAILIWICK_DATABASE__ALLOW_SQLITE_IN_PRODUCTION", "true")
    monkeypatch.setenv("BAILIWICK_HTTP__PUBLIC_URL", "https://localhost")
    monkeypatch.setenv("BAILIWICK_HTTP__WORKERS", "2")
    monkeypatch.setenv("BAILIWICK_HTTP__TRUSTED_PROXIES", "0.0.0.0/0")
    warned = [finding for finding in examine() if finding.verdict == "warn"]
    text = as_table(warned)
    for part in ("Mails are only written", "share one SQLite file", "trusted proxy", "is this machine"):
        assert part in text


def test_the_table_says_what_to_do_and_how_much() -> None:
    table = as_table([Finding("redis", "fail", "down", "start it"), Finding("mail", "ok", "fine")])
    assert "-> start it" in table
    assert table.endswith("1 to fix, 0 to consider.")
    assert as_table([Finding("mail", "ok", "fine")]).endswith("All is well.")


def test_the_machine_form_is_json() -> None:
    (entry,) = json.loads(as_json([Finding("redis", "fail", "down", "start it")]))
    assert entry == {"about": "redis", "verdict": "fail", "found": "down", "remedy": "start it"}
