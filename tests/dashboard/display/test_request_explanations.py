"""Every change of a request has words that a reader understands (pages, "why")."""

from __future__ import annotations

import pytest

from bridge.translation.request.optional import OPTIONAL
from bridge.translation.request.translate import _DROPPED
from dashboard.display.request.explanations import KINDS, explained


def why(member: str, name: str) -> str:
    (told,) = explained({member: [name]})
    assert told.what == name
    return told.why


@pytest.mark.parametrize(
    ("member", "name", "words"),
    [
        ("dropped", "top_k", "does not take it"),
        ("dropped", "web_search_20250305", "only the vendor’s servers can run"),
        ("dropped", "output_config.format", "tools stayed"),
        ("clamped", "max_tokens 32000 to 8192", "allowed 32000 tokens"),
        ("clamped", "max_tokens 32000 to 8192", "at most 8192 behind"),
        ("remedies", "retried 503", "ended with 503"),
        ("remedies", "retried 429", "named a short wait"),
        ("remedies", "max_tokens 4000", "at most 4000 tokens"),
        ("remedies", "without stream_options strict", "refused stream_options strict"),
        ("repaired", "arguments of Bash", "arguments of Bash were not valid JSON"),
        ("repaired", "calls written as text", "as tool calls"),
        ("repaired", "stop reason stop", "ended with stop"),
        ("refused", "chat_template_kwargs", "answered 400"),
        ("learnt", "max_output 8192", "longer answers than 8192"),
        ("learnt", "refuses temperature", "refused temperature before"),
        ("learnt", "forced_choice auto", "free to choose"),
        ("remedies", "vision no", "without them"),
        ("tool_changes", "3 tools added", "ENABLE_TOOL_SEARCH=false"),
        ("tool_changes", "1 tool added", "(ToolSearch)"),
        ("tool_changes", "2 tools removed", "nothing behind them came from the prefix cache"),
    ],
)
def test_names_of_the_record_are_told_in_words(member: str, name: str, words: str) -> None:
    assert words in why(member, name)


@pytest.mark.parametrize("name", [*_DROPPED, *sorted(OPTIONAL), "something new {0}"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.member)
def test_a_name_that_no_rule_knows_is_told_in_general(kind: object, name: str) -> None:
    """Whatever the translation will leave out one day: no reader sees an empty reason."""
    told = why(kind.member, name)  # type: ignore[attr-defined]
    assert told.endswith(".") and "{" not in told


def test_changes_are_told_in_the_order_in_which_they_happen() -> None:
    detail = {kind.member: ["x"] for kind in reversed(KINDS)}
    assert [told.done for told in explained(detail)] == [kind.done for kind in KINDS]


def test_a_request_that_nothing_was_changed_of_has_none() -> None:
    assert explained({"route": ["goes to main"], "dropped": None}) == []
