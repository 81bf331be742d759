"""Attempts and states, seen from outside: on record, in sums, on every page the same."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from bridge import attempts
from tests.bridge.ports import closed_port
from tests.conftest import starting
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import failure, role, text
from tests.fakes.client import MESSAGES, ask, leave
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate
from tests.fakes.script import Script

SESSION = "x-claude-code-session-id"
PATIENCE = 2
LOGIN = """
from importlib import import_module
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
user = User.objects.create_superuser("adele", password="a long password")
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[auth.SESSION_KEY] = str(user.pk)
session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""


@dataclass
class Stand:
    """A gateway before a scripted backend, one that answers in its place, one that is killed and
    one that was never there."""

    gateway: Gateway
    main: FakeBackend
    spare: FakeBackend
    cookie: str
    kill: Callable[[], None]

    def page(self, path: str) -> str:
        """Its text, as an admin reads it."""
        answer = self.gateway.with_key(None).get(path, {"cookie": f"sessionid={self.cookie}"})
        assert answer.status == 200, path
        shown = re.sub(r"<(script|style).*?</\1>", "", answer.body.decode(), flags=re.S)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", shown)).split())

    def wait_page(self, path: str, is_as_wanted: Callable[[str], bool]) -> str:
        """The same, once it is as wanted."""
        return books.until(lambda: self.page(path), is_as_wanted, self.gateway)


def target(backend: str, position: int = 0) -> dict[str, Any]:
    return {"backend": backend, "model": ALPHA, "position": position}


@pytest.fixture(scope="module")
def stand(
    session_backend: FakeBackend,
    session_spare: FakeBackend,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stand]:
    main, spare = session_backend, session_spare
    main.reset()
    spare.reset()
    with ExitStack() as stack, starting(main, tmp_path_factory) as start:
        doomed, life = FakeBackend(), ExitStack()
        stack.enter_context(life)
        life.enter_context(doomed)
        port = stack.enter_context(closed_port())
        gateway = start("serve", DISCOVERY_INTERVAL="1", BREAKER_FAILURES="1000")
        urls = {
            "spare": f"{spare.base_url}/v1",
            "killed": f"{doomed.base_url}/v1",
            "gone": f"http://127.0.0.1:{port}/v1",
        }
        others = [
            {"name": name, "url": url, "position": place + 1}
            for place, (name, url) in enumerate(urls.items())
        ]
        aliases = [
            {"pattern": "fast", "targets": [target("main"), target("spare", 1)]},
            {"pattern": "lost", "targets": [target("gone"), target("spare", 1)]},
            {"pattern": "typo", "targets": [{"backend": "main", "model": "test/alphaa"}]},
        ]
        first = {"name": "main", "url": f"{main.base_url}/v1", "timeout_seconds": PATIENCE}
        backends = [first, *others]
        gateway.configure(backends=backends, aliases=aliases)
        cookie = gateway.manage("shell", "-v0", "-c", LOGIN).split()[-1]
        yield Stand(gateway, main, spare, cookie, life.close)
    main.reset()
    spare.reset()


# --- each kind -----------------------------------------------------------------------------------

KINDS: dict[str, tuple[Callable[[Script], object], tuple[str, int, str]]] = {
    "server_error": (lambda s: s.error(500, "boom"), (attempts.SERVER_ERROR, 500, "boom")),
    "refused": (lambda s: s.error(404, "no such page"), (attempts.REFUSED, 404, "no such page")),
    "hung_up": (
        lambda s: s.drop(),
        (attempts.BROKEN, 0, "connection was closed without a reply"),
    ),
    "broken": (
        lambda s: s.stream(role(), failure("overloaded", 503)),
        (attempts.BROKEN, 200, "overloaded"),
    ),
    "silent": (lambda s: s.json({}, before=Gate()), (attempts.TIMED_OUT, 0, "")),
}


@pytest.fixture(scope="module")
def played(stand: Stand) -> dict[str, books.Row]:
    """The rows of requests of which the first attempt fails, each in its way, by their names."""
    client = stand.gateway.client
    for name, (script, _) in KINDS.items():
        stand.main.reset()
        script(stand.main.on(ALPHA))
        assert client.post(MESSAGES, ask(model="fast"), {SESSION: name}).status == 200
    stand.main.reset()
    assert client.post(MESSAGES, ask(model="lost"), {SESSION: "unreachable"}).status == 200
    assert client.post(MESSAGES, ask(model="fast"), {SESSION: "answered"}).status == 200
    stand.main.on(ALPHA).stream(role(), text("Hello there"), failure("oops", 500))
    in_stream = client.post(MESSAGES, ask(model="fast", stream=True), {SESSION: "in_stream"})
    assert (in_stream.status, b"event: error" in in_stream.body) == (200, True)
    stand.main.reset()
    gate = Gate()
    stand.main.on(ALPHA).json({}, before=gate)
    leaving = client.send("POST", MESSAGES, ask(model="fast"), {SESSION: "left"})
    gate.wait_reached()
    leave(leaving)
    stand.main.only_call.wait_left()
    stand.main.reset()
    rows = books.wait_for_rows(stand.gateway, len(KINDS) + 4)
    return {row["session"]: row for row in rows}


def listed(row: books.Row) -> list[dict[str, Any]]:
    found = row["attempt_list"]
    attempts_found: list[dict[str, Any]] = json.loads(found) if isinstance(found, str) else found
    return attempts_found


@pytest.mark.parametrize("name", KINDS)
def test_each_way_to_fail_is_on_record_with_the_fallback(
    played: dict[str, books.Row], name: str
) -> None:
    """docs/reference/usage-records.md, Attempts."""
    row = played[name]
    failed, answered = listed(row)
    found = failed["kind"], failed.get("status", 0), failed.get("text", "")
    assert found == KINDS[name][1]
    assert (failed["backend"], failed["fell_back"], row["failed_lines"]) == (
        "main",
        True,
        "\nmain\n",
    )
    assert (answered["backend"], answered["kind"]) == ("spare", attempts.ANSWERED)
    assert (row["status"], row["backend"], row["attempts"]) == (200, "spare", 2)


def test_backend_that_was_never_there_is_an_attempt_too(played: dict[str, books.Row]) -> None:
    """Unless another may be asked that can be reached: then it is a step of the route."""
    row = played["unreachable"]
    if row["attempts"] == 2:
        assert (listed(row)[0]["kind"], listed(row)[0]["text"]) == (
            attempts.UNREACHABLE,
            "connection refused",
        )
    else:
        assert "gone: not reachable when last tried" in row["route"]


def test_usual_request_has_no_list(played: dict[str, books.Row]) -> None:
    """Nor one whose client left."""
    assert [listed(played[name]) for name in ("answered", "left")] == [[], []]
    assert (played["left"]["status"], played["left"]["attempts"]) == (499, 1)


def test_error_within_the_stream_breaks_its_attempt(played: dict[str, books.Row]) -> None:
    row = played["in_stream"]
    (attempt,) = listed(row)
    assert (attempt["kind"], attempt["status"], attempt["text"]) == (attempts.BROKEN, 200, "oops")
    assert (row["status"], row["head_status"]) == (500, 200)


def test_ledger_adds_up_with_its_attempts(stand: Stand, played: dict[str, books.Row]) -> None:
    books.check(stand.gateway)


def test_pages_tell_what_happened(stand: Stand, played: dict[str, books.Row]) -> None:
    """The request's, with the backend's own words; the backend's, although others answered."""
    shown = stand.page(f"/dashboard/requests/{played['refused']['request_id']}/")
    assert "main " + ALPHA + " answered 404 no such page" in shown
    assert f"answered by {ALPHA} on spare" in shown
    broken = stand.page(f"/dashboard/requests/{played['in_stream']['request_id']}/")
    assert "Error within the stream, after" in broken and "main broke off its answer" in broken
    card = stand.page("/dashboard/backends/")
    assert re.search(r"Failed \d+ % server error 1, timed out 1, broke off 3", card)


# --- one truth -----------------------------------------------------------------------------------

PAGES = ("/dashboard/", "/dashboard/backends/", "/admin/", "/admin/bridge/backend/", "/")


def test_every_face_shows_the_same_state_of_a_backend_that_is_away(stand: Stand) -> None:
    """Killed, or never there: within one look at the lists, which is every second here."""

    def states() -> dict[str, str]:
        known: Any = stand.gateway.with_key(None).get("/health").json
        return {name: entry["state"] for name, entry in known["backends"].items()}

    books.until(states, lambda known: known["killed"] == "serving", stand.gateway)
    stand.kill()
    books.until(states, lambda known: known["killed"] == "unreachable", stand.gateway)
    assert states() == {
        "main": states()["main"],
        "spare": "serving",
        "killed": "unreachable",
        "gone": "unreachable",
    }
    for page in PAGES:
        least = 1 if page == "/" else 2
        shown = stand.wait_page(page, lambda seen, n=least: _away(seen) >= n)  # type: ignore[misc]
        assert "All backends serve" not in shown


def _away(page: str) -> int:
    return page.lower().count("not reachable")


def test_admin_and_dashboard_list_the_same_concerns(stand: Stand) -> None:
    """One query, so the same lines; an alias with a slip in its target is among them."""
    lines = [
        "Backend killed is not reachable: ",
        "Backend gone is not reachable: ",
        "Backend gone has not listed its models yet",
        "Alias typo leads to test/alphaa, which is not in the list of main",
    ]
    for page in ("/dashboard/", "/admin/"):
        stand.wait_page(page, lambda seen: all(line in seen for line in lines))
