"""`manage.py serve` as an operator meets it: start, keys, several workers, and the end.

Few processes, each asked much; the running streams that may finish are in tests/e2e/test_ending.py.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conftest import Start
from tests.fakes import forked
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import MESSAGES, Response, ask
from tests.fakes.gateway import Gateway, Ready, launch
from tests.fakes.replies import Gate

ROOT = Path(__file__).resolve().parents[2]
WAIT = 25.0
RESTARTING = {"type": "overloaded_error", "message": "Gateway is restarting"}


def manage(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` as an operator does who shares the gateway's folder."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
    }
    return forked.run(["manage.py", *arguments], environment | variables, "", WAIT)


# --- starting twice ----------------------------------------------------------------------------


@dataclass(slots=True)
class Home:
    """A folder in which the gateway was started, keys were issued, and it was started again."""

    folder: Path
    first_log: str
    password: str
    login: Response
    key: str
    gateway: Gateway


def log_in(gateway: Gateway, password: str) -> Response:
    """Fill in the admin's form."""
    page = gateway.client.get("/admin/login/")
    cookie = SimpleCookie(page.headers["set-cookie"])["csrftoken"]
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)
    assert token is not None
    form = {
        "username": "admin",
        "password": password,
        "csrfmiddlewaretoken": token[1].decode(),
        "next": "/admin/",
    }
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "cookie": f"csrftoken={cookie.value}",
    }
    return gateway.client.post("/admin/login/", urlencode(form).encode(), headers)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    first = launch("serve", folder, None, {}, Ready.HEALTHY, is_fresh=True)
    try:
        log = first.log
        found = re.search(r"user admin, password (\S+) \(shown only now\)", log)
        assert found is not None, log
        login = log_in(first, found[1])
        key = manage(folder, "issue_key", "team").stdout
    finally:
        assert first.stop() == 0
    first.log_path.unlink()
    variables = {"REQUIRE_GATEWAY_KEY": "1", "LOG_FORMAT": "json"}
    second = launch("serve", folder, None, variables, Ready.HEALTHY)
    yield Home(folder, log, found[1], login, key, second)
    second.stop()


def test_shown_password_opens_the_admin(home: Home) -> None:
    """Ours: a first admin with a random password."""
    assert (home.login.status, home.login.headers["location"]) == (302, "/admin/")


def test_password_is_shown_once(home: Home) -> None:
    """Ours: shown once."""
    assert home.first_log.count(home.password) == 1
    assert "password" not in home.gateway.log


def objects(gateway: Gateway) -> list[dict[str, Any]]:
    """The lines of a log for programs, all of which are objects with the same members."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in gateway.log.splitlines()]
    assert {tuple(line)[:4] for line in lines} == {("time", "level", "logger", "message")}
    return lines


def test_every_line_of_a_log_for_programs_is_an_object(home: Home) -> None:
    """From the first one on, with refusals, pages that say no, and names that forge lines."""
    forged = 'm\n{"time":"x"}\u2028\x1b[2J'
    client = home.gateway.with_key(home.key.strip())
    assert client.post(MESSAGES, ask(model=forged)).status in (200, 404)
    assert client.get("/admin/no/such/page/").status in (302, 404)
    assert client.post("/admin/login/", b"username=x").status == 403
    assert client.get("/static/dashboard/details.css").status == 200
    lines = objects(home.gateway)
    assert not [line for line in lines if line["logger"] in ("twisted", "py.warnings")]
    (start,) = [line for line in lines if line["logger"] == "bridge.start"]
    assert "requests: the built-in demo backend" in start["message"]
    (request,) = [line for line in lines if line.get("request", {}).get("asked_model") == forged]
    assert (request["logger"], request["request"]["key"]) == ("bridge.requests", "team")
    refused = [line for line in lines if line["logger"].startswith("django.")]
    assert refused
    assert not [line for line in refused if "traceback" in line]


def test_issue_key_prints_nothing_but_the_key(home: Home) -> None:
    """Ours: so that `KEY=$(manage.py issue_key team)` works."""
    assert re.fullmatch(r"gwk_\S{43}\n", home.key)


def test_issued_key_is_let_in_and_others_are_not(home: Home) -> None:
    """wire G10: REQUIRE_GATEWAY_KEY=1, only issued keys."""
    request = ask(model="demo/echo")
    assert home.gateway.with_key(home.key.strip()).post(MESSAGES, request).status == 200
    refused = home.gateway.with_key("cpk_somebody").post(MESSAGES, request)
    assert (refused.status, refused.json["error"]["type"]) == (401, "authentication_error")


def test_key_works_without_a_restart(home: Home) -> None:
    """design, The snapshot: every process compares the version once a second."""
    key = manage(home.folder, "issue_key", "late").stdout.strip()
    client = home.gateway.with_key(key)
    deadline = time.monotonic() + WAIT
    while client.get("/v1/models").status != 200:
        assert time.monotonic() < deadline, "the new key is still unknown"


def test_second_key_of_a_name_is_refused_in_a_sentence(home: Home) -> None:
    again = manage(home.folder, "issue_key", "team")
    assert (again.returncode, again.stdout) == (1, "")
    assert "Traceback" not in again.stderr
    assert "already exists" in again.stderr


def test_bad_value_stops_the_start_in_a_sentence(tmp_path: Path) -> None:
    """Ours: with the variable's name and what was expected."""
    started = manage(tmp_path, "serve", MODEL_MAP="{'a': 'b'}")
    assert started.returncode == 1
    assert "MODEL_MAP: expected a JSON object" in started.stderr
    assert "Traceback" not in started.stderr
    started = manage(tmp_path, "serve", MODEL_MAP="{'a': 'b'}", LOG_FORMAT="json")
    assert "MODEL_MAP: expected a JSON object" in json.loads(started.stderr)["message"]


# --- ending ------------------------------------------------------------------------------------


@pytest.mark.parametrize("launcher", ["serve", "uvicorn"])
def test_requests_of_every_kind_are_told_to_come_back(
    launcher: str, start_gateway: Start, backend: FakeBackend
) -> None:
    """design, Servers: what is left after DRAIN_SECONDS ends with an overloaded_error."""
    gateway = start_gateway(launcher=launcher, DRAIN_SECONDS="0.3")
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), gate)
    backend.on("test/beta").json({}, before=gate)
    with gateway.client.stream() as begun:
        begun.events_until("content_block_delta")
        waiting = [
            gateway.client.send("POST", MESSAGES, ask(model="test/beta", stream=stream))
            for stream in (False, True)
        ]
        backend.wait_for_calls(3)
        gateway.process.terminate()
        assert begun.message()["error"] == RESTARTING
    for connection in waiting:
        response = connection.getresponse()
        body = response.read()
        connection.close()
        assert (response.status, b"Gateway is restarting" in body) == (529, True)
    for call in backend.calls:
        call.wait_left()
    assert gateway.wait_end() == 0


def test_several_workers_serve_and_end_well(start_gateway: Start, backend: FakeBackend) -> None:
    """Seeds: UVICORN_WORKERS. a running stream may finish here too. P18."""
    gateway = start_gateway(launcher="serve", UVICORN_WORKERS="2", LOG_FORMAT="json")
    assert "(uvicorn)" in gateway.log
    answers = [gateway.client.messages() for _ in range(8)]
    assert [answer.status for answer in answers] == [200] * 8
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), gate, text("two"), finish("stop"), usage(5, 2))
    with gateway.client.stream() as stream:
        stream.events_until("content_block_delta")
        gateway.process.terminate()
        gate.open()
        assert stream.message()["content"] == [{"type": "text", "text": "one two"}]
    assert gateway.wait_end() == 0
    assert [line["message"] for line in objects(gateway)].count("answered") == 9
