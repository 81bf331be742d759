"""Short ways to rows of the configuration."""

from __future__ import annotations

from typing import Any

from bridge.keys import encryption
from bridge.models import AliasTarget, Backend, ModelAlias

URL = "https://llm.example.com/v1"


def a_row(name: str = "main", **fields: Any) -> Backend:
    """A backend, saved."""
    given = {"url": URL} | fields
    made: Backend = Backend.objects.create(name=name, **given)
    return made


def an_alias(pattern: str, *targets: tuple[Backend, str], **fields: Any) -> ModelAlias:
    """An alias and its targets (backend, model), saved."""
    made: ModelAlias = ModelAlias.objects.create(pattern=pattern, **fields)
    for backend, model in targets:
        AliasTarget.objects.create(alias=made, backend=backend, model=model)
    return made


def spoil(row: Any, **columns: Any) -> None:
    """Write past every check, as a slip in the database would; noticed like any other change."""
    type(row).objects.filter(pk=row.pk).update(**columns)


def unsealed(row: Backend) -> str:
    """The key that is stored in a row."""
    return encryption.unseal(row.credential, row.server)
