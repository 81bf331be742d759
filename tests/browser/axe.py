"""axe-core on the open page: what it finds against WCAG and its own best practices."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from playwright.sync_api import Page

OPTIONS = {"resultTypes": ["violations"], "preload": False}
SHOWN = 4
NAVIGATION = "#nav-sidebar"
"""Half of the elements of most pages, and the same on all of them."""
RUN = """async ([left, options, shown]) => (await axe.run(left, options)).violations
  .filter(({ impact }) => impact !== "minor").map(
  ({ id, impact, nodes }) => `${impact} ${id}, ${nodes.length} times: ` + nodes.slice(0, shown).map(
    ({ target, html }) => `${target.flat().join(" ")} ${html.slice(0, 160)}`).join("; "))"""


@cache
def _source() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


def violations(page: Page, with_contrast: bool = False, with_navigation: bool = True) -> list[str]:
    """What the page violates, but for what is minor, with the first elements that do.

    The policy of the page is as strict as ever: the debugger of the browser runs the script.
    `with_contrast`: also the rule that costs more than all others, which `looks` has too.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(f"() => {{ {_source()} }}")
    options = OPTIONS | {"rules": {"color-contrast": {"enabled": with_contrast}}}
    left = {"include": [["html"]], "exclude": [] if with_navigation else [[NAVIGATION]]}
    found: list[str] = page.evaluate(RUN, [left, options, SHOWN])
    return found
