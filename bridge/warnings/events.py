"""Readings that reach thresholds -> events, each with its deliveries, in one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db import transaction

from bridge.models import DeliveryOutcome, WarningDelivery, WarningEvent, WarningRule
from bridge.models.warnings.kinds import WARNING_KINDS, WarningKind
from bridge.warnings import words
from bridge.warnings.readings import Reading

AT_ONCE = 500
"""Periods in one query."""
_GONE: dict[str, tuple[str, Callable[[str], str]]] = {
    "backend.down": ("backend.off", words.backend_off)
}
"""Type of an open event -> the sentence for the deletion of its subject."""

Mark = tuple[str, str, str, int]
"""Type, kind of the subject, subject, threshold: of an event or a reading."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The rules that want one kind of warnings, each with its thresholds."""

    what: str
    rules: tuple[tuple[WarningRule, frozenset[int]], ...]

    @property
    def kind(self) -> WarningKind:
        return WARNING_KINDS[self.what]

    @property
    def thresholds(self) -> set[int]:
        return {number for _, numbers in self.rules for number in numbers}

    def rules_at(self, threshold: int, later: Set[int] = frozenset()) -> list[WarningRule]:
        """The rules that have this threshold, and none of the later ones."""
        return [
            rule for rule, numbers in self.rules if threshold in numbers and not later & numbers
        ]


def wanted_kinds(rules: Iterable[WarningRule]) -> list[Wanted]:
    """What the rules want to know, kind by kind; only kinds that somebody wants."""
    rows = list(rules)
    found = []
    for what in WARNING_KINDS:
        pairs = [(rule, frozenset(rule.thresholds(what))) for rule in rows]
        interested = tuple(pair for pair in pairs if pair[1])
        if interested:
            found.append(Wanted(what, interested))
    return found


# --- what happens at most once in a period ------------------------------------------------------


def of_periods(wanted: Wanted, readings: Iterable[Reading], at: datetime) -> int:
    """Make the events of the thresholds that are reached; how many were new.

    Of several that are reached at once each rule is sent the furthest one that it wants.
    """
    kind, thresholds = wanted.kind, wanted.kind.worst_last(wanted.thresholds)
    reached = [
        (reading, numbers)
        for reading in readings
        if (numbers := [n for n in thresholds if kind.reaches(reading.value, n)])
    ]
    known = _known(wanted.what, {reading.period for reading, _ in reached})
    made = 0
    for reading, numbers in reached:
        fresh = [n for n in numbers if (_mark(reading, n), reading.period) not in known]
        for place, threshold in enumerate(fresh):
            event = _event(wanted.what, reading, threshold, reading.period, at)
            made += _make(event, wanted.rules_at(threshold, later={*fresh[place + 1 :]}))
    return made


def _known(what: str, periods: set[str]) -> set[tuple[Mark, str]]:
    """What was warned of in these periods."""
    found: set[tuple[Mark, str]] = set()
    rest = iter(sorted(periods))
    while some := list(islice(rest, AT_ONCE)):
        events = WarningEvent.objects.filter(what=what, period__in=some).order_by()
        found |= {(_mark_of(event), event.period) for event in events}
    return found


# --- states that last ---------------------------------------------------------------------------


class OpenStates:
    """States that were warned of and are not over yet; knows since when they seem to be over."""

    def __init__(self) -> None:
        self._calm_since: dict[int, float] = {}

    def forget(self) -> None:
        self._calm_since.clear()

    def follow(
        self, wanted: Wanted, readings: Sequence[Reading], at: datetime, steady: float
    ) -> int:
        """Make events of what begins, and end what is over; how many events are new."""
        events = list(WarningEvent.objects.filter(what=wanted.what, is_open=True))
        opened = {_mark_of(event) for event in events}
        current = {_mark(reading, 0)[:3]: reading for reading in readings}
        made = sum(
            _make(
                _event(wanted.what, reading, n, at.isoformat(), at, is_open=True),
                wanted.rules_at(n),
            )
            for reading in readings
            for n in wanted.kind.worst_last(wanted.thresholds)
            if wanted.kind.reaches(reading.value, n) and _mark(reading, n) not in opened
        )
        for event in events:
            reading = current.get(_mark_of(event)[:3])
            if self._is_over(wanted.kind, event, reading, steady):
                made += _end(event, reading, at)
        return made

    def _is_over(
        self, kind: WarningKind, event: WarningEvent, reading: Reading | None, steady: float
    ) -> bool:
        if reading and (reading.lasts or not kind.is_past(reading.value, event.threshold)):
            self._calm_since.pop(event.pk, None)
            return False
        since = self._calm_since.setdefault(event.pk, steady)
        if steady - since < kind.calm:
            return False
        del self._calm_since[event.pk]
        return True


def _end(event: WarningEvent, reading: Reading | None, at: datetime) -> int:
    """The state is over: its rules get a message, where its type has words."""
    with transaction.atomic():
        still = WarningEvent.objects.filter(pk=event.pk, is_open=True)
        if not still.update(is_open=False, ended_at=at):
            return 0
        type, text = _words_of_end(event, reading)
        if not type:
            return 0
        rules = WarningRule.objects.filter(enabled=True, deliveries__event=event).order_by("pk")
        numbers = {"down_at": event.at.isoformat(timespec="seconds"), "began": event.event_id}
        end = WarningEvent(
            what=event.what,
            type=type,
            subject_kind=event.subject_kind,
            subject=event.subject,
            subject_name=event.subject_name,
            threshold=event.threshold,
            period=event.event_id,
            at=at,
            text=text,
            numbers=numbers,
        )
        return _make(end, list(rules))


def _words_of_end(event: WarningEvent, reading: Reading | None) -> tuple[str, str]:
    if reading is not None:
        return reading.over, reading.over_text
    type, sentence = _GONE.get(event.type, ("", str))
    return type, sentence(event.subject_name)


# --- rows ---------------------------------------------------------------------------------------


def _mark(reading: Reading, threshold: int) -> Mark:
    return reading.type, reading.subject.kind, reading.subject.id, threshold


def _mark_of(event: WarningEvent) -> Mark:
    return event.type, event.subject_kind, event.subject, event.threshold


def _event(
    what: str,
    reading: Reading,
    threshold: int,
    period: str,
    at: datetime,
    *,
    is_open: bool = False,
) -> WarningEvent:
    return WarningEvent(
        what=what,
        type=reading.type,
        subject_kind=reading.subject.kind,
        subject=reading.subject.id,
        subject_name=words.plain(reading.subject.name),
        threshold=threshold,
        period=period,
        at=at,
        text=reading.text[: words.LONGEST_TEXT],
        numbers={**reading.numbers, "threshold": threshold},
        is_open=is_open,
    )


def _make(event: WarningEvent, rules: Sequence[WarningRule]) -> bool:
    """Save an event and its deliveries, unless another process was first."""
    with transaction.atomic():
        WarningEvent.objects.bulk_create([event], ignore_conflicts=True)
        made = WarningEvent.objects.filter(event_id=event.event_id).first()
        if made is None:
            return False
        WarningDelivery.objects.bulk_create(
            [
                WarningDelivery(
                    event=made, rule=rule, outcome=DeliveryOutcome.WAITING, next_try_at=event.at
                )
                for rule in rules
            ]
        )
        return True
