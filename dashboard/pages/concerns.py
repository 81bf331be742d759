"""What needs attention now, and what stands out in the visitor's range of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from django.urls import reverse

from bridge.backends.status import BAD, WARN
from bridge.concerns.concern import Concern
from bridge.concerns.gateway import of_gateway
from dashboard.display import formatting
from dashboard.pages.page import Frame
from dashboard.queries.models import ModelUse
from dashboard.usage.totals import Totals

ENOUGH = 20
"""Fewer requests prove nothing."""
MANY_ERRORS = 0.05
TOO_MANY_ERRORS = 0.25
MANY_REFUSED = 0.25
MUCH_SLOWER = 2.0


def attention(frame: Frame) -> list[Concern]:
    """What needs attention now, as the admin lists it; of the configuration only for those who may
    see it, with links only to where the visitor may go."""
    found = of_gateway(frame.now, frame.request.get_host(), configuration=frame.operates)
    return found if frame.operates else [*map(_for_readers, found)]


def _for_readers(concern: Concern) -> Concern:
    closed = (reverse("admin:index"), reverse("dashboard:backends"))
    return replace(concern, href="", link="") if concern.href.startswith(closed) else concern


def standing_out(frame: Frame, models: Sequence[ModelUse], whole: Totals) -> list[Concern]:
    """What the sums of the visitor's range show, the grave ones first."""
    found = [
        *_errors(frame, models),
        *_slower(frame, models),
        *_refused(frame, whole),
        *_unpriced(frame, models),
        *_estimated(frame, whole),
    ]
    return sorted(found, key=lambda concern: concern.tone != BAD)


def _errors(frame: Frame, models: Iterable[ModelUse]) -> Iterator[Concern]:
    for use in models:
        total = use.sums.total
        part = total.error_share or 0
        if total.requests >= ENOUGH and part >= MANY_ERRORS:
            count = formatting.whole(total["errors"])
            text = f"{formatting.share(part).text} of {use.shown}’s requests failed ({count})"
            tone = BAD if part >= TOO_MANY_ERRORS else WARN
            href = frame.to_requests({"model": use.shown, "outcome": "error"})
            yield Concern(text, href, tone, "errors", "Requests")


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
            slowest = {"model": use.shown, "outcome": "answered", "sort": "-first_token"}
            yield Concern(text, frame.to_requests(slowest), WARN, "slower", "Requests")


def _refused(frame: Frame, whole: Totals) -> Iterator[Concern]:
    part = whole.refused_share or 0
    if whole.requests >= ENOUGH and part >= MANY_REFUSED:
        text = (
            f"{formatting.share(part).text} of all requests were refused: "
            "bad keys, limits or bodies"
        )
        href = frame.to("errors", outcome="refused")
        yield Concern(text, href, WARN, "refused", "Reasons")


def _unpriced(frame: Frame, models: Iterable[ModelUse]) -> Iterator[Concern]:
    names = sorted(use.shown for use in models if use.sums.total["unpriced"])
    if names and frame.state.enabled:  # the demo costs nothing
        names_shown = ", ".join(names[:3]) + (
            f" and {len(names) - 3} more" if len(names) > 3 else ""
        )
        query = urlencode({"model": names[0]})
        price = f"{reverse('admin:bridge_price_add')}?{query}"
        href = price if frame.operates else frame.to_requests({"trait": "unpriced"})
        text = f"No price is known for {names_shown}: its cost is not included"
        link = "Add a price" if frame.operates else "Requests"
        yield Concern(text, href, "quiet", "no price", link)


def _estimated(frame: Frame, whole: Totals) -> Iterator[Concern]:
    part = whole["estimated"] / whole.requests if whole.requests else 0
    if whole.requests >= ENOUGH and part >= 0.5:
        text = (
            f"{formatting.share(part).text} of the token counts are estimates: no usage is reported"
        )
        href = frame.to_requests({"trait": "estimated"})
        yield Concern(text, href, "quiet", "estimated", "Requests")
