"""What a person who is logged in sees below /my/: everything of the own keys, nothing of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bridge.api.own_usage.answer import summed
from bridge.api.own_usage.question import question_of
from bridge.keys import authentication
from bridge.keys.authentication import Caller, IssuedKey, Principal
from bridge.models import ApiKey, Change, PersonLimits, SignIn, UsageRecord, UsageSession
from bridge.models.people.keys import KeyKind
from dashboard.my_urls import urlpatterns
from tests.bridge.people import a_team, a_user
from tests.dashboard import reading
from tests.dashboard.making import CODER, LARGE, NOW, enter, record
from tests.dashboard.months import clear

pytestmark = pytest.mark.django_db
MY = reverse("my")
TIME = {"range": "24h", "tz": "UTC"}


@pytest.fixture(autouse=True)
def counted_anew(now: None) -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@dataclass
class Holder:
    """A person with an issued key and a sign-in, and a browser in which the person is logged in."""

    user: User
    key: ApiKey
    text: str
    sign_in: SignIn
    browser: Client

    def used(self, number: int, count: int, key: ApiKey | None = None, **told: Any) -> None:
        """So many requests, with ids from `number` on; the first ones of all in a session."""
        row = key or self.key
        name = self.user.username
        whose = {"person_id": self.user.pk, "person": name, "key_id": row.pk, "key": row.name}
        is_first = number in (1, 500)
        start = NOW - timedelta(minutes=90 if is_first else 240)
        session = f"session-{name}" if is_first else ""
        enter(
            record(start + timedelta(minutes=n), number + n, session=session, **whose | told)
            for n in range(count)
        )

    def shown(self, path: str = MY, **query: str) -> reading.Node:
        answer = self.browser.get(path, TIME | query)
        assert answer.status_code == 200, answer
        assert "no-store" in answer["Cache-Control"]
        return reading.page(answer)


def a_holder(name: str, **fields: Any) -> Holder:
    user = a_user(name=name)
    key, text = ApiKey.issue(f"{name}-laptop", {"person": user, **fields})
    session, _ = ApiKey.issue(f"{name} (sign-in 1)", {"person": user, "kind": KeyKind.SESSION})
    sign_in = SignIn.objects.create(
        person=user,
        key=session,
        client=f"Claude Code of {name}",
        address="192.0.2.7",
        family_digest=f"family-{name}",
        refresh_digest=f"refresh-{name}",
        expires_at=timezone.now() + timedelta(days=30),
    )
    browser = Client()
    browser.force_login(user)
    return Holder(user, key, text, sign_in, browser)


@pytest.fixture
def ann() -> Holder:
    return a_holder("ann")


@pytest.fixture
def bob() -> Holder:
    """With three requests of a large model, one of which failed."""
    holder = a_holder("bob")
    holder.used(500, 2, model=LARGE)
    holder.used(510, 1, model=LARGE, status=529, error_type="overloaded_error")
    return holder


# --- what is one's own ----------------------------------------------------------------------------


def test_all_keys_of_a_person_stand_together(ann: Holder, bob: Holder) -> None:
    """Issued keys and sign-ins; no role is asked for."""
    ann.used(1, 3)
    ann.used(10, 2, ann.sign_in.key)
    root = ann.shown()
    assert root.first("h1").text == "ann"
    assert reading.big(root)["Requests"] == "5"
    assert [row["Model"].text for row in reading.table(root)] == [CODER]
    for others in ("bob", LARGE):
        assert others not in root.text


def test_limits_of_person_team_and_key_have_their_cards(bob: Holder) -> None:
    ann = a_holder("ann", budget_usd=Decimal(2), period="total")
    a_team("blue", ann.user, budget_month=Decimal(9), rpm=60)
    PersonLimits.objects.create(user=ann.user, budget_day=Decimal(4))
    ann.used(1, 2, cost_nano_usd=500_000_000)
    left = reading.big(ann.shown())
    assert left["Left this day, all your keys"] == "$3.00"
    assert left["Left in all, key ann-laptop"] == "$1.00"
    assert left["Left this month, team blue"] == "$9.00"
    assert left["Requests left this minute, team blue"] == "60"
    assert "Nothing limits what you use" in bob.shown().text


def test_what_a_key_used_for_somebody_else_is_not_shown(ann: Holder, bob: Holder) -> None:
    """Ours: keys change hands; what was used before stays the former person's."""
    ApiKey.objects.filter(pk=bob.key.pk).update(person=ann.user)
    theirs = UsageRecord.objects.filter(person_id=bob.user.pk).first()
    session = UsageSession.objects.get(key_id=bob.key.pk)
    assert theirs is not None
    ann.used(1, 1, bob.key)
    root = ann.shown()
    assert reading.big(root)["Requests"] == "1" and LARGE not in root.text
    for name, given in (("my_request", theirs.request_id), ("my_session", session.pk)):
        assert ann.browser.get(reverse(name, args=[given])).status_code == 404
    own = UsageSession.objects.get(session="session-ann")
    assert ann.browser.get(reverse("my_session", args=[own.pk])).status_code == 200


def test_sign_ins_say_where_and_end(ann: Holder, bob: Holder) -> None:
    """Client, address, since, last use, and a button that ends it."""
    section = ann.shown().first("section", aria_label="Sign-ins")
    for told in ("Claude Code of ann", "192.0.2.7", "never"):
        assert told in section.text
    assert "bob" not in section.text
    path = section.first("form").attrs["action"]
    assert ann.browser.get(path).status_code == 405
    assert Client(enforce_csrf_checks=True).post(path).status_code == 403
    answer = ann.browser.post(path)
    assert (answer.status_code, answer["Location"]) == (302, MY)
    ann.sign_in.refresh_from_db()
    assert ann.sign_in.state == "ended" and ann.sign_in.ended_why == "ended by the person"
    assert ann.sign_in.key.state == "revoked"
    root = ann.shown()
    assert "has to sign in again" in root.text and "No client is signed in as you" in root.text


# --- nothing of others ----------------------------------------------------------------------------

ALL = ("my", "my_requests", "my_request", "my_sessions", "my_session", "my_rotate", "my_key")


def addresses(holder: Holder) -> dict[str, str]:
    """Every page below /my/, for what this person has."""
    row = UsageRecord.objects.filter(person_id=holder.user.pk).first()
    session = UsageSession.objects.filter(session=f"session-{holder.user.username}").first()
    assert row is not None and session is not None
    given = {"my_request": row.request_id, "my_session": session.pk, "my_rotate": holder.key.pk}
    found = {name: reverse(name, args=[given[name]] if name in given else []) for name in ALL}
    return found | {"my_sign_in_end": reverse("my_sign_in_end", args=[holder.sign_in.pk])}


def test_these_are_all_addresses() -> None:
    """Whoever adds a page adds it to the tests here."""
    assert {pattern.name for pattern in urlpatterns} == {*ALL, "my_sign_in_end", "my_leave"}


def test_key_that_is_looked_at_can_be_closed_again(ann: Holder, bob: Holder) -> None:
    """Ours: whoever pastes a key wants to see that one; the login goes on behind it."""
    ann.used(1, 1)
    ann.browser.post(MY, {"key": bob.text})
    root = ann.shown()
    assert root.first("h1").text == "bob-laptop" and "ann" not in root.text
    assert root.first("form", action=reverse("my_leave")).text == "Close this key"
    ann.browser.post(reverse("my_leave"))
    root = ann.shown()
    assert root.first("h1").text == "ann"
    assert root.first("form", action=reverse("admin:logout")).text == "Log out"
    ann.browser.post(reverse("admin:logout"))
    assert reading.page(ann.browser.get(MY)).all("input", name="key")


def key_visit(holder: Holder) -> Client:
    client = Client()
    client.post(MY, {"key": holder.text})
    return client


def test_no_address_shows_anything_of_another_person(ann: Holder, bob: Holder) -> None:
    """With ids of others in the address, for a login and for a pasted key."""
    ann.used(1, 2)
    own, others = addresses(ann), addresses(bob)
    for client in (ann.browser, key_visit(ann)):
        for name, path in others.items():
            post = name in ("my_rotate", "my_sign_in_end")
            for answer in (
                client.get(path, TIME),
                client.post(path, {"overlap": "0"}) if post else None,
            ):
                if answer is None:
                    continue
                is_shared = path in own.values()
                assert answer.status_code in ((200,) if is_shared else (404, 405)), path
                text = reading.content(answer).decode()
                assert "bob" not in text and LARGE not in text, path
    bob.key.refresh_from_db()
    assert authentication.digest(bob.text) == bob.key.digest and bob.key.state == "good"
    bob.sign_in.refresh_from_db()
    assert bob.sign_in.state == "active"


def test_every_address_opens_for_its_owner_and_for_nobody_without_a_login(bob: Holder) -> None:
    for name, path in addresses(bob).items():
        is_button = name == "my_sign_in_end"
        assert bob.browser.get(path).status_code == (405 if is_button else 200), path
        answer = Client().get(path)
        asks = name in ("my", "my_key")
        assert answer.status_code == (405 if is_button else 200 if asks else 302), path
        assert LARGE not in reading.content(answer).decode()


@pytest.mark.parametrize("name", ["my", "my_requests", "my_sessions"])
@pytest.mark.parametrize(
    "query", ["key=bob-laptop", "person=bob", "session=session-bob", "model=deepseek-v3.1"]
)
def test_no_filter_shows_anything_of_another_person(
    ann: Holder, bob: Holder, name: str, query: str
) -> None:
    ann.used(1, 1)
    parameter, _, value = query.partition("=")
    for extra in ({}, {"format": "json", "rows": "all"}):
        answer = ann.browser.get(reverse(name), {**TIME, parameter: value, **extra})
        told = reading.content(answer).decode().replace(value, "")
        assert "req_000000000500" not in told and "bob" not in told


def test_user_who_is_not_active_sees_nothing(ann: Holder) -> None:
    ann.used(1, 1)
    User.objects.filter(pk=ann.user.pk).update(is_active=False)
    assert reading.page(ann.browser.get(MY)).all("input", name="key")
    assert ann.browser.get(reverse("my_requests")).status_code == 302


# --- requests and sessions ------------------------------------------------------------------------


def test_request_is_explained_without_what_is_the_operators(ann: Holder) -> None:
    """No backend, no route, no cause, no kept prompt."""
    detail = {
        "cause": "http://10.0.0.7:8000 refused",
        "route": ["alias claude-*", "goes to secret-backend"],
        "dropped": ["top_k"],
        "sample": {"request": "the-prompt", "answer": "the-answer"},
    }
    ann.used(
        1,
        1,
        detail=detail,
        backend="secret-backend",
        status=529,
        error_type="overloaded_error",
        error="The backend is busy",
        attempt_list=[
            {"backend": "secret-backend", "model": CODER, "kind": "server_error"}
            | {"status": 503, "text": "its-own-words"}
        ],
    )
    page = ann.shown(reverse("my_request", args=["req_000000000001"]))
    for told in ("The backend is busy", "top_k", "ann-laptop", CODER):
        assert told in page.text
    for secret in ("secret-backend", "10.0.0.7", "the-prompt", "the-answer", "its-own-words"):
        assert secret not in page.text
    files = [
        ann.browser.get(reverse(name), {**TIME, "format": "json", "table": table})
        for name, table in (("my_requests", ""), ("my", "errors"))
    ]
    for file in files:
        assert "req_000000000001" in file.content.decode()
        assert "secret-backend" not in file.content.decode()


def test_requests_can_be_filtered_by_what_went_wrong(ann: Holder) -> None:
    ann.used(1, 3)
    ann.used(10, 1, status=529, error_type="overloaded_error")
    root = ann.shown(reverse("my_requests"))
    links = {a.text: a.attrs["href"] for a in root.all("a")}
    rows = reading.table(reading.page(ann.browser.get(links["error"])))
    assert [row["Status"].text for row in rows] == ["529"]


def test_session_shows_its_turns_and_leads_to_own_pages_alone(ann: Holder) -> None:
    ann.used(1, 3)
    session = UsageSession.objects.get()
    root = ann.shown(reverse("my_session", args=[session.pk]))
    assert root.first("h1").text.startswith("3 turns")
    paths = [a.attrs["href"].partition("?")[0] for a in root.all("a")]
    assert not [path for path in paths if path.startswith(("/dashboard", "/admin"))]
    assert reverse("my_request", args=["req_000000000001"]) in paths


def test_pages_take_few_queries_however_many_requests(ann: Holder) -> None:
    counts = []
    for count in (3, 300):
        clear()
        ann.used(1, count)
        found = []
        for path in (MY, reverse("my_requests"), reverse("my_sessions")):
            with CaptureQueriesContext(connection) as seen:
                ann.shown(path)
            found.append(len(seen))
        counts.append(found)
    assert counts[0] == counts[1]
    assert all(count <= most for count, most in zip(counts[0], (25, 3, 5), strict=True)), counts


def test_numbers_are_those_of_the_endpoint_for_scripts(ann: Holder) -> None:
    """The page tells the same as /v1/usage."""
    ann.used(1, 3)
    ann.used(10, 2, ann.sign_in.key, model=LARGE)
    person = Caller("", IssuedKey(ann.key.pk, ann.key.name, person=Principal(ann.user.pk, "ann")))
    asked = question_of("from=2025-03-20&of=person&by=model", person, NOW)
    told = {line.group: line.counts["requests"] for line in summed(asked).lines}
    rows = ann.browser.get(MY, {"from": "2025-03-20", "tz": "UTC", "format": "json"}).json()
    assert {row["model"]: row["requests"] for row in rows} == told == {CODER: 3, LARGE: 2}


@pytest.mark.parametrize("name", ["my_session", "my_rotate"])
def test_number_that_no_row_can_have_is_not_there(ann: Holder, name: str) -> None:
    assert ann.browser.get(reverse(name, args=[10**40])).status_code == 404


def test_history_names_who_rotated(ann: Holder) -> None:
    ann.browser.post(reverse("my_rotate", args=[ann.key.pk]), {"overlap": "24"})
    assert Change.objects.latest("pk").actor == "ann"
