"""The system prompt, and system messages inside a conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.translation.profiles import PROFILES, ModelFacts
from bridge.translation.request.system import expired, leading_system, message_text
from bridge.translation.request.translate import TranslationOptions, to_chat
from tests.shapes import Json
from tests.translation.asking import (
    ask,
    assistant,
    call,
    image,
    result,
    sent_messages,
    system,
    text,
    to_backend,
    up_call,
    up_calls,
    up_result,
    up_user,
    user,
)

BILLING = "x-anthropic-billing-header: cc_version=2.1; cch={};"
LEADING: list[tuple[str, Any, str | None]] = [
    ("F15 a string", "S", "S"),
    ("F16 blocks, the first an attribution", [text(BILLING), text("a"), text("b")], "a\n\nb"),
    ("a string that begins with an attribution", f"{BILLING}\n\nS", "S"),
    ("only an attribution", BILLING, None),
    ("an attribution elsewhere", f"S {BILLING}", f"S {BILLING}"),
    ("blocks that are no text", [text("a"), image()], "a"),
    ("C2.3 nothing", "", None),
    ("C2.3 an empty list", [], None),
    ("C2.3 null", None, None),
    ("G2 white space at the joint", [text("a\n"), text("b"), text(" c")], "a\nb c"),
]


@pytest.mark.parametrize(("given", "sent"), [p[1:] for p in LEADING], ids=[p[0] for p in LEADING])
def test_system_prompt_becomes_one_leading_message(given: Any, sent: str | None) -> None:
    """The specification, C2; Claude Code observed putting an attribution first. R15."""
    leading = [] if sent is None else [{"role": "system", "content": sent}]
    assert sent_messages(user("q"), system=given) == [*leading, up_user("q")]


def test_f16_bodies_do_not_depend_on_the_attribution() -> None:
    """F16: it differs on each request, and would defeat every prefix cache."""
    one, two = (
        to_backend(system=[text(BILLING.format(stamp)), text("S")]).body for stamp in ("a1", "b2")
    )
    assert one == two


REMINDER = "<system-reminder>\nE\n</system-reminder>"
UP_A = {"role": "assistant", "content": "A"}
S_AND_E = {"role": "system", "content": "S\n\nE"}
S = {"role": "system", "content": "S"}
E = system("E")
U, A, V, W = user("U"), assistant("A"), user("V"), user("W")
ONCE = system("E", clear_at="next_user_message")
EFFORT = {"role": "system", "output_config": {"effort": "low"}}
INSIDE: list[tuple[str, list[Json], list[Json]]] = [
    ("F17 before the first answer", [U, E, A, V], [S_AND_E, up_user("U"), UP_A, up_user("V")]),
    ("at the very start", [E, U], [S_AND_E, up_user("U")]),
    ("F18 later", [U, A, V, E], [S, up_user("U"), UP_A, up_user(f"V\n\n{REMINDER}")]),
    (
        "later, between two of the user",
        [U, A, V, E, W],
        [S, up_user("U"), UP_A, up_user(f"V\n\n{REMINDER}\n\nW")],
    ),
    (
        "later, between two answers",
        [U, A, E, A, V],
        [S, up_user("U"), UP_A, up_user(REMINDER), UP_A, up_user("V")],
    ),
    ("F19 for one turn that is over", [U, A, ONCE, V], [S, up_user("U"), UP_A, up_user("V")]),
    ("for one turn that is not over", [U, A, ONCE], [S, up_user("U"), UP_A, up_user(REMINDER)]),
    (
        "for ever",
        [U, A, system("E", clear_at="never"), V],
        [S, up_user("U"), UP_A, up_user(f"{REMINDER}\n\nV")],
    ),
    ("F20 without content", [U, A, EFFORT], [S, up_user("U"), UP_A]),
    ("an attribution", [U, A, system(BILLING), V], [S, up_user("U"), UP_A, up_user("V")]),
    (
        "changes of tools only",
        [U, A, system({"type": "tool_removal", "tool": {"name": "x"}}), V],
        [S, up_user("U"), UP_A, up_user("V")],
    ),
]


@pytest.mark.parametrize(("messages", "sent"), [i[1:] for i in INSIDE], ids=[i[0] for i in INSIDE])
def test_system_messages_find_their_place(messages: list[Json], sent: list[Json]) -> None:
    """The specification, C2.4: a template takes a system message in first position only."""
    assert sent_messages(*messages, system="S") == sent


def up_with(manner: str, *messages: Json) -> list[Json]:
    profile = replace(PROFILES["generic"], inline_system=manner)
    request = ask(messages=list(messages), system="S")
    sent: list[Json] = to_chat(request, "m", profile, ModelFacts("m"), TranslationOptions()).body[
        "messages"
    ]
    return sent


def test_later_system_message_may_keep_its_role() -> None:
    """The specification, C2.4: a profile with `inline`; results of tools stay in front."""
    messages = [U, assistant(call("t1")), user(result("t1", "r"), "V"), E, W]
    assert up_with("inline", *messages) == [
        S,
        up_user("U"),
        up_calls(up_call("t1")),
        up_result("t1", "r"),
        up_user("V"),
        {"role": "system", "content": "E"},
        up_user("W"),
    ]


def test_later_system_message_may_join_the_leading_one() -> None:
    """The specification, C2.4: a profile with `merge`."""
    assert up_with("merge", U, A, V, E) == [S_AND_E, up_user("U"), UP_A, up_user("V")]


def test_parts_of_the_module_alone() -> None:
    """Ours: each function by itself."""
    messages = ask(messages=[system("a", "b"), ONCE, user("c")]).messages
    assert leading_system(["a", BILLING, "", "b"], ["c"]) == "a\n\nb\n\nc"
    assert message_text(messages[0]) == "a\n\nb"
    assert [expired(message, i < 2) for i, message in enumerate(messages)] == [False, True, False]
