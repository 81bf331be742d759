"""The example of routing by purpose in the docs: it can be imported, and routes as it says."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from bridge.configuration.snapshot import current_routes
from bridge.models import AliasTarget, Backend, DiscoveredModel
from bridge.routing.conditions import RequestTraits
from bridge.routing.resolve import names, resolve
from bridge.routing.types import Alias, Routes
from bridge.translation.prompt_size import PromptSize
from bridge.translation.request.purpose import REQUEST_CLASSES
from tests.bridge.config import put
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"
PAGE = (HOW_TO / "route-by-purpose.md").read_text("utf-8")


@pytest.fixture
def routes() -> Routes:
    """The example of the page, with the windows that it names."""
    backends: dict[str, Backend] = {name: a_row(name) for name in ("local", "cloud")}
    for window, model in re.findall(r"([\d ]+) \(`([\w.-]+)`\)", PAGE.replace("\n", " ")):
        row = backends["local" if model == "qwen3-8b" else "cloud"]
        context = int(window.replace(" ", ""))
        DiscoveredModel.objects.create(backend=row, name=model, context=context)
    assert DiscoveredModel.objects.count() == 4
    example = re.search(r"^    aliases:\n(?:    .+\n)+", PAGE, re.M)
    assert example is not None
    put(dedent(example[0]))
    return current_routes()


def traits(request_class: str, tokens: int, images: int = 0) -> RequestTraits:
    prompt = PromptSize(PromptSize.of_tokens(tokens).text_bytes, images)
    return RequestTraits(request_class, prompt=prompt, max_tokens=32_000)


LONG, SEER, SMALL, MAIN = "gemini-2.5-flash", "qwen3-vl-235b", "qwen3-8b", "glm-4.6"


@pytest.mark.parametrize(
    ("seen", "served"),
    [
        (traits("subagent", 15_000), [SMALL, MAIN]),
        (traits("auxiliary", 15_000), [SMALL, MAIN]),
        (traits("subagent", 60_000), [MAIN]),
        (traits("compaction", 150_000), [LONG, MAIN]),
        (traits("main", 20_000, images=1), [SEER, MAIN]),
        (traits("main", 150_000), [LONG, MAIN]),
        (traits("main", 20_000), [MAIN]),
        (traits("", 20_000), [MAIN]),
        (traits("workflow", 20_000), [MAIN]),
    ],
)
def test_requests_go_where_the_page_says(
    routes: Routes, seen: RequestTraits, served: list[str]
) -> None:
    targets = resolve(routes, "claude-x", traits=seen).targets
    assert [target.model for target in targets] == served


def test_window_that_clients_get_is_the_one_of_the_page(routes: Routes) -> None:
    (alias,) = routes.aliases
    same = Routes(routes.backends, (Alias("plain", alias.choices),))
    assert names(same)["plain"].context == 1_048_576
    assert "1 048 576 in the example" in PAGE


def test_every_condition_is_documented() -> None:
    """In the table of conditions, by its name in the file."""
    page = (HOW_TO / "operate.md").read_text("utf-8")
    section = page.partition("### Conditions of a target")[2].partition("## ")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", section, re.M))
    assert documented == set(AliasTarget.MEMBERS) - {"model", "weight", "position"}
    assert all(f"`{name}`" in section for name in REQUEST_CLASSES)
