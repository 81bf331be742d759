"""Typed reading of environment variables, for `settings.py` alone.

A value that makes no sense stops the start with the variable's name and what was expected: an
empty model map because of a missing quote would cost its operator an afternoon.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

from bridge.keys.authentication import is_loopback
from bridge.keys.client_address import Network, networks_of
from bridge.routing import addresses
from bridge.translation.safeguards import EXPECTED, normalized


class Variables(environ.Env):  # type: ignore[misc]
    """Reads variables, and knows which ones were read, and which secrets came from files."""

    def __init__(self) -> None:
        super().__init__()
        self.read_names: set[str] = set()
        self.secret_files: dict[str, Path] = {}
        self.names_in_file: frozenset[str] = frozenset()

    def get_value(self, var: str, *more: Any, **options: Any) -> Any:
        self.read_names.add(var)
        return super().get_value(var, *more, **options)

    def given_names(self) -> frozenset[str]:
        """Names of all variables that are set, whoever they are for."""
        return frozenset(os.environ)

    def take_file(self, path: Path, others: Path) -> None:
        """Read a .env file; what `others`, a Compose file, takes from it is not for us."""
        lines = path.read_text(encoding="utf-8", errors="replace")
        foreign = others.read_text(encoding="utf-8") if others.is_file() else ""
        names = set(_ASSIGNMENT.findall(lines)) - set(_SUBSTITUTED.findall(foreign))
        self.names_in_file = frozenset(names)
        self.read_env(path)


env = Variables()

_MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 587, "smtp+ssl": 465}
"""Scheme of a mail URL -> the port that is usual."""
LONGEST_ISSUER = 200
"""Characters of an issuer in the table of linked accounts."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ASSIGNMENT = re.compile(r"(?m)^(?:export )?([A-Za-z_][A-Za-z0-9_]*)=")
_SUBSTITUTED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_FALSE = frozenset({"0", "false", "no", "off", ""})


def wrong(name: str, expected: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: expected {expected}")


def text(name: str, default: str = "") -> str:
    """A string. Surrounding white space, and quotes kept by a .env reader, do not count."""
    value: str = env.str(name, default=default)
    return value.strip().strip("\"'") or default


def secret(name: str) -> str:
    """A secret: NAME, or the content of the file that NAME_FILE names."""
    path = env.str(f"{name}_FILE", default="")
    try:
        value = Path(path).read_text(encoding="utf-8").strip() if path else text(name)
        if path:
            env.secret_files[f"{name}_FILE"] = Path(path)
    except OSError as error:
        raise wrong(f"{name}_FILE", f"a readable file ({error.strerror})") from None
    if not (value.isascii() and value.isprintable()):
        raise wrong(name, "printable ASCII characters")
    return value


def secret_list(name: str) -> list[str]:
    """Secrets, comma separated: of NAME, or of the file that NAME_FILE names."""
    return [part.strip() for part in secret(name).split(",") if part.strip()]


def whole(name: str, default: int, least: int = 0, most: int = 2**53) -> int:
    value = text(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        limits = f"at least {least}" if most == 2**53 else f"from {least} to {most}"
        raise wrong(name, f"a whole number, {limits}")
    return int(value)


def seconds(name: str, default: float, least: float = 0.0) -> float:
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not least <= number < 1e9:
        raise wrong(name, f"a number of seconds, at least {least:g}")
    return number


def share(name: str, default: float) -> float:
    """A part of a whole: a number from 0 to 1."""
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise wrong(name, "a number from 0 to 1")
    return number


def flag(name: str, default: bool) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value not in _TRUE | _FALSE:
        raise wrong(name, "1 or 0 (also true, false, yes, no, on, off)")
    return value in _TRUE


def choice(name: str, default: str, options: tuple[str, ...]) -> str:
    value = text(name, default).lower()
    if value not in options:
        *others, last = options
        raise wrong(name, f"{', '.join(others)} or {last}" if others else last)
    return value


def some_of(name: str, default: str, options: tuple[str, ...]) -> list[str]:
    """Some of these words, comma separated."""
    chosen = [word.lower() for word in names(name, default)]
    if not set(chosen) <= set(options):
        raise wrong(name, f"some of {', '.join(options)}, comma separated")
    return chosen


def header_lines(name: str) -> list[tuple[str, str]]:
    """Headers that hold secrets: `name=value`, comma separated, values percent-encoded; the form of
    OTEL_EXPORTER_OTLP_HEADERS. Or the content of the file that NAME_FILE names."""
    lines = []
    for part in secret_list(name):
        header, _, value = part.partition("=")
        plain = unquote(value.strip())
        if not (
            plain and _HEADER.fullmatch(header.strip()) and plain.isascii() and plain.isprintable()
        ):
            raise wrong(name, "name=value, comma separated, values percent-encoded")
        lines.append((header.strip().lower(), plain))
    return lines


def safeguards(name: str, default: str) -> str:
    """How requests for verdicts on tool calls are answered."""
    try:
        return normalized(text(name, default))
    except ValueError:
        raise wrong(name, EXPECTED) from None


def plain_text(name: str, most: int) -> str:
    """Text that is shown to people; \\n stands for a new line."""
    value = text(name).replace("\\n", "\n")
    if len(value) > most or not value.replace("\n", "").isprintable():
        raise wrong(name, f"plain text of at most {most} characters")
    return value


def names(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def header(name: str) -> str:
    """The name of an HTTP header, or "" when the variable is not set.

    Without `_`, which servers and fronts take for `-` or throw away, each in its own way.
    """
    value = text(name)
    if value and not (value.isascii() and value.replace("-", "").isalnum()):
        raise wrong(name, "the name of a header: letters, digits and -")
    return value


def networks(name: str) -> list[Network]:
    """Addresses and networks, comma separated. None that everybody is in."""
    try:
        found = list(networks_of(text(name)))
    except ValueError:
        raise wrong(name, "addresses or networks, such as 10.0.0.7 or 10.0.0.0/24") from None
    if any(network.prefixlen == 0 for network in found):
        raise wrong(name, "networks that not everybody is in")
    return found


def address(name: str) -> str:
    """An http(s) URL, or "" when the variable is not set."""
    value = text(name)
    if not value:
        return ""
    if expected := addresses.problem(value):
        raise wrong(name, expected)
    return value


def address_of_trace(name: str) -> str:
    """Where a trace can be looked at, with {trace_id} in it; "" when the variable is not set."""
    value = text(name)
    if not value:
        return ""
    is_usable = not addresses.problem(value.partition("#")[0], with_query=True)
    if "{trace_id}" not in value or not is_usable:
        raise wrong(name, "an http(s) address with {trace_id} where the trace's id belongs")
    return value


def issuer(name: str) -> str:
    """The address of an OpenID Connect provider, or "" when the variable is not set.

    Without TLS anybody on the way could let in whom they like, so only this machine may do without.
    """
    value = address(name).rstrip("/")
    place = urlsplit(value)
    if place.scheme == "http" and not is_loopback(place.hostname or ""):
        raise wrong(name, "an https address; http is for a provider on this machine alone")
    if len(value) > LONGEST_ISSUER:
        raise wrong(name, f"an address of at most {LONGEST_ISSUER} characters")
    return value


def mapping(name: str) -> dict[str, str]:
    """A JSON object of strings."""
    value = nested_mapping(name)
    if not all(isinstance(item, str) for item in value.values()):
        raise wrong(name, 'a JSON object of strings, such as {"from": "to"}')
    return {key: str(item) for key, item in value.items()}


def nested_mapping(name: str) -> dict[str, str | dict[str, str]]:
    """A JSON object of strings, or of objects of strings (one for each model)."""
    expected = 'a JSON object, such as {"from": "to"}'
    try:
        value = json.loads(env.str(name, default="").strip() or "{}")
    except ValueError as error:
        raise wrong(name, f"{expected} ({error})") from None
    rows = [value, *(v for v in value.values() if isinstance(v, dict))] if _is_object(value) else []
    leaves = [leaf for row in rows for leaf in row.values() if not isinstance(leaf, dict)]
    deep = any(isinstance(leaf, dict) for row in rows[1:] for leaf in row.values())
    if not rows or deep or not all(isinstance(leaf, str) and leaf for leaf in leaves):
        raise wrong(name, expected)
    result: dict[str, str | dict[str, str]] = value
    return result


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def database(name: str, default: str) -> dict[str, Any]:
    """Django's description of a database, from its URL: NAME, or the file that NAME_FILE names."""
    expected = (
        "sqlite:///PATH or postgres://USER:PASSWORD@HOST/NAME, with special characters of the "
        "password written as %2F for / and the like"
    )
    schemes = ("sqlite", "postgres", "postgresql", "psql", "pgsql")
    url = secret(name) if env.str(f"{name}_FILE", default="") else text(name, default)
    if url.partition("://")[0] not in schemes or not url.partition("://")[2]:
        raise wrong(name, expected)
    try:
        return dict(env.db_url_config(url))
    except (ValueError, KeyError) as error:
        raise wrong(name, f"{expected} ({type(error).__name__})") from None


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `use_tls`: by STARTTLS, `use_ssl`: from the first byte on."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = field(default="", repr=False)
    use_tls: bool = False
    use_ssl: bool = False


def mail_server(name: str, url: str) -> MailServer:
    """The server of a mail URL, which is the value of the variable; none for ""."""
    if not url:
        return MailServer()
    scheme, _, rest = url.partition("://")
    expected = (
        "smtp://USER:PASSWORD@HOST:PORT, smtp+tls://... or smtp+ssl://..., with special characters "
        "of the password written as %2F for / and the like"
    )
    if scheme not in _MAIL_PORTS or not rest:
        raise wrong(name, expected)
    try:
        found = env.email_url_config(url)
        port = found["EMAIL_PORT"] or _MAIL_PORTS[scheme]
    except (ValueError, KeyError):
        raise wrong(name, expected) from None
    if not found["EMAIL_HOST"] or found["EMAIL_FILE_PATH"] or "OPTIONS" in found:
        raise wrong(name, expected)
    return MailServer(
        found["EMAIL_HOST"],
        port,
        found["EMAIL_HOST_USER"] or "",
        found["EMAIL_HOST_PASSWORD"] or "",
        bool(found.get("EMAIL_USE_TLS")),
        bool(found.get("EMAIL_USE_SSL")),
    )


def sender(name: str) -> str:
    """A mail address, alone or behind a name as in ``Gateway <gateway@example.com>``; or ""."""
    value = text(name)
    if not value:
        return ""
    _, mail = parseaddr(value)
    try:
        validate_email(mail)
    except ValidationError:
        raise wrong(name, "a mail address") from None
    if not value.isprintable():
        raise wrong(name, "a mail address in one line")
    return value


def redis_address(name: str) -> str:
    """Where Redis is, or "" when the variable is not set. It may hold a password: NAME_FILE works.

    A query string holds options of redis-py, such as ``?ssl_ca_certs=/etc/redis/ca.pem``.
    """
    url = secret(name)
    if not url:
        return ""
    # Here, because the import takes longer than all other settings together.
    from bridge.cluster import redis

    if not redis.is_usable(url):
        expected = "redis://USER:PASSWORD@HOST:PORT/NUMBER, rediss://... or unix:///PATH"
        raise wrong(name, expected)
    return url


def folder(name: str, default: Path, mode: int = 0o777) -> Path:
    """A folder that exists after this call; one that is made gets the mode, less the umask."""
    path = Path(text(name, str(default))).expanduser().resolve()
    try:
        path.mkdir(mode, parents=True, exist_ok=True)
    except OSError as error:
        raise wrong(name, f"a folder that can be made ({error.strerror})") from None
    return path
