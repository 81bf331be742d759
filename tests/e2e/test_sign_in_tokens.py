"""Tokens of a sign-in: refreshed, replayed, revoked, brought elsewhere; and forms as they are not.

One gateway, behind a front that tells addresses.
"""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.conftest import Start
from tests.e2e.signing_in import (
    BEHIND_A_FRONT,
    DEVICE_GRANT,
    Device,
    PersonsBrowser,
    ask_with,
    bearer,
    error_of,
    is_dead,
    log_in,
    make_people,
    signed_in,
    wait_dead,
)
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway

FORMS = ("/oauth/device_authorization", "/oauth/token", "/oauth/revoke")


@pytest.fixture(scope="module")
def started(launch_gateway: Start) -> Gateway:
    gateway = launch_gateway("serve", **BEHIND_A_FRONT)
    make_people(gateway, "ann")
    return gateway


@pytest.fixture(scope="module")
def ann(started: Gateway) -> PersonsBrowser:
    return log_in(started, "ann")


# --- 5: refreshing --------------------------------------------------------------------------------


def test_refresh_gives_a_fresh_pair(started: Gateway, ann: PersonsBrowser) -> None:
    """Requests that are under way come with the key before it; both work."""
    device, granted = signed_in(started, ann)
    answer = device.refresh(granted["refresh_token"])
    fresh = answer.json
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert {fresh["access_token"], fresh["refresh_token"]}.isdisjoint(granted.values())
    assert (fresh["token_type"], fresh["expires_in"]) == ("Bearer", 3600)
    for token in (fresh["access_token"], granted["access_token"]):
        assert ask_with(started, token).status == 200


def test_two_processes_of_a_client_that_refresh_at_once_get_the_same_pair(
    started: Gateway, ann: PersonsBrowser
) -> None:
    """Observed client: each of its processes refreshes by itself, five minutes before the end."""
    device, granted = signed_in(started, ann)
    first, second = (device.refresh(granted["refresh_token"]).json for _ in range(2))
    assert {**first, "expires_in": 0} == {**second, "expires_in": 0}
    assert ask_with(started, second["access_token"]).status == 200


def test_replayed_refresh_token_ends_the_whole_family(
    started: Gateway, ann: PersonsBrowser
) -> None:
    """RFC 6819, 5.2.2.3; the issue."""
    device, granted = signed_in(started, ann)
    second = device.refresh(granted["refresh_token"]).json
    third = device.refresh(second["refresh_token"]).json
    assert ask_with(started, third["access_token"]).status == 200
    assert error_of(device.refresh(granted["refresh_token"])) == (401, "invalid_grant")
    for token in (second["access_token"], third["access_token"]):
        wait_dead(started, token)
    assert error_of(device.refresh(third["refresh_token"])) == (401, "invalid_grant")


@pytest.mark.parametrize("token", ["x", "gwr_", "gwr_a.b", "gwr_" + "a" * 24 + "." + "b" * 43])
def test_unknown_refresh_token_sends_back_to_the_browser(started: Gateway, token: str) -> None:
    """the contract: 401 invalid_grant."""
    assert error_of(Device(started).refresh(token)) == (401, "invalid_grant")


# --- 6: signing out -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_revoked_token_ends_the_sign_in(started: Gateway, ann: PersonsBrowser, name: str) -> None:
    """RFC 7009; the contract: the bearer's next request gets a 401."""
    device, granted = signed_in(started, ann)
    hint = {"token_type_hint": "refresh_token"} if name == "refresh_token" else {}
    for _ in range(2):
        assert device.post("/oauth/revoke", {"token": granted[name], **hint}).status == 200
    wait_dead(started, granted["access_token"])
    assert error_of(device.refresh(granted["refresh_token"])) == (401, "invalid_grant")


@pytest.mark.parametrize("token", ["x", "gwk_session_" + "x" * 54, "gwr_a.b", "é"])
def test_revoking_what_nobody_has_is_no_error(started: Gateway, token: str) -> None:
    """RFC 7009, 2.2."""
    assert Device(started).post("/oauth/revoke", {"token": token}).status == 200


def test_deactivated_person_is_signed_out(started: Gateway) -> None:
    """the contract: at the next request, with the word not to try again."""
    make_people(started, "dora")
    device, granted = signed_in(started, log_in(started, "dora"))
    assert ask_with(started, granted["access_token"]).status == 200
    ended = "from django.contrib.auth.models import User; u = User.objects.get(username='dora');"
    started.manage("shell", "-v0", "-c", f"{ended}u.is_active = False; u.save()")
    wait_dead(started, granted["access_token"])
    assert error_of(device.refresh(granted["refresh_token"])) == (401, "invalid_grant")
    started.manage("shell", "-v0", "-c", f"{ended}u.is_active = True; u.save()")
    assert error_of(device.refresh(granted["refresh_token"])) == (401, "invalid_grant")
    assert is_dead(ask_with(started, granted["access_token"]))


def test_approval_of_a_person_who_is_deactivated_is_taken_back(started: Gateway) -> None:
    """Also where the person is active again before the client comes for its tokens."""
    make_people(started, "erik")
    device = Device(started)
    device.begin()
    assert log_in(started, "erik").answer(device).status == 200
    found = "from django.contrib.auth.models import User; u = User.objects.get(username='erik');"
    off_and_on = f"{found}u.is_active = False; u.save(); u.is_active = True; u.save()"
    started.manage("shell", "-v0", "-c", off_and_on)
    assert error_of(device.poll()) == (400, "access_denied")


def test_sign_in_whose_key_is_revoked_is_over(started: Gateway, ann: PersonsBrowser) -> None:
    """Where the admin API revokes its key, lists say that it is ended."""
    device, granted = signed_in(started, ann)
    newest = "from bridge.models import SignIn; row = SignIn.objects.select_related('key').first();"
    name = started.manage("shell", "-v0", "-c", f"{newest}print(row.key.name)").strip()
    token = started.manage("issue_token", "ci", "--role", "operator").strip()
    path = f"/api/admin/v1/keys/{quote(name)}/revoke"
    assert started.with_key(None).post(path, b"", bearer(token)).status == 200
    wait_dead(started, granted["access_token"])
    assert error_of(device.refresh(granted["refresh_token"])) == (401, "invalid_grant")
    assert started.manage("shell", "-v0", "-c", f"{newest}print(row.state)").strip() == "ended"


def test_token_of_another_gateway_is_good_for_nothing(
    started: Gateway, ann: PersonsBrowser, gateway: Gateway
) -> None:
    """the issue: another database, another secret."""
    device, granted = signed_in(started, ann)
    elsewhere = Device(gateway)
    assert error_of(elsewhere.refresh(granted["refresh_token"])) == (401, "invalid_grant")
    assert error_of(elsewhere.poll(device.begun["device_code"])) == (400, "invalid_grant")
    assert is_dead(ask_with(gateway, granted["access_token"]))
    assert elsewhere.post("/oauth/revoke", {"token": granted["access_token"]}).status == 200
    assert ask_with(started, granted["access_token"]).status == 200


# --- 7: forms -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FORMS)
def test_what_is_no_form_is_refused(started: Gateway, path: str) -> None:
    device = Device(started)
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
        answer = device.send(path, b"{}", content_type=kind)
        assert error_of(answer) == (400, "invalid_request")
        assert "content-type" in answer.json["error_description"]
    assert error_of(device.send(path, b"a=" + b"x" * 20_000)) == (413, "invalid_request")
    assert error_of(device.send(path, b"a=1&" * 2000)) == (400, "invalid_request")
    answer = started.with_key(None).get(path)
    assert error_of(answer) == (405, "invalid_request")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("form", "code", "named"),
    [
        ("", "invalid_request", "grant_type"),
        ("grant_type=password", "unsupported_grant_type", "grant_type"),
        ("grant_type=refresh_token", "invalid_request", "refresh_token"),
        (f"grant_type={DEVICE_GRANT}", "invalid_request", "device_code"),
        (f"grant_type={DEVICE_GRANT}&device_code=", "invalid_request", "device_code"),
        (f"grant_type={DEVICE_GRANT}&device_code={'x' * 300}", "invalid_request", "device_code"),
        ("grant_type=a&grant_type=b", "invalid_request", "grant_type"),
    ],
)
def test_bad_form_names_the_field(started: Gateway, form: str, code: str, named: str) -> None:
    answer = Device(started).send("/oauth/token", form.encode())
    assert error_of(answer) == (400, code)
    assert answer.json["error_description"].startswith(named)


def test_page_of_another_site_begins_nothing(started: Gateway) -> None:
    """docs/security.md: requests of other pages are refused, as on the API."""
    answer = Device(started).send("/oauth/device_authorization", b"", origin="https://evil.example")
    assert error_of(answer) == (403, "invalid_request")


def test_no_token_is_written_down(started: Gateway, ann: PersonsBrowser) -> None:
    device, granted = signed_in(started, ann)
    ask_with(started, granted["access_token"])
    stored = b"".join(path.read_bytes() for path in started.log_path.parent.glob("db.sqlite3*"))
    for secret in (granted["access_token"], granted["refresh_token"], device.begun["device_code"]):
        assert secret not in started.log
        assert secret.encode() not in stored


# --- 8: several processes -------------------------------------------------------------------------


def test_fresh_key_works_at_once_in_every_process(
    launch_gateway: Start, backend: FakeBackend
) -> None:
    """docs/architecture.md: whichever process a request comes to, it has heard of the key."""
    gateway = launch_gateway("uvicorn", WORKERS="2", **BEHIND_A_FRONT)
    make_people(gateway, "ann")
    ann = log_in(gateway, "ann")
    for _ in range(3):
        device, granted = signed_in(gateway, ann)
        answers = asked_of_both(gateway, granted["access_token"])
        fresh = device.refresh(granted["refresh_token"]).json
        answers |= asked_of_both(gateway, fresh["access_token"])
        assert answers == {200}


def asked_of_both(gateway: Gateway, token: str) -> set[int]:
    """The answers to what a client asks behind its sign-in, often enough to meet each process."""
    paths = ("/managed/settings", "/api/oauth/usage", "/v1/usage", "/v1/models")
    statuses = {gateway.with_key(None).get(path, bearer(token)).status for path in paths * 2}
    return statuses | {ask_with(gateway, token).status for _ in range(8)}
