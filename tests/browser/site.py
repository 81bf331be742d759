"""What the tests in a browser share: the gateway behind the pages, and patience."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.fakes.gateway import Gateway

PASSWORD = re.compile(r"user (\S+), password (\S+) \(shown only now\)")
LONG = "deepseek-ai/DeepSeek-V3.2-Speciale-Instruct-FP8-Dynamic-long-context-preview-2026-11"
FURNITURE: dict[str, list[dict[str, Any]]] = {
    "backends": [
        {"name": "resting", "url": "https://llm.example.com/v1", "api_key": "env:NOT_SET",
         "position": 2, "weight": 5, "enabled": False},
    ],
    "models": [
        {"backend": "main", "model": LONG, "context": 202752, "vision": True, "family": "vllm"}
    ],
    "aliases": [
        {
            "pattern": "an-alias-with-a-name-that-is-longer-than-most-of-them-*",
            "targets": [
                {"backend": "main", "model": LONG, "weight": 3},
                {"backend": "main", "model": "test/alpha"},
                {"backend": "resting", "model": LONG, "position": 1},
            ],
            "thinking": "high",
            "temperature": 0.2,
            "max_tokens": 16000,
            "system_prefix": "Answer in one sentence.",
        },
        {
            "pattern": "by-purpose",
            "targets": [
                {"backend": "main", "model": "test/small", "classes": ["subagent", "auxiliary"]},
                {"backend": "main", "model": LONG, "position": 1, "has_image": True},
                {"backend": "main", "model": "vendor/not-listed", "position": 2,
                 "agent_types": ["Explore", "Plan"], "asks_to_think": True,
                 "prompt_above": 50000, "prompt_below": 150000},
                {"backend": "main", "model": "test/alpha", "position": 3},
            ],
        },
        {"pattern": "stranded", "targets": [{"backend": "resting", "model": "m"}]},
    ],
    "tool_names": [{"model": "zai-org/*", "backend_name": "run_shell", "client_name": "Bash"}],
    "prices": [{"model": LONG, "input_per_mtok": 0.5, "output_per_mtok": 1.75}],
    "warning_rules": [
        {"name": "a rule of which warnings nobody takes", "what": "disk", "threshold": 1,
         "webhook": "http://127.0.0.1:9/services/T0/B0/with-a-secret"},
        {"name": "finance", "what": "budget", "enabled": False,
         "mail_to": "finance.department.of.the.whole.company@subsidiary.example.com"},
    ],
}  # fmt: skip
"""A row of each kind, with names as long as they get."""
AT_ONCE = 25.0
"""Seconds within which a change in the admin reaches requests, also beside busy neighbours. A
process that heard of none would look for backends anew after a minute only."""
POLL = 0.02
BLANK = "about:blank"


@dataclass(frozen=True, slots=True)
class Site:
    """A running gateway. `login` is what a browser needs in order to be its admin."""

    gateway: Gateway
    login: Any = field(repr=False)

    @property
    def url(self) -> str:
        return self.gateway.url

    def status(self, model: str, key: str | None = None) -> int:
        """The status of a small request."""
        client = self.gateway.client if key is None else self.gateway.with_key(key)
        return client.messages(model=model).status

    def listen(self, page: Page) -> list[str]:
        """Everything that the page will complain of: script, policy, what could not be loaded.

        The console has all of it. To hear of each answer costs more than a tenth of a visit.
        """
        heard: list[str] = []

        def console(message: ConsoleMessage) -> None:
            if str(message.type) != "verbose":  # advice of the browser, such as to store passwords
                heard.append(f"{message.type}: {message.text} {message.location['url']}")

        page.on("console", console)
        page.on("pageerror", lambda error: heard.append(str(error)))
        return heard


def leave(page: Page) -> None:
    """Empty the page. It keeps its process, of which each new one is dear."""
    if page.url != BLANK:
        page.evaluate("sessionStorage.clear(); location.replace('about:blank')")
        page.wait_for_url(BLANK)


def log_in(browser: Browser, gateway: Gateway) -> Any:
    """Log in as the first admin; what the browser keeps of it."""
    found = PASSWORD.search(gateway.log)
    assert found is not None, "no admin was made"
    context = browser.new_context(base_url=gateway.url)
    page = context.new_page()
    page.goto("/admin/bridge/backend/")
    page.fill("[name=username]", found[1])
    page.fill("[name=password]", found[2])
    page.click("[type=submit]")
    page.wait_for_url("**/admin/bridge/backend/")
    login = context.storage_state()
    context.close()
    return login


def within(seconds: float, told: Callable[[], object]) -> None:
    """Return as soon as it is so; it must be within that time."""
    deadline = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(POLL)
