"""A person at `/my/` in a browser: log in, see what is left, end a sign-in, take a new key (issue
13, item 7)."""

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.looks import faults
from tests.browser.site import Site

MY = "/my/"
MAKE = """
import json
from datetime import timedelta
from decimal import Decimal
from django.contrib.auth.models import User
from django.utils import timezone
from bridge.models import ApiKey, PersonLimits, SignIn
from bridge.models.people.keys import KeyKind
ann = User.objects.create_user("ann-of-the-long-name", password="correct horse battery")
PersonLimits.objects.create(user=ann, budget_month=Decimal(20))
row, text = ApiKey.issue("ann-laptop-that-stands-on-the-desk", {"person": ann})
session, _ = ApiKey.issue("ann (sign-in 1)", {"person": ann, "kind": KeyKind.SESSION})
SignIn.objects.create(
    person=ann, key=session, client="Claude Code on a machine with a name", address="2001:db8::7",
    family_digest="f", refresh_digest="r", expires_at=timezone.now() + timedelta(days=30),
)
print(json.dumps(text))
"""


def test_person_logs_in_and_looks_after_keys_and_sign_ins(page: Page, site: Site) -> None:
    """All of it by clicks, at each width and in light and dark."""
    text = json.loads(site.gateway.manage("shell", "-v0", "-c", MAKE))
    site.gateway.with_key(text).messages()
    page.context.clear_cookies()
    page.goto("/")
    page.get_by_role("link", name="Your usage").click()
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Username").fill("ann-of-the-long-name")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(rf"//[^/]+{MY}"))
    expect(page.locator("h1")).to_have_text("ann-of-the-long-name")
    expect(page.locator(".number-card", has_text="Left this month")).to_contain_text("$20.00")
    assert faults(page) == {}
    page.get_by_role("button", name="End the sign-in of Claude Code").click()
    expect(page.get_by_text("has to sign in again")).to_be_visible()
    page.get_by_role("link", name="Rotate", exact=True).click()
    assert faults(page) == {}
    page.get_by_label("Not at all").check()
    page.get_by_role("button", name="Make a new key").click()
    shown = page.locator(".new-key pre")
    expect(shown).to_have_text(re.compile("^gwk_"))
    assert faults(page) == {}
    new = shown.inner_text()
    page.goto(MY)
    assert new not in page.content() and text not in page.content()
    page.goto("/admin/")
    expect(page).to_have_url(re.compile("/admin/login/"))
    page.goto(MY)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("Log in again")).to_be_visible()
    page.goto(MY)
    expect(page.get_by_label("API key")).to_be_visible()
