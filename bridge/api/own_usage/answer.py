"""The sums behind an answer of /v1/usage, by the ledger's hours, and its document.

Money is in US dollars, as text with a point: a float would round what adds up exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from bridge.api.own_usage.question import UsageQuestion
from bridge.keys.authentication import Caller
from bridge.keys.decisions import QuotaState, rfc3339
from bridge.keys.limits import LimitKind
from bridge.ledger.pricing import usd
from bridge.ledger.report import COUNTS, IN_ORDER, Line, Span, report
from bridge.translation.json import JSON

MOST_LINES = 1000
"""Clients choose the names of models where a backend has no list."""
OTHERS = "(others)"
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
SHOWN = ("requests", "errors", "refused", "abandoned", *TOKENS)


@dataclass(frozen=True, slots=True)
class UsageSums:
    """`lines`: of the groups that were asked for, none for sums alone."""

    total: Mapping[str, int]
    lines: Sequence[Line]


def summed(question: UsageQuestion) -> UsageSums:
    """For threads. Raises django.db.Error."""
    span = Span(question.start, question.end)
    lines = report(question.by or "class", span, question.zone, _whose(question))
    total = _added(lines)
    if not question.by:
        return UsageSums(total, ())
    return UsageSums(total, lines if question.by in IN_ORDER else _bounded(lines))


def _whose(question: UsageQuestion) -> Q:
    if question.person_id:
        return Q(person_id=question.person_id)
    return Q(key_id=question.key_id, fingerprint=question.fingerprint)


def _added(lines: Iterable[Line]) -> dict[str, int]:
    total = dict.fromkeys(COUNTS, 0)
    for line in lines:
        for name in COUNTS:
            total[name] += line.counts[name]
    return total


def _bounded(lines: list[Line]) -> list[Line]:
    """The first of them; the others as one."""
    if len(lines) <= MOST_LINES:
        return lines
    return [*lines[:MOST_LINES], Line(OTHERS, _added(lines[MOST_LINES:]))]


# --- the document ---------------------------------------------------------------------------------


def document(
    question: UsageQuestion, caller: Caller, sums: UsageSums, quotas: Iterable[QuotaState]
) -> JSON:
    """What /v1/usage answers. `quotas`: all that hold for the caller."""
    of_person = question.person_id and caller.issued and caller.issued.person
    found: dict[str, JSON] = {
        "of": "person" if of_person else "key",
        "name": of_person.name if of_person else caller.name,
        "from": _moment(question.start),
        "to": _moment(question.end),
        "timezone": question.zone_name,
        "by": question.by or None,
        "total": _counts(sums.total),
        "budgets": [],
        "quotas": [],
    }
    if question.by:
        found["data"] = [{question.by: line.group} | _counts(line.counts) for line in sums.lines]
    for state in quotas:
        is_budget = state.quota.kind is LimitKind.BUDGET
        found["budgets" if is_budget else "quotas"].append(_quota(state, is_budget))
    return found


def _counts(counts: Mapping[str, int]) -> dict[str, JSON]:
    return {
        **{name: counts[name] for name in SHOWN},
        "cost_usd": _dollars(counts["cost_nano_usd"]),
        "unpriced": counts["unpriced"],
    }


def _quota(state: QuotaState, is_budget: bool) -> JSON:
    shown = _dollars if is_budget else int
    return {
        "of": state.account.ref.kind.value,
        "name": state.account.name,
        "period": state.quota.period,
        "used": shown(state.used),
        "limit": shown(state.quota.most),
        "left": shown(max(0, state.quota.most - state.used)),
        "resets_at": None if state.reset == math.inf else rfc3339(state.reset),
    }


def _dollars(billionths: int) -> str:
    """Exact, with at least the cents: 0.25, 0.0000125."""
    whole, _, places = f"{usd(billionths):f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
