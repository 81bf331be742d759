"""Which backend is ill, and what to do: a card for each, with the buttons of the admin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from bridge.attempts import FAILURES
from bridge.backends.status import BAD, WARN, ServingState
from bridge.concerns.gateway import ENOUGH_ATTEMPTS, MANY_FAILED, TOO_MANY_FAILED
from bridge.models import BreakerMode
from dashboard.display import formatting
from dashboard.display.cells import Trend
from dashboard.display.formatting import NOTHING, Figure
from dashboard.pages.access import for_operators
from dashboard.pages.page import Frame, page
from dashboard.queries import backends
from dashboard.queries.backend_status import ShownBackend
from dashboard.queries.backends import BackendUse
from dashboard.usage.attempts import AttemptSums

WORDS = {
    ServingState.OPEN: "No requests",
    ServingState.FORCED_OPEN: "No requests",
    ServingState.FORCED_CLOSED: "Always used",
}
"""What becomes of requests, where the state's own word does not say it."""


@dataclass(frozen=True, slots=True)
class Button:
    """A form of one button. `href`: where it posts to;  `kind`: a class of the stylesheet."""

    title: str
    href: str
    hint: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class BackendFact:
    """A number, and what is to be known beside it.

    tone   of a state, "" for none;  href   the requests behind it
    """

    title: str
    figure: Figure
    beside: str = ""
    tone: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class BackendCard:
    """One backend as it is shown.

    retry_at   until then it gets no requests;  probes   model -> where a probe of it is asked for
    """

    use: BackendUse
    word: str
    breaker: str
    retry_at: datetime | None
    facts: list[BackendFact]
    buttons: list[Button]
    probes: list[tuple[str, str]]
    links: dict[str, str]
    trend: Trend

    @property
    def state(self) -> ShownBackend:
        return self.use.state


@require_safe
@for_operators
def every(request: HttpRequest) -> HttpResponse:
    """Seven queries at most, with the three of the login."""
    frame = Frame(request, comparing=False)
    found = backends.used(frame.range, frame.state.backends)
    tones = [{use.state.tone, _tone(use.attempts)} & {BAD, WARN} for use in found]
    ill = [BAD if BAD in both else WARN for both in tones if both]
    return page(
        request,
        "backends",
        frame,
        cards=[_card(frame, use) for use in found],
        ill=len(ill),
        tone=BAD if BAD in ill else WARN,
        threshold=settings.BREAKER_FAILURES,
        pause=settings.BREAKER_SECONDS,
    )


def _card(frame: Frame, use: BackendUse) -> BackendCard:
    state = use.state
    status = state.status
    closed_from = status.retry_at if status.state is ServingState.OPEN else None
    return BackendCard(
        use,
        WORDS.get(status.state, status.word),
        status.breaker,
        closed_from,
        list(_facts(frame, use)) if use.attempts.asked or use.sums.total.requests else [],
        list(_buttons(state)),
        [(name, _probe(pk)) for pk, name in use.models],
        {
            "admin": reverse("admin:bridge_backend_change", args=[state.row.pk]),
            "requests": frame.to("requests", backend=state.name),
        },
        Trend(tuple(t.requests for t in use.sums.slots), frame.range.is_running),
    )


def _facts(frame: Frame, use: BackendUse) -> Iterator[BackendFact]:
    """Attempts tell how the backend does; requests, what it was used for."""
    total, attempts, asked = use.sums.total, use.attempts, {"backend": use.state.name}
    every = frame.to_requests(asked) if total.requests else ""
    dearest = frame.to_requests({**asked, "sort": "-cost"}) if total.cost else ""
    fell_back = f"{formatting.whole(attempts.fell_back)} fell back" if attempts.fell_back else ""
    yield BackendFact("Attempts", formatting.tokens(attempts.asked), fell_back)
    yield _failed(frame, use)
    if attempts.refused:
        share, count = attempts.refused_share or 0, formatting.whole(attempts.refused)
        yield BackendFact("Refused", formatting.share(share), f"{count} with status 300 to 499")
    yield BackendFact("First byte", *_latency(attempts.headers))
    yield BackendFact("First token", *_latency(attempts.first_token))
    yield BackendFact("Whole answer", *_latency(attempts.duration))
    figure, part = formatting.tokens(total.requests), _of_all(use.request_share)
    yield BackendFact("Requests", figure, part, href=every)
    yield BackendFact("Tokens", formatting.tokens(total.tokens), _of_all(use.token_share))
    yield BackendFact("Cost", _known(total.cost, formatting.money), href=dearest)


def _failed(frame: Frame, use: BackendUse) -> BackendFact:
    """How much failed, and how."""
    attempts = use.attempts
    found = attempts.kinds(FAILURES)
    beside = ", ".join(f"{words} {formatting.whole(count)}" for words, count in found)
    href = frame.to_requests({"failed_at": use.state.name}) if attempts.failed_share else ""
    share = _known(attempts.failed_share, formatting.share)
    return BackendFact("Failed", share, beside, _tone(attempts), href)


def _tone(attempts: AttemptSums) -> str:
    """Of a backend whose attempts fail more than now and then; "" for others."""
    share = attempts.failed_share or 0
    if attempts.asked < ENOUGH_ATTEMPTS or share < MANY_FAILED:
        return ""
    return BAD if share >= TOO_MANY_FAILED else WARN


def _of_all(share: float | None) -> str:
    return "" if share is None else f"{formatting.share(share).text} of all"


def _latency(within: Callable[[float], float | None]) -> tuple[Figure, str]:
    """Half of them, and nearly all."""
    slow = within(0.95)
    hint = "" if slow is None else f"95 % within {formatting.duration(slow).text}"
    return _known(within(0.5), formatting.duration), hint


def _known(value: float | None, write: Callable[[float], Figure]) -> Figure:
    return NOTHING if value is None else write(value)


# --- buttons --------------------------------------------------------------------------------------

_ALWAYS = (
    ("Test", "test", "Read the model list and ask for one short answer"),
    ("Read model list", "refresh", "Read the model list now"),
)
_MODES = (
    (BreakerMode.OPEN, "Open breaker", "force_open", "Send nothing to it", "danger"),
    (BreakerMode.CLOSED, "Close breaker", "force_closed", "Go on sending, whatever fails", ""),
    (BreakerMode.AUTOMATIC, "Automatic", "automatic", "Let it open and close by itself", "primary"),
)


def _buttons(state: ShownBackend) -> Iterator[Button]:
    for title, name, hint in _ALWAYS:
        yield Button(title, _do(state, name), hint)
    if not state.row.enabled:
        return
    yield Button("Reset breaker", _do(state, "reset"), "Forget all failures, and ask again")
    for mode, title, name, hint, kind in _MODES:
        if state.row.breaker_mode != mode:
            yield Button(title, _do(state, name), hint, kind)


def _probe(pk: int) -> str:
    return reverse("admin:bridge_discoveredmodel_probe", args=[pk])


def _do(state: ShownBackend, button: str) -> str:
    return reverse("admin:bridge_backend_do", args=[state.row.pk, button])
