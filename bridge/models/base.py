"""What all rows of the configuration share: a version that grows, and a plain form.

Whatever is saved or deleted bumps `ConfigVersion` in the same transaction; processes compare that
number to notice a change. Each kind of row has a *document*, the plain form of it that the
configuration file, the history and its undo are made of.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from django.core.exceptions import ValidationError
from django.db import models

from bridge.cluster import announcements
from bridge.models import changes

Document = dict[str, Any]
"""One row as plain data. Members that hold their default are left out."""


class Origin(models.TextChoices):
    ENVIRONMENT = "environment", "Environment"
    OPERATOR = "operator", "Operator"


class ConfigVersion(models.Model):
    """One row. `number` grows with every change of the configuration, `sessions` with every change
    of nothing but the keys of sign-ins, which come and go each hour."""

    number = models.PositiveBigIntegerField(default=0)
    sessions = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)

    @classmethod
    def bump(cls, column: str = "number") -> None:
        cls.objects.get_or_create(pk=1)
        cls.objects.filter(pk=1).update(**{column: models.F(column) + 1})
        announcements.announce_on_commit()

    @classmethod
    def current(cls) -> int:
        return cls.both()[0]

    @classmethod
    def both(cls) -> tuple[int, int]:
        """The number, and that of the sessions. One query."""
        row = cls.objects.filter(pk=1).first()
        return (row.number, row.sessions) if row else (0, 0)


Row = TypeVar("Row", bound="ConfigRow")


class ConfigQuerySet(models.QuerySet[Row]):
    """Writing many rows at once is a change of the configuration too."""

    def delete(self) -> tuple[int, dict[str, int]]:
        with changes.step(owner for row in self for owner in row.affected()):
            gone = super().delete()
            ConfigVersion.bump()
        return gone

    def update(self, **values: Any) -> int:
        is_configuration = not self.model.KIND or not set(values).isdisjoint(
            self.model.MEMBERS.values()
        )
        with changes.step(owner for row in self if is_configuration for owner in row.affected()):
            count = super().update(**values)
            ConfigVersion.bump()
        return count

    def bulk_create(self, objs: Iterable[Row], *args: Any, **kwargs: Any) -> list[Row]:
        rows = list(objs)
        with changes.step(owner for row in rows for owner in row.affected()):
            made = super().bulk_create(rows, *args, **kwargs)
            ConfigVersion.bump()
        return made


class ConfigRow(models.Model):
    """Base of all rows that make up the configuration.

    KIND     its section in the configuration file; "" for rows that are part of another's document
    MEMBERS  member of the document -> column
    NATURAL_KEY  the members that tell one row from another
    OPTIONAL members of the natural key that may be left out
    NOT_IN_FILE  members that no file has
    LOOKUPS  how to ask the database for a column, where that is not its name
    """

    KIND: ClassVar[str] = ""
    MEMBERS: ClassVar[dict[str, str]] = {}
    NATURAL_KEY: ClassVar[tuple[str, ...]] = ()
    OPTIONAL: ClassVar[frozenset[str]] = frozenset()
    NOT_IN_FILE: ClassVar[tuple[str, ...]] = ()
    LOOKUPS: ClassVar[dict[str, str]] = {}

    objects = ConfigQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        with changes.step(self.affected()):
            super().save(*args, **kwargs)
            self.bump()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        with changes.step(self.affected()):
            gone = super().delete(*args, **kwargs)
            self.bump()
        return gone

    def bump(self) -> None:
        """Let processes notice that this row has changed."""
        ConfigVersion.bump()

    def affected(self) -> Iterable[ConfigRow]:
        """The rows whose documents change when this one does."""
        return (self,) if self.KIND else ()

    def full_clean(self, exclude: Any = None, *args: Any, **kwargs: Any) -> None:
        """`clean` sees columns only when each is right by itself. Raises ValidationError."""
        self.clean_fields(exclude=exclude)
        super().full_clean(exclude, *args, **kwargs)

    @classmethod
    def default(cls, column: str) -> Any:
        """What a column holds when nobody says anything."""
        field: Any = cls._meta.get_field(column)
        return field.get_default()

    def document(self) -> Document:
        """This row as plain data."""
        required = set(self.NATURAL_KEY) - self.OPTIONAL
        members = {}
        for member, column in self.MEMBERS.items():
            value = getattr(self, column)
            if member in required or value != self.default(column):
                members[member] = _plain(value)
        return members

    def fill(self, document: Document) -> None:
        """Take over a document; what it leaves out gets its default. Not saved yet."""
        for member, column in self.MEMBERS.items():
            self.take(column, document.get(member, self.default(column)))

    def take(self, column: str, value: Any) -> None:
        """Take over one member of a document. YAML reads a bare `on` or `off` as a truth value.

        Raises ValidationError for what no column holds.
        """
        field = self._meta.get_field(column)
        if isinstance(value, list | dict) and not isinstance(field, models.JSONField):
            raise ValidationError({column: "Expected a single value."})
        if isinstance(field, models.DecimalField) and value is not None:
            value = str(value)
        elif isinstance(field, models.CharField) and isinstance(value, bool):
            value = "on" if value else "off"
        setattr(self, column, value)

    @classmethod
    def key_of(cls, document: Document) -> tuple[Any, ...]:
        """What tells this row from another of its kind."""
        return tuple(
            document.get(name, "") if name in cls.OPTIONAL else document[name]
            for name in cls.NATURAL_KEY
        )

    @classmethod
    def lookup(cls, document: Document) -> dict[str, Any]:
        """How to ask the database for the row of a document."""
        columns = [cls.MEMBERS[name] for name in cls.NATURAL_KEY]
        found = zip(columns, cls.key_of(document), strict=True)
        return {cls.LOOKUPS.get(column, column): value for column, value in found}

    def undone(self, document: Document) -> Document:
        """The document that an undo may give this row, of the one that it had once."""
        return document

    def restore(self, document: Document) -> None:
        """Fill this new row, which a file or the undo of a deletion makes. Not saved yet."""
        self.fill(document)

    def in_file(self) -> Document:
        """What the configuration file has of this row; empty for nothing."""
        return self.document()

    def from_file(self, document: Document) -> Document:
        """The document that an entry of a file gives to this row. Raises ValidationError."""
        return document

    def remove(self) -> None:
        """Undo of the row's being there."""
        self.delete()

    def fill_parts(self, document: Document) -> None:
        """Take over what hangs on this row, once it is saved."""


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, datetime) else value
