"""A sign-in with a company account in a real browser, at a provider that others wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.conftest import starting
from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway, Ready
from tests.fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET
from tests.fakes.real_provider import real_provider

ANN = {
    "sub": "ann-at-example",
    "preferred_username": "ann",
    "given_name": "Ann",
    "email": "ann@example.com",
    "groups": ["readers", "research"],
}
GROUPS = {
    "teams": [{"name": "research"}],
    "group_mappings": [
        {"group": "readers", "role": "auditor"},
        {"group": "research", "team": "research"},
    ],
}


@pytest.fixture(scope="module")
def company_gateway(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with (
        real_provider(ANN) as issuer,
        starting(session_backend, tmp_path_factory) as start,
    ):
        gateway = start(
            "serve",
            ready=Ready.HEALTHY,
            OIDC_ISSUER=issuer,
            OIDC_CLIENT_ID=CLIENT_ID,
            OIDC_CLIENT_SECRET=CLIENT_SECRET,
            OIDC_NAME="Example Inc.",
        )
        gateway.manage("import_config", "-", said=json.dumps(GROUPS))
        yield gateway


@pytest.fixture
def page(browser: Browser, company_gateway: Gateway) -> Iterator[Page]:
    """What a page of the gateway complains of, its policy above all, fails the test."""
    context = browser.new_context(base_url=company_gateway.url)
    context.set_default_timeout(60_000)
    page, complaints = context.new_page(), list[str]()

    def console(message: ConsoleMessage) -> None:
        if message.location["url"].startswith(company_gateway.url):
            complaints.append(message.text)

    page.on("console", console)
    yield page
    context.close()
    assert complaints == []


def test_person_signs_in_reads_reports_and_logs_out_everywhere(
    page: Page, company_gateway: Gateway
) -> None:
    """The issue: log-in with groups, against a provider that a package brings."""
    page.goto("/dashboard/")
    page.get_by_role("link", name="Sign in with Example Inc.").click()
    page.get_by_role("button", name="ann-at-example").click()
    page.wait_for_url(f"{company_gateway.url}/dashboard/")
    page.get_by_text("ann", exact=True).first.click()  # the menu of the person
    assert "ann" in company_gateway.manage("shell", "-v", "0", "-c", MEMBERS)

    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Log out there, too").click()
    page.wait_for_url(re.compile("/oauth2/end_session"))
    assert f"client_id={CLIENT_ID}" in page.url

    page.goto("/dashboard/")
    expect(page.get_by_role("link", name="Sign in with Example Inc.")).to_be_visible()


MEMBERS = """if True:
    from bridge.models import Team
    print(*Team.objects.get(name="research").people.values_list("username", flat=True))
"""
