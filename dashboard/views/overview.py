"""The first page: is it well, and what goes through it."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from bridge.models import UsageRecord
from bridge.pages import client_settings
from dashboard.display import cards, chart_builders
from dashboard.display.chart_builders import Behind
from dashboard.display.ranking import SHOWN, Group, Remainder, ranked
from dashboard.pages.access import for_readers
from dashboard.pages.concerns import attention, standing_out
from dashboard.pages.page import Frame, page
from dashboard.queries import classes, hours, keys, models
from dashboard.tables import exports
from dashboard.tables.class_table import classes_table
from dashboard.usage.totals import USE, WAITING

GROUPED = ("request_class", "model")
SUMMED = (*USE, *WAITING)


@require_safe
@for_readers
def overview(request: HttpRequest) -> HttpResponseBase:
    """Twelve queries at most, with the two of the login. Keys are summed apart: by class and model
    too they would be as many groups as there are hours."""
    frame = Frame(request)
    span = frame.range
    total = hours.total(span, hours.LATENCY, compared=frame.compares)
    groups = hours.sums(span, GROUPED, SUMMED, compared=frame.compares, sliced=False)
    by_key, count, used_by_others = keys.leading(span, SHOWN)
    by_model = models.folded(groups)
    purposes = classes_table(frame, classes.folded(groups))
    newest = UsageRecord.objects.order_by("-time").values_list("time", flat=True).first()
    slots = span.slots()
    is_new = newest is None and not total.total.requests
    return exports.answer(purposes) or page(
        request,
        "overview",
        frame,
        cards=cards.linked(cards.overview(frame.compared(total)), frame.to_requests, {}),
        requests_chart=chart_builders.requests(slots, total.slots, Behind(frame.to_requests)),
        latency_chart=chart_builders.first_token(slots, total.slots, Behind(frame.to_requests)),
        keys=ranked((_key(frame, use) for use in by_key), others=Remainder(count, used_by_others)),
        models=ranked(_model(frame, use) for use in by_model),
        concerns=attention(frame),
        standing_out=standing_out(frame, by_model, total.total),
        purposes=purposes,
        purposes_known=any(use.request_class for use in purposes.page.rows),
        keys_href=frame.to("keys"),
        models_href=frame.to("models"),
        is_empty=not total.total.requests,
        newest=newest,
        is_new=is_new,
        **(client_settings.main_context(request) if is_new else {}),
    )


def _key(frame: Frame, use: keys.KeyUsage) -> Group:
    owner = use.owner
    requests = frame.to_requests({"key_id": owner.slug})
    return owner.shown, owner.slug, frame.to("key", owner.slug), requests, use.sums.total


def _model(frame: Frame, use: models.ModelUse) -> Group:
    href = frame.to("model", use.name) if use.name else ""
    return use.shown, use.shown, href, frame.to_requests({"model": use.shown}), use.sums.total
