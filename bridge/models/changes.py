"""The history of the configuration: who changed what, when, from what to what.

A change is a row's document before and after. Documents and not columns, because an alias is one
thing to its operator although its targets are rows of their own; and because taking a change back
is then nothing but importing the document from before it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from django.db import models, transaction

from bridge.models import change_words

if TYPE_CHECKING:
    from bridge.models.base import ConfigRow

LABEL_LIMIT = 300
UNKNOWN = "shell"
"""Who made a change that no page and no command made."""


def new_act() -> str:
    """The name of a step: one saved form, one imported file."""
    return secrets.token_hex(8)


class Change(models.Model):
    """One change of one row's document. None stands for "there was none"."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=150, verbose_name="by")
    kind = models.CharField(max_length=20)
    object_id = models.BigIntegerField()
    label = models.CharField(max_length=LABEL_LIMIT, verbose_name="what")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    act = models.CharField(max_length=32, default=new_act, db_index=True, help_text="Its step.")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["kind", "object_id"], name="change_of_one_row")]

    def __str__(self) -> str:
        return f"{self.label} {self.verb}"

    @property
    def verb(self) -> Literal["added", "changed", "deleted"]:
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
        """What changed, in a few words; "" for a row that was added or deleted."""
        if self.before is None or self.after is None:
            return ""
        return change_words.summary(self.kind, self.before, self.after)

    def later(self) -> models.QuerySet[Change]:
        """The changes of the same row since then, the newest first."""
        return Change.objects.filter(kind=self.kind, object_id=self.object_id, pk__gt=self.pk)

    def of_one_act(self) -> models.QuerySet[Change]:
        """All changes of the step that this one belongs to, itself included."""
        return Change.objects.filter(act=self.act)


@dataclass(slots=True)
class _Unit:
    """What belongs together: one saved form, one imported file."""

    actor: str
    act: str = field(default_factory=new_act)
    before: dict[tuple[type[ConfigRow], int], Any] = field(default_factory=dict)
    fresh: list[ConfigRow] = field(default_factory=list)

    def touch(self, row: ConfigRow) -> None:
        if row.pk is None:
            if not any(known is row for known in self.fresh):
                self.fresh.append(row)
        elif (type(row), row.pk) not in self.before and not self._is_fresh(row):
            self.before[type(row), row.pk] = _stored(type(row), row.pk)

    def _is_fresh(self, row: ConfigRow) -> bool:
        return any(type(known) is type(row) and known.pk == row.pk for known in self.fresh)

    def write(self) -> Iterator[Change]:
        for row in self.fresh:
            if row.pk is not None:
                self.before.setdefault((type(row), row.pk), None)
        for (model, pk), before in self.before.items():
            after = _stored(model, pk)
            if before != after:
                label = " ".join(filter(None, model.key_of(after or before)))
                yield Change.objects.create(
                    act=self.act,
                    actor=self.actor,
                    kind=model.KIND,
                    object_id=pk,
                    label=label[:LABEL_LIMIT],
                    before=before,
                    after=after,
                )


_current: ContextVar[_Unit | None] = ContextVar("unit of change", default=None)


@contextmanager
def recorded(actor: str) -> Iterator[list[Change]]:
    """All that is changed inside is one transaction, and one entry per row in the history.

    Gives a list, which holds those entries when the block is left.
    """
    unit, written = _Unit(actor), list[Change]()
    token = _current.set(unit)
    try:
        with transaction.atomic():
            yield written
            written += unit.write()
    finally:
        _current.reset(token)


def note(kind: str, object_id: int, label: str, before: Any, after: Any) -> None:
    """An entry for what is no row of the configuration: part of the step that is being recorded,
    else one of its own. `before` and `after` are plain data, None for "there was none"."""
    unit = _current.get() or _Unit(UNKNOWN)
    if before != after:
        Change.objects.create(
            act=unit.act,
            actor=unit.actor,
            kind=kind,
            object_id=object_id,
            label=label[:LABEL_LIMIT],
            before=before,
            after=after,
        )


@contextmanager
def step(affected: Iterable[ConfigRow]) -> Iterator[None]:
    """One write of rows: part of what is being recorded, else an entry of its own."""
    unit = _current.get()
    if unit is None:
        with recorded(UNKNOWN), step(affected):
            yield
        return
    with transaction.atomic():
        for row in affected:
            unit.touch(row)
        yield


def _stored(model: type[ConfigRow], pk: int) -> Any:
    row = model._default_manager.filter(pk=pk).first()
    return (row.document() or None) if row else None
