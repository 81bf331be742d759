"""What needs attention in a range of time, beside what needs it on every page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

from django.urls import reverse

from bridge.backends.status import BAD, WARN
from bridge.concerns import Concern, of_every_page
from dashboard.display import formatting
from dashboard.pages.page import Frame
from dashboard.queries.keys import KnownKeys, budgets
from dashboard.queries.models import ModelUse
from dashboard.usage.totals import Totals

ENOUGH = 20
"""Fewer requests prove nothing."""
MANY_ERRORS = 0.05
TOO_MANY_ERRORS = 0.25
MANY_REFUSED = 0.25
MUCH_SLOWER = 2.0
NEARLY_SPENT = 0.8
SOON = timedelta(days=7)


def concerns(
    frame: Frame, models: Sequence[ModelUse], known: KnownKeys, whole: Totals
) -> list[Concern]:
    """The grave ones first."""
    found = [
        *_backends(frame),
        *_of_every_page(frame),
        *_errors(frame, models),
        *_slower(frame, models),
        *_refused(whole),
        *_unpriced(frame, models),
        *_expiring(frame, known),
        *_budgets(frame, known),
        *_estimated(whole),
    ]
    return sorted(found, key=lambda concern: concern.tone != BAD)


def _backends(frame: Frame) -> Iterator[Concern]:
    for backend in frame.state.troubled:
        status = backend.status
        text = f"Backend {backend.name} {status.sentence}"
        href = frame.to("backends") if frame.operates else ""
        yield Concern(text, href, status.tone, status.word.lower(), "Backends" if href else "")


def _of_every_page(frame: Frame) -> Iterator[Concern]:
    """With links to the admin only for those who may go there."""
    for concern in of_every_page(frame.now):
        is_open = frame.operates or not concern.href.startswith(reverse("admin:index"))
        yield concern if is_open and concern.link else replace(concern, href="", link="")


def _page_of(frame: Frame, use: ModelUse) -> str:
    """Requests that never found a model have no page of their own."""
    return frame.to("model", use.name) if use.name else frame.to("models")


def _errors(frame: Frame, models: Iterable[ModelUse]) -> Iterator[Concern]:
    for use in models:
        total = use.sums.total
        part = total.error_share or 0
        if total.requests >= ENOUGH and part >= MANY_ERRORS:
            count = formatting.whole(total["errors"])
            text = f"{formatting.share(part).text} of {use.shown}’s requests failed ({count})"
            tone = BAD if part >= TOO_MANY_ERRORS else WARN
            yield Concern(text, _page_of(frame, use), tone, "errors", "Model")


def _slower(frame: Frame, models: Iterable[ModelUse]) -> Iterator[Concern]:
    if not frame.compares:
        return
    for use in models:
        now, before = use.sums.whole, use.sums.before
        slow, was = now.mean_first_token, before.mean_first_token
        if min(now["first_tokens"], before["first_tokens"]) < ENOUGH or not slow or not was:
            continue
        if slow >= MUCH_SLOWER * was and slow >= 1000:
            text = (
                f"{use.shown} takes {formatting.duration(slow).text} to its first token "
                f"on average, {formatting.duration(was).text} in {frame.range.before_words}"
            )
            yield Concern(text, _page_of(frame, use), WARN, "slower", "Model")


def _refused(whole: Totals) -> Iterator[Concern]:
    part = whole.refused_share or 0
    if whole.requests >= ENOUGH and part >= MANY_REFUSED:
        text = (
            f"{formatting.share(part).text} of all requests were refused: "
            "bad keys, limits or bodies"
        )
        yield Concern(text, tone=WARN, word="refused")


def _unpriced(frame: Frame, models: Iterable[ModelUse]) -> Iterator[Concern]:
    names = sorted(use.shown for use in models if use.sums.total["unpriced"])
    if names and frame.state.enabled:  # the demo costs nothing
        names_shown = ", ".join(names[:3]) + (
            f" and {len(names) - 3} more" if len(names) > 3 else ""
        )
        query = urlencode({"model": names[0]})
        href = f"{reverse('admin:bridge_price_add')}?{query}" if frame.operates else ""
        text = f"No price is known for {names_shown}: its cost is not included"
        yield Concern(text, href, "quiet", "no price", "Add a price" if href else "")


def _expiring(frame: Frame, known: KnownKeys) -> Iterator[Concern]:
    for row in known.issued.values():
        if row.enabled and row.expires_at and row.expires_at < frame.now + SOON:
            when = formatting.ago(row.expires_at, frame.now, frame.zone).text
            gone = row.expires_at <= frame.now
            text = f"Key {row.name} {'expired' if gone else 'expires'} {when}"
            href = reverse("admin:bridge_apikey_change", args=[row.pk]) if frame.operates else ""
            word = "expired" if gone else "expires"
            yield Concern(text, href, WARN, word, "Key" if href else "")


def _budgets(frame: Frame, known: KnownKeys) -> Iterator[Concern]:
    for pk, meter in budgets(known, frame.now).items():
        if meter.part >= NEARLY_SPENT:
            part = formatting.share(meter.part).text
            text = f"Key {known.issued[pk].name} has spent {part} of its budget: {meter.words}"
            tone = BAD if meter.part >= 1 else WARN
            yield Concern(text, frame.to("key", pk), tone, "budget", "Key")


def _estimated(whole: Totals) -> Iterator[Concern]:
    part = whole["estimated"] / whole.requests if whole.requests else 0
    if whole.requests >= ENOUGH and part >= 0.5:
        text = (
            f"{formatting.share(part).text} of the token counts are estimates: no usage is reported"
        )
        yield Concern(text, tone="quiet", word="estimated")
