"""The variables that let Claude Code use one model of this gateway, and why. Pure.

It knows the sizes of Claude models only; for any other name it assumes the largest, and it uses
built-in names for small jobs, whatever model was chosen. The numbers here were measured on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bridge.translation.profiles import ModelFacts

YOUR_KEY, YOUR_MODEL = "YOUR_KEY", "YOUR_MODEL"

# What Claude Code does with a model that it does not know, in tokens.
LONGEST_OUTPUT = 128_000
"""The most that it asks for, and that it can be set to; it begins with 32 000."""
RESERVE = 20_000
"""Of the window, what it keeps free for an answer; less where it asks for shorter answers."""
FIRST_REQUEST = 14_000
"""Its own instructions and tools, which every request carries."""
SAFETY_CHECK = 40_000
"""One check of a command in auto mode, with room for a verdict."""
SMALL_WINDOW = 24_000
"""Below it, its instructions and a reserve for the answer leave nothing to work with."""


@dataclass(frozen=True, slots=True)
class ClientSetup:
    """Where a client connects, and for which model.

    base_url  of the gateway, without a path
    model     the name that clients ask for: an alias, or a model of a backend
    small     another such name for small jobs, or ""
    key       stands where the reader puts a key; never a real one
    caught    the families of Claude Code's own names (`main_model.FAMILIES`) that lead somewhere
    is_judged a judge gives its tool calls verdicts, so that auto mode needs no check of its own
    """

    base_url: str
    model: str
    facts: ModelFacts
    small: str = ""
    key: str = YOUR_KEY
    caught: frozenset[str] = frozenset()
    is_judged: bool = False

    @property
    def is_placeholder(self) -> bool:
        """No model is known yet: the reader puts in a name."""
        return self.model == YOUR_MODEL


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable of Claude Code, and why it is set."""

    name: str
    value: str
    why: str


MAIN_MODEL = "ANTHROPIC_MODEL"
ATTRIBUTION = Variable(
    "CLAUDE_CODE_ATTRIBUTION_HEADER",
    "0",
    "No line of versions and hashes before the instructions, which caches would not know again.",
)


# --- variables --------------------------------------------------------------------------------


def claude_code(connection: ClientSetup) -> tuple[Variable, ...]:
    """The variables that help with this model; none that would only repeat a default."""
    return (*_access(connection), *_names(connection), *_sizes(connection), *_extras(connection))


def signed_in(connection: ClientSetup) -> tuple[Variable, ...]:
    """Those for a client that is signed in: without address, key and main model, which it has."""
    names = () if connection.is_placeholder else _names(connection)
    kept = (each for each in names if each.name != MAIN_MODEL)
    return (*kept, *_sizes(connection), *_extras(connection), ATTRIBUTION)


def _access(connection: ClientSetup) -> tuple[Variable, ...]:
    return (
        Variable("ANTHROPIC_BASE_URL", connection.base_url, "Requests go to this gateway."),
        Variable(
            "ANTHROPIC_AUTH_TOKEN",
            connection.key,
            "Your key. Under this name Claude Code uses it without asking you first.",
        ),
        Variable(
            "ANTHROPIC_API_KEY",
            "",
            "Empty, so that no other key of your shell is sent beside it.",
        ),
    )


_FAMILY_REASONS = {
    "opus": "What opus stands for, in /model and wherever it is written.",
    "sonnet": "What sonnet stands for; auto mode checks commands with it.",
    "fable": "What fable stands for.",
    "haiku": "What haiku stands for: sub-agents that ask for it, and small jobs.",
}


def _names(connection: ClientSetup) -> tuple[Variable, ...]:
    """The main model, and what built-in names mean where the gateway does not know them."""
    model, small = connection.model, connection.small
    caught = connection.caught - {"haiku"} if small else connection.caught
    stands_for = {"haiku": small or model}
    families = (
        Variable(f"ANTHROPIC_DEFAULT_{family.upper()}_MODEL", stands_for.get(family, model), why)
        for family, why in _FAMILY_REASONS.items()
        if family not in caught
    )
    why = "Session titles and fetched web pages; older versions know no other name for it."
    jobs = (Variable("ANTHROPIC_SMALL_FAST_MODEL", small, why),) if small else ()
    return (Variable(MAIN_MODEL, model, "The model that you talk to."), *families, *jobs)


def _sizes(connection: ClientSetup) -> tuple[Variable, ...]:
    """Window and longest answer, as far as they are known."""
    facts, sizes = connection.facts, []
    if facts.context:
        why = "The model's window. Claude Code would assume a million tokens and compact too late."
        sizes.append(Variable("CLAUDE_CODE_MAX_CONTEXT_TOKENS", str(facts.context), why))
    if cap := output_cap(facts):
        sizes.append(Variable("CLAUDE_CODE_MAX_OUTPUT_TOKENS", str(cap), _why_capped(facts, cap)))
    return tuple(sizes)


def output_cap(facts: ModelFacts) -> int | None:
    """The answer length to ask for, in tokens; None where Claude Code's own choice is as good.

    In a small window its reserve would make it compact from the first turn on: there a quarter
    has to do. A server that repeats its window as output limit gives no useful limit.
    """
    listed, window = facts.max_output, facts.context
    bounds = [listed] if listed and (not window or listed < window) else []
    if window and window // 4 < RESERVE:
        bounds.append(window // 4)
    return min(*bounds, LONGEST_OUTPUT) if bounds else None


def _why_capped(facts: ModelFacts, cap: int) -> str:
    if cap == facts.max_output:
        return "The longest answer that the model gives."
    if cap == LONGEST_OUTPUT:
        return "The longest answer that Claude Code asks for; the model could give more."
    return (
        f"A quarter of this small window: Claude Code keeps it free for an answer, where it would "
        f"keep {spaced(RESERVE)} tokens."
    )


def _extras(connection: ClientSetup) -> tuple[Variable, ...]:
    """Switches that only some models need."""
    return tuple(
        Variable(name, "1", why) for applies, name, why in _SWITCHES if applies(connection)
    )


Condition = Callable[[ClientSetup], bool]


def _always(connection: ClientSetup) -> bool:
    return True


def _is_named(pattern: str) -> Condition:
    return lambda connection: re.search(pattern, connection.model, re.I) is not None


def _has_window_below(tokens: int) -> Condition:
    return lambda connection: 0 < (connection.facts.context or 0) < tokens


_SWITCHES: tuple[tuple[Condition, str, str], ...] = (
    (
        _always,
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY",
        "/model lists the models of this gateway.",
    ),
    (
        _always,
        "CLAUDE_CODE_GATEWAY_HINT_HEADERS",
        "Each request says what it is for: your words, a sub-agent, a summary, a title.",
    ),
)


def permission_mode(connection: ClientSetup) -> str:
    """The mode for Claude Code to start in; "" for the one that it starts in by itself.

    That is auto mode, which runs no call that it could not check.
    """
    fits = not _has_window_below(SAFETY_CHECK)(connection)
    return "" if fits or connection.is_judged else ASKING


ASKING = "default"
"""The mode that asks before each command, by its name in settings and options."""


# --- what is known, and what to know ----------------------------------------------------------

NOT_KNOWN = "not known"


def known(facts: ModelFacts) -> tuple[tuple[str, str], ...]:
    """(what, how much or whether) for the sizes and abilities that matter to clients."""
    sizes = (("Context window", facts.context), ("Longest answer", facts.max_output))
    abilities = (("Tools", facts.tools), ("Images", facts.vision), ("Thinking", facts.reasoning))
    words = {True: "yes", False: "no", None: NOT_KNOWN}
    sizes_shown = tuple(
        (what, f"{spaced(size)} tokens" if size else NOT_KNOWN) for what, size in sizes
    )
    return (*sizes_shown, *((what, words[ability]) for what, ability in abilities))


def spaced(number: int) -> str:
    """With thin spaces between groups of three digits."""
    return f"{number:,}".replace(",", "\u2009")


_sounds_vendors = _is_named(r"claude-(\d|(opus|sonnet|haiku|fable)-\d)")

_REMARKS: tuple[tuple[Condition, str], ...] = (
    (
        lambda connection: not connection.facts.context,
        "The context window of this model is not known, so CLAUDE_CODE_MAX_CONTEXT_TOKENS is "
        "missing: add it if you know the number. Until then Claude Code assumes a million tokens, "
        "and compacts when the gateway tells it that the prompt is too long.",
    ),
    (
        lambda connection: bool(connection.facts.context) and _sounds_vendors(connection),
        "Claude Code may take this name for a Claude model that it knows, and then goes by that "
        "model's window. Under an alias of another name it goes by the number set here.",
    ),
    (
        _is_named("[*?]"),
        "This is a pattern that stands for many names. It works as it is; a plain name that fits "
        "it reads better.",
    ),
    (
        lambda connection: connection.facts.tools is False,
        "This model does not call tools. Claude Code can do little without them.",
    ),
    (
        lambda connection: permission_mode(connection) == ASKING,
        "Auto mode's check of a command does not fit this window, and auto mode runs no command "
        "unchecked. So Claude Code starts in the mode that asks you. With a judge in the gateway "
        "(SAFEGUARDS) auto mode works.",
    ),
    (
        _has_window_below(SMALL_WINDOW),
        f"Claude Code's own instructions take up to {spaced(FIRST_REQUEST)} tokens, which leaves "
        "too little of this window. claude --bare needs about a thousand.",
    ),
)


def remarks(connection: ClientSetup) -> tuple[str, ...]:
    """What a reader should know before the settings are used."""
    return tuple(text for applies, text in _REMARKS if applies(connection))
