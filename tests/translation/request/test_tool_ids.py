"""Tool call ids as a model's chat template wants them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bridge.translation.profiles import PROFILES, ModelFacts
from bridge.translation.request.tool_ids import STYLES
from bridge.translation.request.translate import TranslationOptions, to_chat
from tests.translation.asking import ask, assistant, call, result, up_call, up_result, user

LONG = "toolu_" + "x" * 40
IDS: list[tuple[str, str, str]] = [
    ("", "functions.Bash:0", "functions.Bash:0"),
    ("", LONG, LONG),
    ("kimi", "toolu_1", "functions.Bash:3"),
    ("max40", "toolu_1", "toolu_1"),
    ("max40", "x" * 40, "x" * 40),
]


@pytest.mark.parametrize(("style", "given", "sent"), IDS)
def test_style_decides_the_id(style: str, given: str, sent: str) -> None:
    """The specification, C4.5."""
    assert STYLES[style](given, "Bash", 3) == sent


@pytest.mark.parametrize(
    ("style", "pattern"), [("mistral9", "[A-Za-z0-9]{9}"), ("max40", "[A-Za-z0-9_-]{1,40}")]
)
def test_hashed_id_fits_and_is_stable(style: str, pattern: str) -> None:
    """The specification, C4.5: the same conversation always translates the same way."""
    one, two, other = (STYLES[style](given, "A", 0) for given in (LONG, LONG, LONG + "y"))
    assert re.fullmatch(pattern, one)
    assert one == two != other


@pytest.mark.parametrize("style", STYLES)
def test_call_and_result_get_the_same_id(style: str) -> None:
    """The specification, C4.5: calls are counted from the start of the conversation."""
    steps = [assistant(call(LONG)), user(result(LONG, "1"))]
    steps += [assistant(call("t2")), user(result("t2", "2"))]
    profile = replace(PROFILES["generic"], tool_id_style=style)
    request = ask(messages=[user("q"), *steps])
    sent = to_chat(request, "m", profile, ModelFacts("m"), TranslationOptions()).body["messages"]
    ids = [STYLES[style](given, "A", number) for number, given in enumerate((LONG, "t2"))]
    assert [sent[1]["tool_calls"], sent[3]["tool_calls"]] == [[up_call(i)] for i in ids]
    assert [sent[2], sent[4]] == [up_result(ids[0], "1"), up_result(ids[1], "2")]
