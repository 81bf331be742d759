"""The page that gives recorded requests the cost that they have at today's prices.

It shows first what would change. A large range is done in parts, so that no request takes long:
the page says what is left, and the parts are one entry of the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode

from bridge.admin import formatting
from bridge.admin.history_filters import day_of
from bridge.configuration.snapshot import current_prices
from bridge.ledger.pricing import usd
from bridge.ledger.report import UnknownNameError
from bridge.ledger.repricing.applying import Repricer, entry_of
from bridge.ledger.repricing.costs import CostReader, costs_now
from bridge.ledger.repricing.preview import ModelChange, preview, total
from bridge.ledger.repricing.scope import RepricingScope
from bridge.models import Change

MOST_BATCHES = 40
"""Of one press of the button: 20,000 requests."""
DAY = timedelta(days=1)
DAYS = 30
FIELDS = ("since", "until", "model", "key", "every")


class DayInput(forms.DateInput):
    """A field for a day. What is no date is not repeated: browsers complain of it."""

    input_type = "date"

    def format_value(self, value: Any) -> str | None:
        return day_of(str(super().format_value(value) or "")) or None


class RecomputeForm(forms.Form):
    """Days of the visitor's zone, from the first to the last."""

    since = forms.DateField(label="First day", widget=DayInput)
    until = forms.DateField(label="Last day", widget=DayInput)
    model = forms.CharField(
        label="Model or glob (empty: every model)", max_length=300, required=False
    )
    key = forms.CharField(label="Key (empty: every key)", max_length=100, required=False)
    every = forms.BooleanField(
        label="Also requests that have a cost, at another price", required=False
    )
    entry = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        since, until = given.get("since"), given.get("until")
        if since and until and not since <= until:
            self.add_error("until", "The last day is before the first.")
        for name in ("since", "until"):
            if given.get(name) and not 1971 <= given[name].year <= 2999:
                self.add_error(name, "Expected a year from 1971 to 2999.")
        return given

    def scope(self) -> RepricingScope:
        """What a valid form asks for."""
        given = self.cleaned_data
        begin, end = _begin(given["since"]), _begin(given["until"] + DAY)
        return RepricingScope(begin, end, given["model"], given["key"], given["every"])


def _begin(day: date) -> datetime:
    """The full hour (UTC) in which a day begins."""
    local = datetime.combine(day, time(), timezone.get_current_timezone())
    return local.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def page(request: HttpRequest, around: dict[str, Any]) -> HttpResponse:
    """What would change; done when that is answered."""
    asked = request.POST if request.method == "POST" else _asked(request)
    form = RecomputeForm(asked)
    changes: Sequence[ModelChange] = ()
    if form.is_valid():
        scope, costs = form.scope(), costs_now(current_prices())
        try:
            if request.method == "POST":
                return _done(request, form, scope, costs)
            changes = preview(scope, costs)
        except UnknownNameError as error:
            form.add_error("key", f"{error}".capitalize() + ".")
    context = {
        **around,
        "title": "Recompute the cost of recorded requests",
        "menu_link": reverse("admin:bridge_price_changelist"),
        "form": form,
        "fields": [form[name] for name in FIELDS],
        "hidden": form.cleaned_data if form.is_valid() else {},
        "lines": [_line(each) for each in changes],
        "total": _line(total(changes)),
        "scope": form.scope() if form.is_valid() else None,
        "zone": timezone.get_current_timezone_name(),
        "span": _span(form.scope()) if form.is_valid() else "",
    }
    return TemplateResponse(request, "bridge/admin/recompute.html", context)


def _asked(request: HttpRequest) -> dict[str, Any]:
    """The address, with the last days where it names none."""
    today = timezone.localdate()
    unless_named = {"since": (today - (DAYS - 1) * DAY).isoformat(), "until": today.isoformat()}
    return unless_named | {name: text for name, text in request.GET.dict().items() if text}


def _span(scope: RepricingScope) -> str:
    """The full hours that it is of, by the visitor's clock."""
    begin, end = (timezone.localtime(at) for at in (scope.since, scope.until))
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"


def _line(change: ModelChange) -> dict[str, Any]:
    return {
        "change": change,
        "before": formatting.money(usd(change.before)),
        "after": formatting.money(usd(change.after)),
        "add": f"{reverse('admin:bridge_price_add')}?{urlencode({'model': change.model})}",
    }


# --- the act ------------------------------------------------------------------------------------


def _done(
    request: HttpRequest, form: RecomputeForm, scope: RepricingScope, costs: CostReader
) -> HttpResponse:
    """Do a part of it, and show what is left."""
    repricer = Repricer(scope, costs, entry_of(scope, form.cleaned_data["entry"] or 0))
    done = repricer.run(MOST_BATCHES)
    if settings.REDIS_URL:
        _raise_counters(request)
    entry = repricer.entry
    if entry is None:
        messages.info(request, "Nothing was to be changed.")
    else:
        messages.success(request, _said(entry, done.requests, done.before, done.after))
    if not done.is_whole:
        messages.warning(request, "There is more: press again to go on.")
    given = {name: str(form.cleaned_data[name]) for name in FIELDS if form.cleaned_data[name]}
    if entry is not None and not done.is_whole:
        given["entry"] = str(entry.pk)
    return HttpResponseRedirect(f"{request.path}?{urlencode(given)}")


def _said(entry: Change, requests: int, before: int, after: int) -> str:
    money = (formatting.money(usd(nano)) for nano in (before, after))
    address = reverse("admin:bridge_change_change", args=[entry.pk])
    return format_html(
        '{} requests recomputed: {} before, {} after. <a class="gw-undo" href="{}">Entry</a>',
        formatting.number(requests),
        *money,
        address,
    )


def _raise_counters(request: HttpRequest) -> None:
    # slow, and only needed here
    from bridge.cluster import redis
    from bridge.ledger.repricing.counters import raise_counters

    try:
        raise_counters()
    except redis.AWAY:
        text = "Redis does not answer: budgets follow within five minutes."
        messages.warning(request, text)
