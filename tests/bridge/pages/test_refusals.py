"""Pages that say no: to a person with what to do, to a program in the envelope."""

import json
import logging
from typing import Any

import pytest
from django.test import Client

from bridge.pages.refusal_log import WithoutTraceback
from bridge.pages.refusals import failed
from tests.bridge.admin_pages import of, text
from tests.bridge.people import browser
from tests.shapes import check_error

pytestmark = pytest.mark.django_db

PAGE = {"accept": "text/html,application/xhtml+xml"}
LOGIN = "/admin/login/"
FRONT = "https://claude.example.org"


def test_missing_right_is_a_page_that_says_who_could_give_it() -> None:
    """Not a bare "403 Forbidden"."""
    answer = browser("auditor", "ann").get(of("backend", "add"), headers=PAGE)
    assert answer.status_code == 403
    assert "You are logged in as ann" in text(answer)
    assert "An admin gives roles" in text(answer)
    assert answer["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("role", "kind", "page", "sentence"),
    [
        ("auditor", "backend", "add", "To add backends takes an operator or an admin."),
        ("operator", "admintoken", "changelist", "To see API tokens takes an admin."),
        ("auditor", "apikey", "changelist", "To see API keys takes an operator or an admin."),
        ("admin", "warningevent", "add", "Nobody may add warnings here, an admin neither."),
    ],
)
def test_missing_right_is_named_with_the_roles_that_have_it(
    role: str, kind: str, page: str, sentence: str
) -> None:
    answer = browser(role).get(of(kind, page), headers=PAGE)
    assert answer.status_code == 403
    assert sentence in text(answer)
    assert "Log in as somebody else" in text(answer)


def test_wrong_method_is_a_page_for_a_person_and_an_envelope_for_a_program() -> None:
    """Django's own answer is an empty one."""
    client = browser("operator")
    address = "/dashboard/keys/none/name/"
    shown = client.get(address, headers=PAGE)
    assert (shown.status_code, shown["allow"]) == (405, "POST")
    assert "Nothing to open here" in text(shown) and 'href="/dashboard/"' in text(shown)
    answer = client.get(address)
    assert (answer.status_code, answer["allow"]) == (405, "POST")
    assert check_error(answer.json())["error"]["message"].startswith("GET is not allowed here")


def test_missing_right_is_an_error_for_a_program() -> None:
    answer = browser("auditor").get(of("backend", "add"))
    assert answer.status_code == 403
    assert check_error(answer.json())["error"]["type"] == "permission_error"


def test_missing_right_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Where it was raised is nobody's business."""
    caplog.handler.addFilter(WithoutTraceback())
    with caplog.at_level(logging.WARNING, "django.request"):
        browser("auditor").get(of("backend", "add"))
    assert [record.exc_info for record in caplog.records] == [None]


def test_failure_of_our_own_keeps_its_traceback() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "", (), (ValueError, ValueError(), None))
    record.status_code = 500
    assert WithoutTraceback().filter(record)
    assert record.exc_info is not None


@pytest.mark.parametrize("path", ["/admin/nope/", "/dashboard/nope/", "/my/nope"])
def test_address_of_no_page_is_a_page_for_browsers_only(path: str) -> None:
    client = browser("admin")
    shown = client.get(path, headers=PAGE)
    assert (shown.status_code, "no page at this address" in text(shown)) == (404, True)
    told = client.get(path)
    assert (told.status_code, told.json()["error"]["message"]) == (404, "Not found")


def test_refused_form_names_the_setting_and_its_value(settings: Any) -> None:
    """Django's own speaks of DEBUG, a setting that this product does not have."""
    settings.ALLOWED_HOSTS = ["claude.example.org"]
    client = Client(enforce_csrf_checks=True)
    sent = {"host": "claude.example.org", "origin": FRONT}
    answer = client.post(LOGIN, {"username": "a"}, headers=PAGE | sent)
    assert answer.status_code == 403
    assert f"CSRF_TRUSTED_ORIGINS={FRONT}" in text(answer)
    assert "TRUST_FORWARDED_PROTO=1" in text(answer)
    assert "DEBUG" not in text(answer)


def test_refused_form_of_our_own_origin_says_to_load_it_again() -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(LOGIN, {"username": "a"}, headers=PAGE)
    assert answer.status_code == 403
    assert "load the page again" in text(answer) and "CSRF_TRUSTED" not in text(answer)


def test_hostile_origin_is_shown_as_text() -> None:
    client = Client(enforce_csrf_checks=True)
    hostile = "https://<script>alert(1)</script>"
    answer = client.post(LOGIN, {}, headers=PAGE | {"origin": hostile})
    assert b"<script>alert" not in answer.content


def test_fault_of_ours_is_an_envelope_for_a_program_and_a_page_for_a_person(rf: Any) -> None:
    """What it was stands in the log."""
    answer = failed(rf.get("/api/admin/v1/teams"))
    assert answer.status_code == 500
    error = check_error(json.loads(answer.content))["error"]
    assert error == {"type": "api_error", "message": "Internal error"}
    shown = failed(rf.get("/admin/", headers=PAGE))
    assert shown.status_code == 500 and "text/html" in shown["content-type"]
    assert "stands in its log" in text(shown) and shown["request-id"] in text(shown)


def test_page_of_a_fault_says_nothing_of_code_and_settings(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view that fails, as the handler of a running gateway answers it."""

    def fails(*args: Any) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr("dashboard.views.overview.Frame", fails)
    client = browser("auditor")
    client.raise_request_exception = False
    shown = client.get("/dashboard/", headers=PAGE)
    assert shown.status_code == 500
    for word in ("Traceback", "secret of the house", "RuntimeError", settings.SECRET_KEY):
        assert word not in text(shown)
