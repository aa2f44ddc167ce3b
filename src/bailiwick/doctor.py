"""The doctor: looks at settings, database, migrations, clock and neighbours, and says what to do."""

import asyncio
import json
import os
import smtplib
import sqlite3
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import asyncpg

from bailiwick.kernel.application import Unavailable
from bailiwick.kernel.contexts import name_of
from bailiwick.kernel.database import migrations
from bailiwick.kernel.settings import DEVELOPMENT_KEY, Settings, SettingsError
from bailiwick.kernel.settings.forms import without_password

redis: Any = import_module("redis") if find_spec("redis") else None  # an optional part of the installation

PATIENCE = 5.0  # seconds for any neighbour to answer
OLDEST_POSTGRESQL = 140000
SKEW_WARN, SKEW_FAIL = 1.0, 5.0  # seconds

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, and what to do where that is not well."""

    about: str
    verdict: Verdict
    found: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything. Nothing is changed, and whatever fails is a finding, not an exception."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        return [
            Finding("settings", "fail", f"{each.about} {each.what}", each.remedy) for each in error.problems
        ]
    findings = settings_findings(settings)
    database = sqlite_findings if settings.database.url.startswith("sqlite:") else postgresql_findings
    reachable = database(settings)
    findings += reachable
    if not any(finding.about == "database" and finding.verdict == "fail" for finding in reachable):
        findings += guarded("migrations", migration_findings, settings)
    findings += guarded("redis", redis_findings, settings)
    findings += guarded("remotes", remote_findings, settings)
    findings += guarded("transport", transport_findings, settings)
    return findings + mail_findings(settings)


def guarded(about: str, look: Callable[[Settings], list[Finding]], settings: Settings) -> list[Finding]:
    """What `look` finds, or that it could not look."""
    try:
        return look(settings)
    except Exception as error:
        return [
            Finding(about, "fail", f"cannot be examined: {_text(error)}", "See the other findings first.")
        ]


def _text(error: Exception) -> str:
    return without_password(f"{type(error).__name__}: {error}") if str(error) else type(error).__name__


def settings_findings(settings: Settings) -> list[Finding]:
    """Settings that are allowed but probably not meant, and the address that users are sent to."""
    findings = [Finding("settings", "ok", f"{settings.profile}, contexts {', '.join(settings.contexts)}")]
    known = settings.secret_key.get_secret_value() == DEVELOPMENT_KEY
    findings.append(Finding("secrets", "ok", "the well-known development key" if known else "your own key"))
    findings += [Finding("settings", "warn", *_halves(text)) for text in settings.warnings()]
    host = urlsplit(settings.http.public_url).hostname or ""
    local = host in ("localhost", "::1") or host.startswith("127.")
    if settings.is_production and local:
        remedy = "Set http.public_url to the address that users see: links in mails are built from it."
        findings.append(Finding("public_url", "warn", f"{settings.http.public_url} is this machine", remedy))
    else:
        findings.append(Finding("public_url", "ok", settings.http.public_url))
    return findings


def _halves(warning: str) -> tuple[str, str]:
    found, _, remedy = warning.partition(": ")
    return found, remedy[:1].upper() + remedy[1:]


# --- SQLite ----------------------------------------------------------------------------------------


def _writable(folder: Path) -> bool:
    """Whether a file can be made there. Rights alone do not tell: the disk may be mounted read-only."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def sqlite_findings(settings: Settings) -> list[Finding]:
    """The file, its folder, and the journal that lets readers and a writer go side by side."""
    path = Path(settings.database.url.removeprefix("sqlite:///"))
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not _writable(folder):
        remedy = (
            "Give the user that runs Bailiwick the right to write there: SQLite keeps files beside the data."
        )
        return [Finding("database", "fail", f"the folder {folder} is not writable", remedy)]
    if not path.exists():
        return [Finding("database", "warn", f"{path} does not exist yet", "Create it: bailiwick migrate up")]
    if not os.access(path, os.W_OK):
        return [Finding("database", "fail", f"{path} is not writable", "Change its owner or its mode.")]
    try:
        connection = sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True, timeout=PATIENCE)
        try:
            journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        remedy = "Is it an SQLite database? Restore it from a backup, or name another file in DATABASE_URL."
        return [Finding("database", "fail", f"{path}: {error}", remedy)]
    findings = [Finding("database", "ok", f"SQLite {sqlite3.sqlite_version}, {path}")]
    if journal == "wal":
        return [*findings, Finding("journal_mode", "ok", "wal")]
    remedy = (
        "Start Bailiwick once: it switches to WAL. A file on a network disk cannot; keep it on a local one."
    )
    return [*findings, Finding("journal_mode", "warn", f"{journal}: readers wait for writers", remedy)]


# --- PostgreSQL ------------------------------------------------------------------------------------


def postgresql_findings(settings: Settings) -> list[Finding]:
    """Whether it answers, and whether it is set up to keep what it has confirmed."""
    try:
        facts = asyncio.run(_postgresql_facts(settings.database.url))
    except Exception as error:
        remedy = "Is the server up, and are host, name, user and password in DATABASE_URL right?"
        return [Finding("database", "fail", _text(error), remedy)]
    return [
        *server_findings(facts, settings),
        *durability_findings(facts, settings.is_production),
        clock_finding(facts),
    ]


SETTINGS_READ = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "data_checksums",
    "server_encoding",
    "timezone",
    "server_version",
    "server_version_num",
    "max_connections",
    "superuser_reserved_connections",
)


async def _postgresql_facts(url: str) -> dict[str, Any]:
    connection = await asyncpg.connect(url, timeout=PATIENCE, command_timeout=PATIENCE)
    try:
        rows = await connection.fetch(
            "SELECT lower(name), setting FROM pg_settings WHERE lower(name) = ANY($1)", list(SETTINGS_READ)
        )
        facts: dict[str, Any] = dict(map(tuple, rows))
        facts["may_create"] = await connection.fetchval(
            "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
        )
        before, started = datetime.now(UTC), time.perf_counter()
        theirs = await connection.fetchval("SELECT clock_timestamp()")
        facts["round_trip"] = time.perf_counter() - started
        # Their clock was read about halfway between the question and the answer.
        facts["skew"] = (theirs - before).total_seconds() - facts["round_trip"] / 2
        return facts
    finally:
        await connection.close()


def server_findings(facts: dict[str, Any], settings: Settings) -> list[Finding]:
    findings = [Finding("database", "ok", f"PostgreSQL {facts['server_version']}")]
    if int(facts["server_version_num"]) < OLDEST_POSTGRESQL:
        findings.append(Finding("version", "warn", "older than 14 and not tested", "Upgrade the server."))
    if facts["server_encoding"] != "UTF8":
        remedy = "Create the database anew with ENCODING 'UTF8'; others cannot store every name."
        findings.append(Finding("encoding", "fail", facts["server_encoding"], remedy))
    if facts["timezone"].upper() not in ("UTC", "ETC/UTC", "GMT", "ETC/GMT"):
        remedy = "Harmless to Bailiwick; ALTER DATABASE … SET timezone = 'UTC' spares you surprises in psql."
        findings.append(Finding("timezone", "warn", facts["timezone"], remedy))
    if not facts["may_create"]:
        remedy = "GRANT CREATE ON SCHEMA public TO the user in DATABASE_URL: migrations need it."
        findings.append(Finding("rights", "fail", "the user may not create tables", remedy))
    wanted = settings.http.workers * settings.database.pool_size
    free = int(facts["max_connections"]) - int(facts["superuser_reserved_connections"])
    text = f"{settings.http.workers} worker(s) x {settings.database.pool_size} = {wanted} of {free}"
    if wanted <= free:
        return [*findings, Finding("connections", "ok", text)]
    remedy = "Lower database.pool_size or http.workers, raise max_connections, or put PgBouncer between."
    return [*findings, Finding("connections", "fail", text, remedy)]


def durability_findings(facts: dict[str, Any], production: bool) -> list[Finding]:
    """A database that forgets confirmed writes is a fault in production and a choice in development."""
    loses = {
        "fsync": "a power cut can destroy the database",
        "full_page_writes": "a power cut can leave torn pages",
        "synchronous_commit": "a crash loses the last confirmed writes",
    }
    findings = []
    for name, danger in loses.items():
        if facts[name] != "off":
            findings.append(Finding(name, "ok", facts[name]))
            continue
        remedy = f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"
        findings.append(Finding(name, "fail" if production else "warn", f"off: {danger}", remedy))
    if facts["data_checksums"] == "off":
        remedy = "Stop the server and run pg_checksums --enable: bad disks are then seen, not served."
        findings.append(Finding("data_checksums", "warn", "off", remedy))
    else:
        findings.append(Finding("data_checksums", "ok", "on"))
    return findings


def clock_finding(facts: dict[str, Any]) -> Finding:
    skew = abs(facts["skew"])
    verdict: Verdict = "ok" if skew < SKEW_WARN else "warn" if skew < SKEW_FAIL else "fail"
    remedy = (
        "" if verdict == "ok" else "Let both machines keep time by NTP: tokens and schedules depend on it."
    )
    return Finding("clock", verdict, f"{facts['skew']:+.3f} s between the database and us", remedy)


# --- migrations and neighbours ---------------------------------------------------------------------


def migration_findings(settings: Settings) -> list[Finding]:
    """What of the code's schema the database does not have yet."""
    url = settings.database.url
    if url.startswith("sqlite:") and not Path(url.removeprefix("sqlite:///")).exists():
        return [Finding("migrations", "fail", "none applied", "Apply them: bailiwick migrate up")]
    pending = {each.context: each.pending for each in migrations.status(settings) if each.pending}
    if not pending:
        return [Finding("migrations", "ok", "all applied")]
    found = ", ".join(f"{context} {count}" for context, count in pending.items())
    return [Finding("migrations", "fail", f"pending: {found}", "Apply them: bailiwick migrate up")]


def redis_findings(settings: Settings) -> list[Finding]:
    """Whether Redis answers, where one is configured."""
    if settings.redis.url is None:
        return [Finding("redis", "ok", "not used: each worker counts its rate limits alone")]
    if redis is None:
        return [
            Finding("redis", "fail", "the package is missing", "Install it: pip install 'bailiwick[redis]'")
        ]
    try:
        with redis.Redis.from_url(
            settings.redis.url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
        ) as client:
            client.ping()
    except redis.RedisError as error:
        return [
            Finding("redis", "fail", _text(error), "Is it up, and is REDIS_URL right? Or unset redis.url.")
        ]
    return [Finding("redis", "ok", without_password(settings.redis.url))]


def remote_findings(settings: Settings) -> list[Finding]:
    """Whether each context that another process carries can be asked there, with our service token."""
    if not settings.remotes:
        return []
    remotes = import_module("bailiwick.kernel.http.remotes").connect(settings)
    return asyncio.run(_remote_findings(remotes))


async def _remote_findings(remotes: dict[str, Any]) -> list[Finding]:
    findings = [await _remote_finding(context, remote) for context, remote in remotes.items()]
    for remote in remotes.values():
        await remote.close()
    return findings


async def _remote_finding(context: str, remote: Any) -> Finding:
    about = f"remote {context}"
    try:
        carried = await remote.carried()
    except PermissionError as error:
        remedy = "Set service_token to the same value on both sides; it must be set there too."
        return Finding(about, "fail", f"{remote.url} does not take our service token: {error}", remedy)
    except Unavailable as error:
        return Finding(
            about, "fail", _text(error), f"Is it up, and is its address in remotes.{context} right?"
        )
    if name_of(context) not in carried:
        remedy = f"Add {context} to the contexts there, or name the process that carries it."
        return Finding(about, "fail", f"{remote.url} does not carry it", remedy)
    return Finding(about, "ok", f"{remote.url} answers {', '.join(carried[name_of(context)])}")


def transport_findings(settings: Settings) -> list[Finding]:
    """Whether the broker answers that carries events to other services, where one is configured."""
    if settings.transport.url is None:
        return []
    transports = import_module("bailiwick.kernel.messaging.transports")
    transport = transports.connect(settings.transport)

    async def ask() -> None:
        try:
            await transport.lacks(name_of(settings.contexts[0]))
        finally:
            await transport.close()

    try:
        asyncio.run(ask())
    except transports.TransportDown as error:
        remedy = "Is it up, and is transport.url right? Until it answers, events wait in the database."
        return [Finding("transport", "fail", _text(error), remedy)]
    return [Finding("transport", "ok", without_password(settings.transport.url))]


def mail_findings(settings: Settings) -> list[Finding]:
    """Whether the mail server takes us as we are set up. No mail is sent."""
    mail = settings.mail
    if mail.adapter == "console":
        return [Finding("mail", "ok", "mails are written to the log, none is sent")]
    try:
        with smtplib.SMTP(mail.host, mail.port, timeout=PATIENCE) as server:
            server.ehlo()
            if mail.starttls:
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            if mail.username:
                server.login(mail.username, mail.password.get_secret_value())
    except (OSError, smtplib.SMTPException) as error:
        remedy = "Check mail.host, mail.port, mail.starttls, mail.username and mail.password."
        return [Finding("mail", "fail", f"{mail.host}:{mail.port}: {_text(error)}", remedy)]
    return [Finding("mail", "ok", f"{mail.host}:{mail.port} answers")]


# --- output ----------------------------------------------------------------------------------------


def as_table(findings: list[Finding]) -> str:
    """For people: one line per finding, and below it what to do."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict:5} {finding.about:18} {finding.found}")
        if finding.remedy:
            lines.append(f"{'':24} -> {finding.remedy}")
    counts = {verdict: sum(each.verdict == verdict for each in findings) for verdict in ("fail", "warn")}
    verdict = (
        "All is well."
        if not any(counts.values())
        else f"{counts['fail']} to fix, {counts['warn']} to consider."
    )
    return "\n".join([*lines, "", verdict])


def as_json(findings: list[Finding]) -> str:
    """For machines: a list of objects with about, verdict, found and remedy."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)
