"""A browser's view of the pages: headers, cookies, the login and its lock, on a running server.

docs/security.md. One gateway for each server, since both read addresses in their own way.
"""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest

from tests.conftest import Start
from tests.fakes.client import RawClient, Response
from tests.fakes.gateway import Gateway, Ready

LOGIN = "/admin/login/?next=/admin/"
PASSWORD = re.compile(r"user (\w+), password (\S+)")
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Browser:
    """Keeps cookies and sends forms with their token, as a browser does."""

    def __init__(self, gateway: Gateway, **headers: str) -> None:
        self.client = RawClient(gateway.url, key=None)
        self.headers = headers
        self.cookies: SimpleCookie = SimpleCookie()

    def get(self, path: str) -> Response:
        return self._keep(self.client.get(path, self._headers()))

    def log_in(self, name: str, password: str) -> Response:
        """The answer to the form, which is fetched anew."""
        token = TOKEN.search(self.get(LOGIN).body.decode())
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "username": name, "password": password}
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return self._keep(self.client.post(LOGIN, urlencode(form).encode(), self._headers() | kind))

    def _headers(self) -> dict[str, str]:
        pairs = [f"{name}={morsel.value}" for name, morsel in self.cookies.items()]
        return self.headers | {"cookie": "; ".join(pairs)}

    def _keep(self, answer: Response) -> Response:
        for line in answer.headers.get_all("set-cookie") or []:
            self.cookies.load(line)
        return answer


def first_admin(gateway: Gateway) -> tuple[str, str]:
    """Name and password, which the log tells once."""
    found = PASSWORD.search(gateway.log)
    assert found is not None
    return found[1], found[2]


@pytest.fixture(scope="module", params=["serve", "uvicorn"])
def locking(request: pytest.FixtureRequest, launch_gateway: Start) -> Gateway:
    """A gateway that locks after two failures, under each server."""
    return launch_gateway(request.param, ready=Ready.HEALTHY, LOGIN_FAILURES="2")


@pytest.fixture(scope="module")
def behind_tls(launch_gateway: Start) -> Gateway:
    """A gateway that believes its front, to whom each address has one failure."""
    return launch_gateway(
        "serve",
        ready=Ready.HEALTHY,
        TRUST_FORWARDED_PROTO="1",
        HSTS_SECONDS="3600",
        LOGIN_FAILURES="1",
    )


# --- headers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/admin/", LOGIN, "/admin/none/", "/static/bridge/welcome.css"]
)
def test_every_page_has_the_headers_of_the_docs(gateway: Gateway, path: str) -> None:
    """the issue: frames, types, referrers, openers, and a policy."""
    headers = gateway.with_key(None).get(path).headers
    assert {name: headers[name] for name in EVERYWHERE} == EVERYWHERE
    if not path.startswith("/static/"):
        assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; base-uri 'none'; form-action 'self'; ")
    assert ("unsafe" in policy) == path.startswith("/admin/")
    assert headers["strict-transport-security"] is None


def test_other_origins_may_read_nothing(gateway: Gateway) -> None:
    """docs/security.md: no CORS, on pages and API alike."""
    for path in ("/", LOGIN, "/health", "/v1/models"):
        headers = gateway.client.get(path, {"origin": "https://evil.example"}).headers
        assert [name for name in headers if name.lower().startswith("access-control")] == []


def test_cookies_of_a_login(locking: Gateway) -> None:
    """the issue: HttpOnly and SameSite; not Secure, since this server speaks no TLS."""
    browser = Browser(locking)
    answer = browser.log_in(*first_admin(locking))
    assert (answer.status, answer.headers["location"]) == (302, "/admin/")
    for name in ("sessionid", "csrftoken"):
        morsel = browser.cookies[name]
        assert morsel["httponly"] and morsel["samesite"] == "Lax" and not morsel["secure"]
    assert browser.cookies["sessionid"]["max-age"] == "43200"
    page = browser.get("/admin/")
    assert page.status == 200
    assert "no-store" in page.headers["cache-control"]


def test_cookies_and_headers_behind_tls(behind_tls: Gateway) -> None:
    """the issue: Secure cookies and HSTS behind a front."""
    here = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.1"}
    browser = Browser(behind_tls, **here, referer=f"https://127.0.0.1:{behind_tls.port}/")
    assert browser.log_in(*first_admin(behind_tls)).status == 302
    for name in ("sessionid", "csrftoken"):
        assert browser.cookies[name]["secure"]
    assert browser.get("/admin/").headers["strict-transport-security"] == "max-age=3600"
    plain = Browser(behind_tls).get(LOGIN)
    assert plain.headers["strict-transport-security"] is None
    assert "secure" in plain.headers["set-cookie"].lower()


# --- the lock ----------------------------------------------------------------------------------


def test_guessing_is_locked(locking: Gateway) -> None:
    """the issue: brute force is throttled, and a 429 says for how long.

    The attacker writes a new address into each request, which nobody believes here.
    """
    tries = [Browser(locking, **{"x-forwarded-for": f"10.0.0.{n}"}) for n in range(3)]
    answers = [browser.log_in("guessed", "wrong") for browser in tries]
    assert [answer.status for answer in answers] == [200, 429, 429]
    assert 600 < int(answers[-1].headers["retry-after"]) <= 900
    assert b"Too many failed logins" in answers[-1].body
    assert Browser(locking).log_in(*first_admin(locking)).status == 302


def test_front_tells_whose_try_it_is(behind_tls: Gateway) -> None:
    """the issue: the other address is not locked."""
    name, password = first_admin(behind_tls)
    proto = {"x-forwarded-proto": "https", "referer": f"https://127.0.0.1:{behind_tls.port}/"}

    def status(told: str, given: str) -> int:
        return Browser(behind_tls, **proto, **{"x-forwarded-for": told}).log_in(name, given).status

    assert status("198.51.100.7", "wrong") == 429
    assert status("203.0.113.2, 198.51.100.7", password) == 429
    assert status("198.51.100.7, 203.0.113.2", password) == 302


def test_no_password_is_in_the_log(locking: Gateway) -> None:
    """design, Secrets: no key in a log; what was typed as a password neither."""
    Browser(locking).log_in("somebody", "typed-by-mistake-0815")
    assert "typed-by-mistake-0815" not in locking.log
    assert "Failed login from 127.0.0.1" in locking.log
