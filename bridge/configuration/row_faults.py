"""Rows that make no sense: each is reported, and its last good value serves on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured, ValidationError

from bridge.keys import encryption

UNREADABLE_KEY = (
    "its stored API key cannot be read: SECRET_KEY has changed, or the key was entered for another "
    "server. Enter the key again, or name the former SECRET_KEY in SECRET_KEY_FALLBACKS"
)
BROKEN = (ValidationError, ImproperlyConfigured, ValueError, TypeError, AttributeError)
"""What a row may raise that makes no sense."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that makes no sense as it stands. `kind` as in the configuration file."""

    kind: str
    id: int
    name: str
    reason: str


class RowReader:
    """Makes values of rows. A broken row is a fault, and its last good value serves on."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def read(
        self,
        rows: Iterable[Any],
        make: Callable[[Any], T],
        last_good: Callable[[Any], T | None] = lambda row: None,
    ) -> list[T]:
        """What `make` makes of each row; for a broken one its last good value, if there is one."""
        made = []
        for row in rows:
            try:
                # The database itself keeps relations whole, and each would be a query.
                row.clean_fields(exclude={f.name for f in row._meta.fields if f.is_relation})
                made.append(make(row))
            except BROKEN as error:
                self.faults.append(fault_of(row, error))
                if (good := last_good(row)) is not None:
                    made.append(good)
        return made


def fault_of(row: Any, error: Exception) -> Fault:
    """What is wrong with a row, in one line and without the values, which may be secret."""
    return Fault(row.KIND, row.pk, str(row), _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
        return "; ".join(
            f"{column}: {' '.join(texts)}" for column, texts in error.message_dict.items()
        )
    if isinstance(error, encryption.UnsealError):
        return UNREADABLE_KEY
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    return " ".join(error.messages) if isinstance(error, ValidationError) else "it is not readable"
