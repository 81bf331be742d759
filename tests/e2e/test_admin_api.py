"""The admin API of a running gateway, as a script uses it, and the lines of its how-to."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Start
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.client import MESSAGES, PLAIN, ask
from tests.fakes.gateway import ROOT, Gateway
from tests.shapes import check_error

BASE = "/api/admin/v1"
HOW_TO = ROOT / "docs/how-to/admin-api.md"
LINES = re.compile(r"^    (curl (?:.+\\\n)*.+)$", re.M)


@pytest.fixture(scope="module")
def served(launch_gateway: Start) -> Gateway:
    return launch_gateway()


@pytest.fixture(scope="module")
def token(served: Gateway) -> str:
    return served.manage("issue_token", "ci", "--role", "operator").strip()


@pytest.fixture
def script(served: Gateway, token: str) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=served.url + BASE, headers=headers, **PLAIN) as client:
        yield client


def works(gateway: Gateway, key: str) -> int:
    return gateway.with_key(key).post(MESSAGES, ask(model=ALPHA)).status


def test_script_makes_a_team_and_a_key_that_works_until_it_is_revoked(
    served: Gateway, script: httpx.Client, session_backend: FakeBackend
) -> None:
    """A change is in force within a second, as one of the admin's."""
    team = script.put("/teams/blue", json={"budget_month": 5, "allowed": f"{ALPHA}\ngpt-*"})
    assert team.status_code == 201, team.text
    made = script.post("/keys", json={"name": "k", "team": "blue"})
    assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
    key = made.json()["key"]
    books.until(lambda: works(served, key), lambda status: status == 200, served)
    books.until(
        lambda: script.get("/usage", params={"by": "team", "since": "1h"}).json()["data"],
        lambda lines: any(line["group"] == "blue" for line in lines),
        served,
    )
    assert script.post("/keys/k/revoke").json()["state"] == "revoked"
    books.until(lambda: works(served, key), lambda status: status == 401, served)
    changes = script.get("/changes", params={"actor": "token ci"}).json()["data"]
    assert [(each["kind"], each["change"]) for each in changes] == [
        ("teams", "added"),
        ("keys", "added"),
        ("keys", "changed"),
    ]
    assert key not in served.log


def test_writes_that_know_the_same_row_do_not_both_win(script: httpx.Client) -> None:
    tag = script.put("/teams/red", json={}).headers["etag"]
    first = script.patch("/teams/red", json={"rpm": 1}, headers={"if-match": tag})
    second = script.patch("/teams/red", json={"rpm": 2}, headers={"if-match": tag})
    assert (first.status_code, second.status_code) == (200, 412)
    assert script.get("/teams/red", headers={"if-none-match": tag}).status_code == 200
    now = script.get("/teams/red").headers["etag"]
    unchanged = script.get("/teams/red", headers={"if-none-match": now})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_names_with_slashes_and_head_pass_a_real_server(script: httpx.Client) -> None:
    for path in ("/teams/a/b", "/teams/a%2Fb"):
        assert script.put(path, json={"rpm": 3}).json()["name"] == "a/b"
    head = script.head("/teams/a/b")
    assert (head.status_code, head.content) == (200, b"") and head.headers["etag"]
    assert script.delete("/teams/a/b").status_code == 204


def test_token_opens_no_model_and_a_key_no_admin(
    served: Gateway, token: str, session_backend: FakeBackend
) -> None:
    calls = len(session_backend.calls)
    answer = served.with_key(token).post(MESSAGES, ask(model=ALPHA))
    assert answer.status == 401 and "admin API" in check_error(answer.json)["error"]["message"]
    assert len(session_backend.calls) == calls, "it is never sent on"
    headers = {"authorization": "Bearer gwk_x"}
    assert httpx.get(f"{served.url}{BASE}/teams", headers=headers).status_code == 401


def test_no_other_site_may_read_it(script: httpx.Client) -> None:
    """No CORS, whatever CORS_ORIGINS says; no cookie."""
    origin = {"origin": "https://other.example"}
    answer = script.get("/teams", headers=origin)
    assert "access-control-allow-origin" not in answer.headers
    assert "set-cookie" not in answer.headers
    asked = script.options("/teams", headers={**origin, "access-control-request-method": "GET"})
    assert asked.status_code == 405 and "access-control-allow-origin" not in asked.headers


def test_large_body_is_refused_before_it_is_read(script: httpx.Client) -> None:
    answer = script.post("/import", content=b"[" * 3_000_000)
    assert answer.status_code == 413
    assert check_error(answer.json())["error"]["type"] == "request_too_large"


def test_unknown_paths_are_refused_in_the_envelope(served: Gateway) -> None:
    for path in ("/api/admin", "/api/admin/", f"{BASE}/nope", "/api/admin/v2/teams"):
        answer = httpx.get(served.url + path, headers={"accept": "text/html"})
        assert answer.status_code == 404, path
        assert check_error(answer.json())["error"]["type"] == "not_found_error"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_lines_of_the_how_to_work_in_their_order(
    served: Gateway, token: str, tmp_path: Path
) -> None:
    """Each is run by a shell as it stands there."""
    (tmp_path / ".curlrc").write_text("fail-with-body\nnoproxy = *\n")
    environment = {
        "GATEWAY": served.url,
        "TOKEN": token,
        "CURL_HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    lines = LINES.findall(HOW_TO.read_text(encoding="utf-8"))
    assert len(lines) == 10
    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        body = done.stdout.rpartition("\n\n")[2]
        assert not body or json.loads(body) is not None, line
    assert json.loads((tmp_path / "gateway.json").read_text())["teams"][-1]["name"] == "research"
