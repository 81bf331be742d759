"""The filters of the history: kinds, people, days. Each finds acts, by any entry of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from bridge.configuration.documents import KINDS, NEVER_UNDONE, named_many
from bridge.models import Change
from bridge.models.people.persons import SIGN_INS

SHOWN_PEOPLE = 20
_COMPLAINED = "gateway_complained_of_day"
NO_DAY = "day: expected a date such as 2026-01-31, or one of {}."


def acts_with(chosen: Q | QuerySet[Change]) -> Q:
    """The entries that stand for acts with such an entry."""
    found = chosen if isinstance(chosen, QuerySet) else Change.objects.filter(chosen)
    return Q(act__in=found.order_by().values("act"))


class TextFilter(admin.SimpleListFilter):
    """A filter that takes any text, also one that is not in its list."""

    known: ClassVar[dict[str, str]] = {}

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.known.items())

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield from super().choices(changelist)
        value = self.value()
        if value and value not in dict(self.lookup_choices):
            query = changelist.get_query_string({self.parameter_name: value})
            yield {"selected": True, "query_string": query, "display": value[:100]}


class KindFilter(TextFilter):
    """Kinds of rows by the names that the menu has for them."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        there = set(Change.objects.order_by().values_list("kind", flat=True).distinct())
        return [(kind, named_many(kind)) for kind in (*KINDS, *NEVER_UNDONE) if kind in there]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Change]) -> QuerySet[Change]:
        return queryset.filter(acts_with(Q(kind=self.value()))) if self.value() else queryset


class PersonFilter(TextFilter):
    """What somebody did, and what became of them. Listed are those who did something lately."""

    title = "person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        latest = Change.objects.order_by().values("actor").annotate(last=Max("pk"))
        names = latest.order_by("-last").values_list("actor", flat=True)[:SHOWN_PEOPLE]
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Change]) -> QuerySet[Change]:
        name = self.value()
        if not name:
            return queryset
        about = Q(kind__in=list(NEVER_UNDONE), label=name) | Q(kind="person_limits", label=name)
        return queryset.filter(acts_with(Q(actor=name) | about))


class DayFilter(TextFilter):
    """A day, or the days since one; by the clock of the pages."""

    title = "day"
    parameter_name = "day"
    known = {
        "today": "today",
        "since-yesterday": "since yesterday",
        "yesterday": "yesterday",
        "7-days": "the last 7 days",
        "30-days": "the last 30 days",
    }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Change]) -> QuerySet[Change]:
        text = self.value()
        if not text:
            return queryset
        try:
            first, last = _days(text, timezone.localdate())
            since, until = _begin(first), _begin(last + timedelta(days=1))
        except (ValueError, OverflowError):
            _complain(request, NO_DAY.format(", ".join(self.known)))
            return queryset.none()
        return queryset.filter(at__gte=since, at__lt=until)


class SignInsFilter(TextFilter):
    """The history with or without those who came and went."""

    title = "sign-ins"
    parameter_name = "sign_ins"
    known = {"no": "left out"}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Change]) -> QuerySet[Change]:
        return queryset.exclude(kind=SIGN_INS) if self.value() == "no" else queryset


def _days(text: str, today: date) -> tuple[date, date]:
    """The first and the last day that a value means. Raises ValueError."""
    back = {"today": 0, "since-yesterday": 1, "7-days": 6, "30-days": 29}
    if text in back:
        return today - timedelta(days=back[text]), today
    day = today - timedelta(days=1) if text == "yesterday" else date.fromisoformat(text)
    return day, day


def day_of(text: str) -> str:
    """A value as a field for dates takes it; "" for what is no date."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def _begin(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def _complain(request: HttpRequest, text: str) -> None:
    """Once, however often the list is read."""
    if not getattr(request, _COMPLAINED, False):
        setattr(request, _COMPLAINED, True)
        messages.error(request, text)
