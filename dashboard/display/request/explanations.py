"""What was changed about a request or its answer, and why, in words. Pure.

The record has names ("top_k", "arguments of Bash", "max_tokens 32000 to 8192"); a reader wants to
know what they meant for the client. A name that no row fits gets the general reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rule = tuple[str, str]
"""Pattern of a name -> why. `{0}` and so on are the groups of the pattern."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`what` was `done`, and `why`."""

    done: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class ChangeKind:
    """One list of the record."""

    member: str
    done: str
    rules: tuple[Rule, ...]
    otherwise: str


_UNSENT = "Has no counterpart in chat completions. The request was served without it."

KINDS: tuple[ChangeKind, ...] = (
    ChangeKind(
        "dropped",
        "not sent",
        (
            ("top_k", "This family of backends does not take it; sampling went without it."),
            (
                "thinking",
                "No switch for thinking is known for this model: it thinks, or not, as it likes.",
            ),
            (
                "image",
                "The model cannot see images. A sentence in its place says that one was left out.",
            ),
            (
                r"output_config\.format",
                "The answer’s schema and tools do not go together at a backend; the tools stayed.",
            ),
            (
                r"output_config\.task_budget",
                "No backend can be given a budget for a whole task.",
            ),
            ("service_tier", "This family of backends has no tiers."),
            ("metadata", "This family of backends takes no user id."),
            (
                "cache_control",
                "Backends cache what prompts have in common by themselves; nothing can be marked.",
            ),
            (
                "context_management",
                "The vendor clears old tool results on its servers; here the whole conversation "
                "was sent.",
            ),
            (
                r"(?:web_search|web_fetch|code_execution|computer|mcp|advisor)\w*",
                "A tool that only the vendor’s servers can run. The model did not see it.",
            ),
        ),
        _UNSENT,
    ),
    ChangeKind(
        "tool_changes",
        "since the turn before",
        (
            (
                r"\d+ tools? added",
                "Chat templates put tools in front of all messages, so nothing behind them came "
                "from the prefix cache. Claude Code adds the tools that its model looks up "
                "(ToolSearch); ENABLE_TOOL_SEARCH=false in its environment sends all of them from "
                "the first turn on.",
            ),
        ),
        "Chat templates put tools in front of all messages, so nothing behind them came from the "
        "prefix cache.",
    ),
    ChangeKind(
        "refused",
        "refused by the backend",
        (),
        "The backend answered 400 to this optional field. It was sent again without it, and later "
        "requests to this model leave it out.",
    ),
    ChangeKind(
        "learnt",
        "as learnt before",
        (
            (r"refuses (.+)", "The backend refused {0} before, so it was not sent."),
            (r"max_output (\d+)", "The backend refused longer answers than {0} tokens before."),
            (r"vision no", "The model refused images before: they were sent as a note."),
            (
                r"token_limit_field (.+)",
                "The backend takes the longest answer in the field {0} alone.",
            ),
            (r"reasoning_\w+ ?(.*)", "Earlier thinking is sent back in the field {0}."),
            (r"signed_calls", "Calls of other models were marked as such, which it demands."),
            (r"stream_only", "The model only streams. The stream was put together here."),
            (r"narrow_schemas", "Its grammar compiler takes simple schemas only."),
            (r"efforts (.+)", "Of efforts it takes these alone: {0}."),
            (r"effort_beside_tools (.+)", "Beside tools it takes the effort {0} alone."),
            (
                r"forced_choice unthinking",
                "It refuses a forced tool choice while it thinks, so thinking was off.",
            ),
            (r"forced_choice auto", "It refuses a forced tool choice, so it was free to choose."),
        ),
        "A habit that earlier answers of this backend taught. The admin lists them.",
    ),
    ChangeKind(
        "clamped",
        "lowered",
        (
            (
                r"max_tokens (\d+) to (\d+)",
                "The client allowed {0} tokens of answer. The model gives at most {1} behind a "
                "prompt of this size.",
            ),
        ),
        "More than the model can honour.",
    ),
    ChangeKind(
        "remedies",
        "tried again",
        (
            (
                r"retried 429",
                "The backend was at its limit (429) and named a short wait. It was waited for, "
                "and the request was sent once more.",
            ),
            (
                r"retried (\d+)",
                "The first try ended with {0}. Nothing had reached the client yet, so the backend "
                "got the request once more.",
            ),
            (
                r"max_tokens (\d+)",
                "Prompt and answer did not fit the window together. It was sent again for at most "
                "{0} tokens.",
            ),
            (r"without (.+)", "The backend refused {0}. The request was sent again without."),
            (
                r"max_output (\d+)",
                "The model writes at most {0} tokens. It was asked again for no more.",
            ),
            (r"vision no", "The model refused the images. It was asked again without them."),
            (
                r"reasoning_demanded (.+)",
                "The backend demands earlier thinking in {0}. It was asked again with it.",
            ),
            (r"thinking off", "The backend refused the conversation; it was asked not to think."),
        ),
        "The first try failed before the client saw anything.",
    ),
    ChangeKind(
        "repaired",
        "mended",
        (
            (
                r"arguments of (.+)",
                "The arguments of {0} were not valid JSON. What was meant was clear, and the "
                "client got it as valid JSON.",
            ),
            (
                r"calls written as text",
                "The model wrote its tool calls as text. The client got them as tool calls.",
            ),
            (
                r"stop reason (.+)",
                "The backend ended with {0} although it called a tool. The client received that a "
                "tool waits.",
            ),
        ),
        "The backend did not say it correctly; the client got it correctly.",
    ),
)


def explained(detail: Mapping[str, Any]) -> list[Explanation]:
    """Everything that was changed, in the order in which it happens to a request."""
    return [line for kind in KINDS for line in _of_kind(kind, detail.get(kind.member) or ())]


def _of_kind(kind: ChangeKind, names: Sequence[str]) -> Iterator[Explanation]:
    for name in names:
        yield Explanation(kind.done, str(name), _why(kind, str(name)))


def _why(kind: ChangeKind, name: str) -> str:
    for pattern, why in kind.rules:
        if found := re.fullmatch(pattern, name):
            return why.format(*found.groups())
    return kind.otherwise


STOPS: Mapping[str, str] = {
    "end_turn": "The model ended its answer.",
    "tool_use": "The model called a tool and waits for its result.",
    "max_tokens": "The answer reached the length that the client allowed.",
    "stop_sequence": "The answer reached one of the client’s stop sequences.",
    "refusal": "The model, or a filter at the backend, refused.",
    "model_context_window_exceeded": "Prompt and answer filled the model’s window.",
    "pause_turn": "The model paused; the client may go on.",
}
"""Stop reason -> what it means."""
