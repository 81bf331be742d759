"""What filters of requests mean: the text of an address -> a condition of rows.

Conditions count as the sums of pages do, so that a list has as many rows as the number says that
led to it. Each raises FilterError for a text that makes no sense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_

from django.db.models import F, Q
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from bridge.keys.limits import NANO
from bridge.outcomes import ABANDONED
from dashboard.queries.keys import KnownKeys
from dashboard.queries.models import NO_MODEL
from dashboard.queries.requests import DELETED_MARK, UNAUTHORIZED, of_key
from dashboard.usage import filter_values, key_owners
from dashboard.usage.filter_values import FilterError

Condition = Callable[[str], Q]
NONE = "(none)"
"""Stands in addresses for no backend, no alias, no person, no team."""
TOKENS = F("input_tokens") + F("cache_read_tokens") + F("cache_write_tokens") + F("output_tokens")
FAULTY = ~Q(error_group="")
"""Refused or failed: a part of the rows that has an index of its own."""
OUTCOMES: Mapping[str, Q] = {
    "answered": Q(status__lt=400),
    "refused": FAULTY & Q(status__lt=ABANDONED),
    "abandoned": Q(status=ABANDONED),
    "error": FAULTY & Q(status__gt=ABANDONED),
}
_USED = Q(input_tokens__gt=0) | Q(output_tokens__gt=0) | Q(cache_read_tokens__gt=0)
_USED |= Q(cache_write_tokens__gt=0)
TRAITS: Mapping[str, Q] = {
    "unpriced": Q(cost_nano_usd=None) & _USED,
    "estimated": Q(estimated=True) & _USED,
    "repaired": Q(repairs__gt=0),
    "retried": Q(attempts__gt=1),
    "streamed": Q(streamed=True),
}
"""What is counted in sums beside the outcome."""
_SIDES = {"gte": GreaterThanOrEqual, "lte": LessThanOrEqual}


def of_outcome(text: str) -> Q:
    """One outcome, or several with commas between them."""
    words = text.split(",")
    if not set(words) <= OUTCOMES.keys():
        raise FilterError(f"expected {', '.join(OUTCOMES)}, or several with commas")
    if set(words) == {"refused", "error"}:
        return FAULTY
    return reduce(or_, (OUTCOMES[word] for word in words))


def of_trait(text: str) -> Q:
    if text not in TRAITS:
        raise FilterError(f"expected one of {', '.join(TRAITS)}")
    return TRAITS[text]


def of_status(text: str) -> Q:
    first, last = filter_values.statuses(text)
    asked = Q(status=first) if first == last else Q(status__gte=first, status__lte=last)
    if first < 400 or first <= ABANDONED <= last:
        return asked
    return FAULTY & asked


def of_message(text: str) -> Q:
    """Errors whose message contains the text, in capitals or not."""
    return FAULTY & Q(error__icontains=text)


def of_error_group(text: str) -> Q:
    return FAULTY & Q(error_group=filter_values.group(text))


def of_slug(text: str) -> Q:
    """The requests that sums have under one key, by its part of addresses."""
    who = key_owners.identity(text)
    if who is None:
        raise FilterError("expected a number, f- and a fingerprint, or none")
    key_id, fingerprint = who
    if key_id:
        return Q(key_id=key_id, fingerprint="")
    if fingerprint:
        return Q(key_id=0, fingerprint=fingerprint) & ~Q(status=UNAUTHORIZED)
    return Q(key_id=0) & (Q(fingerprint="") | Q(status=UNAUTHORIZED))


def of_known_key(known: KnownKeys) -> Condition:
    """By the name that a key has today."""

    def condition(text: str) -> Q:
        if text == key_owners.UNNAMED:
            return of_slug("none")
        return of_key(known, text)

    return condition


def of_account(column: str, names: Mapping[int, str]) -> Condition:
    """By the name that a person or a team has today; deleted ones by their last name."""

    def condition(text: str) -> Q:
        if text == NONE:
            return Q(**{f"{column}_id": 0})
        numbers = [number for number, name in names.items() if name == text]
        if numbers:
            return _numbered(f"{column}_id", numbers)
        last = text.removesuffix(DELETED_MARK)
        gone = Q(**{f"{column}_id__gt": 0}) & ~Q(**{f"{column}_id__in": list(names)})
        return gone & Q(**{column: last})

    return condition


def of_number(column: str) -> Condition:
    """By the number of a person or a team; 0 for none."""
    return lambda text: _numbered(column, [filter_values.row_number(text)])


def _numbered(column: str, numbers: list[int]) -> Q:
    """The indexes of people and teams have the rows that count for one, and databases want to be
    told that these do."""
    found = Q(**{f"{column}__in": numbers})
    return found & Q(**{f"{column}__gt": 0}) if all(numbers) else found


def of_name(column: str, none: str = NONE) -> Condition:
    """Exactly this name; `none` stands for no name."""
    return lambda text: Q(**{column: "" if text == none else text})


def of_model(text: str) -> Q:
    return of_name("model", NO_MODEL)(text)


def of_failed_attempt(text: str) -> Q:
    """Requests of which an attempt failed at this backend, whatever answered in the end."""
    return Q(failed_lines__contains=f"\n{text}\n")


def of_client(text: str) -> Q:
    return Q(client__icontains=text)


def of_tokens(side: str) -> Condition:
    """Of the whole prompt and the answer. `side`: gte or lte."""
    compare = _SIDES[side]
    return lambda text: Q(compare(TOKENS, filter_values.whole(text)))


def of_cost(side: str) -> Condition:
    """In dollars, of requests whose price was known."""
    return lambda text: Q(**{f"cost_nano_usd__{side}": filter_values.scaled(text, NANO)})


def of_duration(side: str) -> Condition:
    """In seconds, from its arrival to its end."""
    return lambda text: Q(**{f"duration_ms__{side}": filter_values.scaled(text, 1000)})
