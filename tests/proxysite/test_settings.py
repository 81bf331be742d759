"""Every variable: its default, a good value, and values that stop the start by its name.

Issue 2, item 2; docs/settings.md. The settings are executed anew for each case, in this process.
"""

import re
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from bridge.translation.profile import PROFILES
from proxysite import environment

ROOT = Path(__file__).resolve().parents[2]
Load = Callable[..., dict[str, Any]]

NO_NUMBER = ["many", "-1", "1e99", "nan", "0x10"]
NO_WHOLE = [*NO_NUMBER, "1.5"]
NO_FLAG = ["maybe", "2"]
NO_MAP = ["{", "[]", '"x"', '{"a": 1}', '{"a": null}', '{"a": ""}', "{'a': 'b'}"]

# variable: default, good text, what it becomes, bad texts
VARIABLES: dict[str, tuple[Any, str, Any, list[str]]] = {
    "HOST": ("127.0.0.1", "0.0.0.0", "0.0.0.0", []),
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
    "BACKEND_TIMEOUT_SECS": (600, "30", 30, [*NO_NUMBER, "0"]),
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
    "MAX_IN_FLIGHT": (0, "100", 100, NO_WHOLE),
    "BREAKER_FAILURES": (5, "3", 3, [*NO_WHOLE, "0"]),
    "BREAKER_SECONDS": (30, "10", 10, [*NO_NUMBER, "0"]),
    "PROXY_BACKOFF_ON_429": (True, "off", False, NO_FLAG),
    "PROXY_MAX_RETRY_ON_429": (1, "0", 0, NO_WHOLE),
    "PROXY_MAX_RETRY_AFTER": (2, "0.5", 0.5, NO_NUMBER),
    "RETRY_AFTER_MAX": (60, "30", 30, [*NO_WHOLE, "0"]),
    "IMAGES_ON_TEXT_MODEL": ("placeholder", "error", "error", ["drop"]),
    "STRICT_TOOL_PAIRING": (False, "true", True, NO_FLAG),
    "TEXT_TOOL_CALLS": (True, "0", False, NO_FLAG),
    "HONOUR_THINKING_DISPLAY": (False, "1", True, NO_FLAG),
    "PDF_TEXT_EXTRACTION": (False, "0", False, NO_FLAG),
    "EXACT_TOKEN_COUNTS": (False, "yes", True, NO_FLAG),
    "SERVER_TOOLS": ("auto", "drop", "drop", ["keep"]),
    "LOG_LEVEL": ("info", "DEBUG", "debug", ["loud"]),
    "DEBUG_PROXY": (False, "on", True, NO_FLAG),
    "ALLOWED_HOSTS": (["*"], "a.example, b.example", ["a.example", "b.example"], []),
    "CSRF_TRUSTED_ORIGINS": ([], "https://a.example", ["https://a.example"], []),
    "TRUST_FORWARDED_PROTO": (False, "1", True, NO_FLAG),
}
# second name: first name, good text, what the setting becomes, bad texts
SECOND_NAMES: dict[str, tuple[str, str, Any, list[str]]] = {
    "HOST_PORT": ("PORT", "9000", 9000, [*NO_WHOLE, "65536"]),
    "UVICORN_WORKERS": ("WORKERS", "4", 4, [*NO_WHOLE, "0"]),
    "CHUTES_BASE_URL": ("BACKEND_URL", "https://h", "https://h", ["h", "http://h:x"]),
    "RUST_LOG": ("LOG_LEVEL", "warn", "warn", ["loud"]),
}
# tested one by one below
OTHERS = {"DATA_DIR", "STATIC_ROOT", "SECRET_KEY", "DATABASE_URL"}
BAD = [
    pytest.param(name, text, id=f"{name}={text}")
    for name, (*_, texts) in (VARIABLES | SECOND_NAMES).items()
    for text in texts
]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Execute settings.py with nothing in the environment but these variables."""

    def settings(**variables: str) -> dict[str, Any]:
        places = {"DATA_DIR": str(tmp_path / "data"), "STATIC_ROOT": str(tmp_path / "static")}
        exact: Mapping[str, str] = places | variables
        monkeypatch.setattr(environment.env, "ENVIRON", dict(exact))
        monkeypatch.setattr(environment.env, "read_env", lambda _: None)
        return runpy.run_path(str(ROOT / "proxysite" / "settings.py"))

    return settings


def complaint(load: Load, **variables: str) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        load(**variables)
    return str(caught.value)


@pytest.mark.parametrize("name", VARIABLES)
def test_variable_has_its_default_and_takes_a_good_value(load: Load, name: str) -> None:
    """Issue 2, item 2: with their defaults, under their own names."""
    default, text, value, _ = VARIABLES[name]
    assert load()[name] == default
    assert load(**{name: ""})[name] == default
    more = {"SERVER": "uvicorn"} if name == "WORKERS" else {}
    assert load(**{name: text}, **more)[name] == value


@pytest.mark.parametrize(("name", "text"), BAD)
def test_bad_value_is_refused_by_the_name_of_its_variable(load: Load, name: str, text: str) -> None:
    """Issue 2, item 2: with the variable's name and what was expected."""
    said = complaint(load, **{name: text})
    assert said.startswith(f"{name}: expected ")
    assert len(said) > len(f"{name}: expected ") + 3


@pytest.mark.parametrize("second", SECOND_NAMES)
def test_second_name_is_understood_and_the_first_wins(load: Load, second: str) -> None:
    """wire.md G22; issue 2, item 2."""
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
    read = set(re.findall(r'(?:read\.[a-z_.]+|db_url)\(\s*"([A-Z0-9_]+)"', source))
    assert read == VARIABLES.keys() | SECOND_NAMES.keys() | OTHERS


def test_every_variable_is_documented_with_its_default() -> None:
    """anchors.md 5.23: docs are tested."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]*)\|", text, re.M))
    assert rows.keys() == VARIABLES.keys() | SECOND_NAMES.keys() | OTHERS
    for name, (default, *_) in VARIABLES.items():
        told = rows[name].strip(" `")
        shown = str(int(default)) if isinstance(default, bool) else str(default)
        expected = {"[]": "", "['*']": "*"}.get(shown, shown)
        assert told == expected, name


def test_every_dialect_is_a_choice(load: Load) -> None:
    """wire.md G14; the settings may not import the core, so they repeat its names."""
    for name in PROFILES:
        assert load(BACKEND_DIALECT=name)["BACKEND_DIALECT"] == name


# --- servers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "server"),
    [
        ({}, "daphne"),
        ({"WORKERS": "2"}, "uvicorn"),
        ({"UVICORN_WORKERS": "2"}, "uvicorn"),
        ({"SERVER": "uvicorn"}, "uvicorn"),
    ],
)
def test_server_follows_from_the_number_of_workers(
    load: Load, variables: dict[str, str], server: str
) -> None:
    """design.md, Servers."""
    assert load(**variables)["SERVER"] == server


def test_daphne_with_several_workers_is_refused(load: Load) -> None:
    assert "SERVER=daphne" in complaint(load, WORKERS="2", SERVER="daphne")


# --- logs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "ours", "debug"),
    [
        ({}, "INFO", "INFO"),
        ({"RUST_LOG": "warn"}, "WARNING", "WARNING"),
        ({"LOG_LEVEL": "trace"}, "DEBUG", "DEBUG"),
        ({"LOG_LEVEL": "error", "DEBUG_PROXY": "1"}, "ERROR", "DEBUG"),
    ],
)
def test_log_level_is_understood_in_all_its_words(
    load: Load, variables: dict[str, str], ours: str, debug: str
) -> None:
    """Seeds: RUST_LOG and DEBUG_PROXY."""
    loggers = load(**variables)["LOGGING"]["loggers"]
    assert (loggers["bridge"]["level"], loggers["bridge.debug"]["level"]) == (ours, debug)


# --- secrets and files -------------------------------------------------------------------------


def test_secret_is_made_once_and_only_for_its_owner(load: Load, tmp_path: Path) -> None:
    """Issue 2, item 2: a secret key file in DATA_DIR."""
    first = load()["SECRET_KEY"]
    path = tmp_path / "data" / "secret_key"
    assert len(first) >= 50
    assert path.stat().st_mode & 0o777 == 0o600
    assert load()["SECRET_KEY"] == first == path.read_text()
    assert [entry.name for entry in path.parent.iterdir()] == ["secret_key"]


def test_secret_of_the_environment_goes_before_the_file(load: Load, tmp_path: Path) -> None:
    assert load(SECRET_KEY="given")["SECRET_KEY"] == "given"
    assert not (tmp_path / "data" / "secret_key").exists()


@pytest.mark.parametrize("name", ["CHUTES_API_KEY", "SECRET_KEY"])
def test_secret_may_come_from_a_file(load: Load, tmp_path: Path, name: str) -> None:
    """anchors.md 5.13: `<NAME>_FILE` works for secrets."""
    (tmp_path / "key").write_text("cpk_from_a_file\n")
    assert load(**{f"{name}_FILE": str(tmp_path / "key")})[name] == "cpk_from_a_file"


def test_missing_secret_file_is_named(load: Load, tmp_path: Path) -> None:
    said = complaint(load, CHUTES_API_KEY_FILE=str(tmp_path / "nothing"))
    assert said.startswith("CHUTES_API_KEY_FILE: expected a readable file")


@pytest.mark.parametrize(
    ("name", "text"), [("CHUTES_API_KEY", "cl\u00e9-secret"), ("BACKEND_URL", "http://u:secret@h")]
)
def test_complaint_does_not_repeat_a_secret(load: Load, name: str, text: str) -> None:
    """design.md, Secrets: no key in a log or an error."""
    assert "secret" not in complaint(load, **{name: text})


def test_secret_of_a_backend_row_is_read_by_its_name(load: Load) -> None:
    settings = load(OTHER_KEY="cpk_other")
    assert settings["BACKEND_SECRET"]("OTHER_KEY") == "cpk_other"
    assert settings["BACKEND_SECRET"]("NOT_SET") == ""


def test_data_folder_is_made(load: Load, tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    assert load(DATA_DIR=str(wanted))["DATA_DIR"] == wanted
    assert wanted.is_dir()


@pytest.mark.parametrize("name", ["DATA_DIR", "STATIC_ROOT"])
def test_folder_that_cannot_be_made_is_named(load: Load, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    said = complaint(load, **{name: str(tmp_path / "file" / "below")})
    assert said.startswith(f"{name}: expected a folder")


# --- the database ------------------------------------------------------------------------------


def test_database_is_a_file_in_the_data_folder(load: Load, tmp_path: Path) -> None:
    """design.md: SQLite by default, WAL."""
    database = load()["DATABASES"]["default"]
    assert database["NAME"] == str(tmp_path / "data" / "gateway.sqlite3")
    assert "WAL" in database["OPTIONS"]["init_command"]


def test_database_may_be_another(load: Load) -> None:
    """design.md: DATABASE_URL for PostgreSQL."""
    database = load(DATABASE_URL="postgres://u:p@h:5433/name")["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("h", 5433, "name")
    assert "init_command" not in database.get("OPTIONS", {})


@pytest.mark.parametrize("text", ["nonsense", "gateway.sqlite3", "oraculum://h/x", "://"])
def test_database_that_makes_no_sense_is_named(load: Load, text: str) -> None:
    assert complaint(load, DATABASE_URL=text).startswith("DATABASE_URL: expected ")
