"""A flood of logins: streams and other requests go on as if there were none. docs/security.md."""

from __future__ import annotations

import threading
from collections import Counter
from urllib.parse import urlencode

import pytest

from tests.conftest import Start
from tests.e2e.test_security import LOGIN, TOKEN, Browser
from tests.fakes.client import RawClient
from tests.fakes.gateway import Gateway, Ready
from tests.fakes.watchdog import watching

CONNECTIONS, TRIES = 60, 5
LOOKED_AT = 6
LONGEST_STALL = 0.25


def flood(gateway: Gateway) -> Counter[int]:
    """What that many connections are answered that try another name each time."""
    browser = Browser(gateway)
    token = TOKEN.search(browser.get(LOGIN).body.decode())
    assert token is not None
    headers = browser._headers() | {"content-type": "application/x-www-form-urlencoded"}
    found: Counter[int] = Counter()

    def tries(number: int) -> None:
        client = RawClient(gateway.url, key=None)
        for attempt in range(TRIES):
            form = {"username": f"u{number}-{attempt}", "password": "wrong"}
            body = urlencode(form | {"csrfmiddlewaretoken": token[1]}).encode()
            found[client.post(LOGIN, body, headers).status] += 1

    threads = [threading.Thread(target=tries, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("launcher", ["serve", pytest.param("uvicorn", marks=pytest.mark.slow)])
def test_flood_of_logins_holds_nobody_up(start_gateway: Start, launcher: str) -> None:
    """Ours: attack, login flood. Passwords are checked one at a time, most are not at all."""
    gateway = start_gateway(
        launcher,
        ready=Ready.HEALTHY,
        is_fresh=True,  # hashes are dear
        LOGIN_FAILURES_PER_ADDRESS=str(LOOKED_AT),
    )
    with watching(gateway) as stalls:
        answers = flood(gateway)
    assert sum(answers.values()) == CONNECTIONS * TRIES
    assert set(answers) <= {200, 429, 503}
    assert answers[200] <= LOOKED_AT, "more were looked at than one address may try"
    assert not stalls.failures
    assert stalls.longest < LONGEST_STALL, f"{stalls.longest:.2f} s of CPU in one answer"


@pytest.mark.parametrize("launcher", ["serve", "uvicorn"])
def test_what_a_gateway_writes_is_for_its_owner_alone(start_gateway: Start, launcher: str) -> None:
    """Ours: attack: sessions and samples are in the database, names in the spool."""
    gateway = start_gateway(launcher, ready=Ready.HEALTHY)
    gateway.client.messages()
    data = gateway.log_path.parent
    files = [*data.rglob("*.sqlite3*"), *data.rglob("*.jsonl"), *data.rglob("secret_key")]
    assert {path.name.partition("-")[2] for path in files if "sqlite3" in path.name} >= {"", "wal"}
    assert any(path.suffix == ".jsonl" for path in files)
    assert {path.name: path.stat().st_mode & 0o077 for path in files if path.exists()} == {
        path.name: 0 for path in files if path.exists()
    }
