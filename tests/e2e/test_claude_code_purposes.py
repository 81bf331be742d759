"""Real Claude Code: sub-agents and summaries have models of their own. Optional.

One alias serves all that the client asks for; its targets say which class of requests they take.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.e2e.claude_code import ClaudeCode, fragments, last_words, needs_claude_code, settle, turn
from tests.e2e.terminal import AS_INSTALLED, open_terminal
from tests.e2e.test_security import Browser, first_admin
from tests.fakes import books
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json, finish, role, text, usage
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Call

pytestmark = needs_claude_code

ALIAS = "team"
MAIN, HELPER, SUMMARIES = "zai-org/GLM-4.5-Air", "test/beta", "vendor/name:free"
ALIASES: list[Json] = [
    {
        "pattern": ALIAS,
        "targets": [
            {"backend": "main", "model": HELPER, "classes": ["subagent"]},
            {"backend": "main", "model": SUMMARIES, "classes": ["compaction"]},
            {"backend": "main", "model": MAIN, "position": 1},
        ],
    }
]
HINTS = {"CLAUDE_CODE_GATEWAY_HINT_HEADERS": "1"}
ERRAND = {
    "description": "Look around",
    "prompt": "Say what you see.",
    "subagent_type": "general-purpose",
    "run_in_background": False,
}
SUMMARY = "<summary>An errand was run.</summary>"
GLAD = [role(), text("Gladly."), finish("stop"), usage(5000, 4)]
"""The context is smaller then."""


@pytest.fixture
def gateway(start_gateway: Start) -> Gateway:
    gateway = start_gateway("serve", is_fresh=True)
    gateway.configure(aliases=ALIASES)
    return gateway


@pytest.fixture
def claude_code(gateway: Gateway, backend: FakeBackend, tmp_path: Path) -> Iterator[ClaudeCode]:
    backend.on(MAIN).each(main_model)
    backend.on(HELPER).each(lambda call: last_words("I see a folder."))
    backend.on(SUMMARIES).each(lambda call: last_words(SUMMARY))
    yield settle(gateway, tmp_path)


def main_model(call: Call) -> list[Json]:
    """Sends somebody once, then ends; after that it is glad."""
    messages = call.body["messages"]
    if not call.body.get("tools"):
        return last_words('{"title": "An errand"}')
    if "An errand was run." in json.dumps(messages):
        return GLAD
    if any(message["role"] == "tool" for message in messages):
        return last_words("The errand is done.")
    return turn(fragments(0, "call_1", "Agent", ERRAND))


def classes(gateway: Gateway, backend: FakeBackend) -> list[tuple[str, str]]:
    """Class and model of each recorded request."""
    rows = books.wait_for_rows(gateway, len(backend.calls))
    return [(row["request_class"], row["model"]) for row in rows]


def by_class(gateway: Gateway) -> dict[str, int]:
    """Requests by class, as the command tells an operator."""
    told: list[dict[str, Any]] = json.loads(
        gateway.manage("usage", "--by", "class", "--format", "json")
    )
    return {row["class"]: row["requests"] for row in told if row["class"] != "total"}


def session_page(gateway: Gateway) -> str:
    """What the reports show of the only session, without its markup."""
    browser = Browser(gateway)
    assert browser.log_in(*first_admin(gateway)).status == 302
    listed = browser.get("/dashboard/sessions/").body.decode()
    (path,) = set(re.findall(r"/dashboard/sessions/\d+/", listed))
    page = browser.get(path).body.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def check_told_apart(
    gateway: Gateway, backend: FakeBackend, expected: set[tuple[str, str]]
) -> None:
    found = classes(gateway, backend)
    assert set(found) == expected
    counted = {name: len([row for row in found if row[0] == name]) for name, _ in expected}
    assert by_class(gateway) == counted
    page = session_page(gateway)
    for words in ("Compactions", "general-purpose", HELPER, SUMMARIES, MAIN):
        assert words in page


def test_print_mode(gateway: Gateway, claude_code: ClaudeCode, backend: FakeBackend) -> None:
    """Observed client: with the hints that our settings switch on."""
    session = claude_code.run("Send somebody.", model=ALIAS, **HINTS)
    session.check_smooth_end("The errand is done.")
    compacted = claude_code.run("/compact", "--continue", model=ALIAS, **HINTS)
    assert compacted.of("system", "compact_boundary"), compacted.lines[-1]
    claude_code.run("Thank you.", "--continue", model=ALIAS, **HINTS).check_smooth_end("Gladly.")
    check_told_apart(
        gateway, backend, {("main", MAIN), ("subagent", HELPER), ("compaction", SUMMARIES)}
    )


def test_terminal(gateway: Gateway, claude_code: ClaudeCode, backend: FakeBackend) -> None:
    """Observed client: there the session's title is a request of its own, too."""
    manual = ("--permission-mode", "default")
    with open_terminal(claude_code, *manual, model=ALIAS, **AS_INSTALLED, **HINTS) as terminal:
        terminal.ask("Send somebody.")
        terminal.wait_for("● The errand is done.")
        terminal.ask("/compact")
        terminal.wait_for("Conversation compacted")
        terminal.ask("Thank you.")
        terminal.wait_for("● Gladly.")
    check_told_apart(
        gateway,
        backend,
        {
            ("main", MAIN),
            ("auxiliary", MAIN),
            ("subagent", HELPER),
            ("compaction", SUMMARIES),
        },
    )
