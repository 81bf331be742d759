"""A gateway that has been in use for two months: people, keys, history, warnings, requests.

`fill` is run by the gateway's own `manage.py shell`, so it may import Django; what tests need to
know of the rows comes back as one line of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any

from tests.fakes.gateway import Gateway

SCRIPT = "from tests.browser.stock import fill; fill()"
REQUESTS = 900
"""Requests of the last 60 days, of five people; see `tests.dashboard.making.month`."""
MORE_KEYS = 55
"""Keys beside those of people, so that lists have a second page."""
CODE = "BCDFGHJK"
HOLDER = "maria"
"""The key that `Stock.key` is the text of."""
SESSION, OWN = "session-of-today", "session-of-the-person"


@dataclass(frozen=True, slots=True)
class Stock:
    """cookies: role -> the cookie of a login;  rows: model -> the number of one of its rows."""

    cookies: dict[str, str] = field(repr=False)
    rows: dict[str, Any]
    key: str = field(repr=False)
    session: int
    request: str
    own: dict[str, Any]

    def login(self, role: str = "admin") -> Any:
        """What a browser keeps in which somebody of this role is logged in."""
        cookie: dict[str, Any] = {
            "name": "sessionid",
            "value": self.cookies[role],
            "domain": "127.0.0.1",
        }
        cookie |= {"path": "/", "httpOnly": True, "secure": False, "sameSite": "Lax", "expires": -1}
        return {"cookies": [cookie], "origins": []}


def stocked(gateway: Gateway) -> Stock:
    """Fill the database of a running gateway."""
    return Stock(**json.loads(gateway.manage("shell", "-v0", "-c", SCRIPT).splitlines()[-1]))


def fill() -> None:
    """Make all rows, and write what a `Stock` is made of."""
    from django.contrib import admin
    from django.utils import timezone

    from bridge.models import UsageSession

    now = timezone.now()
    people = _people()
    _keys(people)
    key = _key_of(HOLDER)
    _configuration()
    _warnings()
    own = _own(people["person"], now)
    person = {"person_id": people["person"].pk, "person": people["person"].username}
    _requests(now, {**person, "key_id": own["key"], "key": "laptop"})
    rows = {model._meta.label_lower: _one_of(model) for model in admin.site._registry}
    sessions = {
        row.session: row.pk for row in UsageSession.objects.filter(session__in=[SESSION, OWN])
    }
    print(
        json.dumps(
            {
                "cookies": {role: _logged_in(user) for role, user in people.items()},
                "rows": rows,
                "key": key,
                "session": sessions[SESSION],
                "request": "req_of_today_0",
                "own": {**own, "session": sessions[OWN], "request": "req_000000950000"},
            }
        )
    )


def _people() -> dict[str, Any]:
    from tests.bridge.people import a_team, a_user

    people = {role: a_user(role, f"the-{role}") for role in ("auditor", "operator", "admin")}
    people["person"] = a_user("", "the-person")
    a_team("blue", people["person"], people["auditor"], tokens_month=1_000_000, budget_month=40)
    return people


def _logged_in(user: Any) -> str:
    from django.conf import settings
    from django.contrib import auth

    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def _keys(people: dict[str, Any]) -> None:
    from bridge.models import AdminToken, ApiKey, PersonLimits
    from bridge.models.changes import recorded
    from tests.dashboard.making import PEOPLE, issue_keys

    issue_keys()
    ApiKey.issue(PEOPLE[3].key)[0].delete()
    with recorded("the-operator"):
        PersonLimits.objects.create(user=people["person"], budget_day=3, rpm=20)
        for number in range(MORE_KEYS):
            ApiKey.issue(f"spare-{number:02}", {"owner": "nobody in particular"})
    AdminToken.issue("deployment", "operator", "the-admin")


def _key_of(name: str) -> str:
    from datetime import timedelta

    from bridge.models import ApiKey

    row = ApiKey.objects.get(name=name)
    row.budget_usd, row.rpm, row.tokens_day = 5, 30, 2_000_000
    text: str = row.rotate(timedelta(hours=24))
    return text


def _configuration() -> None:
    from bridge.models import Backend, GroupMapping, LearnedFact, Price, Team
    from tests.dashboard.making import CODER, PRICES

    backend = Backend.objects.get(name="main")
    GroupMapping.objects.create(group="/engineering", team=Team.objects.get(), role="auditor")
    LearnedFact.objects.create(
        backend=backend, what="refuses", value="top_k", sentence="Unknown field: top_k"
    )
    given, taken, cached = (amount / 1000 for amount in PRICES[CODER])
    Price.objects.create(
        model=CODER, input_per_mtok=given, output_per_mtok=taken, cache_read_per_mtok=cached
    )


def _warnings() -> None:
    from bridge.models import WarningEvent, WarningRule
    from bridge.models.warnings.events import WarningDelivery

    rule = WarningRule.objects.order_by("pk")[0]
    event = WarningEvent.objects.create(
        what="budget",
        type="budget.reached",
        subject_kind="key",
        subject="2",
        subject_name=HOLDER,
        threshold=80,
        period="2026-11",
        text=f"Key {HOLDER} has spent 81 % of its budget of $5.00 this month.",
        numbers={"share": 0.81},
    )
    WarningDelivery.objects.create(event=event, rule=rule, tries=3, last_error="Refused")


def _requests(now: Any, whose: dict[str, Any]) -> None:
    """All at once: sums of hours are made once. `whose`: the columns of the person's own."""
    from tests.dashboard.making import enter, month, record

    own = (
        record(now - timedelta(minutes=9 - turn), 950_000 + turn, session=OWN, **whose)
        for turn in range(3)
    )
    enter([*month(REQUESTS, now), *_session(now), *_judged(now), *own])


def _session(now: Any) -> Iterator[Any]:
    """Nine turns of the last hour."""
    from tests.dashboard.making import CODER, record

    for turn in range(9):
        yield record(
            now - timedelta(minutes=40 - 3 * turn),
            900_000 + turn,
            request_id=f"req_of_today_{turn}",
            session=SESSION,
            key_id=2,
            key=HOLDER,
            input_tokens=4_000 + 900 * turn,
            cache_read_tokens=3_000 * turn,
            model=CODER,
            repairs=int(turn == 0),
        )


def _judged(now: Any) -> Iterator[Any]:
    """Two requests whose calls a judge looked at, the day before yesterday, and their judges."""
    from bridge.models.usage import JUDGE_CLASS
    from tests.dashboard.making import SMALL, record

    at = now - timedelta(days=2)
    verdict = {"call": "call_0", "tool": "Bash", "outcome": "flagged", "rule": "x", "ms": 1200}
    for number in (960_000, 960_002):
        main = record(
            at,
            number,
            detail={"verdicts": [verdict]},
            calls_flagged=1,
            calls_not_flagged=5,
            calls_skipped=3,
            calls_unanswered=1,
        )
        yield main
        asked = {"request_class": JUDGE_CLASS, "parent_id": main.request_id, "model": SMALL}
        yield record(at, number + 1, **asked)


def _own(person: Any, now: Any) -> dict[str, int]:
    """What belongs to the person who has no role: a key, a sign-in, a client that waits."""
    from bridge.models import ApiKey, DeviceRequest, SignIn
    from bridge.models.people.keys import KeyKind

    key, _ = ApiKey.issue("laptop", {"person": person})
    session, _ = ApiKey.issue("the-person (sign-in 1)", {"person": person, "kind": KeyKind.SESSION})
    sign_in = SignIn.objects.create(
        person=person,
        key=session,
        client="Claude Code",
        address="2001:db8::7",
        family_digest="f",
        refresh_digest="r",
        expires_at=now + timedelta(days=30),
    )
    DeviceRequest.objects.create(
        code_digest="c", user_code=CODE, client="Claude Code", created_at=now
    )
    return {"key": key.pk, "sign_in": sign_in.pk}


def _one_of(model: Any) -> Any:
    """A row that a form can edit where there is one: not of the environment."""
    if model._meta.model_name == "change":
        return model.objects.get(label__startswith="spare-00").pk
    rows = model._default_manager.order_by("pk")
    if hasattr(model, "origin"):
        rows = rows.exclude(origin="environment")
    row = rows.first()
    return row.pk if row else None
