"""The third way to log in: a header of a front, which counts from a listed address alone.

The listed front is 127.0.0.2; everybody else sends from 127.0.0.1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Self

import httpx
import pytest

from tests.conftest import Start
from tests.e2e.sign_in.conftest import TEAMS
from tests.e2e.sign_in.test_arriving import in_shell, roles_and_teams
from tests.fakes.client import PLAIN
from tests.fakes.gateway import Gateway, Ready

FRONT, STRANGER = "127.0.0.2", "127.0.0.1"
Pairs = list[tuple[str, str]]


class Visit:
    """A browser whose requests arrive from an address, with the headers of each given."""

    def __init__(self, gateway: Gateway, address: str) -> None:
        self.url = gateway.url
        transport = httpx.HTTPTransport(local_address=address, **PLAIN)
        self.client = httpx.Client(transport=transport, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str, user: str = "", groups: str | None = None) -> httpx.Response:
        pairs = [("x-forwarded-user", user)] if user else []
        pairs += [("x-forwarded-groups", groups)] if groups is not None else []
        return self.send(path, pairs)

    def send(self, path: str, pairs: Pairs) -> httpx.Response:
        return self.client.get(self.url + path, headers=[("accept", "text/html"), *pairs])


@pytest.fixture(scope="module", params=["serve", "uvicorn"])
def behind_front(request: pytest.FixtureRequest, launch_gateway: Start) -> Gateway:
    """Under each server, since both read addresses in their own way."""
    gateway = launch_gateway(
        request.param,
        ready=Ready.HEALTHY,
        REMOTE_USER_HEADER="X-Forwarded-User",
        REMOTE_USER_GROUPS_HEADER="X-Forwarded-Groups",
        REMOTE_USER_PROXIES=FRONT,
        TRUST_FORWARDED_PROTO="1",
        REQUIRE_GATEWAY_KEY="1",
    )
    gateway.manage("import_config", "-", said=json.dumps(TEAMS))
    in_shell(gateway, 'User.objects.create(username="root", is_superuser=True, is_staff=True)')
    return gateway


@pytest.fixture
def front(behind_front: Gateway) -> Iterator[Visit]:
    with Visit(behind_front, FRONT) as visit:
        yield visit


@pytest.fixture
def stranger(behind_front: Gateway) -> Iterator[Visit]:
    with Visit(behind_front, STRANGER) as visit:
        yield visit


def test_front_logs_in_whom_it_names_and_makes_the_user(
    front: Visit, behind_front: Gateway
) -> None:
    """Groups give what rows say, and take it away when they are others."""
    assert front.get("/dashboard/", "ida", "readers,/company/blue").status_code == 200
    assert roles_and_teams(behind_front, "ida") == (["auditor"], ["blue"], True)
    assert front.get("/dashboard/", "ida", "readers").status_code == 200
    assert roles_and_teams(behind_front, "ida") == (["auditor"], [], True)
    assert front.get("/dashboard/", "ida").status_code == 403
    assert roles_and_teams(behind_front, "ida") == ([], [], False)


@pytest.mark.parametrize(
    "more", [[], [("x-forwarded-for", FRONT)], [("forwarded", f"for={FRONT}")]]
)
def test_header_from_anywhere_else_is_ignored(stranger: Visit, more: Pairs) -> None:
    """The address is that of the connection, whatever a client writes about it."""
    answer = stranger.send("/dashboard/", [("x-forwarded-user", "ida"), *more])
    assert answer.status_code == 302
    assert not stranger.client.cookies


def test_session_ends_when_the_header_names_somebody_else(front: Visit) -> None:
    assert front.get("/dashboard/", "olga", "readers").status_code == 200
    answer = front.get("/dashboard/", "piet", "everybody")
    assert answer.status_code == 200
    assert "piet" in answer.text and "olga" not in answer.text


def test_session_ends_when_the_header_is_gone(front: Visit, stranger: Visit) -> None:
    """Also for whoever takes its cookie past the front."""
    assert front.get("/dashboard/", "quinn", "readers").status_code == 200
    stranger.client.cookies.update(front.client.cookies)
    assert stranger.get("/dashboard/", "quinn", "readers").status_code == 302
    assert front.get("/dashboard/").status_code == 302


@pytest.mark.parametrize("name", ["root", "ROOT"])
def test_header_makes_nobody_an_admin(front: Visit, name: str) -> None:
    assert front.get("/admin/", name, "operators").status_code in (302, 403)
    assert front.get("/admin/auth/user/", name).status_code in (302, 403)


def test_user_who_becomes_an_admin_is_out(front: Visit, behind_front: Gateway) -> None:
    assert front.get("/dashboard/", "rosa", "readers").status_code == 200
    in_shell(behind_front, 'User.objects.filter(username="rosa").update(is_superuser=True)')
    assert front.get("/dashboard/", "rosa", "readers").status_code == 302


def test_user_who_is_switched_off_is_out(front: Visit, behind_front: Gateway) -> None:
    assert front.get("/dashboard/", "sam", "readers").status_code == 200
    in_shell(behind_front, 'User.objects.filter(username="sam").update(is_active=False)')
    answer = front.get("/dashboard/", "sam", "readers")
    assert (answer.status_code, "switched off" in answer.text) == (403, True)


BAD: dict[str, tuple[Pairs, str]] = {
    "two names": ([("x-forwarded-user", "a"), ("x-forwarded-user", "root")], "it came 2 times"),
    "no name for a user": ([("x-forwarded-user", "a b")], "no name that a user can have"),
    "a long name": ([("x-forwarded-user", "a" * 151)], "no name that a user can have"),
    "too many groups": (
        [("x-forwarded-user", "tom"), ("x-forwarded-groups", ",".join(map(str, range(1500))))],
        "at most 1000",
    ),
    "a tab in a group": (
        [("x-forwarded-user", "tom"), ("x-forwarded-groups", "a\tb")], "control character",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_header_that_makes_no_sense_is_refused(front: Visit, fault: str) -> None:
    pairs, reason = BAD[fault]
    answer = front.send("/dashboard/", pairs)
    assert (answer.status_code, reason in answer.text) == (403, True), answer.text


def test_header_with_another_spelling_is_none(front: Visit) -> None:
    """Fronts that take out X-Forwarded-User may let X_Forwarded_User pass."""
    assert front.send("/dashboard/", [("x_forwarded_user", "ida")]).status_code == 302


def test_header_is_nothing_to_the_api(front: Visit) -> None:
    """The issue: only for pages, never for the data plane."""
    for path in ("/v1/models", "/_schemas"):
        assert front.get(path, "ida", "operators").status_code == 401


def test_log_in_by_password_is_not_touched(front: Visit, behind_front: Gateway) -> None:
    in_shell(
        behind_front,
        """user = User.objects.create_user("uma", password="a long password")
user.is_staff = True
user.save()
user.groups.add(Group.objects.get(name="operator"))""",
    )
    front.send("/admin/login/", [("x-forwarded-proto", "http")])
    form = {
        "username": "uma",
        "password": "a long password",
        "csrfmiddlewaretoken": front.client.cookies.get("csrftoken") or "",
    }
    url = f"{front.url}/admin/login/"
    cookies = "; ".join(f"{name}={value}" for name, value in front.client.cookies.items())
    left = {"cookie": cookies, "origin": front.url}
    answer = front.client.post(url, data=form, headers=left)
    assert answer.status_code == 302, answer.text
    session = "; ".join(f"{name}={value}" for name, value in front.client.cookies.items())
    page = front.send("/dashboard/", [("cookie", session), ("x-forwarded-user", "ida")])
    assert page.status_code == 200
    assert "uma" in page.text
