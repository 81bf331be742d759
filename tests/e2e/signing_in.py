"""Both sides of a sign-in at a running gateway: the client that waits, and the person's browser.

Every client and every browser comes from an address of its own, which the gateway believes its
front: what is limited for each address is then limited for one test.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlencode

from tests.browser.site import AT_ONCE, within
from tests.e2e.test_security import TOKEN, Browser
from tests.fakes.client import RawClient, Response
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

BEHIND_A_FRONT = {"TRUST_FORWARDED_PROTO": "1"}
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FORM = "application/x-www-form-urlencoded"
CLIENT = "claude-code/2.1.328"
PASSWORD = "correct horse battery"
_PEOPLE = """
import json, sys
from django.contrib.auth.models import User
given = json.load(sys.stdin)
for name in given["names"]:
    User.objects.create_user(name, given["emails"].get(name, ""), given["password"])
"""
_AGED = """
import sys
from datetime import timedelta
from django.db.models import F
from bridge.models import DeviceRequest
code = sys.stdin.read()
DeviceRequest.objects.filter(user_code=code.replace("-", "")).update(
    created_at=F("created_at") - timedelta(seconds=601))
"""
_addresses = (f"198.51.{high}.{low}" for high in count(100) for low in range(1, 255))


def make_people(gateway: Gateway, *names: str, **emails: str) -> None:
    """Users without a role, who all have the same password."""
    given = {"names": names, "emails": emails, "password": PASSWORD}
    gateway.manage("shell", "-v0", "-c", _PEOPLE, said=json.dumps(given))


def let_expire(gateway: Gateway, user_code: str) -> None:
    gateway.manage("shell", "-v0", "-c", _AGED, said=user_code)


@dataclass(slots=True)
class Device:
    """A client that speaks the sign-in as Claude Code does."""

    gateway: Gateway
    address: str = field(default_factory=lambda: next(_addresses))
    begun: Any = None

    def begin(self, **fields: str) -> Any:
        """Ask for codes; the answer's document."""
        answer = self.post("/oauth/device_authorization", {"surface": "claude_code", **fields})
        assert answer.status == 200, answer.body
        self.begun = answer.json
        return self.begun

    def poll(self, code: str = "") -> Response:
        form = {"grant_type": DEVICE_GRANT, "device_code": code or self.begun["device_code"]}
        return self.post("/oauth/token", form)

    def refresh(self, token: str) -> Response:
        return self.post("/oauth/token", {"grant_type": "refresh_token", "refresh_token": token})

    def post(self, path: str, form: dict[str, str], **headers: str) -> Response:
        return self.send(path, urlencode(form).encode(), **headers)

    def send(self, path: str, body: bytes, content_type: str = FORM, **headers: str) -> Response:
        given = {"content-type": content_type, "user-agent": CLIENT, **self.seen, **headers}
        return RawClient(self.gateway.url, key=None).post(path, body, given)

    @property
    def seen(self) -> dict[str, str]:
        return {"x-forwarded-for": self.address}


class PersonsBrowser(Browser):
    """A browser at an address of its own."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway, **{"x-forwarded-for": next(_addresses)})

    def log_in_at(self, path: str, name: str, password: str = PASSWORD) -> Response:
        """Send the form of the login page that this path leads to."""
        login = self.get(path).headers["location"]
        return self.submit(login, login, username=name, password=password)

    def submit(self, page: str, path: str, **fields: str) -> Response:
        """Send a form with the token of this page."""
        token = TOKEN.search(self.get(page).body.decode())
        assert token is not None
        body = urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode()
        kind = {"content-type": FORM, "accept": "text/html"}
        return self._keep(self.client.post(path, body, self._headers() | kind))

    def answer(self, device: Device, decision: str = "approve") -> Response:
        """Press a button of the page that the client's address opens."""
        code = device.begun["user_code"]
        return self.submit(
            f"/device/?user_code={code}", "/device/", user_code=code, decision=decision
        )


def log_in(gateway: Gateway, name: str) -> PersonsBrowser:
    browser = PersonsBrowser(gateway)
    assert browser.log_in_at("/device/", name).status == 302
    return browser


def signed_in(gateway: Gateway, browser: PersonsBrowser) -> tuple[Device, Any]:
    """A client that this person has signed in, and its tokens."""
    device = Device(gateway)
    device.begin()
    assert browser.answer(device).status == 200
    answer = device.poll()
    assert answer.status == 200, answer.body
    return device, answer.json


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def ask_with(gateway: Gateway, token: str) -> Response:
    """A message, asked with this bearer alone."""
    return gateway.with_key(None).messages(bearer(token))


def error_of(answer: Any) -> tuple[int, str]:
    assert set(answer.json) == {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"
    return answer.status, answer.json["error"]


def is_dead(answer: Any) -> bool:
    """A 401 in the envelope of the Messages API that no client repeats."""
    error = check_error(answer.json)["error"]
    assert answer.headers["x-should-retry"] == "false"
    return (answer.status, error["type"]) == (401, "authentication_error")


def wait_dead(gateway: Gateway, token: str) -> None:
    """What was ended is refused as soon as the process has heard of it."""
    client = gateway.with_key(None)
    within(AT_ONCE, lambda: client.get("/v1/models", bearer(token)).status == 401)
    assert is_dead(client.get("/v1/models", bearer(token)))
