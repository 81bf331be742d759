"""The policy of each page, and that no page of the admin asks for more than its policy allows."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from bridge.models import (
    AdminToken,
    ApiKey,
    DiscoveredModel,
    GroupMapping,
    LearnedFact,
    PersonLimits,
    Price,
    SignIn,
    ToolNameMap,
    WarningEvent,
    WarningRule,
)
from bridge.pages import csp
from bridge.translation import facts
from tests.bridge.people import a_team, a_user, browser
from tests.bridge.rows import a_row, an_alias


def directives(text: str) -> dict[str, str]:
    return {name: rest for name, _, rest in (part.partition(" ") for part in text.split("; "))}


# --- the header --------------------------------------------------------------------------------


def test_pages_of_our_own_load_from_here_and_run_nothing_inline() -> None:
    """the issue: strict on every page of our own."""
    assert directives(csp.PAGES) == {
        "default-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "object-src": "'none'",
    }


def test_admin_differs_by_what_its_theme_forces_and_nothing_else() -> None:
    """docs/security.md: what forces each exception. No inline script, there either."""
    ours, admins = directives(csp.PAGES), directives(csp.ADMIN)
    assert dict(admins.items() - ours.items()) == {
        "script-src": "'self' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
    }
    assert ours.items() <= admins.items()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status", "policy"),
    [
        ("/admin/login/", 200, csp.ADMIN),
        ("/admin/", 302, csp.ADMIN),
        ("/admin/nothing/", 302, csp.ADMIN),
        ("/admin", 301, csp.PAGES),
        ("/static/bridge/welcome.js", 200, csp.PAGES),
        ("/nothing/", 404, csp.PAGES),
    ],
)
def test_every_answer_has_the_policy_of_its_app(path: str, status: int, policy: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer[csp.HEADER]) == (status, policy)
    answer.close()


@pytest.mark.django_db
def test_refused_form_has_a_policy_too() -> None:
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {})
    assert (answer.status_code, answer[csp.HEADER]) == (403, csp.ADMIN)


async def test_policy_of_a_view_wins_sync_and_async() -> None:
    """Ours: a page may be stricter."""
    strict = HttpResponse(headers={csp.HEADER: "default-src 'none'"})

    async def later(_: Any) -> HttpResponse:
        return strict

    request = RequestFactory().get("/")
    request.resolver_match = None
    here = csp.content_security_policy(lambda _: strict)(request)
    there = await csp.content_security_policy(later)(request)
    assert here[csp.HEADER] == there[csp.HEADER] == "default-src 'none'"


# --- what the admin's pages hold ---------------------------------------------------------------


ELSEWHERE = ("http:", "https:", "//", "data:", "javascript:")


class Inline(HTMLParser):
    """Collects what only 'unsafe-inline' scripts, or other hosts, would make work."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        data = given.get("type", "").endswith(("json", "template"))
        if tag == "script" and not data and not given.get("src"):
            self.found.append("<script> with a text of its own")
        self.found += [f"{tag} {name}" for name in given if name.startswith("on")]
        loading = {"src", "action", "formaction", *(["href"] if tag == "link" else [])}
        self.found += [
            f"{tag} {name}={value}"
            for name, value in given.items()
            if (name in loading and value.lower().startswith(ELSEWHERE))
            or (name == "href" and value.lower().startswith("javascript:"))
        ]


def pages() -> list[str]:
    """Every list of the admin, the form of a new row and of the first one, its history and end."""
    found = ["/admin/", "/admin/password_change/"]
    for model, shown in admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}"
        row = model._default_manager.first()
        assert row is not None, f"no row of {base}"
        rest = ("", "add/", f"{row.pk}/change/", f"{row.pk}/history/", f"{row.pk}/delete/")
        found += [f"{base}/{name}" for name in rest]
        assert shown.opts.model is model
    return found


@pytest.fixture
def rows(db: None) -> None:
    """One row of every kind that the admin shows."""
    backend = a_row(credential="env:SOME_KEY")
    an_alias("fast", (backend, "m"))
    DiscoveredModel.objects.create(backend=backend, name="m")
    LearnedFact.objects.create(backend=backend, what=facts.REFUSES, value="top_k")
    ToolNameMap.objects.create(backend_name="a", client_name="b")
    Price.objects.create(model="m", input_per_mtok="1", output_per_mtok="2")
    ApiKey.issue("team")
    user = a_user("operator")
    PersonLimits.objects.create(user=user, budget_day=1)
    GroupMapping.objects.create(group="platform", team=a_team("ours", user))
    WarningRule.objects.create(name="all", webhook="https://hooks.example.com/all")
    WarningEvent.objects.create(
        what="disk", type="disk.filling", subject_kind="host", subject="h", period="p"
    )
    SignIn.objects.create(
        person=user, key=ApiKey.objects.get(), family_digest="f", expires_at=timezone.now()
    )
    AdminToken.issue("script", "admin", "test")


@pytest.mark.usefixtures("rows")
def test_no_page_of_the_admin_needs_an_inline_script_or_another_host() -> None:
    """the issue: so the policy has no 'unsafe-inline' for scripts, and needs no hosts."""
    client = browser("admin", "boss")
    answers = {page: client.get(page) for page in pages()}
    answers["login"] = Client().get("/admin/login/")
    opened = {page: answer for page, answer in answers.items() if answer.status_code == 200}
    assert len(opened) > len(admin.site._registry) * 3
    assert {answer.status_code for answer in answers.values()} <= {200, 302, 403, 404}
    led_on = [page for page, answer in answers.items() if answer.status_code == 302]
    assert all(re.fullmatch(r"/admin/auth/user/\d+/history/", page) for page in led_on), led_on
    for page, answer in opened.items():
        inline = Inline()
        inline.feed(answer.content.decode())
        assert inline.found == [], page
