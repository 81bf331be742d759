"""Every variable: its default, a good value, and values that stop the start by its name.

docs/reference/settings.md. The settings are executed anew for each case, in this process.
"""

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from bridge.translation.profiles import PROFILES
from tests.proxysite.loading import Load, complaint

ROOT = Path(__file__).resolve().parents[2]

NO_NUMBER = ["many", "-1", "1e99", "nan", "0x10"]
NO_WHOLE = [*NO_NUMBER, "1.5"]
NO_FLAG = ["maybe", "2"]
NO_MAP = ["{", "[]", '"x"', '{"a": 1}', '{"a": null}', '{"a": ""}', "{'a': 'b'}"]

LOOPBACK = ["localhost", ".localhost", "127.0.0.1", "[::1]"]

# variable: default, good text, what it becomes, bad texts
VARIABLES: dict[str, tuple[Any, str, Any, list[str]]] = {
    "HOST": ("127.0.0.1", "0.0.0.0", "0.0.0.0", ["unix:", "unix:a/b", "unix:/" + "x" * 100]),
    "SOCKET_MODE": ("660", "0600", "600", ["rw", "66", "888", "o660"]),
    "BASE_PATH": (
        "",
        "/ai/gateway/",
        "/ai/gateway",
        ["gateway", "/a b", "//gateway", "/..", "/a/../b", "/admin", "/v1/x", "/a?b", "/%2e"],
    ),
    "PORT": (8080, "9000", 9000, [*NO_WHOLE, "0", "65536", "80 80"]),
    "WORKERS": (1, "4", 4, [*NO_WHOLE, "0"]),
    "SERVER": ("daphne", "Uvicorn", "uvicorn", ["gunicorn", "daphne uvicorn"]),
    "DRAIN_SECONDS": (30, "0.5", 0.5, NO_NUMBER),
    "BACKEND_URL": ("", "http://h:8000/v1", "http://h:8000/v1", ["h:8000", "ftp://h", "http://"]),
    "BACKEND_DIALECT": ("auto", "vllm", "vllm", ["claude"]),
    "CHUTES_API_KEY": ("", " 'cpk_x' ", "cpk_x", ["cl\u00e9", "two\nlines"]),
    "CHUTES_AUTH_STYLE": ("both", "header", "header", ["bearer"]),
    "REQUIRE_GATEWAY_KEY": ("auto", "1", "1", ["yes", "2"]),
    "MODEL_MAP": ({}, '{"a": "b"}', {"a": "b"}, [*NO_MAP, '{"a": {"b": "c"}}']),
    "TOOL_NAME_MAP": (
        {},
        '{"a": "b", "m*": {"c": "d"}}',
        {"a": "b", "m*": {"c": "d"}},
        [*NO_MAP, '{"m": {"a": {"b": "c"}}}', '{"m": {"a": 1}}'],
    ),
    "AUTO_FIX_MODEL_CASE": (True, "no", False, NO_FLAG),
    "DISCOVERY_INTERVAL": (60, "5", 5, [*NO_NUMBER, "0"]),
    "DISCOVERY_MIN_INTERVAL": (300, "0", 0, NO_NUMBER),
    "USAGE_RETENTION_DAYS": (90, "0", 0, [*NO_WHOLE, "36501"]),
    "SAMPLES_MAX_BYTES": (500 * 2**20, "0", 0, NO_WHOLE),
    "SPOOL_MAX_BYTES": (2**30, "2097152", 2**21, [*NO_WHOLE, "1048575", "1GiB"]),
    "METRICS_ACCESS": ("off", "Open", "open", ["on", "token", "0"]),
    "METRICS_BY": ([], " Key,team", ["key", "team"], ["model", "key team", "all"]),
    "METRICS_TOKEN": ("", " 'm3trics' ", "m3trics", ["cl\u00e9", "two\nlines"]),
    "BACKEND_TIMEOUT_SECS": (600, "30", 30, [*NO_NUMBER, "0"]),
    "BACKEND_PROXY": (
        "",
        "http://me:p%40ss@proxy:3128",
        "http://me:p%40ss@proxy:3128",
        ["proxy:3128", "https://proxy", "socks5://proxy", "http://", "http://p:x", "http://p/x"],
    ),
    "BACKEND_NO_PROXY": ([], ".a.example, 10.0.0.0/8", [".a.example", "10.0.0.0/8"], []),
    "BACKEND_CONNECT_TIMEOUT": (10, "2.5", 2.5, [*NO_NUMBER, "0"]),
    "HEADERS_GRACE": (30, "0.5", 0.5, [*NO_NUMBER, "0"]),
    "FIRST_CHUNK_GRACE": (10, "0.5", 0.5, [*NO_NUMBER, "0"]),
    "PING_INTERVAL": (15, "1", 1, [*NO_NUMBER, "0"]),
    "IDLE_TIMEOUT": (300, "60", 60, [*NO_NUMBER, "0"]),
    "FINISH_GRACE": (5, "1", 1, [*NO_NUMBER, "0"]),
    "MAX_MESSAGES": (1000, "5", 5, [*NO_WHOLE, "0"]),
    "MAX_CONTENT_BYTES": (5 * 2**20, "5000", 5000, [*NO_WHOLE, "0"]),
    "MAX_BODY_BYTES": (32 * 2**20, "5000", 5000, [*NO_WHOLE, "0", "32MB"]),
    "MAX_JSON_DEPTH": (100, "50", 50, [*NO_WHOLE, "9"]),
    "BUDGET_UNPRICED_MODELS": ("allow", "refuse", "refuse", ["deny"]),
    "BUDGET_UNREADABLE": ("allow", "Refuse", "refuse", ["deny"]),
    "BUDGET_ADVICE": ("Ask the operator of this gateway for more", "Ask Ann", "Ask Ann", []),
    "MANAGED_SETTINGS": (True, "0", False, NO_FLAG),
    "OTLP_FORWARD_URL": (
        "",
        "http://collector:4318",
        "http://collector:4318",
        ["collector:4318", "ftp://collector"],
    ),
    "OTLP_FORWARD_SIGNALS": (["metrics"], "Logs, traces", ["logs", "traces"], ["spans"]),
    "OTLP_FORWARD_HEADERS": (
        [],
        "X-Scope=blue, authorization=Bearer%20s3cret",
        [("x-scope", "blue"), ("authorization", "Bearer s3cret")],
        ["authorization", "a b=c", "a=%0d%0a", "a="],
    ),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("", "http://c:4318", "http://c:4318", ["c:4318", "ftp://c"]),
    "OTEL_EXPORTER_OTLP_HEADERS": ([], "a=Bearer%20s", [("a", "Bearer s")], ["a", "a=%0d%0a"]),
    "OTEL_EXPORTER_OTLP_PROTOCOL": (
        "http/protobuf",
        "HTTP/protobuf",
        "http/protobuf",
        ["grpc", "http/json"],
    ),
    "OTEL_SERVICE_NAME": ("claude-bridge", "gateway", "gateway", []),
    "OTEL_TRACES_SAMPLER": (
        "parentbased_always_on",
        "traceidratio",
        "traceidratio",
        ["jaeger_remote", "on"],
    ),
    "OTEL_TRACES_SAMPLER_ARG": (1.0, "0.25", 0.25, ["-0.1", "1.1", "nan", "half"]),
    "TRACE_URL": (
        "",
        "https://t.example/trace/{trace_id}?a=b#c",
        "https://t.example/trace/{trace_id}?a=b#c",
        ["https://t.example/trace", "t.example/{trace_id}", "javascript:{trace_id}"],
    ),
    "COUNT_TOKENS_RPM": (600, "0", 0, NO_WHOLE),
    "SIGN_IN": (True, "off", False, NO_FLAG),
    "LOGIN_NOTICE": ("", "Ask\\nIT.", "Ask\nIT.", ["x" * 501, "a\tb"]),
    "SESSION_KEY_SECONDS": (3600, "60", 60, [*NO_WHOLE, "59", "86401"]),
    "SIGN_IN_DAYS": (30, "1", 1, [*NO_WHOLE, "0", "3651"]),
    "CLIENT_ADDRESSES": ("off", "Hashed", "hashed", ["on", "1"]),
    "MAX_IN_FLIGHT": (0, "100", 100, NO_WHOLE),
    "MAX_BODY_MEMORY": (2**29, "5000", 5000, [*NO_WHOLE, "0"]),
    "MAX_CONNECTIONS": (0, "100", 100, NO_WHOLE),
    "MAX_CONNECTIONS_PER_ADDRESS": (0, "100", 100, NO_WHOLE),
    "HEADER_TIMEOUT": (30, "5", 5, [*NO_NUMBER, "0"]),
    "BODY_IDLE_TIMEOUT": (30, "5", 5, [*NO_NUMBER, "0"]),
    "WRITE_TIMEOUT": (120, "5", 5, [*NO_NUMBER, "0"]),
    "BREAKER_FAILURES": (5, "3", 3, [*NO_WHOLE, "0"]),
    "BREAKER_SECONDS": (30, "10", 10, [*NO_NUMBER, "0"]),
    "RATE_LIMIT_REST_MAX": (3600, "0", 0, NO_NUMBER),
    "PROXY_BACKOFF_ON_429": (True, "off", False, NO_FLAG),
    "PROXY_MAX_RETRY_ON_429": (1, "0", 0, NO_WHOLE),
    "PROXY_MAX_RETRY_AFTER": (2, "0.5", 0.5, NO_NUMBER),
    "IMAGES_ON_TEXT_MODEL": ("placeholder", "error", "error", ["drop"]),
    "STRICT_TOOL_PAIRING": (False, "true", True, NO_FLAG),
    "TEXT_TOOL_CALLS": (True, "0", False, NO_FLAG),
    "HONOUR_THINKING_DISPLAY": (False, "1", True, NO_FLAG),
    "PDF_TEXT_EXTRACTION": (False, "0", False, NO_FLAG),
    "EXACT_TOKEN_COUNTS": (False, "yes", True, NO_FLAG),
    "SAFEGUARDS": ("unavailable", "Judge:  a/b", "judge: a/b", ["on", "judge:", "judge"]),
    "JUDGE_SECONDS": (15, "5", 5, [*NO_NUMBER, "0"]),
    "SERVER_TOOLS": ("auto", "drop", "drop", ["keep"]),
    "REDIS_URL": (
        "",
        "rediss://gateway:p%40ss@h:6380/2?ssl_ca_certs=/ca.pem",
        "rediss://gateway:p%40ss@h:6380/2?ssl_ca_certs=/ca.pem",
        ["h:6379", "http://h", "redis://", "redis://h:x", "redis://h:0", "redis://h/x"]
        + ["unix://", "redis://h?nonsense=1", "redis://h?db=x", "rediss://h?ssl_cert_reqs=maybe"],
    ),
    "OIDC_ISSUER": (
        "",
        "https://login.example.com/realms/a/",
        "https://login.example.com/realms/a",
        ["login.example.com", "http://login.example.com", "https://h?x=1", "https://u:p@h"]
        + ["https://h/" + "x" * 200],
    ),
    "OIDC_CLIENT_ID": ("", "gateway", "gateway", []),
    "OIDC_CLIENT_SECRET": ("", " 's3cret' ", "s3cret", ["cl\u00e9", "two\nlines"]),
    "OIDC_NAME": ("your company account", "Example Inc.", "Example Inc.", []),
    "OIDC_GROUPS_CLAIM": ("groups", "realm_access.roles", "realm_access.roles", []),
    "OIDC_SCOPES": ("profile email", "profile groups", "profile groups", []),
    "EMAIL_URL": (
        "",
        "smtp+tls://gateway:p%40ss@mail.example.com:587",
        "smtp+tls://gateway:p%40ss@mail.example.com:587",
        ["mail.example.com", "http://h", "smtp://", "smtp://h:x", "smtp://h/x", "smtp://h?a=b"],
    ),
    "EMAIL_FROM": ("", "G <g@example.com>", "G <g@example.com>", ["gateway", "a@b\nc@d"]),
    "PUBLIC_URL": ("", "https://h/", "https://h", ["h", "ftp://h", "https://h?x"]),
    "REMOTE_USER_HEADER": ("", "X-User", "X-User", ["X_User", "X User", "X:", "\u00fc"]),
    "REMOTE_USER_GROUPS_HEADER": ("", "X-Groups", "X-Groups", ["X_Groups"]),
    "REMOTE_USER_PROXIES": (
        [],
        "10.0.0.7, fd00::/8",
        [IPv4Network("10.0.0.7/32"), IPv6Network("fd00::/8")],
        ["everybody", "10.0.0.256", "0.0.0.0/0", "10.0.0.1,::/0"],
    ),
    "TRUSTED_PROXIES": (
        [],
        "10.0.0.7, fd00::/8",
        [IPv4Network("10.0.0.7/32"), IPv6Network("fd00::/8")],
        ["everybody", "0.0.0.0/0"],
    ),
    "LOG_LEVEL": ("info", "DEBUG", "debug", ["loud"]),
    "LOG_FORMAT": ("console", "JSON", "json", ["xml"]),
    "DEBUG_PROXY": (False, "on", True, NO_FLAG),
    "ALLOWED_HOSTS": (LOOPBACK, "a.example, b.example", ["a.example", "b.example"], []),
    "CORS_ORIGINS": ([], "https://a.example, null", ["https://a.example", "null"], []),
    "CSRF_TRUSTED_ORIGINS": ([], "https://a.example", ["https://a.example"], []),
    "DRAIN_DELAY_SECONDS": (0, "2.5", 2.5, NO_NUMBER),
    "TRUST_FORWARDED_PROTO": (False, "1", True, NO_FLAG),
    "SECRET_KEY_FALLBACKS": ([], " old, older ", ["old", "older"], ["cl\u00e9"]),
    "HSTS_SECONDS": (0, "3600", 3600, NO_WHOLE),
    "SESSION_SECONDS": (43200, "600", 600, [*NO_WHOLE, "59"]),
    "LOGIN_FAILURES": (5, "3", 3, [*NO_WHOLE, "0"]),
    "LOGIN_FAILURES_PER_ADDRESS": (20, "50", 50, [*NO_WHOLE, "0"]),
    "LOGIN_LOCK_SECONDS": (900, "60", 60, [*NO_WHOLE, "0"]),
}
# second name: first name, good text, what the setting becomes, bad texts
SECOND_NAMES: dict[str, tuple[str, str, Any, list[str]]] = {
    "HOST_PORT": ("PORT", "9000", 9000, [*NO_WHOLE, "65536"]),
    "UVICORN_WORKERS": ("WORKERS", "4", 4, [*NO_WHOLE, "0"]),
    "CHUTES_BASE_URL": ("BACKEND_URL", "https://h", "https://h", ["h", "http://h:x"]),
    "RUST_LOG": ("LOG_LEVEL", "warn", "warn", ["loud"]),
}
# variable: what its good text needs beside it
BESIDE = {
    "WORKERS": {"SERVER": "uvicorn"},
    "OIDC_ISSUER": {"OIDC_CLIENT_ID": "gateway", "OIDC_CLIENT_SECRET": "s3cret"},
    "REMOTE_USER_HEADER": {"REMOTE_USER_PROXIES": "127.0.0.1"},
    "TRUSTED_PROXIES": {"TRUST_FORWARDED_PROTO": "1"},
    "HSTS_SECONDS": {"TRUST_FORWARDED_PROTO": "1"},
    "EMAIL_URL": {"EMAIL_FROM": "g@example.com"},
}
# tested one by one below
OTHERS = {"NO_COLOR", "DATA_DIR", "STATIC_ROOT", "SECRET_KEY", "DATABASE_URL"}
BAD = [
    pytest.param(name, text, id=f"{name}={text}")
    for name, (*_, texts) in (VARIABLES | SECOND_NAMES).items()
    for text in texts
]


@pytest.mark.parametrize("name", VARIABLES)
def test_variable_has_its_default_and_takes_a_good_value(load: Load, name: str) -> None:
    """Ours: with their defaults, under their own names."""
    default, text, value, _ = VARIABLES[name]
    assert load()[name] == default
    assert load(**{name: ""})[name] == default
    assert load(**{name: text}, **BESIDE.get(name, {}))[name] == value


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::"])
def test_address_that_others_can_reach_serves_every_name(load: Load, host: str) -> None:
    """What it is reached by is not known there; on loopback only its own names can be meant."""
    assert load(HOST=host)["ALLOWED_HOSTS"] == ["*"]
    assert load(HOST=host, ALLOWED_HOSTS="a.example")["ALLOWED_HOSTS"] == ["a.example"]
    assert load(HOST="::1")["ALLOWED_HOSTS"] == LOOPBACK


@pytest.mark.parametrize(("name", "text"), BAD)
def test_bad_value_is_refused_by_the_name_of_its_variable(load: Load, name: str, text: str) -> None:
    """Ours: with the variable's name and what was expected."""
    said = complaint(load, **{name: text})
    assert said.startswith(f"{name}: expected ")
    assert len(said) > len(f"{name}: expected ") + 3


@pytest.mark.parametrize("second", SECOND_NAMES)
def test_second_name_is_understood_and_the_first_wins(load: Load, second: str) -> None:
    """wire G22. P5, P18, R18, R19."""
    first, text, value, _ = SECOND_NAMES[second]
    _, other, others_value, _ = VARIABLES[first]
    assert load(**{second: text})[first] == value
    if first != "WORKERS":
        assert load(**{second: text, first: other})[first] == others_value
    else:
        assert load(UVICORN_WORKERS="4", WORKERS="2")["WORKERS"] == 2


def test_every_variable_is_in_the_tables_here() -> None:
    """Ours: who adds a setting adds its row."""
    source = (ROOT / "proxysite" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'(?:(?:read|places)\.[a-z_.]+|db_url)\(\s*"([A-Z0-9_]+)"', source))
    assert read == VARIABLES.keys() | SECOND_NAMES.keys() | OTHERS


def test_every_variable_is_documented_with_its_default() -> None:
    """style 5.23: docs are tested."""
    text = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]*)\|", text, re.M))
    assert rows.keys() == VARIABLES.keys() | SECOND_NAMES.keys() | OTHERS
    for name, (default, *_) in VARIABLES.items():
        told = rows[name].strip(" `")
        shown = str(int(default)) if isinstance(default, bool) else str(default)
        expected = {
            "[]": "",
            "['metrics']": "metrics",
            str(LOOPBACK): "loopback names",
        }.get(shown, shown)
        assert told == expected, name


def test_every_family_is_a_choice(load: Load) -> None:
    """wire G14; the settings may not import the core, so they repeat its names."""
    for name in PROFILES:
        assert load(BACKEND_DIALECT=name)["BACKEND_DIALECT"] == name
