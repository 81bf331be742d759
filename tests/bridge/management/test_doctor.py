"""The checks of `manage.py doctor`, one by one, on things that are really broken."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from bridge.management.doctor import (
    backends,
    clocks,
    collectors,
    database,
    examination,
    files,
    front,
    port,
    redis,
    variables,
)
from bridge.management.doctor.results import CheckGrade, CheckResult, ok
from bridge.models import Backend, Origin
from bridge.routing.types import BackendConfig
from bridge.translation.profiles import PROFILES
from tests.bridge.ports import answering_port, closed_port, deaf_port
from tests.fakes.backend import FakeBackend
from tests.fakes.certificates import self_signed, server_context
from tests.fakes.redis import RedisServer

OK, WARNING, PROBLEM = CheckGrade.OK, CheckGrade.WARNING, CheckGrade.PROBLEM


def grades(results: Iterable[CheckResult]) -> list[CheckGrade]:
    """Their grades; and each that is no ok says what to do."""
    found = list(results)
    assert [bool(each.remedy) for each in found] == [each.grade is not OK for each in found]
    return [each.grade for each in found]


def only(results: Iterable[CheckResult], grade: CheckGrade) -> CheckResult:
    (found,) = [each for each in results if each.grade is not OK]
    assert found.grade is grade
    assert found.remedy
    return found


# --- settings and files --------------------------------------------------------------------------


def test_mistyped_variable_is_told_with_what_was_meant() -> None:
    known = {"BREAKER_FAILURES", "PORT", "METRICS_TOKEN", "METRICS_TOKEN_FILE"}
    given = {"BREAKER_FAILURE", "PATH", "HOME", "LANG", "PORT", "KUBERNETES_SERVICE_HOST"}
    found = only(variables.check(known, given, ()), WARNING)
    assert (found.subject, "did you mean BREAKER_FAILURES?" in found.text) == (
        "BREAKER_FAILURE",
        True,
    )
    assert grades(variables.check(known, given - {"BREAKER_FAILURE"}, ())) == [OK]


def test_unknown_line_of_the_file_is_told_whatever_it_is_like() -> None:
    """What stands in .env is meant for the gateway."""
    found = only(variables.check({"PORT"}, {"COLOUR_OF_SKY"}, {"COLOUR_OF_SKY", "PORT"}), WARNING)
    assert found.subject == "COLOUR_OF_SKY"


def test_files_of_others_eyes_are_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for name in ("secret_key", "gateway.sqlite3", "token"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    secrets = {"METRICS_TOKEN_FILE": tmp_path / "token"}
    assert set(grades(files.check(tmp_path, secrets))) == {OK}
    (tmp_path / "gateway.sqlite3").chmod(0o644)
    assert only(files.check(tmp_path, secrets), WARNING).remedy.startswith("chmod 600")
    (tmp_path / "gateway.sqlite3").chmod(0o600)
    (tmp_path / "token").chmod(0o640)
    assert only(files.check(tmp_path, secrets), WARNING).subject == "METRICS_TOKEN_FILE"


def test_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    """A file in its place: root may write to any folder."""
    (tmp_path / "data").write_text("")
    found = only(files.check(tmp_path / "data", {}), PROBLEM)
    assert "cannot be written to" in found.text


def test_disk_that_is_nearly_full_is_a_problem(tmp_path: Path) -> None:
    free = {50 * 1024**2: PROBLEM, 500 * 1024**2: WARNING, 50 * 1024**3: OK}
    assert {size: files._space(tmp_path, size).grade for size in free} == free


# --- what it leans on ----------------------------------------------------------------------------


@pytest.mark.django_db
def test_database_of_this_version_is_well_and_a_newer_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own transaction
    assert grades(database.check()) == [OK]
    MigrationRecorder(connection).record_applied("bridge", "9999_of_tomorrow")
    assert "9999_of_tomorrow" in only(database.check(), PROBLEM).text


def test_clocks_that_differ_are_told() -> None:
    assert grades([clocks.compared("x", 1.0), clocks.compared("x", -30.0)]) == [OK, WARNING]
    assert clocks.compared("x", 90.0).text == "that of x is 90 s ahead of this machine's"
    assert clocks.compared("x", -90.0).grade is PROBLEM


def test_redis_is_asked_for_what_limits_need(settings: Any, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        settings.REDIS_URL = server.url
        assert set(grades(redis.check(server.url, 1))) == {OK}
        with closing(server.client()) as client:
            client.config_set("min-replicas-to-write", 3)
        assert only(redis.check(server.url, 1), PROBLEM).subject == "REDIS_URL"
        settings.REDIS_URL = server.url.replace("redis://", "redis://:s3cret@")
        refused = only(redis.check(settings.REDIS_URL, 1), PROBLEM)
        assert "s3cret" not in str(refused)
    assert "cannot be reached" in only(redis.check(settings.REDIS_URL, 1), PROBLEM).text


def test_collector_that_is_away_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_port, closed_port() as closed:
        good = open_port.getsockname()[1]
        addresses = {"A": f"http://127.0.0.1:{good}", "B": f"http://127.0.0.1:{closed}", "C": ""}
        told = list(collectors.check(addresses))
    assert grades(told) == [OK, WARNING]
    assert "cannot be reached: Connection refused" in told[1].text


def test_several_workers_want_redis() -> None:
    assert grades([*redis.check("", 1), *redis.check("", 4)]) == [OK, WARNING]


# --- backends ------------------------------------------------------------------------------------


def a_backend(url: str, name: str = "main", key: str = "") -> BackendConfig:
    return BackendConfig(1, name, url, PROFILES["generic"], key=key)


def test_good_backend_tells_how_many_models_it_lists(backend: FakeBackend) -> None:
    url = backend.chat_url.removesuffix("/chat/completions")
    text = " ".join(each.text for each in backends.check([a_backend(url, key="cpk_operator")]))
    assert "reachable, the key is accepted, 5 models listed" in text
    assert {call.path for call in backend.calls} <= {"/v1/models"}, "asked for more than a list"


def test_each_broken_backend_is_told_by_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once: one that swallows packets keeps no other from being told."""
    monkeypatch.setattr(backends, "SECONDS", 2.0)
    stale = b"HTTP/1.1 200 OK\r\ndate: Sun, 29 Nov 2020 10:00:00 GMT\r\ncontent-length: 2\r\n\r\n{}"
    refusal = b"HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\n{}"
    tls = server_context(self_signed(tmp_path, "localhost"))

    async def told() -> list[CheckResult]:
        async with (
            answering_port(stale, tls) as own,
            answering_port(refusal) as locked,
            answering_port(stale) as old,
        ):
            return await backends._check_all(
                [
                    a_backend(f"http://127.0.0.1:{closed}/v1", "closed"),
                    a_backend(f"http://127.0.0.1:{deaf}/v1", "deaf"),
                    a_backend("http://nowhere.invalid/v1", "nameless"),
                    a_backend(f"https://localhost:{own}/v1", "own"),
                    a_backend(f"http://127.0.0.1:{locked}/v1", "locked", "sk-operators-0123456789"),
                    a_backend(f"http://127.0.0.1:{locked}/v1", "callers"),
                    a_backend(f"http://127.0.0.1:{old}/v1", "old"),
                ]
            )

    with closed_port() as closed, deaf_port() as deaf:
        found = asyncio.run(told())
    texts = {each.subject.removeprefix("backend "): each for each in found}
    assert "connection refused" in texts["closed"].text
    assert "no answer" in texts["deaf"].text
    assert "does not resolve" in texts["nameless"].text
    assert "not trusted" in texts["own"].text
    assert "SSL_CERT_FILE" in texts["own"].remedy
    assert "refuses the operator's key" in texts["locked"].text
    assert texts["callers"].grade is OK
    assert "no model list" in texts["old"].text
    assert texts["clock"].grade is PROBLEM
    assert not [each for each in found if "sk-operators" in str(each)]


def test_certificate_that_ends_soon_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def told() -> list[CheckResult]:
        async with answering_port(b"", server_context(certificate)) as served:
            return await backends._certificate(a_backend(f"https://localhost:{served}/v1"), "x")

    assert "good for 1 more days" in only(asyncio.run(told()), WARNING).text


@pytest.mark.django_db
def test_backends_are_those_that_the_next_start_serves(settings: Any) -> None:
    Backend.objects.create(name="main", url="http://old/v1", origin=Origin.ENVIRONMENT)
    Backend.objects.create(name="row", url="http://row/v1", origin=Origin.OPERATOR)
    settings.BACKEND_URL = "http://new:1234/v1/chat/completions"
    assert [(each.name, each.url) for each in examination.configured()] == [
        ("main", "http://new:1234/v1"),
        ("row", "http://row/v1"),
    ]


# --- front and port ------------------------------------------------------------------------------


def a_front(**changed: Any) -> Any:
    usual = {
        "HOST": "127.0.0.1",
        "CSRF_TRUSTED_ORIGINS": [],
        "PUBLIC_URL": "",
        "TRUST_FORWARDED_PROTO": False,
        "ALLOWED_HOSTS": ["localhost"],
    }
    return SimpleNamespace(**usual | changed)


FRONTS = {
    "alone": ({}, []),
    "open": ({"HOST": "0.0.0.0"}, ["TRUST_FORWARDED_PROTO"]),
    "any name": (
        {"HOST": "10.0.0.1", "ALLOWED_HOSTS": ["*"], "TRUST_FORWARDED_PROTO": True},
        ["ALLOWED_HOSTS"],
    ),
    "half": (
        {"PUBLIC_URL": "https://gw.example.com"},
        ["TRUST_FORWARDED_PROTO", "CSRF_TRUSTED_ORIGINS", "ALLOWED_HOSTS"],
    ),
    "whole": (
        {
            "PUBLIC_URL": "https://gw.example.com",
            "CSRF_TRUSTED_ORIGINS": ["https://gw.example.com"],
            "ALLOWED_HOSTS": ["gw.example.com"],
            "TRUST_FORWARDED_PROTO": True,
        },
        [],
    ),
}


@pytest.mark.parametrize(("changed", "told"), FRONTS.values(), ids=FRONTS)
def test_front_that_is_set_up_by_halves_is_told(changed: dict[str, Any], told: list[str]) -> None:
    found = list(front.check(a_front(**changed)))
    assert [each.subject for each in found if each.grade is WARNING] == told


def test_port_of_another_program_is_a_problem() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = other.getsockname()[1]
        other.settimeout(0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(port, "PATIENCE", 0.1)
            found = only(port.check("127.0.0.1", taken), PROBLEM)
    assert "in use by another program" in found.text
    assert grades(port.check("127.0.0.1", taken)) == [OK]


# --- all together --------------------------------------------------------------------------------


def test_check_that_hangs_or_fails_keeps_no_other_from_being_shown() -> None:
    release = Event()

    def hang() -> Iterator[CheckResult]:
        release.wait()
        yield ok("x", "too late")

    def fail() -> Iterator[CheckResult]:
        yield ok("half", "done")
        raise RuntimeError("secret")

    given: dict[str, Callable[[], Iterable[CheckResult]]] = {
        "slow": hang,
        "bad": fail,
        "good": lambda: [ok("good", "well")],
    }
    found = list(examination.examine(given, 0.05))
    release.set()
    assert [each.grade for each in found] == [PROBLEM, OK, PROBLEM, OK]
    assert "RuntimeError" in found[2].text
    assert "secret" not in str(found)
