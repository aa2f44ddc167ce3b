"""The keys that can be set: one class per section, one line of meaning, unit and range per key."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from bailiwick.kernel.settings import forms

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to

Lines = Annotated[list[str], BeforeValidator(forms.listing)]
SecretLines = Annotated[list[SecretStr], BeforeValidator(forms.listing)]
Addresses = Annotated[dict[str, str], BeforeValidator(forms.mapping), AfterValidator(forms.addresses)]


def key(
    default: Any, meaning: str, unit: str = "", low: float | None = None, high: float | None = None
) -> Any:
    """One setting: its default, what it means, its unit, its smallest and largest value."""
    return Field(default=default, description=meaning, json_schema_extra={"unit": unit}, ge=low, le=high)


class Section(BaseModel):
    """Settings that belong together. Values are fixed once read; no secret shows in its repr."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        validate_default=False,
    )

    def __repr_args__(self) -> Any:
        return [(name, forms.without_password(value)) for name, value in super().__repr_args__()]


class Database(Section):
    """Where data is kept."""

    url: Annotated[str, AfterValidator(forms.database_url)] = key(
        "sqlite:///var/bailiwick.db",
        "Where data is kept: `postgresql://user:password@host:5432/name`, or `sqlite:///path` for a file.",
    )
    pool_size: int = key(10, "PostgreSQL connections that each worker may open.", "connections", 1, 200)
    acquire_timeout: float = key(
        2.0, "How long a request waits for a free connection before it is answered 503.", "seconds", 0.1, 60
    )
    statement_timeout: float = key(5.0, "How long one SQL statement may take.", "seconds", 0.1, 3600)
    lock_timeout: float = key(2.0, "How long a statement waits for a lock.", "seconds", 0.1, 600)
    allow_sqlite_in_production: bool = key(
        False, "Accept SQLite in production: one machine, one file, modest traffic, your own backups."
    )

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite:")


class Redis(Section):
    """Optional: shares rate limits, and hints that there is news, between workers and machines."""

    url: Annotated[str | None, AfterValidator(forms.redis_url)] = key(
        None, "`redis://host:6379/0`, `rediss://` for TLS or `unix://path`. Unset: each worker counts alone."
    )


def own_address(known: Mapping[str, Any]) -> str:
    """The address of this process as seen from this machine, from the fields validated so far."""
    host = known.get("host", "127.0.0.1")
    if host in EVERY_ADDRESS:
        host = "127.0.0.1"
    reachable = f"[{host}]" if ":" in host else host
    return f"http://{reachable}:{known.get('port', 8000)}"


class Http(Section):
    """The HTTP edge."""

    host: str = key("127.0.0.1", "Address to listen on; `0.0.0.0` is every network of this machine.")
    port: int = key(8000, "Port to listen on.", "", 1, 65535)
    workers: int = key(1, "Server processes. SQLite is served best by one.", "processes", 1, 256)
    public_url: Annotated[str, AfterValidator(forms.public_url)] = Field(
        default_factory=own_address,
        description="How users reach the product. Links in mails are built from it, never from a request. "
        "Unset: this machine's own address and port.",
        json_schema_extra={"unit": "", "default": "http://127.0.0.1:8000"},
    )
    cors_origins: Annotated[Lines, AfterValidator(forms.origins)] = key(
        [], "Web origins whose pages may call the API, such as `https://app.example.com`."
    )
    trusted_proxies: Annotated[Lines, AfterValidator(forms.networks)] = key(
        [], "Networks (CIDR) of your proxies. Only requests from them have `X-Forwarded-For` read."
    )
    max_body_bytes: int = key(1_000_000, "Largest request body, uploads apart.", "bytes", 1_000, 100_000_000)
    docs: bool = key(True, "Serve `/api/docs`, `/api/redoc` and `/api/openapi.json`.")
    drain_seconds: int = key(
        30, "How long running requests may finish after the order to stop.", "seconds", 1, 600
    )
    require_if_match: bool = key(
        False, "Answer 428 to a PUT or PATCH of a versioned thing without `If-Match`."
    )
    operator_token: SecretStr | None = key(
        None,
        "Bearer token for `/metrics` and the details of `/health`. Unset: only this machine may see them.",
    )


class Limits(Section):
    """How often a caller may ask. Written as `600/minute` or `10/second;600/minute`."""

    enabled: bool = key(True, "Count requests and answer 429 above the limits below.")
    anonymous: Annotated[str, AfterValidator(forms.rate)] = key(
        "3000/minute", "Requests of one address without credentials."
    )
    actor: Annotated[str, AfterValidator(forms.rate)] = key("12000/minute", "Requests of one signed-in user.")
    credentials: Annotated[str, AfterValidator(forms.rate)] = key(
        "600/minute", "Requests of one address to sign in, register, refresh, or recover a password."
    )


class Registration(Section):
    """Who may make an account."""

    mode: Literal["open", "verified"] = key(
        "open",
        "`open` signs in at once and says when an email is taken; `verified` says nothing and sends a mail.",
    )


class Argon2(Section):
    """The cost of one password hash (Argon2id)."""

    memory_kib: int = key(19456, "Memory of one hash.", "KiB", 8192, 1_048_576)
    time_cost: int = key(2, "Passes over the memory.", "passes", 1, 20)
    parallelism: int = key(1, "Threads of one hash.", "threads", 1, 16)


class Passwords(Section):
    """What a password must be and how it is kept."""

    profile: Literal["modern", "classic"] = key(
        "modern", "`modern` judges length and known leaks; `classic` also wants the four character classes."
    )
    min_length: int = key(12, "Shortest password.", "characters", 8, 64)
    history: int = key(5, "Earlier passwords that may not be used again.", "passwords", 0, 24)
    admin_may_set: bool = key(
        False, "Let an admin set a subordinate's password (changed at the next sign-in)."
    )
    pepper: SecretStr | None = key(
        None, "Secret mixed into every hash. Losing it makes all passwords useless."
    )
    hash_workers: int = key(2, "Threads of each worker that hash.", "threads", 1, 64)
    hash_wait: float = key(
        10.0, "How long a request waits for one before it is answered 503.", "seconds", 0.1, 30
    )
    argon2: Argon2 = Field(default_factory=Argon2)


class Sessions(Section):
    """How long a sign-in lasts."""

    access_seconds: int = key(900, "Life of an access token.", "seconds", 60, 3600)
    idle_days: int = key(7, "A session that is not refreshed for so long ends.", "days", 1, 90)
    absolute_days: int = key(30, "Every session ends after so long.", "days", 1, 365)
    short_hours: int = key(24, "Life of a session without `remember_me`.", "hours", 1, 168)
    grace_seconds: int = key(
        10,
        "A spent refresh token of the same device still works for so long: its answer may be lost.",
        "seconds",
        0,
        10,
    )
    most_per_user: int = key(
        20, "Sessions of one user; the oldest ends when one more begins.", "sessions", 1, 1000
    )

    @model_validator(mode="after")
    def _idle_fits(self) -> "Sessions":
        if self.idle_days > self.absolute_days:
            raise ValueError(
                f"idle_days ({self.idle_days}) may not exceed absolute_days ({self.absolute_days})"
            )
        return self


class SignIn(Section):
    """When wrong passwords slow a sign-in down."""

    failures: int = key(
        10, "Wrong passwords for one account from one place within the window.", "attempts", 3, 1000
    )
    window_seconds: int = key(900, "The window.", "seconds", 10, 86_400)


class Mail(Section):
    """How mails leave."""

    adapter: Literal["console", "smtp"] = key(
        "console", "`console` writes mails to the log; `smtp` sends them."
    )
    host: str = key("localhost", "SMTP server.")
    port: int = key(587, "Its port.", "", 1, 65535)
    username: str = key("", "Account at the server; empty: none.")
    password: SecretStr = key(SecretStr(""), "Its password.")
    starttls: bool = key(True, "Encrypt by STARTTLS; refuse a server that cannot.")
    sender: Annotated[str, AfterValidator(forms.sender)] = key(
        "no-reply@example.com", "From address of every mail."
    )


class Messages(Section):
    """Events, jobs and those who handle them."""

    embedded_worker: bool = key(
        True, "Handle events and jobs beside the requests. Off: run `bailiwick worker` somewhere."
    )
    drain_seconds: float = key(
        20.0,
        "How long running handlers may go on after the order to stop; then they are given back.",
        "seconds",
        0,
        600,
    )
    keep_events_days: int = key(
        0, "How long events stay in the log, where they can be looked up; 0: for ever.", "days", 0, 36_500
    )
    keep_finished_days: int = key(7, "How long finished jobs and their results are kept.", "days", 1, 3650)
    keep_dead_days: int = key(90, "How long what was given up can be replayed.", "days", 1, 3650)


class Transport(Section):
    """Optional: carries events between services that have databases of their own."""

    url: Annotated[str | None, AfterValidator(forms.transport_url)] = key(
        None,
        "Broker: `redis://host:6379/0` (also `rediss://`, `unix://`) or `nats://host:4222` (also `tls://`; "
        "the servers of a cluster with commas). Unset: events stay in this database.",
    )
    prefix: Annotated[str, AfterValidator(forms.stream_prefix)] = key(
        "bailiwick", "Begins the name of every stream; services that shall not hear each other have others."
    )
    keep_days: int = key(
        7, "How long the broker keeps events, also for services that are down.", "days", 1, 25
    )
    keep_messages: int = key(
        1_000_000, "How many it keeps of one context at most.", "events", 1000, 1_000_000_000
    )
    replicas: int = key(1, "NATS: servers that must have an event before it counts as sent.", "servers", 1, 5)


class Celery(Section):
    """Optional: jobs run in Celery workers (`bailiwick celery`) instead of ours. The database keeps them."""

    url: Annotated[str | None, AfterValidator(forms.celery_url)] = key(
        None,
        "The Redis between us and Celery: `redis://host:6379/0` or `rediss://`, a database of its own. "
        "Unset: our own workers run the jobs.",
    )
    most_waiting: int = key(
        100,
        "Jobs of one queue that wait in Redis; all others wait in the database, where they can be paused, "
        "cancelled and overtaken.",
        "jobs",
        1,
        100_000,
    )
    resend_seconds: float = key(
        25.0, "A job that no Celery worker has begun for so long is sent again.", "seconds", 1, 86_400
    )
    results: bool = key(
        False, "Let Celery keep what became of its tasks for a day, for tools that ask it. We keep our own."
    )


class Live(Section):
    """Streams and web sockets that tell users what concerns them. Each worker counts its own."""

    enabled: bool = key(True, "Serve `/api/v1/stream` and `/api/v1/socket`.")
    per_user: int = key(20, "Connections of one user to one worker.", "connections", 1, 100_000)
    per_address: int = key(200, "Connections from one address to one worker.", "connections", 1, 100_000)
    per_worker: int = key(3000, "Connections to one worker in all.", "connections", 1, 100_000)


class Payments(Section):
    """Wallets and what moving money costs."""

    currency: Annotated[str, AfterValidator(forms.currency)] = key(
        "NAD", "ISO 4217 code of the wallet that every new account gets."
    )
    fee_basis_points: int = key(
        0, "What the payer of a transfer pays on top: so many hundredths of a percent.", "", 0, 10_000
    )
    fee_fixed: int = key(0, "And so much besides.", "minor units", 0, 1_000_000_000)
    daily_limit: int | None = key(
        None, "What may leave a new wallet in one day (UTC). Unset: no limit.", "minor units", 0, 2**53
    )


class Orders(Section):
    """How orders are paid, taxed and shipped."""

    payment_minutes: int = key(
        30, "How long an unpaid order keeps its goods. Then it is cancelled.", "minutes", 1, 10_000
    )
    tax_basis_points: int = key(
        0, "Tax on goods and shipping, on top of the prices: so many hundredths of a percent.", "", 0, 10_000
    )
    shipping: int = key(0, "What shipping costs, in the minor units of the order's currency.", "", 0, 2**53)
    free_shipping_from: int | None = key(
        None, "Goods worth so much, in minor units, are shipped for nothing. Unset: never.", "", 0, 2**53
    )


class Log(Section):
    """What is written to the log (standard error)."""

    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(forms.upper)] = key(
        "INFO", "Least important line that is written."
    )
    format: Literal["auto", "json", "console"] = key(
        "auto", "`json`: one object per line; `console`: for people; `auto`: `json` in production."
    )
