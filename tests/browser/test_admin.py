"""What an operator does in the admin reaches requests within a second. the issue: live, no restart.

Every test fails when its page writes to the console, breaks the content policy, or asks for
something that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.bridge.probed import Model
from tests.browser.site import AT_ONCE, Site, within
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json
from tests.fakes.replies import Call, Gate, Loose, Reply, streamed

BACKENDS, ALIASES = "/admin/bridge/backend/", "/admin/bridge/modelalias/"
MODELS, KEYS = "/admin/bridge/discoveredmodel/", "/admin/bridge/apikey/"


def add_alias(page: Page, pattern: str, *models: str) -> None:
    """Fill in the form: a name, and a target for each model."""
    page.goto(f"{ALIASES}add/")
    page.fill("#id_pattern", pattern)
    for number, model in enumerate(models):
        if number:
            page.get_by_role("link", name="Add another Target").click()
        page.select_option(f"#id_targets-{number}-backend", label="main")
        page.fill(f"#id_targets-{number}-model", model)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(f"{ALIASES}$"))


def open_row(page: Page, address: str, name: str) -> None:
    page.goto(address)
    page.locator("#result_list").get_by_role("link", name=name).click()


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def served(site: Site, backend: FakeBackend, name: str) -> str:
    """The model that a request for this name reaches."""
    assert site.status(name) == 200
    return backend.calls[-1].model


def test_login_leads_to_the_overview(page: Page, site: Site) -> None:
    page.goto("/admin/")
    expect(page.locator("h1")).to_have_text("Overview")
    expect(page.locator(".gw-verdict")).to_contain_text("Serving")
    expect(page.locator(".gw-card", has_text="main")).to_contain_text("models")
    page.context.clear_cookies()
    page.goto("/admin/")
    expect(page).to_have_url(re.compile("/admin/login/"))


def test_alias_from_the_form_routes_within_a_second(
    page: Page, site: Site, backend: FakeBackend
) -> None:
    assert site.status("written-in-the-form") == 404
    add_alias(page, "written-in-the-form", "test/beta")
    within(AT_ONCE, lambda: site.status("written-in-the-form") == 200)
    assert backend.calls[-1].model == "test/beta"


def test_second_target_is_added_in_the_form(page: Page, site: Site) -> None:
    add_alias(page, "two-targets", "test/alpha", "test/beta")
    open_row(page, ALIASES, "two-targets")
    for number, model in enumerate(("test/alpha", "test/beta")):
        expect(page.locator(f"#id_targets-{number}-model")).to_have_value(model)
    names = page.locator("#gw-models option").evaluate_all("found => found.map(o => o.value)")
    assert {"test/alpha", "test/beta"} <= set(names)


def test_conditions_of_a_target_are_set_in_the_form(
    page: Page, site: Site, backend: FakeBackend
) -> None:
    """Also of one that was just added: its fields have names of their own."""
    page.goto(f"{ALIASES}add/")
    page.fill("#id_pattern", "by-class")
    for number, model in enumerate(("test/alpha", "test/beta")):
        if number:
            page.get_by_role("link", name="Add another Target").click()
        page.select_option(f"#id_targets-{number}-backend", label="main")
        page.fill(f"#id_targets-{number}-model", model)
    page.locator(".gw-conditions").nth(1).locator("summary").click()
    page.locator("#id_targets-1-request_classes").get_by_label("auxiliary").check()
    press(page, "Save")
    row = page.locator("#result_list tr", has_text="by-class")
    expect(row).to_contain_text("main: test/beta (only for class auxiliary)")
    within(AT_ONCE, lambda: served(site, backend, "by-class") == "test/alpha")
    hint = {"x-claude-code-request-class": "auxiliary"}
    assert site.gateway.client.messages(hint, model="by-class").status == 200
    assert backend.calls[-1].model == "test/beta"


def test_refused_form_keeps_what_was_written(page: Page) -> None:
    page.goto(f"{ALIASES}add/")
    page.fill("#id_pattern", "half")
    press(page, "Save")
    expect(page.get_by_text("This field is required").first).to_be_visible()
    expect(page.locator("#id_pattern")).to_have_value("half")


def test_change_is_reverted_with_the_button(page: Page, site: Site, backend: FakeBackend) -> None:
    """the issue: every change can be taken back."""
    add_alias(page, "to-and-fro", "test/alpha")
    open_row(page, ALIASES, "to-and-fro")
    page.fill("#id_targets-0-model", "test/beta")
    press(page, "Save")
    within(AT_ONCE, lambda: served(site, backend, "to-and-fro") == "test/beta")
    open_row(page, ALIASES, "to-and-fro")
    page.locator("a[href$='/history/']").click()
    expect(page.locator(".gw-change").first).to_contain_text("to-and-fro changed by admin")
    page.locator(".gw-change").first.get_by_role("link", name="Revert").click()
    expect(page.get_by_text("is taken back").first).to_be_visible()
    press(page, "Take it back")
    expect(page.get_by_text("to-and-fro is again as it was before.")).to_be_visible()
    within(AT_ONCE, lambda: served(site, backend, "to-and-fro") == "test/alpha")


@pytest.fixture
def breaker(page: Page) -> Iterator[Page]:
    """The page of the backend; its breaker is automatic again afterwards."""
    open_row(page, BACKENDS, "main")
    yield page
    open_row(page, BACKENDS, "main")
    if page.get_by_role("button", name="Automatic").count():
        press(page, "Automatic")


def test_forced_breaker_answers_529_until_it_is_automatic(breaker: Page, site: Site) -> None:
    """the issue: operators open and close breakers."""
    press(breaker, "Force open")
    expect(breaker.locator(".gw-state")).to_have_text("Forced open")
    within(AT_ONCE, lambda: site.status(ALPHA) == 529)
    press(breaker, "Automatic")
    expect(breaker.locator(".gw-state")).to_have_text("Serving")
    within(AT_ONCE, lambda: site.status(ALPHA) == 200)


def test_failures_show_and_are_forgotten_with_the_button(
    breaker: Page, site: Site, backend: FakeBackend
) -> None:
    """design: breakers open by failures; a reset closes them everywhere."""
    backend.on(ALPHA).error(500, "out of memory")
    within(10, lambda: site.status(ALPHA) == 529)
    within(10, lambda: _state_of(breaker) == "Open")
    expect(breaker.locator(".gw-facts")).to_contain_text("out of memory")
    backend.reset()
    press(breaker, "Reset breaker")
    expect(breaker.get_by_text("main: failures forgotten, breaker closed.")).to_be_visible()
    within(AT_ONCE, lambda: site.status(ALPHA) == 200)


def _state_of(page: Page) -> str:
    page.reload()
    return page.locator(".gw-big").inner_text()


def test_trial_of_a_backend_is_told_on_its_page(page: Page, backend: FakeBackend) -> None:
    open_row(page, BACKENDS, "main")
    press(page, "Test")
    expect(page.get_by_text("main: 5 models listed.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"answered in \d+(\.\d)? m?s\."))).to_be_visible()
    assert len(backend.calls) == 1


def test_issued_key_is_shown_once_copied_used_and_revoked(page: Page, site: Site) -> None:
    """design, Secrets: issued keys are shown once."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{KEYS}add/")
    page.fill("#id_name", "browser")
    press(page, "Save")
    expect(page.locator("h1")).to_have_text("Key for browser")
    key = page.locator(".gw-key pre").inner_text()
    assert key.startswith("gwk_")
    press(page, "Copy")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    within(AT_ONCE, lambda: site.status(ALPHA, key) == 200)
    page.get_by_role("link", name="Go on to browser").click()
    assert key not in page.content()
    press(page, "Revoke")
    within(AT_ONCE, lambda: site.status(ALPHA, key) == 401)


def test_name_is_explained_from_the_list_of_aliases(page: Page) -> None:
    page.goto(ALIASES)
    page.get_by_label("Where would a name lead?").fill("TEST/Beta")
    press(page, "Show")
    expect(page.locator(".gw-answer")).to_have_text("main: test/beta")
    expect(page.locator(".gw-steps li").first).to_have_text("listed, but for upper and lower case")
    page.get_by_role("link", name="Client settings for this name").click()
    expect(page.locator("pre").first).to_contain_text("ANTHROPIC_MODEL=TEST/Beta")


def test_row_of_the_environment_is_taken_over(page: Page, site: Site, backend: FakeBackend) -> None:
    open_row(page, ALIASES, "from-the-environment")
    expect(page.locator("#id_pattern")).to_have_count(0)
    press(page, "Take it over")
    expect(page.get_by_text("from-the-environment is yours now")).to_be_visible()
    page.fill("#id_targets-0-model", ALPHA)
    press(page, "Save")
    within(AT_ONCE, lambda: served(site, backend, "from-the-environment") == ALPHA)


def test_probe_shows_its_progress_and_then_the_evidence(page: Page, backend: FakeBackend) -> None:
    """the issue: what a model can do, with the evidence."""
    gate = Gate()

    def answer(call: Call) -> Iterable[Json] | Reply:
        made = Model()(call)
        if isinstance(made, Reply) or not call.body.get("stream"):
            return made
        return streamed(list[Loose](made), call.model, before=gate)

    backend.on(ALPHA).each(answer)
    open_row(page, MODELS, ALPHA)
    press(page, "Probe")
    gate.wait_reached()
    bar = page.locator("[data-progress] progress")
    expect(bar).to_be_visible()
    expect(page.get_by_role("button", name="Probe")).to_be_disabled()
    assert 0 < bar.evaluate("bar => bar.value / bar.max") < 0.5
    expect(page.locator("[data-evidence] tbody tr").first).to_contain_text("Plain answer")
    gate.open()
    expect(page.locator("[data-evidence] caption")).to_contain_text(
        re.compile(r"probed (now|\w+ (second|minute)s? ago)")
    )
    tools = page.locator("tr", has_text="Tools").first
    expect(tools).to_contain_text("says the probe")
    assert page.locator("[data-evidence] tbody tr").count() > 15


def test_probe_that_is_refused_says_so(page: Page, site: Site, backend: FakeBackend) -> None:
    backend.on("test/small").error(401, "no such key")
    open_row(page, MODELS, "test/small")
    press(page, "Probe")
    status = page.locator("[data-progress] [role=status]")
    expect(status).to_contain_text("key")
    expect(page.get_by_role("button", name="Probe")).to_be_enabled()


def test_probe_of_a_session_that_has_ended_says_so(
    browser: Browser, site: Site, backend: FakeBackend
) -> None:
    """Ours: a page that stood open over lunch; what the browser complains of is meant."""
    context = browser.new_context(base_url=site.url, storage_state=site.login)
    page = context.new_page()
    open_row(page, MODELS, "test/small")
    context.clear_cookies()
    press(page, "Probe")
    expect(page.locator("[data-progress] [role=status]")).to_contain_text("Reload the page")
    context.close()
    assert backend.calls == []
