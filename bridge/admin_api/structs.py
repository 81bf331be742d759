"""Structs of rows, made of their models: the members of a document, with types and explanations.

So a new column or kind of row is in the API and in its description as soon as the model has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from django.core.exceptions import FieldDoesNotExist
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from msgspec import UNSET, Meta, UnsetType

from bridge.models import ConfigRow

Moment = Annotated[datetime, Meta(tz=True)]
"""With its zone: `2027-01-31T00:00:00Z`."""
Fields = Mapping[str, Any]
"""Name of a member -> its type."""

_TYPES: tuple[tuple[type[models.Field[Any, Any]], Any], ...] = (
    (models.BooleanField, bool),
    (models.DateTimeField, Moment),
    (models.DecimalField, float),
    (models.FloatField, float),
    (models.IntegerField, int),
    (models.JSONField, dict[str, Any]),
    (models.CharField, str),
    (models.TextField, str),
)
"""Kind of column -> type; the first that fits."""
_LIMITS = ((MinValueValidator, "ge"), (MaxValueValidator, "le"))


def members_of(model: type[ConfigRow], lists: tuple[str, ...] = ()) -> dict[str, Any]:
    """The members of a row's document with their types. `lists`: columns with lists of words."""
    return {
        member: list[str] if column in lists else column_type(model, column)
        for member, column in model.MEMBERS.items()
    }


def column_type(model: type[models.Model], column: str) -> Any:
    """The type of a column; a text for what is no column, as the name of another row."""
    try:
        field: Any = model._meta.get_field(column)
    except FieldDoesNotExist:
        return str
    kind = next(kind for base, kind in _TYPES if isinstance(field, base))
    if field.choices and kind is str:
        values = [value for value, _ in field.flatchoices]
        kind = Literal[tuple(dict.fromkeys([*values, *([""] if field.blank else [])]))]
    kind = Annotated[kind, Meta(**_limits(field, kind), description=str(field.help_text) or None)]
    return kind | None if field.null else kind


def _limits(field: Any, kind: Any) -> dict[str, Any]:
    if kind is str:
        bounds = {"max_length": field.max_length, "min_length": None if field.blank else 1}
        return {name: number for name, number in bounds.items() if number}
    found = {
        name: float(validator.limit_value) if kind is float else validator.limit_value
        for validator in field._validators
        for base, name in _LIMITS
        if isinstance(validator, base) and kind in (int, float)
    }
    return {"ge": 0} | found if isinstance(field, models.PositiveIntegerField) else found


def answer(name: str, members: Fields, read_only: Fields, doc: str) -> type[msgspec.Struct]:
    """What a row looks like in answers: every member, and what nobody can set."""
    fixed = {each: Annotated[kind, _READ_ONLY] for each, kind in read_only.items()}
    return _struct(name, {**members, **fixed}, doc)


def change(
    name: str, members: Fields, read_only: Fields, required: tuple[str, ...] = ()
) -> type[msgspec.Struct]:
    """What a row may be sent as. All but `required` may be left out; what nobody can set may stand
    there if it is as it is."""
    fixed = {each: Annotated[kind, _READ_ONLY] for each, kind in read_only.items()}
    fields = {
        each: kind if each in required else (kind | UnsetType, UNSET)
        for each, kind in {**members, **fixed}.items()
    }
    return _struct(name, fields, "")


_READ_ONLY = Meta(extra_json_schema={"readOnly": True})


def _struct(name: str, fields: Mapping[str, Any], doc: str) -> type[msgspec.Struct]:
    listed = [
        (each, *(kind if isinstance(kind, tuple) else (kind,))) for each, kind in fields.items()
    ]
    return msgspec.defstruct(
        name,
        listed,
        namespace={"__doc__": doc} if doc else None,
        module=__name__,
        kw_only=True,
        forbid_unknown_fields=True,
    )
