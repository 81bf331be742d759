"""What a backend's own answers teach about it: one `Fact` for each habit, as data.

A fact is learnt when a request that had failed went through without what was refused, and is
applied from the next request on. The names stand in the database and on pages.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_OUTPUT = "max_output"
VISION = "vision"
REFUSES = "refuses"
MAX_TOKENS_FIELD = "token_limit_field"
REASONING_FIELD = "reasoning_field"
REASONING_DEMANDED = "reasoning_demanded"
SIGNED_CALLS = "signed_calls"
STREAM_ONLY = "stream_only"
NARROW_SCHEMAS = "narrow_schemas"
EFFORTS = "efforts"
EFFORT_BESIDE_TOOLS = "effort_beside_tools"
FORCED_CHOICE = "forced_choice"
THINKING = "thinking"
FAMILY = "family"

NAMES: dict[str, str] = {
    MAX_OUTPUT: "Longest answer, in tokens",
    VISION: "Reads images",
    REFUSES: "Refuses the field",
    MAX_TOKENS_FIELD: "Field for the longest answer",
    REASONING_FIELD: "Field for earlier reasoning",
    REASONING_DEMANDED: "Demands earlier reasoning in the field",
    SIGNED_CALLS: "Demands a signature with earlier calls",
    STREAM_ONLY: "Only streams",
    NARROW_SCHEMAS: "Needs narrowed schemas",
    EFFORTS: "Efforts that it takes",
    EFFORT_BESIDE_TOOLS: "Effort beside tools",
    FORCED_CHOICE: "Forced tool choice beside thinking",
    FAMILY: "Family",
}
"""Every fact that is kept, in the words of the pages."""

MANY = frozenset({REFUSES})
"""Facts of which a model may have several values at once."""


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """One habit of a model. `value` says which way; its form depends on `what`."""

    what: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.value}".rstrip()


def refuses(*fields: str) -> tuple[Fact, ...]:
    """The facts that these optional fields are not taken."""
    return tuple(Fact(REFUSES, field) for field in fields)


def values(facts: frozenset[Fact], what: str) -> frozenset[str]:
    """The values of one kind of fact."""
    return frozenset(fact.value for fact in facts if fact.what == what)


def value(facts: frozenset[Fact], what: str) -> str | None:
    """The value of a fact that has one at most; None when it is not known."""
    return min(values(facts, what), default=None) if facts else None


def added(known: frozenset[Fact], learnt: tuple[Fact, ...]) -> frozenset[Fact]:
    """What is known with what was learnt since, which takes the place of what it contradicts."""
    new = {fact.what for fact in learnt if fact.what not in MANY}
    return frozenset(fact for fact in known if fact.what not in new) | frozenset(learnt)
