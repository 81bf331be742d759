"""Failed logins: counted for each user at each address, locked after some, forgotten in the end."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.contrib import admin
from django.core.checks import run_checks
from django.db.models import F
from django.test import Client, RequestFactory

from bridge.accounts import login_throttle
from tests.bridge.people import PASSWORD, a_user

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture(autouse=True)
def boss(settings: Any) -> None:
    """An admin with a password that is quick to check."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    user = a_user("admin", "boss")
    user.set_password(PASSWORD)
    user.save()


def log_in(password: str = "wrong", name: str = "boss", address: str = HERE, **headers: str) -> Any:
    """One try, in a browser of its own."""
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address, headers=headers).post(LOGIN, form)


def fail(times: int, **tried: str) -> list[int]:
    return [log_in(**tried).status_code for _ in range(times)]


def pass_time(seconds: int) -> None:
    """Everything that was counted happened earlier."""
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(seconds=seconds))


# --- the lock ----------------------------------------------------------------------------------


def test_right_password_opens_the_admin() -> None:
    answer = log_in(PASSWORD)
    assert (answer.status_code, answer["location"]) == (302, "/admin/")


def test_fifth_failure_locks_even_for_the_right_password() -> None:
    """the issue: 5 failures per user name and address lock."""
    assert fail(5) == [200, 200, 200, 200, 429]
    assert log_in(PASSWORD).status_code == 429


def test_locked_page_says_for_how_long() -> None:
    """the issue: a clear 429 page with the remaining time."""
    fail(5)
    pass_time(100)
    answer = log_in(PASSWORD)
    assert "Try again in 14 minutes" in answer.content.decode()
    assert 795 <= int(answer["retry-after"]) <= 800
    assert answer["cache-control"] == "no-store"


def test_lock_ends_after_its_time() -> None:
    """the issue: for 15 minutes."""
    fail(5)
    pass_time(890)
    assert log_in(PASSWORD).status_code == 429
    pass_time(11)
    assert log_in(PASSWORD).status_code == 302


def test_tries_while_locked_do_not_lengthen_the_lock() -> None:
    """Ours: else a stranger behind the same address could hold it for ever."""
    fail(5)
    pass_time(890)
    assert fail(3) == [429, 429, 429]
    pass_time(11)
    assert log_in(PASSWORD).status_code == 302


def test_other_address_and_other_user_are_not_locked() -> None:
    """the issue: an attacker must not be able to lock out the admin from another address."""
    fail(9, address=ELSEWHERE)
    assert log_in(PASSWORD, address=ELSEWHERE).status_code == 429
    assert log_in(PASSWORD, address=HERE).status_code == 302
    assert log_in("wrong", name="operator", address=ELSEWHERE).status_code == 200


def test_success_forgets_the_failures() -> None:
    """the issue: reset on success."""
    assert fail(4) == [200] * 4
    assert log_in(PASSWORD).status_code == 302
    assert not AccessAttempt.objects.exists()
    assert fail(4) == [200] * 4


def test_fifth_try_may_be_the_right_one() -> None:
    fail(4)
    assert log_in(PASSWORD).status_code == 302


def test_unknown_name_is_locked_like_a_known_one() -> None:
    """Ours: the lock does not tell which names exist."""
    assert fail(5, name="no-such-user") == [200, 200, 200, 200, 429]


def test_other_browser_counts_on() -> None:
    """Ours: the name of the browser is the attacker's to choose."""
    statuses = [log_in(**{"user-agent": f"browser {number}"}).status_code for number in range(6)]
    assert statuses == [200, 200, 200, 200, 429, 429]


def test_tries_at_one_moment_are_counted_before_their_passwords_are_looked_at() -> None:
    """Ours: many connections must not buy many guesses."""
    requests = [RequestFactory().post(LOGIN, REMOTE_ADDR=HERE) for _ in range(20)]
    reply = [AxesProxyHandler.is_allowed(each, {"username": "boss"}) for each in requests]
    assert reply.count(True) == 5


def test_numbers_are_the_operators(settings: Any) -> None:
    """docs, settings: LOGIN_FAILURES and LOGIN_LOCK_SECONDS."""
    settings.AXES_FAILURE_LIMIT = 2
    settings.LOGIN_LOCK_SECONDS = 40
    settings.AXES_COOLOFF_TIME = timedelta(seconds=40)
    assert fail(2) == [200, 429]
    assert "Try again in 1 minute." in log_in(PASSWORD).content.decode()
    pass_time(41)
    assert log_in(PASSWORD).status_code == 302


def test_who_may_not_enter_is_counted_too() -> None:
    """Ours: the right password of a user who is not active is no free guess."""
    user = a_user("", "visitor", is_active=False)
    user.set_password(PASSWORD)
    user.save()
    statuses = [log_in(PASSWORD, name="visitor").status_code for _ in range(6)]
    assert 302 not in statuses and statuses[-1] == 429


def test_log_names_the_address_and_nothing_that_was_typed(caplog: Any) -> None:
    """design, Secrets: people type a password where the name belongs."""
    with caplog.at_level(logging.DEBUG, "bridge"):
        fail(5, name="hunter2-in-the-wrong-field")
    assert caplog.messages.count(f"Failed login from {HERE}") == 4
    assert f"Failed login from {HERE}; locked" in caplog.messages
    assert "hunter2" not in caplog.text and "wrong" not in caplog.text


def test_throttle_is_wired_and_brings_no_pages_of_its_own() -> None:
    """the issue: its checks are silent, its admin pages hidden."""
    assert [said for said in run_checks() if said.id and said.id.startswith("axes")] == []
    assert not any(model._meta.app_label == "axes" for model in admin.site._registry)


# --- whose try it is ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "::"),
        ("", None),
        ("unix:", None),
    ],
)
def test_address_is_that_of_one_customer(peer: str, told: str | None) -> None:
    """Ours: an IPv6 network is one caller, or each guess would come from a new address."""
    assert login_throttle.client_address(RequestFactory().get("/", REMOTE_ADDR=peer)) == told


@pytest.mark.parametrize(
    ("header", "trusted", "told"),
    [
        ("203.0.113.7", False, HERE),
        ("203.0.113.7", True, "203.0.113.7"),
        ("10.0.0.1, 203.0.113.7", True, "203.0.113.7"),
        ("spoofed,203.0.113.7", True, "203.0.113.7"),
        ("", True, HERE),
        ("nonsense", True, None),
    ],
)
def test_forwarded_address_counts_only_from_a_trusted_front(
    settings: Any, header: str, trusted: bool, told: str | None
) -> None:
    """the issue: X-Forwarded-For only where TRUST_FORWARDED_PROTO says that a front is trusted."""
    settings.TRUST_FORWARDED_PROTO = trusted
    request = RequestFactory().get("/", REMOTE_ADDR=HERE, headers={"x-forwarded-for": header})
    assert login_throttle.client_address(request) == told


def test_written_address_does_not_undo_a_lock() -> None:
    """Ours: without a trusted front the header is the attacker's to choose."""
    statuses = [log_in(**{"x-forwarded-for": f"10.0.0.{n}"}).status_code for n in range(6)]
    assert statuses[-2:] == [429, 429]


# --- many names from one address ----------------------------------------------------------------


def spray(times: int, **tried: str) -> list[int]:
    """Tries with another name each."""
    return [log_in(name=f"name{number}", **tried).status_code for number in range(times)]


def test_many_names_from_one_address_lock_the_address() -> None:
    """Ours: attack, password spraying. Whatever the name is, the right password included."""
    assert spray(22) == [200] * 20 + [429] * 2
    answer = log_in(PASSWORD)
    assert answer.status_code == 429
    assert "Nobody can log in from this address" in answer.content.decode()
    assert 890 <= int(answer["retry-after"]) <= 900
    assert log_in(PASSWORD, address=ELSEWHERE).status_code == 302


def test_names_that_are_made_up_fill_no_table(settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ADDRESS = 4
    spray(8)
    assert AccessAttempt.objects.count() == 4


def test_locked_address_is_free_again_after_its_time(settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ADDRESS = 4
    assert spray(5)[-1] == 429
    pass_time(901)
    assert log_in(PASSWORD).status_code == 302


def test_right_password_does_not_count_for_the_address(settings: Any) -> None:
    """Ours: an office behind one address, whose people log in all day."""
    settings.LOGIN_FAILURES_PER_ADDRESS = 3
    assert {log_in(PASSWORD).status_code for _ in range(8)} == {302}
