"""The sign-in as Claude Code asks for it: every row of its contract, at a running gateway.

One gateway, behind a front that tells addresses. The contract: docs/how-to/sign-in.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.browser.site import AT_ONCE, within
from tests.conftest import Start
from tests.e2e.signing_in import (
    BEHIND_A_FRONT,
    CLIENT,
    DEVICE_GRANT,
    Device,
    PersonsBrowser,
    ask_with,
    bearer,
    error_of,
    let_expire,
    log_in,
    make_people,
    signed_in,
    wait_dead,
)
from tests.fakes.backend import FakeBackend
from tests.fakes.client import ask
from tests.fakes.gateway import Gateway

METADATA = "/.well-known/oauth-authorization-server"
NOTICE = "For work of the company alone.\nAsk IT."
CODE = re.compile(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}")


@pytest.fixture(scope="module")
def started(launch_gateway: Start) -> Gateway:
    gateway = launch_gateway("serve", LOGIN_NOTICE=NOTICE.replace("\n", "\\n"), **BEHIND_A_FRONT)
    make_people(gateway, "ann", "ben", "cleo", ann="ann@example.com")
    return gateway


@pytest.fixture(scope="module")
def ann(started: Gateway) -> PersonsBrowser:
    return log_in(started, "ann")


@pytest.fixture(scope="module")
def ben(started: Gateway) -> PersonsBrowser:
    return log_in(started, "ben")


@pytest.fixture
def device(started: Gateway, backend: FakeBackend) -> Device:
    """A client that waits."""
    device = Device(started)
    device.begin()
    return device


# --- 1: what there is -----------------------------------------------------------------------------


def test_metadata_names_addresses_of_the_same_origin(started: Gateway) -> None:
    """RFC 8414; observed client: takes an address only when it is absolute and of its origin."""
    client = started.with_key(None)
    document = client.get(METADATA).json
    assert document["issuer"] == started.url
    for name in ("device_authorization", "token", "revocation"):
        assert document[f"{name}_endpoint"].startswith(f"{started.url}/oauth/")
    assert document["grant_types_supported"] == [DEVICE_GRANT, "refresh_token"]
    assert "authorization_endpoint" not in document
    named = {"host": "gateway.localhost:81", "x-forwarded-proto": "https"}
    assert client.get(METADATA, named).json["issuer"] == "https://gateway.localhost:81"
    assert client.request("HEAD", METADATA).status == 200
    assert client.get(f"/v1{METADATA}").json == document


def test_metadata_is_only_read(started: Gateway) -> None:
    answer = started.with_key(None).post(METADATA, {})
    assert error_of(answer) == (405, "invalid_request")
    assert answer.headers["allow"] == "GET, HEAD"


# --- 2: a client begins ---------------------------------------------------------------------------


def test_codes_are_as_the_contract_wants_them(started: Gateway) -> None:
    """RFC 8628, 3.2 and 6.1; unknown parameters are accepted."""
    begun = Device(started).begin(scope="openid", client_id="any", surprise="x" * 3000)
    assert CODE.fullmatch(begun["user_code"])
    assert len(begun["device_code"]) >= 43, "256 bits"
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    assert begun["verification_uri"] == f"{started.url}/device/"
    complete = f"{begun['verification_uri']}?user_code={begun['user_code']}"
    assert begun["verification_uri_complete"] == complete
    assert begun["login_notice"] == NOTICE


def test_one_address_begins_thirty_sign_ins_in_ten_minutes(started: Gateway) -> None:
    """Observed client: shows slow_down as "limiting sign-in attempts"."""
    device = Device(started)
    for _ in range(30):
        device.begin()
    answer = device.post("/oauth/device_authorization", {})
    assert error_of(answer) == (429, "slow_down")
    assert answer.headers["retry-after"] == "600"
    Device(started).begin()


# --- 3: the person --------------------------------------------------------------------------------


def test_one_site_begins_a_hundred_and_twenty_sign_ins_in_ten_minutes(started: Gateway) -> None:
    """A site has as many addresses as it likes, and must not fill the places of all others."""
    begin = "/oauth/device_authorization"
    networks = [f"2001:db8:5:{number:x}::1" for number in range(24)]
    for address in networks * 5:
        assert Device(started, address).post(begin, {}).status == 200
    refused = Device(started, "2001:db8:5:ffff::1").post(begin, {})
    assert error_of(refused) == (429, "slow_down")
    assert Device(started, "2001:db8:6::1").post(begin, {}).status == 200


def test_person_without_a_role_logs_in_and_comes_back(started: Gateway, device: Device) -> None:
    """the contract: the page asks for a login; who has no role is a person with keys."""
    browser = PersonsBrowser(started)
    path = f"/device/?user_code={device.begun['user_code']}"
    assert browser.log_in_at(path, "cleo").headers["location"] == path
    page = browser.get(path).body.decode()
    assert device.begun["user_code"] in page
    for told in (CLIENT, device.address, "Logged in as <strong>cleo</strong>", "good for 10 more"):
        assert told in page
    refused = browser.get("/admin/")
    assert refused.status == 302, "a login for these pages opens no other"
    reason = browser.get(refused.headers["location"]).body.decode()
    assert "Logged in as <strong>cleo</strong>, who has no role for that page" in reason


def test_wrong_password_is_answered_to_everybody(started: Gateway) -> None:
    """Ours: the page is for people without a role too, so it speaks of no staff."""
    answer = PersonsBrowser(started).log_in_at("/device/", "cleo", "not it")
    text = answer.body.decode()
    assert answer.status == 200
    assert "Please enter a correct username and password." in text
    assert "staff" not in text


@pytest.mark.parametrize("path", ["/admin/", "/dashboard/"])
def test_person_without_a_role_lands_on_the_own_page(started: Gateway, path: str) -> None:
    """Wherever the person wanted to go that is for roles."""
    browser = PersonsBrowser(started)
    assert browser.log_in_at(path, "cleo").headers["location"] == "/my/"
    assert browser.get("/admin/").status == 302
    assert browser.get("/my/").status == 200


def test_opening_the_page_approves_nothing(ann: PersonsBrowser, device: Device) -> None:
    """the contract: a prefilled code is never submitted by itself."""
    path = f"/device/?user_code={device.begun['user_code']}&decision=approve"
    assert "Approve</button>" in ann.get(path).body.decode()
    assert error_of(device.poll()) == (400, "authorization_pending")


def test_form_without_its_token_approves_nothing(ann: PersonsBrowser, device: Device) -> None:
    code = device.begun["user_code"]
    ann.submit("/device/", "/device/", user_code=code)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    body = f"user_code={code}&decision=approve".encode()
    assert ann.client.post("/device/", body, ann._headers() | kind).status == 403
    assert error_of(device.poll()) == (400, "authorization_pending")


@pytest.mark.parametrize("typed", [str.lower, lambda code: code.replace("-", " "), str.strip])
def test_typed_code_is_read_as_people_write_it(
    ann: PersonsBrowser, device: Device, typed: Callable[[str], str]
) -> None:
    code = typed(device.begun["user_code"])
    page = ann.submit("/device/", "/device/", user_code=f" {code} ").body.decode()
    assert device.begun["user_code"] in page


def test_guesses_of_a_person_are_limited(started: Gateway, device: Device) -> None:
    """the contract: guesses are limited; a code that is right does not help then."""
    guesser = log_in(started, "ben")
    answers = [
        guesser.get(f"/device/?user_code=BCDF-GHJ{letter}").status for letter in "BCDFGHJKLMN"
    ]
    assert answers == [404] * 10 + [429]
    assert guesser.get(f"/device/?user_code={device.begun['user_code']}").status == 429
    again = log_in(started, "ben")
    assert again.get(f"/device/?user_code={device.begun['user_code']}").status == 429, "per person"


# --- 4: what a waiting client is answered ---------------------------------------------------------


def test_client_that_waits_is_told_so_and_slowed_down(device: Device) -> None:
    """RFC 8628, 3.5."""
    assert error_of(device.poll()) == (400, "authorization_pending")
    assert error_of(device.poll()) == (400, "slow_down")


def test_denied_client_is_told_so(ann: PersonsBrowser, device: Device) -> None:
    assert "Denied" in ann.answer(device, "deny").body.decode()
    assert error_of(device.poll()) == (400, "access_denied")


def test_expired_code_is_told_to_both(
    started: Gateway, ann: PersonsBrowser, device: Device
) -> None:
    let_expire(started, device.begun["user_code"])
    answer = ann.answer(device)
    assert (answer.status, "has expired" in answer.body.decode()) == (410, True)
    assert error_of(device.poll()) == (400, "expired_token")


def test_approved_client_gets_its_tokens_and_uses_them_at_once(
    started: Gateway, ann: PersonsBrowser, device: Device
) -> None:
    assert "Approved" in ann.answer(device).body.decode()
    answer = device.poll()
    assert answer.headers["cache-control"] == "no-store"
    granted = answer.json
    assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 3600)
    assert granted["email"] == "ann@example.com"
    assert granted["refresh_token"] != granted["access_token"]
    key = bearer(granted["access_token"])
    client = started.with_key(None)
    assert client.messages(key).status == 200
    assert client.post("/v1/messages/count_tokens", ask(), key).status == 200
    assert client.get("/v1/models?limit=1000", key).json["data"]


def test_use_counts_for_the_person(started: Gateway, backend: FakeBackend) -> None:
    """the issue: reports by person have sign-ins; of each there is one key, refreshed or not."""
    make_people(started, "eva")
    device, granted = signed_in(started, log_in(started, "eva"))
    for token in (granted, device.refresh(granted["refresh_token"]).json):
        assert ask_with(started, token["access_token"]).status == 200
    within(AT_ONCE, lambda: _requests(started, "person", "eva") == [2])
    assert _requests(started, "key", "eva (sign-in ") == [2]


def _requests(gateway: Gateway, by: str, name: str) -> list[int]:
    """How many requests a report has of each whose name begins so."""
    lines = json.loads(gateway.manage("usage", "--by", by, "--format", "json"))
    return [line["requests"] for line in lines if line[by].startswith(name)]


@pytest.mark.parametrize("code", ["x", "B" * 43, "é" * 30])
def test_guessed_device_code_is_refused(started: Gateway, code: str) -> None:
    assert error_of(Device(started).poll(code)) == (400, "invalid_grant")


def test_guesses_of_device_codes_are_limited(started: Gateway) -> None:
    device = Device(started)
    answers = [error_of(device.poll(f"guess-{number}")) for number in range(31)]
    assert answers == [(400, "invalid_grant")] * 30 + [(429, "slow_down")]


def test_device_code_that_comes_again_ends_its_sign_in(
    started: Gateway, ann: PersonsBrowser
) -> None:
    """Two have the code: whoever was first may be the wrong one."""
    device, granted = signed_in(started, ann)
    assert ask_with(started, granted["access_token"]).status == 200
    assert error_of(device.poll()) == (400, "invalid_grant")
    wait_dead(started, granted["access_token"])
    assert error_of(device.refresh(granted["refresh_token"])) == (401, "invalid_grant")


def test_code_is_answered_once(started: Gateway, ann: PersonsBrowser, device: Device) -> None:
    first, second = ann.answer(device), ann.answer(device)
    assert (first.status, second.status) == (200, 409)
    assert "You have approved this already" in second.body.decode()
    denied = ann.answer(device, "deny")
    assert denied.status == 409
    assert device.poll().status == 200, "what was approved stays approved"
    assert "This code was used already" in ann.answer(device).body.decode()


def test_code_of_another_person_is_not_approved_again(
    started: Gateway, ann: PersonsBrowser, device: Device
) -> None:
    """the issue: approved by another person."""
    ann.answer(device)
    other = log_in(started, "cleo").answer(device)
    assert (other.status, "Somebody else has answered" in other.body.decode()) == (409, True)
    assert device.poll().json["email"] == "ann@example.com"
