"""Settings of one process, from the environment over secret files over `bailiwick.toml` over defaults."""

import os
from collections import ChainMap
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError

from bailiwick.kernel.contexts import is_installed, package_of
from bailiwick.kernel.failpoints import VARIABLE as FAILPOINTS
from bailiwick.kernel.settings import forms
from bailiwick.kernel.settings.forms import SHORTEST_SECRET
from bailiwick.kernel.settings.keys import Key, Path, keys_of, shown
from bailiwick.kernel.settings.sections import (
    Addresses,
    Celery,
    Database,
    Http,
    Limits,
    Lines,
    Live,
    Log,
    Mail,
    Messages,
    Orders,
    Passwords,
    Payments,
    Redis,
    Registration,
    SecretLines,
    Section,
    Sessions,
    SignIn,
    Transport,
    key,
)
from bailiwick.kernel.settings.sources import Problem, read

DEVELOPMENT_KEY = "development-only-secret-never-use-it-in-production"
INSTALL = (
    "Correct the name (your own contexts are named by package: `acme.invoices`), or install the project that "
    "has it beside Bailiwick: `uv sync`, or `pip install -e .` in its folder."
)
HOW_TO_MAKE_ONE = 'Make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))".'


class SettingsError(Exception):
    """The settings cannot be used. The text lists every problem and what to do about it."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = [f"The settings have {count}:"]
        for problem in problems:
            lines += [f"  - {problem.about} {problem.what}.", f"    {problem.remedy}"]
        super().__init__("\n".join(lines))


class Settings(Section):
    """Every setting. `Settings.load()` reads them; made directly it knows defaults and what it is given."""

    profile: Literal["development", "production"] = key(
        "development", "`production` refuses settings that are unsafe outside a developer's machine."
    )
    debug: bool = key(False, "Show tracebacks of the command line. Never changes what a request answers.")
    secret_key: SecretStr = key(
        SecretStr(DEVELOPMENT_KEY), "Protects tokens and cursors: 32 random characters or more."
    )
    previous_secret_keys: SecretLines = key(
        [], "Earlier values of `secret_key`: they still verify, never sign."
    )
    contexts: Annotated[Lines, AfterValidator(forms.names)] = key(
        ["identity", "profiles", "tasks", "payments", "catalog", "orders"],
        "Bounded contexts that this process carries; your own by package, such as `acme.invoices`.",
    )
    remotes: Addresses = key(
        {},
        "Contexts that another process carries, with its address: `identity=http://10.0.0.5:8000` or JSON.",
    )
    service_token: Annotated[SecretStr | None, AfterValidator(forms.long_secret)] = key(
        None,
        "With it our processes ask each other: 32 random characters or more. Unset: nobody may ask.",
    )
    phone_region: Annotated[str, AfterValidator(forms.region)] = key(
        "NA", "Country (two letters) of phone numbers written without one."
    )
    email_verification: Literal["never", "before_login"] = key(
        "never", "Where a verified email is required: nowhere, or to sign in."
    )
    reset_seconds: int = key(3600, "Life of a password reset link.", "seconds", 300, 86_400)
    verify_seconds: int = key(86_400, "Life of an email verification link.", "seconds", 300, 604_800)
    database: Database = Field(default_factory=Database)
    redis: Redis = Field(default_factory=Redis)
    http: Http = Field(default_factory=Http)
    limits: Limits = Field(default_factory=Limits)
    registration: Registration = Field(default_factory=Registration)
    passwords: Passwords = Field(default_factory=Passwords)
    sessions: Sessions = Field(default_factory=Sessions)
    sign_in: SignIn = Field(default_factory=SignIn)
    mail: Mail = Field(default_factory=Mail)
    messages: Messages = Field(default_factory=Messages)
    transport: Transport = Field(default_factory=Transport)
    celery: Celery = Field(default_factory=Celery)
    live: Live = Field(default_factory=Live)
    payments: Payments = Field(default_factory=Payments)
    orders: Orders = Field(default_factory=Orders)
    log: Log = Field(default_factory=Log)

    @classmethod
    def load(cls) -> Self:
        """Read every source. Raises one SettingsError that lists every problem found."""
        keys = list(keys_of(cls))
        sources = read(keys)
        problems = [problem for source in sources for problem in source.problems]
        values = dict(ChainMap(*(source.values for source in sources)))
        places = dict(ChainMap(*(source.found_in for source in sources)))
        try:
            settings = cls(**_nested(values))
        except ValidationError as error:
            wrong = _problems(error, keys, values, places)
            problems += wrong
            # What remains is judged too, so that all that is wrong is said at once.
            settings = cls(**_nested({path: each for path, each in values.items() if not _hit(path, wrong)}))
        bad = [problem.path for problem in problems]
        refused = settings._contradictions() + (settings._refusals() if settings.is_production else [])
        problems += [problem for problem in refused if problem.path not in bad]
        if problems:
            raise SettingsError(problems)
        return settings

    @property
    def is_production(self) -> bool:
        return self.profile == "production"

    def shown(self) -> dict[str, str]:
        """Every key and its value for people, secrets and passwords masked."""
        return {each.name: shown(each, self._value(each)) for each in keys_of(type(self))}

    def warnings(self) -> list[str]:
        """What is allowed but probably not wanted, one sentence each."""
        found = []
        if self.is_production and self.mail.adapter == "console":
            found.append("Mails are only written to the log: set mail.adapter to smtp, and mail.host.")
        if self.database.url.startswith("sqlite:") and self.http.workers > 1:
            found.append("Several workers share one SQLite file and write one at a time: use PostgreSQL.")
        if any(network in ("0.0.0.0/0", "::/0") for network in self.http.trusted_proxies):
            found.append("Every address is a trusted proxy: anybody may forge the address they come from.")
        if self.is_production and any(url.startswith("http:") for url in self.remotes.values()):
            found.append("The service token travels unencrypted: use https or a private network in remotes.")
        return found

    def _value(self, key: Key) -> Any:
        value: Any = self
        for name in key.path:
            value = getattr(value, name)
        return value

    def _contradictions(self) -> list[Problem]:
        """What no process starts with."""
        found = []
        if missing := [name for name in self.contexts if not is_installed(name)]:
            what = f"names {', '.join(missing)}, which is not installed here"
            found.append(_refusal("contexts", what, INSTALL))
        here = {package_of(name) for name in self.contexts}
        both = [name for name in self.remotes if package_of(name) in here]
        if both:
            what = f"names {', '.join(both)}, which this process carries itself"
            found.append(_refusal("remotes", what, "Remove it from remotes, or from contexts."))
        token = self.service_token
        if self.remotes and token is None:
            what = "is missing, and remotes are asked with it"
            found.append(_refusal("service_token", what, f"Both sides need the same. {HOW_TO_MAKE_ONE}"))
        elif token == self.secret_key and token is not None:
            what = "is the secret_key: whoever may ask could make tokens"
            found.append(_refusal("service_token", what, HOW_TO_MAKE_ONE))
        return found

    def _refusals(self) -> list[Problem]:
        """What production does not start with."""
        found = []
        if self.debug:
            found.append(_refusal("debug", "may not be on in production", "Remove it, or set it to false."))
        if self.secret_key.get_secret_value() == DEVELOPMENT_KEY:
            found.append(_refusal("secret_key", "still has the value that everybody knows", HOW_TO_MAKE_ONE))
        if "*" in self.http.cors_origins:
            found.append(
                _refusal(
                    "http.cors_origins", "may not contain * in production", "Name the origins of your pages."
                )
            )
        if self.database.url.startswith("sqlite:") and not self.database.allow_sqlite_in_production:
            remedy = (
                "Set DATABASE_URL to a PostgreSQL database, or database.allow_sqlite_in_production to true."
            )
            found.append(
                _refusal("database.url", "is SQLite, which production accepts only on request", remedy)
            )
        if not self.http.public_url.startswith("https://"):
            remedy = "Set it to the https:// address that users see; TLS may end at your proxy."
            found.append(_refusal("http.public_url", "must be https in production", remedy))
        if os.environ.get(FAILPOINTS):
            found.append(_refusal(FAILPOINTS, "makes processes kill themselves, for tests", "Unset it."))
        return found + self._weak_secrets()

    def _weak_secrets(self) -> list[Problem]:
        secrets: dict[str, list[SecretStr | None]] = {
            "secret_key": [self.secret_key],
            "previous_secret_keys": [*self.previous_secret_keys],
            "passwords.pepper": [self.passwords.pepper],
            "http.operator_token": [self.http.operator_token],
            "service_token": [self.service_token],
        }
        found = []
        for name, values in secrets.items():
            texts = [value.get_secret_value() for value in values if value is not None]
            if any(len(text) < SHORTEST_SECRET for text in texts):
                what = f"is shorter than {SHORTEST_SECRET} characters"
                found.append(_refusal(name, what, HOW_TO_MAKE_ONE))
            elif DEVELOPMENT_KEY in texts and name != "secret_key":
                found.append(_refusal(name, "holds the value that everybody knows", "Remove it."))
        return found


def _refusal(name: str, what: str, remedy: str) -> Problem:
    return Problem(name, what, remedy, tuple(name.split(".")))


def _hit(path: Path, wrong: list[Problem]) -> bool:
    return any(path[: len(problem.path)] == problem.path for problem in wrong)


def _nested(values: dict[Path, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = value
    return tree


def _problems(
    error: ValidationError, keys: list[Key], values: dict[Path, Any], places: dict[Path, str]
) -> list[Problem]:
    by_path = {each.path: each for each in keys}
    found: dict[Path, Problem] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        if detail["type"] == "default_factory_not_called":
            continue
        location = tuple(str(part) for part in detail["loc"])
        ends = (location[:size] for size in range(len(location), 0, -1))
        path = next((end for end in ends if end in by_path), location)
        wrong = by_path.get(path)
        what = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
        what = what[:1].lower() + what[1:]
        if wrong and not wrong.is_secret and not path[-1].endswith("url"):
            what += f", not {str(forms.without_password(values.get(path)))[:60]!r}"
        place = f" ({places[path]})" if path in places else ""
        remedy = f"It takes: {wrong.kind}. {wrong.field.description}" if wrong else "Change one of them."
        found.setdefault(path, Problem(".".join(path) + place, what, remedy, path))
    return list(found.values())


def reference() -> str:
    """The text of docs/settings.md: every key with its names, type, default and meaning."""
    lines = [
        "# Settings",
        "",
        "Written by `bailiwick settings --reference`; do not edit by hand.",
        "",
        "The environment wins over secret files, those over `bailiwick.toml` (or the file that",
        "`BAILIWICK_CONFIG` names), that over the default. A secret file lies in `/run/secrets` (or the",
        "directory that `BAILIWICK_SECRETS_DIR` names) and is called like its key: `secret_key`,",
        "`database__url`. Lists are written `a, b` or as a JSON array, texts by name `a=b, c=d`, as a JSON",
        "object or as a table of the file. An empty variable counts as unset.",
        "A key that does not exist is refused, with the nearest one.",
    ]
    section = None
    for each in keys_of(Settings):
        if each.path[:-1] != section:
            section = each.path[:-1]
            lines += ["", f"## [{'.'.join(section)}]" if section else "## Top level", ""]
            lines += ["| TOML | environment | type | default | meaning |", "|---|---|---|---|---|"]
        names = f"`{each.environment}`" + (f" or `{each.alias}`" if each.alias else "")
        row = (f"`{each.path[-1]}`", names, each.kind, f"`{each.default}`", each.field.description)
        lines.append("| " + " | ".join(str(cell) for cell in row) + " |")
    return "\n".join(lines) + "\n"
