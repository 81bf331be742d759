"""How values look in lists and panels: a state with its shape, numbers, moments, and unknowns."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from bridge.backends.status import BAD, GOOD, QUIET, WARN
from bridge.keys.decisions import dollars
from bridge.keys.limits import LimitKind, Quota
from bridge.ledger.pricing import usd
from bridge.models.people.limit_columns import LimitColumns
from bridge.spans import exactly

THIN = "\u202f"
"""Between groups of three digits; no line ends there."""
_UNITS = ((10**9, 10**9, "G"), (10**6, 10**6, "M"), (10**4, 10**3, "k"))
"""(from which number on, unit, its name)"""
UNKNOWN = mark_safe('<span class="gw-unknown gw-quiet" title="Not reported">–</span>')
"""An unknown value. Not the same as "no"."""
COLOURS = {GOOD: "success", WARN: "warning", BAD: "danger", QUIET: "default"}
"""Tone of a state -> the theme's colour."""


def colour(tone: str) -> str:
    """The theme's colour for a tone."""
    return COLOURS[tone]


def state(colour: str, word: str) -> SafeString:
    """A state, shown by word, shape and colour."""
    return format_html(
        '<span class="gw-state gw-{}"><span class="gw-dot" aria-hidden="true"></span>{}</span>',
        colour,
        word,
    )


def number(value: int) -> str:
    """A whole number with thin spaces: 202 752."""
    return f"{value:,}".replace(",", THIN)


def short(value: int) -> str:
    """A large number with one digit behind the point: 12.4 M."""
    for least, unit, name in _UNITS:
        if value >= least:
            return f"{value / unit:.1f}{THIN}{name}"
    return number(value)


def money(usd: Decimal) -> str:
    """An amount with two digits behind the point, or the first two that are not zero."""
    digits = 2 if usd == 0 else max(2, 1 - usd.adjusted())
    return f"{usd:.{digits}f} USD"


def fact(value: Any) -> str:
    """What is known of a model: a number, yes, no, or unknown."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value)


def moment(at: datetime | None) -> str:
    """How long ago or how soon; the exact moment is one hover away."""
    if at is None:
        return "-"
    machine = at.isoformat(timespec="seconds")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', machine, exactly(at), naturaltime(at)
    )


def two_lines(first: Any, second: Any) -> SafeString:
    """A value, and what explains it in small letters below."""
    return format_html('{}<span class="gw-below">{}</span>', first, second)


def limits(row: LimitColumns) -> str:
    """What a key, a person or a team may use, in one line."""
    labels = [f"{number(row.rpm)} requests/min" if row.rpm else ""]
    labels += [f"{number(row.tpm)} tokens/min" if row.tpm else ""]
    labels += [f"{row.concurrent} at once" if row.concurrent else ""]
    labels += _quotas(row)
    return ", ".join(filter(None, labels)) or "-"


def _quotas(row: LimitColumns) -> list[str]:
    try:
        return [*map(_quota, row.limits().quotas)]
    except ValueError:
        return []  # named as a fault of the configuration


def _quota(quota: Quota) -> str:
    when = "in all" if quota.period == "total" else f"a {quota.period}"
    if quota.kind is LimitKind.BUDGET:
        return f"{dollars(usd(quota.most))} {when}"
    return f"{number(quota.most)} tokens {when}"
