"""The history: who changed what, when, from what to what; and who signed in.

A change is a row's document before and after. Documents and not columns, because an alias is one
thing to its operator although its targets are rows of their own; and because taking a change back
is then nothing but importing the document from before it. What happened without changing a
document, as a sign-in, is an event: it has words, and no undo.

What was done in one step has its `act` in common: one saved form, one imported file. The first
entry of an act stands for it in the list.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from django.db import models, transaction

from bridge.models import acting, change_words

if TYPE_CHECKING:
    from bridge.models.base import ConfigRow

LABEL_LIMIT = 300
ACTOR_LIMIT = 150
TURN = 0x67617465776179
"""The number of the advisory lock of `take_turn`: "gateway"."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """How rows of a model that is not ours stand in the history: users and their groups.

    `document` gives a row's plain form, without any secret; `label` is the member that names it.
    """

    kind: str
    document: Callable[[Any], dict[str, Any]]
    label: str


BESIDE: dict[type[models.Model], Recorded] = {}
"""Models that are recorded beside the rows of the configuration."""


def new_act() -> str:
    """The name of a step: one saved form, one imported file."""
    return secrets.token_hex(8)


class Change(models.Model):
    """One change of one row's document, or an event. None stands for "there was none".

    event       what happened, in words that follow the label; "" for a change of a document
    address     the client's, for events on the pages, as CLIENT_ADDRESSES allows
    leads       whether it stands for its act
    takes_back  the act whose changes this one takes back
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.CharField(max_length=ACTOR_LIMIT, verbose_name="by")
    kind = models.CharField(max_length=20)
    object_id = models.BigIntegerField()
    label = models.CharField(max_length=LABEL_LIMIT, verbose_name="what")
    event = models.CharField(max_length=60, blank=True, default="")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    address = models.CharField(max_length=45, blank=True, default="")
    act = models.CharField(max_length=32, default=new_act, db_index=True, help_text="Its step.")
    leads = models.BooleanField(default=True)
    takes_back = models.CharField(max_length=32, blank=True, default="", db_index=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["kind", "object_id"], name="change_of_one_row")]

    def __str__(self) -> str:
        return f"{self.label} {self.verb}"

    @property
    def verb(self) -> str:
        """added, changed or deleted; the words of an event."""
        return self.event or self.what_became

    @property
    def what_became(self) -> Literal["added", "changed", "deleted"]:
        """What became of the row; nothing of the kind for an event."""
        if self.before is None:
            return "added"
        return "deleted" if self.after is None else "changed"

    def differences(self) -> list[tuple[str, Any, Any]]:
        """(member, before, after) of all that differs; None stands for the default."""
        return change_words.differences(self.before or {}, self.after or {})

    def shown(self) -> list[change_words.Line]:
        """`differences`, fit for eyes: no key in any form, one line each."""
        return change_words.lines(self.kind, self.before or {}, self.after or {})

    @property
    def summary(self) -> str:
        """What changed or happened, in a few words; "" for a row that was added or deleted."""
        if self.event:
            return change_words.of_event(self.after or {})
        if self.before is None or self.after is None:
            return change_words.of_whole(self.kind, self.before or self.after or {})
        return change_words.summary(self.kind, self.before, self.after)

    def later(self) -> models.QuerySet[Change]:
        """The changes of the same row since then, the newest first."""
        return Change.objects.filter(
            kind=self.kind, object_id=self.object_id, pk__gt=self.pk, event=""
        )

    def of_one_act(self) -> models.QuerySet[Change]:
        """All changes of the step that this one belongs to, itself included."""
        return Change.objects.filter(act=self.act)

    def taken_back(self) -> Change | None:
        """The change that took this one back, where that still holds."""
        known, undone = self, list[Change]()
        while (later := known._back()) is not None:
            undone.append(later)
            known = later
        return undone[0] if len(undone) % 2 else None

    def _back(self) -> Change | None:
        """The newest change that took this one back."""
        same = models.Q(object_id=self.object_id) | models.Q(label=self.label)
        found = Change.objects.filter(same, takes_back=self.act, kind=self.kind, pk__gt=self.pk)
        return found.first()


@dataclass(slots=True)
class _Unit:
    """What belongs together: one saved form, one imported file."""

    actor: str
    takes_back: str = ""
    act: str = field(default_factory=new_act)
    before: dict[tuple[type[models.Model], int], Any] = field(default_factory=dict)
    fresh: list[models.Model] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    has_lead: bool = False

    def touch(self, row: models.Model) -> None:
        if row.pk is None:
            if not any(known is row for known in self.fresh):
                self.fresh.append(row)
        elif (type(row), row.pk) not in self.before and not self._is_fresh(row):
            self.before[type(row), row.pk] = _stored(type(row), row.pk)

    def _is_fresh(self, row: models.Model) -> bool:
        return any(type(known) is type(row) and known.pk == row.pk for known in self.fresh)

    def write(self) -> Iterator[Change]:
        """The entries, those of people first: they stand for an act that changed both."""
        for row in self.fresh:
            if row.pk is not None:
                self.before.setdefault((type(row), row.pk), None)
        for (model, pk), before in sorted(
            self.before.items(), key=lambda item: item[0][0] not in BESIDE
        ):
            after = _stored(model, pk)
            if before != after:
                kind, label = _named(model, after or before)
                yield self.enter(kind=kind, object_id=pk, label=label, before=before, after=after)
        for columns in self.events:
            yield self.enter(**columns)

    def enter(self, *, label: str, **columns: Any) -> Change:
        """One entry. The first of a unit leads."""
        leads, self.has_lead = not self.has_lead, True
        return Change.objects.create(
            act=self.act,
            actor=self.actor[:ACTOR_LIMIT],
            label=label[:LABEL_LIMIT],
            leads=leads,
            takes_back=self.takes_back,
            **columns,
        )


_current: ContextVar[_Unit | None] = ContextVar("unit of change", default=None)


def take_turn() -> None:
    """Until the end of this transaction nobody else changes the configuration, people or sign-ins.

    To be asked for first: whoever held rows while waiting for it could be waited for in turn. On
    SQLite a transaction begins with it.
    """
    connection = transaction.get_connection()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TURN])


@contextmanager
def recorded(actor: str, takes_back: str = "") -> Iterator[list[Change]]:
    """All that is changed inside is one transaction, and one act of the history.

    Gives a list, which holds its entries when the block is left. `takes_back`: the act whose
    changes are taken back.
    """
    unit, written = _Unit(actor, takes_back), list[Change]()
    token = _current.set(unit)
    try:
        with transaction.atomic():
            take_turn()
            yield written
            written += unit.write()
    finally:
        _current.reset(token)


@contextmanager
def joined(actor: str) -> Iterator[None]:
    """Part of what is being recorded, else an act of this actor."""
    if _current.get() is not None:
        yield
        return
    with recorded(actor):
        yield


def note(kind: str, object_id: int, label: str, before: Any, after: Any) -> None:
    """An entry for what is no row of the configuration: part of the step that is being recorded,
    else one of its own. `before` and `after` are plain data, None for "there was none"."""
    if before != after:
        unit = _current.get() or _Unit(acting.now().actor())
        unit.enter(kind=kind, object_id=object_id, label=label, before=before, after=after)


def happened(
    kind: str,
    object_id: int,
    label: str,
    event: str,
    details: dict[str, str] | None = None,
    actor: str = "",
) -> None:
    """An event: what somebody did that changes no document. `details` are words about it, without
    any secret. Part of the step that is being recorded, else an act of its own; always the latter
    where `actor` says whose."""
    columns: dict[str, Any] = {
        "kind": kind,
        "object_id": object_id,
        "label": label,
        "event": event,
        "after": details or None,
        "address": acting.now().address(),
    }
    unit = None if actor else _current.get()
    if unit is None:
        _Unit(actor or acting.now().actor()).enter(**columns)
    else:
        unit.events.append(columns)


@contextmanager
def step(affected: Iterable[ConfigRow]) -> Iterator[None]:
    """One write of rows: part of what is being recorded, else an entry of its own."""
    unit = _current.get()
    if unit is None:
        with recorded(acting.now().actor()), step(affected):
            yield
        return
    with transaction.atomic():
        for row in affected:
            unit.touch(row)
        yield


# --- rows of models that are not ours -------------------------------------------------------------

_STEP = "_step_of_history"


def about_to_write(holder: models.Model, rows: Iterable[models.Model], event: str = "") -> None:
    """These rows change now; `wrote` with the same `holder` follows. Part of what is being
    recorded, else an act of its own. `event`: what happens to `holder` beside."""
    take_turn()
    unit = _current.get()
    if unit is None:
        unit = holder.__dict__[_STEP] = _Unit(acting.now().actor())
    for row in rows:
        unit.touch(row)
    if event:
        beside = BESIDE[type(holder)]
        unit.events.append(
            {
                "kind": beside.kind,
                "object_id": holder.pk,
                "label": getattr(holder, beside.label),
                "event": event,
                "address": acting.now().address(),
            }
        )


def wrote(holder: models.Model) -> None:
    """They have changed."""
    unit: _Unit | None = holder.__dict__.pop(_STEP, None)
    if unit is not None:
        list(unit.write())


def _named(model: type[Any], document: dict[str, Any]) -> tuple[str, str]:
    """(kind, label) of a row with this document."""
    if beside := BESIDE.get(model):
        return beside.kind, str(document[beside.label])
    return model.KIND, " ".join(filter(None, model.key_of(document)))


def _stored(model: type[Any], pk: int) -> Any:
    row = model._default_manager.filter(pk=pk).first()
    beside = BESIDE.get(model)
    if row is None:
        return None
    return beside.document(row) if beside else row.document() or None
