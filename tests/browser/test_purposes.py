"""What requests were for, in a browser: a session with sub-agents, a compaction and a title, from a
real gateway to the page of the session and to the overview, with names that clients made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import SECONDS, WIDE
from tests.browser.looks import faults
from tests.browser.site import Site, leave, log_in
from tests.conftest import starting
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage

SESSION = "0d5e1c2a-6f0b-4c55-8a3e-5b7d9c1e2f33"
FIRST, SECOND = (f"{number}0000000-aaaa-4000-8000-000000000001" for number in (1, 2))
MARKUP = "<img/src=x/onerror=alert(1)>"
RIGHT_TO_LEFT = "\u05d0\u05d1\u05d2\u202e\u0627\u0644\u0639"
HOSTILE_TYPE = f"<script>alert(2)</script>{RIGHT_TO_LEFT}".ljust(200, "x")
HOSTILE_TOOL = f"{MARKUP}\u05d0\u05d1\u05d2"
LONG_AGENT = f"{MARKUP}{'agent' * 8}"[:64]
MANY = 24
"""Sub-agents that each ask once, and tools that ran."""
CENTS = 11
"""What each request costs: 100,000 tokens of prompt and 5,000 of answer."""
PRICES = [{"model": ALPHA, "input_per_mtok": 1, "output_per_mtok": 2}]

TOOLS = [{"name": f"tool_{n}", "input_schema": {"type": "object"}} for n in range(4)]
"""The first of them is there at once, the others from the second turn of the conversation on."""

Hints = dict[str, str]
TOOL_TIMES = ";".join(
    [f"Bash=742;{quote(HOSTILE_TOOL)}=65000", *(f"mcp__{n:02}={n + 1}" for n in range(MANY))]
)
ASKED: list[Hints] = [
    {"request-class": "main", "prompt-id": FIRST},
    {"request-class": "auxiliary", "prompt-id": FIRST},
    {"request-class": "main", "prompt-id": FIRST, "prev-tool-durations": TOOL_TIMES},
    *(
        {
            "request-class": "subagent",
            "prompt-id": FIRST,
            "agent-type": "Explore",
            "agent-id": "outer",
        },
    )
    * 2,
    {
        "request-class": "subagent",
        "prompt-id": FIRST,
        "agent-type": HOSTILE_TYPE,
        "agent-id": LONG_AGENT,
        "parent-agent-id": "outer",
    },
    {"request-class": "main", "prompt-id": SECOND},
    {"request-class": "compaction", "prompt-id": SECOND, "compaction": "auto"},
    {"request-class": "main", "prompt-id": SECOND, "context-compacted": "auto"},
    *(
        {
            "request-class": "subagent",
            "prompt-id": SECOND,
            "agent-id": f"many-{number:02}-{'x' * 50}",
        }
        for number in range(MANY)
    ),
]
CLASSES = {
    "Main conversation": 4,
    "Sub-agents": 3 + MANY,
    "Compaction": 1,
    "Titles and other side calls": 1,
}
"""Requests by what they are called on the overview."""
ALL = len(ASKED)


def headers(hints: Hints) -> Hints:
    """As they go over the wire: bytes of UTF-8 where a client sends such."""
    named = {f"x-claude-code-{name}": value for name, value in hints.items()}
    every = {"x-claude-code-session-id": SESSION} | named
    return {name: value.encode().decode("latin-1") for name, value in every.items()}


@pytest.fixture(scope="module")
def purposes(
    browser: Browser, session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A gateway that has served this one session, and its admin."""
    session_backend.reset()
    session_backend.on(ALPHA).answer(role(), text("Yes."), finish("stop"), usage(100_000, 5_000))
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start("serve")
        gateway.configure(prices=PRICES)
        for number, hints in enumerate(ASKED):
            tools = {"tools": TOOLS[: 4 if number else 1]} if "main" in hints.values() else {}
            answer = gateway.client.messages(headers(hints), stream=number % 2 == 1, **tools)
            assert answer.status == 200
        books.wait_for_rows(gateway, ALL)
        books.check(gateway)
        yield Site(gateway, log_in(browser, gateway))


@pytest.fixture(scope="module")
def watched(browser: Browser, purposes: Site) -> Iterator[tuple[Page, list[str]]]:
    """The page of the admin's browser, and what it complains of."""
    context = browser.new_context(
        base_url=purposes.url,
        viewport=WIDE,
        storage_state=purposes.login,
        reduced_motion="reduce",
    )
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    complaints = purposes.listen(page)
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    yield page, complaints
    context.close()


@pytest.fixture
def page(watched: tuple[Page, list[str]]) -> Iterator[Page]:
    """That page; it must complain of nothing, and no text must run."""
    page, complaints = watched
    complaints.clear()
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    yield page
    assert page.locator("img[src=x], bdi script").count() == 0
    leave(page)
    assert complaints == []


@pytest.fixture
def session(page: Page) -> Page:
    """The page of the session, whole."""
    page.goto("/dashboard/sessions/")
    page.locator("tbody a", has_text=SESSION[:8]).first.click()
    expect(page.locator("h1")).to_contain_text(f"{ALL} turns")
    return page


def table(page: Page, title: str) -> Locator:
    return page.locator(f"section.tabled[aria-label='{title}']")


def column(rows: Locator, label: str) -> list[str]:
    return [cell.inner_text().strip() for cell in rows.locator(f"td[data-label='{label}']").all()]


def cents(shown: str) -> int:
    return round(float(re.sub(r"[^0-9.]", "", shown)) * 100) if "$" in shown else 0


# --- the session ----------------------------------------------------------------------------------


def test_those_who_worked_add_up_to_the_session(session: Page) -> None:
    """A tree: an agent below the one that started it, each with its own and with the sum."""
    workers = table(session, "Who worked")
    names = column(workers, "Who")
    requests = dict(zip(names, map(int, column(workers, "Requests")), strict=True))
    assert names[:2] == ["Main conversation", "Titles and other side calls"]
    outer = names.index("Explore outer")
    nested = workers.locator("tbody tr").nth(outer + 1).locator(".branch")
    expect(nested).to_have_class(re.compile("depth-2"))
    assert nested.get_attribute("title") == f"sub-agent {LONG_AGENT}"
    assert (requests["Main conversation"], requests["Explore outer"]) == (4, 2)
    assert sum(map(int, column(workers, "Requests"))) == ALL
    costs = list(map(cents, column(workers, "Cost")))
    assert sum(costs) == ALL * CENTS
    whole = list(map(cents, column(workers, "With its agents")))
    assert (costs[outer], whole[outer]) == (2 * CENTS, 3 * CENTS)
    cost = session.locator("section[aria-label=Cost] .big")
    assert cents(cost.inner_text()) == ALL * CENTS


def test_prompts_of_the_user_add_up_to_the_session(session: Page) -> None:
    prompts = table(session, "Prompts")
    assert column(prompts, "Prompt") == ["2", "1"]
    assert column(prompts, "Requests") == [str(3 + MANY), "6"]
    assert column(prompts, "Sub-agents") == [str(MANY), "2"]
    assert column(prompts, "Compacted")[0] == "1"
    assert sum(map(cents, column(prompts, "Cost"))) == ALL * CENTS


def test_compaction_is_marked(session: Page) -> None:
    marked = session.locator("section[aria-label=Compactions]")
    expect(marked).to_contain_text("Turn 9")
    expect(marked).to_contain_text("auto")
    expect(marked.locator("li")).to_have_count(1)


def test_times_of_tools_read_in_order_whatever_their_names(session: Page) -> None:
    """A name from right to left keeps its time behind it."""
    ran = table(session, "Turns").locator("td[data-label='Ran before']", has_text="Bash")
    expect(ran).to_contain_text("Bash 742 ms")
    expect(ran.locator("bdi")).to_have_count(MANY + 2)
    name = ran.locator("bdi", has_text=MARKUP)
    expect(name).to_have_text(HOSTILE_TOOL)
    boxes = [name.bounding_box(), name.locator("xpath=..").bounding_box()]
    assert boxes[0] and boxes[1]
    assert boxes[0]["x"] == pytest.approx(boxes[1]["x"], abs=1), "the time stands in front"
    tools = table(session, "Tools called")
    assert HOSTILE_TOOL in column(tools, "Tool")


def test_hostile_type_of_an_agent_is_shown_nowhere(session: Page) -> None:
    """What is no word is not taken over at all."""
    assert "alert(2)" not in session.content()
    assert "\u202e" not in session.content()


def test_tools_that_were_added_are_named_where_it_happened(session: Page) -> None:
    """A prefix cache lost the conversation there; side calls and sub-agents in between do not
    count."""
    turns = table(session, "Turns").locator("tbody tr")
    added = dict(zip(column(turns, "Turn"), column(turns, "Tools added"), strict=True))
    assert {turn: number for turn, number in added.items() if number != "–"} == {"3": "3"}
    turns.locator("td[data-label=Turn] a", has_text=re.compile("^3$")).click()
    expect(session.locator(".changes")).to_contain_text("3 tools added")
    expect(session.locator(".changes")).to_contain_text("ENABLE_TOOL_SEARCH=false")
    assert faults(session) == {}
    session.goto("/dashboard/cache/")
    for title in ("By key", "By session"):
        assert column(table(session, title), "Tools added") == ["3"]
    assert faults(session) == {}


def test_session_reads_well_everywhere(session: Page) -> None:
    assert faults(session) == {}


# --- the overview ---------------------------------------------------------------------------------


def test_classes_add_up_to_all_requests(page: Page) -> None:
    page.goto("/dashboard/")
    classes = table(page, "What requests were for")
    counts = map(int, column(classes, "Requests"))
    assert dict(zip(column(classes, "For"), counts, strict=True)) == CLASSES
    assert sum(map(cents, column(classes, "Cost"))) == ALL * CENTS
    beside = (ALL - CLASSES["Main conversation"]) * CENTS
    expect(classes.locator(".hint").first).to_contain_text(f"cost ${beside / 100:.2f}")
    classes.locator("a", has_text="Compaction").click()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_overview_reads_well_everywhere(page: Page) -> None:
    page.goto("/dashboard/")
    expect(table(page, "What requests were for")).to_be_visible()
    assert faults(page) == {}


def test_requests_of_a_hostile_agent_and_each_of_them_read_well(session: Page) -> None:
    """The way from the tree to the requests of one agent, and to one of them."""
    workers = table(session, "Who worked")
    row = workers.locator("tbody tr", has=session.locator(f".branch[title*='{MARKUP}']"))
    row.locator("td[data-label=Requests] a").click()
    expect(session.locator("tbody tr")).to_have_count(1)
    assert faults(session) == {}
    session.locator("tbody td a").first.click()
    expect(session.locator("dl").first).to_contain_text(LONG_AGENT)
    assert faults(session) == {}
