"""How the value of a setting may be written: each function returns the clean value or says what is wrong."""

import ipaddress
import json
import re
from email.utils import parseaddr
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from bailiwick.kernel.money import EXPONENTS

MASK = "********"
SHORTEST_SECRET = 32

# The grammar of the `limits` library, without the 125 ms that importing it takes.
RATE = re.compile(r"\s*[1-9]\d*\s*(/|per)\s*(\d+\s*)?(second|minute|hour|day|month|year)s?\s*", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"(?<=://)([^/?#\s@:]*):[^/?#\s]*@")


def listing(value: Any) -> Any:
    """A list may be written as `a, b` or as a JSON array."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("is not a valid JSON array") from None
    return [part.strip() for part in value.split(",") if part.strip()]


def mapping(value: Any) -> Any:
    """Names with their values may be written as `a=b, c=d` or as a JSON object."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("is not a valid JSON object") from None
    pairs = [part.partition("=") for part in listing(value)]
    if len({name.strip() for name, _, _ in pairs}) != len(pairs):
        raise ValueError("names the same thing twice")
    return {name.strip(): found.strip() for name, _, found in pairs}


def addresses(value: dict[str, str]) -> dict[str, str]:
    """The address of another process for each context."""
    if not all(value):
        raise ValueError("has an address without a context: write identity=http://10.0.0.5:8000")
    return {context: public_url(address) for context, address in value.items()}


def long_secret(value: SecretStr | None) -> SecretStr | None:
    """At least 32 characters; None stays None."""
    if value is not None and len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"is shorter than {SHORTEST_SECRET} characters")
    return value


def upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def without_password(value: Any) -> Any:
    """The value with the passwords inside URLs masked."""
    return PASSWORD_IN_URL.sub(rf"\1:{MASK}@", value) if isinstance(value, str) else value


def _url(value: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        usable = parts.port != 0 and not re.search(r"\s", value)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"is not a URL such as {example}")
    return parts


def database_url(value: str) -> str:
    """`postgresql://…` or `sqlite:///path`; the driver is ours to choose, so `+driver` is dropped."""
    parts = _url(value, "postgresql://user:password@host:5432/name")
    scheme, rest = parts.scheme.split("+")[0], value[len(parts.scheme) :]
    if scheme in ("postgres", "postgresql"):
        if not parts.path.strip("/"):
            raise ValueError("names no database: write postgresql://user:password@host:5432/name")
        return "postgresql" + rest
    if scheme == "sqlite":
        if not rest.startswith(":///") or rest == ":///":
            raise ValueError("names no file: write sqlite:///relative/path.db or sqlite:////absolute/path.db")
        return "sqlite" + rest
    raise ValueError("must begin with postgresql:// or sqlite:///")


def redis_url(value: str | None) -> str | None:
    """`redis://`, `rediss://` or `unix://`; None stays None."""
    if value is not None and _url(value, "redis://host:6379/0").scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return value


def celery_url(value: str | None) -> str | None:
    """`redis://` or `rediss://`; None stays None."""
    if value is not None and _url(value, "redis://host:6379/0").scheme not in ("redis", "rediss"):
        raise ValueError("must begin with redis:// or rediss://")
    return value


def transport_url(value: str | None) -> str | None:
    """That of a Redis, or of one or several NATS servers, comma between them; None stays None."""
    if value is None or value.partition(":")[0] in ("redis", "rediss", "unix"):
        return redis_url(value)
    for each in value.split(","):
        if _url(each, "nats://host:4222").scheme not in ("nats", "tls"):
            raise ValueError("must begin with redis://, rediss://, unix://, nats:// or tls://")
    return value


def stream_prefix(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,47}", value):
        raise ValueError("must be lower-case letters, digits, - and _, at most 48")
    return value


def public_url(value: str) -> str:
    """`https://host[:port][/path]`, without query, fragment and user; a slash at the end is dropped."""
    parts = _url(value, "https://app.example.com")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://app.example.com")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must not contain a query, a fragment or a user")
    return value.rstrip("/")


def origins(value: list[str]) -> list[str]:
    """Web origins: scheme, host and perhaps port, exactly as browsers send them; or `*`."""
    for origin in value:
        parts = _url(origin, "https://app.example.com")
        exact = f"{parts.scheme}://{parts.netloc}".lower()
        if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or exact != origin):
            raise ValueError(
                f"{origin!r} is not an origin such as https://app.example.com (lower case, no path)"
            )
    return value


def networks(value: list[str]) -> list[str]:
    """Networks in CIDR notation, or single addresses."""
    for network in value:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ValueError(f"{network!r} is not a network such as 10.0.0.0/8") from None
    return value


def rate(value: str) -> str:
    """One or more rates, separated by `;`."""
    if not all(RATE.fullmatch(part) for part in value.split(";")):
        raise ValueError("is not a rate such as 600/minute or 10/second;600/minute")
    return value


def sender(value: str) -> str:
    """`no-reply@example.com` or `Name <no-reply@example.com>` on one line."""
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", parseaddr(value)[1]):
        raise ValueError("is not an email address such as no-reply@example.com")
    if any(ord(character) < 32 for character in value):
        raise ValueError("must not contain line breaks or control characters")
    return value


def names(value: list[str]) -> list[str]:
    """Names of contexts: at least one, none twice."""
    if not value:
        raise ValueError("must name at least one context")
    if len(set(value)) != len(value):
        raise ValueError("names a context twice")
    return value


def region(value: str) -> str:
    """A country by its two letters."""
    if not re.fullmatch(r"[A-Za-z]{2}", value):
        raise ValueError("is not a country code of two letters such as NA")
    return value.upper()


def currency(code: str) -> str:
    """An active ISO 4217 code."""
    if code not in EXPONENTS:
        raise ValueError("is not the ISO 4217 code of a currency, such as NAD")
    return code
