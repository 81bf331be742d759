"""Files that are refused: all of a file or nothing, and each problem with its place. Ours."""

from __future__ import annotations

import pytest

from bridge.models import DiscoveredModel
from tests.bridge.config import problems, put
from tests.bridge.rows import URL, a_row, an_alias

pytestmark = pytest.mark.django_db

MAIN = f"name: main, url: '{URL}'"
LIST = "expected a list with at least one target"
SECTIONS = "expected sections: backends, models, aliases, tool_names, prices"


def backend(members: str) -> str:
    """A file with one backend."""
    return f"backends: [{{{members}}}]"


def alias(targets: str = "[{backend: main, model: m}]", more: str = "") -> str:
    """A file with one alias, to a backend of the same file."""
    return f"{backend(MAIN)}\naliases: [{{pattern: x, targets: {targets}{more}}}]"


def target(members: str) -> str:
    return alias(f"[{{{members}}}]")


def price(members: str) -> str:
    return f"prices: [{{model: m, {members}}}]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n- b", SECTIONS),
        ("just text", SECTIONS),
        ("backend: []", "backend: no such section"),
        ("keys: [{name: k, digest: x}]", "keys[0].digest: no such member"),
        ("keys: [{name: k, revoked_at: null}]", "keys[0].revoked_at: no such member"),
        ("keys: [{name: k, team: none}]", "keys[0].team: no team is called none"),
        ("backends: {name: x}", "backends: expected a list"),
        ("backends: [x]", "backends[0]: expected a mapping"),
        (backend("url: x"), "backends[0].name: expected a text"),
        (backend("name: 7, url: x"), "backends[0].name: expected a text"),
        (backend(f"{MAIN}, key: x"), "backends[0].key: no such member"),
        (backend("name: a, url: 'ftp://x'"), "backends[0].url: "),
        (backend(f"{MAIN}, timeout_seconds: 0"), "backends[0].timeout_seconds: "),
        (backend(f"{MAIN}, enabled: perhaps"), "backends[0].enabled: "),
        (backend(f"{MAIN}, breaker: ajar"), "backends[0].breaker: "),
        (backend(f"{MAIN}, api_key: two words"), "backends[0].api_key: "),
        (
            backend(f"{MAIN}, api_key: 'sealed:x'"),
            "backends[0].api_key: expected a key or env:NAME",
        ),
        (backend(f"{MAIN}}}, {{{MAIN}"), "backends[1]: the same as backends[0]"),
        (
            "models: [{backend: gone, model: m, context: 1}]",
            "models[0].backend: no backend is called gone",
        ),
        ("models: [{model: m}]", "models[0].backend: expected a text"),
        ("aliases: [{pattern: x}]", f"aliases[0].targets: {LIST}"),
        (alias("[]"), f"aliases[0].targets: {LIST}"),
        (target("model: m"), "aliases[0].targets[0]: expected a mapping with backend and model"),
        (target("backend: main, model: m, n: 2"), "aliases[0].targets[0].n: no such member"),
        (
            target("backend: gone, model: m"),
            "aliases[0].targets[0]: no backend is called gone",
        ),
        (target("backend: main, model: m, weight: -1"), "aliases[0].targets[0].weight: "),
        (target("backend: main, model: m, weight: many"), "aliases[0].targets[0].weight: "),
        (target("backend: main, model: ''"), "aliases[0].targets[0].model: "),
        (alias(more=", temperature: 9"), "aliases[0].temperature: "),
        (alias(more=", temperature: .nan"), "aliases[0].temperature: expected a number"),
        (alias(more=", thinking: deeply"), "aliases[0].thinking: "),
        (alias(more=", extra: {a: [.nan]}"), "aliases[0].extra: JSON has no NaN"),
        # what is wrong by itself is told before what it would mean beside others
        (alias(more=", safeguards: maybe"), "aliases[0].safeguards: Expected"),
        (
            target("backend: main, model: m, prompt_above: many, prompt_below: 5"),
            "aliases[0].targets[0].prompt_above: ",
        ),
        ("keys: [{name: k, expires_at: [1]}]", "keys[0].expires_at: Expected a single value"),
        ("teams: [{name: t, rpm: {a: 1}}]", "teams[0].rpm: Expected a single value"),
        ("teams: [{name: t, allowed: [a]}]", "teams[0].allowed: Expected a single value"),
        ("warning_rules: [{name: w, mail_to: 5}]", "warning_rules[0].mail_to: "),
        ("warning_rules: [{name: w, what: budget, threshold: x}]", "warning_rules[0].threshold: "),
        ("tool_names: [{model: '*', backend_name: x}]", "tool_names[0].client_name: "),
        (price("input_per_mtok: 1"), "prices[0].output_per_mtok: "),
        (price("input_per_mtok: -1, output_per_mtok: 1"), "prices[0].input_per_mtok: "),
        (
            price("input_per_mtok: .inf, output_per_mtok: 1"),
            "prices[0].input_per_mtok: expected a number",
        ),
        ("backends: [", "while parsing a flow node"),
        ("backends: *unknown", "found undefined alias"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
    ],
)
def test_wrong_file_is_refused_with_the_place(text: str, told: str) -> None:
    (found,) = problems(text)
    assert found.startswith(told)


def test_all_slips_in_the_form_are_told_at_once() -> None:
    text = (
        "backends: [{name: a}, {url: x}]\nnonsense: []\naliases: [{pattern: x, targets: 1, n: 2}]"
    )
    assert problems(text) == [
        "nonsense: no such section",
        "backends[1].name: expected a text",
        "aliases[0].n: no such member",
        "aliases[0].targets: expected a list with at least one target",
    ]


def test_all_slips_of_one_row_are_told_at_once() -> None:
    found = problems("backends: [{name: 'a b', url: x, weight: -1}]")
    assert {line.partition(":")[0] for line in found} == {
        "backends[0].name", "backends[0].url", "backends[0].weight",
    }  # fmt: skip


def test_place_of_a_target_is_that_in_the_file() -> None:
    """Ours: rows are sorted, places are counted as they are written."""
    text = alias("[{backend: main, model: a, position: 1}, {backend: main, model: b, weight: -1}]")
    (found,) = problems(text)
    assert found.startswith("aliases[0].targets[1].weight: ")


def test_refused_file_leaves_what_was_there(an_old_alias: None) -> None:
    assert problems(
        backend(MAIN) + "\naliases: [{pattern: old, targets: [{backend: x, model: m}]}]"
    )
    assert put(alias("[{backend: main, model: m}]")) == ["added aliases x"]


@pytest.fixture
def an_old_alias() -> None:
    main = a_row()
    an_alias("old", (main, "m"))
    DiscoveredModel.objects.create(backend=main, name="m", context_override=4096)
