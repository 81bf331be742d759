"""Every address by visitor: whom a running gateway lets in, by role, by key and by session.

The table names the visitors for whom an address does its work; to all others it must answer with
a login, a 401 or a 403. An address without a row fails the last test.
"""

from __future__ import annotations

import json
import re

import pytest
from django.contrib import admin

from bridge.accounts.roles import RIGHTS
from bridge.telemetry.forwarding import Signal
from tests.addresses import addresses
from tests.browser.site import AT_ONCE, within
from tests.conftest import Start
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.client import ask
from tests.fakes.gateway import Gateway, Ready

PEOPLE = ("person", "auditor", "operator", "admin")
"""Those who are logged in with a browser."""
HOLDERS = ("key", "session")
"""Those who send a key: an issued one, and that of a sign-in of Claude Code."""
VISITORS = ("nobody", *PEOPLE, *HOLDERS, "token")
"""The token is one of the admin API, of an admin."""
EVERYBODY = frozenset(VISITORS)
READERS = frozenset({"auditor", "operator", "admin"})
OPERATORS = frozenset({"operator", "admin"})
LET_IN = {200, 204, 400, 404, 405, 409}
"""The visitor's request was worked on; nothing is behind the numbers in these addresses."""
SENT_AWAY = {302, 401, 403, 405}
"""405: it takes forms alone, and none without the token of a page of ours."""

DATA_PLANE: dict[str, frozenset[str]] = {
    "GET /api/hello": EVERYBODY,
    "GET /health": EVERYBODY,
    **{
        address: frozenset(HOLDERS)
        for address in (
            "POST /v1/messages",
            "POST /v1/messages/count_tokens",
            "GET /v1/models",
            f"GET /v1/models/{ALPHA}",
            "GET /v1/usage",
            "GET /_schemas",
            "GET /api/oauth/usage",
            "GET /managed/settings",
            *(f"POST /v1/{signal}" for signal in Signal),
        )
    },
}
OWN = frozenset(PEOPLE)
PAGES: dict[str, frozenset[str]] = {
    "": EVERYBODY,
    ".well-known/oauth-authorization-server": EVERYBODY,
    "oauth/device_authorization": EVERYBODY,
    "oauth/token": EVERYBODY,
    "oauth/revoke": EVERYBODY,
    "device/": OWN,
    "device/leave/": OWN,
    "my/": EVERYBODY,
    "my/key/": EVERYBODY,
    "my/leave/": EVERYBODY,
    "my/requests/": OWN,
    "my/requests/<str:request_id>/": OWN,
    "my/sessions/": OWN,
    "my/sessions/<int:pk>/": OWN,
    "my/keys/<int:pk>/rotate/": OWN,
    "my/sign-ins/<int:pk>/end/": OWN,
    "dashboard/backends/": OPERATORS,
    **{
        f"dashboard/{page}": READERS
        for page in (
            "",
            "keys/",
            "keys/<slug:slug>/",
            "keys/<slug:slug>/name/",
            "people/",
            "teams/",
            "cache/",
            "auto-mode/",
            "errors/",
            "errors/samples/",
            "find/",
            "saved-views/",
            "saved-views/<int:pk>/delete/",
            "models/",
            "models/<path:name>/",
            "sessions/",
            "sessions/<int:pk>/",
            "requests/",
            "requests/<str:request_id>/",
            "live/",
        )
    },
}
MADE = """
import json
from datetime import timedelta
from importlib import import_module
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import Group, User
from django.utils import timezone
from bridge.models import AdminToken, ApiKey
Store = import_module(settings.SESSION_ENGINE).SessionStore
made = {}
for role in ("person", "auditor", "operator", "admin"):
    user = User(username=f"the-{role}", is_staff=role != "person", is_superuser=role == "admin")
    user.save()
    user.groups.set(Group.objects.filter(name=role))
    session = Store()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    made[role] = session.session_key
person = User.objects.get(username="the-person")
made["key"] = ApiKey.issue("of-the-person", {"person": person})[1]
ends = timezone.now() + timedelta(hours=1)
sign_in = ApiKey(name="a sign-in", person=person, kind="session", expires_at=ends)
made["session"] = sign_in.mint()
sign_in.save()
made["token"] = AdminToken.issue("script", "admin", "test")[1]
print(json.dumps(made))
"""


@pytest.fixture(scope="module")
def gateway(launch_gateway: Start) -> Gateway:
    """Only issued keys are let in, so that no other key passes for the backend's."""
    return launch_gateway(
        "serve", ready=Ready.HEALTHY, REQUIRE_GATEWAY_KEY="1", LOGIN_FAILURES="50"
    )


@pytest.fixture(scope="module")
def visitors(gateway: Gateway) -> dict[str, dict[str, str]]:
    """The headers by which each visitor is known."""
    made = json.loads(gateway.manage("shell", "-v0", "-c", MADE).splitlines()[-1])
    within(AT_ONCE, lambda: knows(gateway, made["session"]))
    cookies = {name: {"cookie": f"sessionid={made[name]}"} for name in PEOPLE}
    bearers = {name: {"authorization": f"Bearer {made[name]}"} for name in (*HOLDERS, "token")}
    return {"nobody": {}, **cookies, **bearers}


def knows(gateway: Gateway, key: str) -> bool:
    """Whether it serves this key, which is the last one made, and has its list of models."""
    listed = gateway.with_key(key).get("/v1/models")
    return listed.status == 200 and bool(listed.json["data"])


def refused(
    gateway: Gateway, visitors: dict[str, dict[str, str]], address: str, allowed: frozenset[str]
) -> list[str]:
    """What differs from the table at one address, in words."""
    method, path = address.split(" ", 1)
    wrong = []
    for name, headers in visitors.items():
        body = json.dumps(ask()).encode() if method == "POST" else None
        sent = headers | ({"content-type": "application/json"} if body else {})
        status = gateway.with_key(None).request(method, path, body, sent).status
        expected = LET_IN if name in allowed else SENT_AWAY
        if status not in expected:
            wrong.append(f"{address} answers {name} with {status}")
    return wrong


def test_data_plane_lets_in_keys_alone(
    gateway: Gateway, visitors: dict[str, dict[str, str]], backend: FakeBackend
) -> None:
    """A login of a page is no key, and neither is a token of the admin API."""
    backend.on(ALPHA)
    rows = DATA_PLANE.items()
    assert [line for row in rows for line in refused(gateway, visitors, *row)] == []


def test_pages_let_in_people_by_their_role(
    gateway: Gateway, visitors: dict[str, dict[str, str]]
) -> None:
    """A key opens no page; a role opens its own."""
    rows = [(f"GET /{filled(path)}", allowed) for path, allowed in PAGES.items()]
    assert [line for row in rows for line in refused(gateway, visitors, *row)] == []


def test_admin_lets_in_staff_by_the_table_of_rights(
    gateway: Gateway, visitors: dict[str, dict[str, str]]
) -> None:
    """Each list of the admin."""
    wrong = []
    for model in admin.site._registry:
        label = model._meta.label_lower
        may = {"admin", *(role for role, rights in RIGHTS.get(label, {}).items() if rights)}
        path = f"/admin/{label.replace('.', '/')}/"
        wrong += refused(gateway, visitors, f"GET {path}", frozenset(may))
    assert wrong == []


def test_admin_api_lets_in_its_tokens_alone(
    gateway: Gateway, visitors: dict[str, dict[str, str]]
) -> None:
    """What each role of a token may there, its own table of routes says."""
    allowed = frozenset({"token"})
    for path in ("people", "keys", "teams", "tokens", "export", "openapi.json"):
        assert refused(gateway, visitors, f"GET /api/admin/v1/{path}", allowed) == []


def filled(path: str) -> str:
    """One of its addresses, where nothing is; the search with words, without which it leads on."""
    words = "?q=none" if path == "dashboard/find/" else ""
    filled_in = re.sub(
        r"<(\w+):\w+>", lambda found: "987654" if found[1] == "int" else "none", path
    )
    return f"{filled_in}{words}"


def test_every_page_has_a_row() -> None:
    """So that no address comes without somebody having thought about who may open it."""
    elsewhere = ("admin/", "api/admin/", "^api/admin")
    assert {path for path in addresses() if not path.startswith(elsewhere)} == set(PAGES)


def test_every_path_of_the_data_plane_has_a_row() -> None:
    """The same for what never enters Django."""
    from proxysite import asgi

    served = {str(route.pattern).strip("^$") for route in asgi.requests.routes}
    named = {address.split(" ")[1].removeprefix("/") for address in DATA_PLANE}
    named = {"v1/models/(?P<name>.+)" if name.endswith(ALPHA) else name for name in named}
    ours = {path for path in served if re.match(r"v1|api/|_schemas|health|managed", path)}
    assert ours == named
