"""What follows from several variables: servers, logs, secrets, folders, the database."""

import re
import sqlite3
from contextlib import closing
from logging import Filter
from pathlib import Path

import pytest
from django.utils.module_loading import import_string

from proxysite import environment
from tests.proxysite.loading import Load, complaint


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
    """design, Servers."""
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
    """Seeds: RUST_LOG and DEBUG_PROXY. R19."""
    loggers = load(**variables)["LOGGING"]["loggers"]
    assert (loggers["bridge"]["level"], loggers["bridge.debug"]["level"]) == (ours, debug)


# --- secrets and files -------------------------------------------------------------------------


def test_secret_is_made_once_and_only_for_its_owner(load: Load, tmp_path: Path) -> None:
    """Ours: a secret key file in DATA_DIR."""
    first = load()["SECRET_KEY"]
    path = tmp_path / "data" / "secret_key"
    assert len(first) >= 50
    assert path.stat().st_mode & 0o777 == 0o600
    assert load()["SECRET_KEY"] == first == path.read_text()
    assert {entry.name for entry in path.parent.iterdir()} == {"secret_key", "gateway.sqlite3"}


def test_secret_of_the_environment_goes_before_the_file(load: Load, tmp_path: Path) -> None:
    assert load(SECRET_KEY="given")["SECRET_KEY"] == "given"
    assert not (tmp_path / "data" / "secret_key").exists()


# secret: a good value, and what it needs beside it
SECRETS: dict[str, tuple[str, dict[str, str]]] = {
    "SECRET_KEY": ("s3cret", {}),
    "SECRET_KEY_FALLBACKS": ("old,older", {}),
    "CHUTES_API_KEY": ("cpk_x", {}),
    "BACKEND_PROXY": ("http://me:s3cret@proxy:3128", {}),
    "METRICS_TOKEN": ("m3trics", {}),
    "OTLP_FORWARD_HEADERS": ("authorization=Bearer%20s", {}),
    "OTEL_EXPORTER_OTLP_HEADERS": ("authorization=Bearer%20s", {}),
    "OIDC_CLIENT_SECRET": ("s3cret", {}),
    "EMAIL_URL": ("smtp://g:p%40ss@mail.example.com", {"EMAIL_FROM": "g@example.com"}),
    "REDIS_URL": ("redis://:s3cret@h", {}),
    "DATABASE_URL": ("postgres://g:s3cret@h/gateway", {}),
}


@pytest.mark.parametrize("name", SECRETS)
def test_secret_may_come_from_a_file(load: Load, tmp_path: Path, name: str) -> None:
    """style 5.13: `<NAME>_FILE` works for secrets, and means what the variable means."""
    value, beside = SECRETS[name]
    (tmp_path / "secret").write_text(f"{value}\n")
    of_file = load(**{f"{name}_FILE": str(tmp_path / "secret")}, **beside)
    setting = {"DATABASE_URL": "DATABASES"}.get(name, name)
    assert of_file[setting] == load(**{name: value}, **beside)[setting] != load()[setting]
    assert of_file["SECRET_FILES"][f"{name}_FILE"] == tmp_path / "secret"


def test_every_secret_may_come_from_a_file_and_is_no_credential_of_backends(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever adds one finds it missing here, in the document, or among the protected ones."""
    monkeypatch.setattr(environment.env, "read_names", set())
    settings = load()
    read: frozenset[str] = settings["VARIABLES_READ"]
    secrets = {name for name in read if f"{name}_FILE" in read}
    assert secrets == SECRETS.keys()
    document = (Path(__file__).parents[2] / "docs/reference/settings.md").read_text()
    assert set(re.findall(r"`([A-Z_]+)_FILE`", document.partition("## ")[0])) == secrets
    assert set(settings["PROTECTED_SECRETS"]) == secrets - {"CHUTES_API_KEY"}


def test_database_may_come_from_a_file(load: Load, tmp_path: Path) -> None:
    """Observed: DATABASE_URL_FILE was ignored in silence, and a file of the container was used."""
    (tmp_path / "url").write_text("postgres://me:p%23w@db.example/gateway\n")
    database = load(DATABASE_URL_FILE=str(tmp_path / "url"))["DATABASES"]["default"]
    assert (database["HOST"], database["PASSWORD"]) == ("db.example", "p#w")
    said = complaint(load, DATABASE_URL_FILE=str(tmp_path / "nothing"))
    assert said.startswith("DATABASE_URL_FILE: expected a readable file")
    (tmp_path / "empty").touch()
    assert complaint(load, DATABASE_URL_FILE=str(tmp_path / "empty")).startswith("DATABASE_URL: ")


@pytest.mark.parametrize("password", ["a/b", "a?b"])
def test_password_that_breaks_the_url_is_told_how_to_be_written(load: Load, password: str) -> None:
    said = complaint(load, DATABASE_URL=f"postgres://me:{password}@db.example/gateway")
    assert "%2F for /" in said
    assert password not in said


def test_postgres_that_does_not_answer_is_noticed(load: Load) -> None:
    given = load(DATABASE_URL="postgres://me@db/gateway?connect_timeout=3&sslmode=require")
    options = given["DATABASES"]["default"]["OPTIONS"]
    assert (options["connect_timeout"], options["sslmode"]) == (3, "require")
    assert (
        load(DATABASE_URL="postgres://me@db/g")["DATABASES"]["default"]["OPTIONS"][
            "connect_timeout"
        ]
        == 10
    )


def test_address_to_listen_on_may_stand_in_brackets(load: Load) -> None:
    assert [load(HOST=host)["HOST"] for host in ("[::]", "::", "[::1]")] == ["::", "::", "::1"]


def test_address_of_people_ends_in_the_base(load: Load) -> None:
    """docs, settings: links in warnings would lead nowhere otherwise."""
    hosted = {"BASE_PATH": "/gateway"}
    assert load(PUBLIC_URL="https://h/gateway/", **hosted)["PUBLIC_URL"] == "https://h/gateway"
    assert complaint(load, PUBLIC_URL="https://h", **hosted).startswith("PUBLIC_URL: expected ")


def test_secret_that_cannot_be_made_is_told_by_its_folder(load: Load, tmp_path: Path) -> None:
    (tmp_path / "data" / "secret_key").mkdir(parents=True)
    said = complaint(load)
    assert said.startswith("DATA_DIR: expected a folder that this user can write to (")
    assert said.endswith("secret_key: Is a directory)")


def test_missing_secret_file_is_named(load: Load, tmp_path: Path) -> None:
    said = complaint(load, CHUTES_API_KEY_FILE=str(tmp_path / "nothing"))
    assert said.startswith("CHUTES_API_KEY_FILE: expected a readable file")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CHUTES_API_KEY", "cl\u00e9-secret"),
        ("BACKEND_URL", "http://u:secret@h"),
        ("REDIS_URL", "redis://u:secret@h/x"),
        ("REDIS_URL", "redis://u:secret@h:x"),
        ("REDIS_URL", "redis://u:secret@h?secret=1"),
    ],
)
def test_complaint_does_not_repeat_a_secret(load: Load, name: str, text: str) -> None:
    """design, Secrets: no key in a log or an error. R19."""
    assert "secret" not in complaint(load, **{name: text})


def test_secret_of_a_backend_row_is_read_by_its_name(load: Load) -> None:
    settings = load(OTHER_KEY="cpk_other")
    assert settings["BACKEND_SECRET"]("OTHER_KEY") == "cpk_other"
    assert settings["BACKEND_SECRET"]("NOT_SET") == ""


def test_secrets_that_the_gateway_lives_on_are_no_credentials_of_backends(load: Load) -> None:
    """Ours: an operator names the variable, and the address that its value is sent to."""
    own = {
        "SECRET_KEY": "s",
        "SECRET_KEY_FALLBACKS": "old",
        "DATABASE_URL": "sqlite:////tmp/x",
        "METRICS_TOKEN": "m",
        "OTLP_FORWARD_HEADERS": "a=b",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=b",
    }
    settings = load(**own)
    for name in (*own, "REDIS_URL"):
        assert settings["BACKEND_SECRET"](name) == ""


def test_token_lets_metrics_out_to_those_who_have_it(load: Load, tmp_path: Path) -> None:
    """docs, metrics: off until there is a token, or METRICS_ACCESS says otherwise."""
    (tmp_path / "token").write_text("m3trics\n")
    settings = load(METRICS_TOKEN_FILE=str(tmp_path / "token"))
    assert (settings["METRICS_ACCESS"], settings["METRICS_TOKEN"]) == ("key", "m3trics")
    for access in ("off", "local", "open"):
        assert load(METRICS_ACCESS=access, METRICS_TOKEN="m3trics")["METRICS_ACCESS"] == access
    said = complaint(load, METRICS_ACCESS="key")
    assert said == "METRICS_TOKEN: expected a secret beside METRICS_ACCESS=key"


def test_earlier_secrets_may_come_from_a_file(load: Load, tmp_path: Path) -> None:
    """docs, settings: SECRET_KEY_FALLBACKS_FILE."""
    (tmp_path / "old").write_text("first,second\n")
    settings = load(SECRET_KEY_FALLBACKS_FILE=str(tmp_path / "old"))
    assert settings["SECRET_KEY_FALLBACKS"] == ["first", "second"]


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
    """the design: SQLite by default, WAL."""
    database = load()["DATABASES"]["default"]
    assert database["NAME"] == str(tmp_path / "data" / "gateway.sqlite3")
    assert "WAL" in database["OPTIONS"]["init_command"]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("own", [False, True], ids=["in the data folder", "elsewhere"])
def test_database_is_for_its_owner_alone_from_the_start(
    load: Load, tmp_path: Path, own: bool
) -> None:
    """Ours: attack. Sessions and samples stand in it, and SQLite makes files for everybody."""
    file = tmp_path / "own.sqlite3" if own else tmp_path / "data" / "gateway.sqlite3"
    load(**({"DATABASE_URL": f"sqlite:///{file}"} if own else {}))
    assert mode(file) == 0o600
    assert mode(tmp_path / "data") == 0o700
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE t (x)")
        modes = {path.name: mode(path) for path in file.parent.glob(f"{file.name}*")}
    assert len(modes) == 3 and set(modes.values()) == {0o600}


def test_database_that_was_open_to_others_is_narrowed(load: Load, tmp_path: Path) -> None:
    """Ours: earlier versions made it so; with what stands beside it, and without a word lost."""
    file = tmp_path / "data" / "gateway.sqlite3"
    file.parent.mkdir()
    for path in (file, file.with_name("gateway.sqlite3-wal")):
        path.write_bytes(b"x")
        path.chmod(0o644)
    load()
    assert (mode(file), mode(file.with_name("gateway.sqlite3-wal"))) == (0o600, 0o600)
    assert file.read_bytes() == b"x"


def test_database_in_memory_makes_no_file(load: Load, tmp_path: Path) -> None:
    load(DATABASE_URL="sqlite://:memory:")
    assert not list(tmp_path.rglob("*memory*"))


def test_database_may_be_another(load: Load) -> None:
    """the design: DATABASE_URL for PostgreSQL."""
    database = load(DATABASE_URL="postgres://u:p@h:5433/name")["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("h", 5433, "name")
    assert "init_command" not in database.get("OPTIONS", {})


@pytest.mark.parametrize("text", ["nonsense", "gateway.sqlite3", "oraculum://h/x", "://"])
def test_database_that_makes_no_sense_is_named(load: Load, text: str) -> None:
    assert complaint(load, DATABASE_URL=text).startswith("DATABASE_URL: expected ")


# --- Redis -------------------------------------------------------------------------------------


def test_channel_layer_is_in_memory_without_redis(load: Load) -> None:
    """the design: in-memory channel layer by default."""
    layer = load()["CHANNEL_LAYERS"]["default"]
    assert layer == {"BACKEND": "channels.layers.InMemoryChannelLayer"}


@pytest.mark.parametrize(
    "address", ["redis://h", "redis://:p@h:6380/2", "rediss://h", "unix:///run/redis.sock?db=1"]
)
def test_channel_layer_is_shared_with_redis(load: Load, address: str) -> None:
    """the design: REDIS_URL for several processes or hosts."""
    layer = load(REDIS_URL=address)["CHANNEL_LAYERS"]["default"]
    assert layer["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer"
    assert layer["CONFIG"]["hosts"][0]["address"] == address
    assert layer["CONFIG"]["prefix"].startswith("claude-bridge")


def test_address_of_redis_may_come_from_a_file(load: Load, tmp_path: Path) -> None:
    """It may hold a password."""
    (tmp_path / "url").write_text("redis://:s3cret@h\n")
    assert load(REDIS_URL_FILE=str(tmp_path / "url"))["REDIS_URL"] == "redis://:s3cret@h"


def test_log_can_be_set_up_with_redis(load: Load) -> None:
    """The filter that the channel layer's logger gets exists."""
    logging = load(REDIS_URL="redis://h")["LOGGING"]
    for made in logging["filters"].values():
        assert isinstance(import_string(made["()"])(), Filter)
    used = [name for logger in logging["loggers"].values() for name in logger.get("filters", [])]
    assert used == list(logging["filters"])


def test_mail_url_becomes_the_settings_of_a_mail_server(load: Load, tmp_path: Path) -> None:
    """docs/reference/settings.md: also from a file, for it holds a password."""
    (tmp_path / "mail").write_text("smtp+ssl://gateway:p%2Fss@mail.example.com\n")
    found = load(EMAIL_URL_FILE=str(tmp_path / "mail"), EMAIL_FROM="g@example.com")
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example.com", 465)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("gateway", "p/ss")
    assert (found["EMAIL_USE_SSL"], found["EMAIL_USE_TLS"]) == (True, False)
    found = load(EMAIL_URL="smtp+tls://mail.example.com", EMAIL_FROM="g@example.com")
    assert (found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == (587, True)


def test_mail_needs_a_sender(load: Load) -> None:
    said = complaint(load, EMAIL_URL="smtp://mail.example.com")
    assert said == "EMAIL_FROM: expected the sender's address beside EMAIL_URL"
