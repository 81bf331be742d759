"""Filters of lists of requests: one table of them, for addresses, for chips and for the bar.

A filter that is a column of the table is chosen by a click on a value too; the others are columns
that no page and no file shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from bridge.models import UsageRecord
from bridge.models.people.keys import KeyKind
from bridge.models.usage import OTHER_CLASS
from dashboard.display.purposes import CLASSES, UNKNOWN_CLASS, class_name
from dashboard.queries import requests
from dashboard.queries.finding import conditions
from dashboard.queries.finding.conditions import NONE, Condition
from dashboard.queries.finding.known_names import MOST_NAMES, KnownNames
from dashboard.queries.keys import KnownKeys
from dashboard.queries.models import NO_MODEL
from dashboard.tables.table import Column
from dashboard.usage import key_owners
from dashboard.usage.filter_values import FilterError
from dashboard.usage.key_owners import UNNAMED

TEXT, NUMBER = "text", "number"
BAR = (
    ("What became of it", ("outcome", "status", "error_type", "error")),
    ("Whose", ("key", "person", "team", "client")),
    ("Where it went", ("model", "alias", "backend", "failed_at", "trait")),
    ("What it was part of", ("session", "prompt_id", "request_class")),
    ("How much", ("tokens_from", "tokens_to", "cost_from", "cost_to")),
    ("How long", ("seconds_from", "seconds_to")),
)
"""The groups of the bar; filters that stand in none come from links alone."""
_WRONG = "refused,error"


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """One filter.

    where    text of the address -> condition; raises FilterError
    input    what the bar has for it: TEXT or NUMBER
    options  value -> what it is called, where it is chosen from a list
    known    values that are offered and need not be taken
    words    how a chip writes a value
    """

    name: str
    title: str
    where: Condition
    input: str = TEXT
    options: Mapping[str, str] | None = None
    known: Sequence[str] = ()
    words: Callable[[str], str] | None = None
    hint: str = ""

    @property
    def longest(self) -> int:
        """Characters that make sense in a value."""
        column = _COLUMNS.get(self.name)
        return column or 100


_COLUMNS = {field.name: field.max_length for field in UsageRecord._meta.fields if field.max_length}


def request_filters(
    keys: KnownKeys, names: KnownNames, backends: Sequence[str]
) -> dict[str, RequestFilter]:
    """All filters, by their names."""
    every = (
        *_outcomes(),
        *_owners(keys, names),
        RequestFilter("model", "Model", conditions.of_model, known=(*names.models, NO_MODEL)),
        RequestFilter("alias", "Alias", conditions.of_name("alias"), known=(*names.aliases, NONE)),
        RequestFilter("backend", "Backend", conditions.of_name("backend"), known=(*backends, NONE)),
        RequestFilter(
            "failed_at", "Attempt failed at", conditions.of_failed_attempt, known=backends
        ),
        *_purposes(),
        *_amounts(),
    )
    return {one.name: one for one in every}


def indexed(filters: Mapping[str, RequestFilter]) -> dict[str, Callable[[str], Q | None]]:
    """For each filter that an index helps: which rows the index finds, the most telling first."""
    own = {name: _asked(filters[name].where) for name in EXACTLY}
    return {
        "session": own["session"],
        "error_group": own["error_group"],
        "outcome": lambda text: own["outcome"](text) if "answered" not in text else None,
        "error": lambda _: conditions.FAULTY,
        "error_type": lambda _: conditions.FAULTY,
        **own,
        "request_class": lambda text: own["request_class"](text) if text != OTHER_CLASS else None,
    }


EXACTLY = (
    "session",
    "error_group",
    "outcome",
    "status",
    "person_id",
    "person",
    "team_id",
    "team",
    "key_id",
    "key",
    "model",
    "request_class",
)
"""Filters whose rows an index finds, and no others."""


def _asked(where: Condition) -> Callable[[str], Q | None]:
    def found(text: str) -> Q | None:
        try:
            return where(text)
        except FilterError:
            return None

    return found


def columns(shown: Iterable[Column], filters: Mapping[str, RequestFilter]) -> list[Column]:
    """The columns of a list, those of filters among them."""
    shown = list(shown)
    own = {column.name for column in shown}
    hidden = (one for name, one in filters.items() if name not in own)
    return [
        *(_filtering(column, filters.get(column.name)) for column in shown),
        *(_filtering(_hidden(one), one) for one in hidden),
    ]


def _filtering(column: Column, one: RequestFilter | None) -> Column:
    if one is None:
        return column
    return replace(column, filter=True, where=one.where, words=one.words)


def _hidden(one: RequestFilter) -> Column:
    return Column(one.name, one.title, sorts=False, exports=False, shown=False)


# --- the table ------------------------------------------------------------------------------------


def _outcomes() -> Iterable[RequestFilter]:
    outcomes = {word: word for word in conditions.OUTCOMES} | {_WRONG: "refused or error"}
    return (
        RequestFilter(
            "outcome", "Outcome", conditions.of_outcome, options=outcomes, words=_listed(outcomes)
        ),
        RequestFilter(
            "status", "Status", conditions.of_status, hint="404, 5xx or 500-504", known=_STATUSES
        ),
        RequestFilter("error_type", "Error type", conditions.of_name("error_type"), known=_TYPES),
        RequestFilter("error", "Message", conditions.of_message, hint="contains", words=_contains),
        RequestFilter(
            "error_group", "Errors", conditions.of_error_group, words=lambda _: "one message"
        ),
        RequestFilter(
            "trait", "Marked", conditions.of_trait, options=_TRAITS, words=_listed(_TRAITS)
        ),
    )


_STATUSES = ("4xx", "5xx", "400", "401", "403", "404", "429", "500", "502", "529")
_TYPES = (
    "api_error",
    "authentication_error",
    "invalid_request_error",
    "not_found_error",
    "overloaded_error",
    "permission_error",
    "rate_limit_error",
)
_TRAITS = {
    "unpriced": "no price known",
    "estimated": "tokens estimated",
    "repaired": "answer repaired",
    "retried": "asked more than once",
    "streamed": "streamed",
}


def _owners(keys: KnownKeys, names: KnownNames) -> Iterable[RequestFilter]:
    issued = sorted(row.name for row in keys.issued.values() if row.kind == KeyKind.ISSUED)
    offered = (*issued[:MOST_NAMES], *sorted(keys.labels.values())[:MOST_NAMES], UNNAMED)
    yield RequestFilter("key", "Key", conditions.of_known_key(keys), known=offered)
    yield RequestFilter("key_id", "Key", conditions.of_slug, words=_key_words(keys))
    for column, title, numbered in (
        ("person", "Person", names.people),
        ("team", "Team", names.teams),
    ):
        by_name = conditions.of_account(column, numbered)
        known = (*sorted(numbered.values())[:MOST_NAMES], NONE)
        yield RequestFilter(column, title, by_name, known=known)
        number = f"{column}_id"
        words = _account_words(numbered)
        yield RequestFilter(number, title, conditions.of_number(number), words=words)
    yield RequestFilter("client", "Client", conditions.of_client, hint="contains", words=_contains)


def _purposes() -> Iterable[RequestFilter]:
    classes = {name or UNKNOWN_CLASS: title for name, title in CLASSES.items()}
    yield RequestFilter("session", "Session", conditions.of_name("session"))
    yield RequestFilter("prompt_id", "Prompt", conditions.of_name("prompt_id"))
    yield RequestFilter(
        "request_class", "Class", requests.of_class, options=classes, words=_class_words
    )


def _amounts() -> Iterable[RequestFilter]:
    for name, title, unit, make in (
        ("tokens", "Tokens", "such as 20k or 1.5M", conditions.of_tokens),
        ("cost", "Cost", "US dollars", conditions.of_cost),
        ("seconds", "Duration", "seconds", conditions.of_duration),
    ):
        for side, bound, words in (("from", "gte", "at least"), ("to", "lte", "at most")):
            yield RequestFilter(
                f"{name}_{side}",
                f"{title} {words}",
                make(bound),
                NUMBER,
                hint=unit,
            )


# --- chips ----------------------------------------------------------------------------------------


def _listed(options: Mapping[str, str]) -> Callable[[str], str]:
    return lambda text: options.get(text, text)


def _contains(text: str) -> str:
    return f"contains “{text}”"


def _class_words(text: str) -> str:
    return class_name("" if text == UNKNOWN_CLASS else text)


def _key_words(keys: KnownKeys) -> Callable[[str], str]:
    def words(text: str) -> str:
        who = key_owners.identity(text)
        return text if who is None else keys.owner(*who).shown

    return words


def _account_words(names: Mapping[int, str]) -> Callable[[str], str]:
    def words(text: str) -> str:
        number = int(text) if text.isdecimal() else -1
        return "none" if number == 0 else names.get(number, f"{text} (deleted)")

    return words
