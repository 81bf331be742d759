"""The environment's configuration as rows, written at every start to match it.

Rows of operators are never touched, and win where both say something about the same name: an
operator who edits the admin expects to be obeyed until the row is deleted again.
"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from bridge.addresses import base_url
from bridge.models import AliasTarget, Backend, ModelAlias, Origin, ToolNameMap

MAIN = "main"
CREDENTIAL = "env:CHUTES_API_KEY"


@transaction.atomic
def apply() -> None:
    """Make the environment's rows what the environment says now."""
    backend = _backend()
    if backend is None:
        ModelAlias.objects.filter(origin=Origin.ENVIRONMENT).delete()
    else:
        _aliases(backend)
    _tool_names()


def _backend() -> Backend | None:
    """The backend that the environment's aliases belong to: its own, else the first there is."""
    own: list[Backend] = list(Backend.objects.filter(origin=Origin.ENVIRONMENT))
    if not settings.BACKEND_URL:
        for row in own:
            # Kept, since operators' aliases may point to it; it serves again with the variable.
            row.enabled = False
            row.save()
        others: list[Backend] = list(Backend.objects.filter(enabled=True)[:1])
        return others[0] if others else None
    wanted = {
        "url": base_url(settings.BACKEND_URL),
        "dialect": settings.BACKEND_DIALECT,
        "credential": CREDENTIAL if settings.CHUTES_API_KEY else "",
        "enabled": True,
        "timeout_seconds": max(1, round(settings.BACKEND_TIMEOUT_SECS)),
    }
    if not own:
        name = MAIN if not Backend.objects.filter(name=MAIN).exists() else "environment"
        created: Backend = Backend.objects.create(name=name, origin=Origin.ENVIRONMENT, **wanted)
        return created
    row = own[0]
    if any(getattr(row, name) != value for name, value in wanted.items()):
        if row.url != wanted["url"]:
            row.models.all().delete()
        for name, value in wanted.items():
            setattr(row, name, value)
        row.save()
    return row


def _aliases(backend: Backend) -> None:
    wanted: dict[str, str] = settings.MODEL_MAP
    taken = set(ModelAlias.objects.filter(origin=Origin.OPERATOR).values_list("pattern", flat=True))
    for row in ModelAlias.objects.filter(origin=Origin.ENVIRONMENT):
        model = wanted.get(row.pattern)
        if model is None:
            row.delete()
        elif (row.model, row.backend_id) != (model, backend.pk):
            row.model, row.backend = model, backend
            row.save()
        taken.add(row.pattern)
    for pattern, model in wanted.items():
        if pattern not in taken:
            ModelAlias.objects.create(
                pattern=pattern, model=model, backend=backend, origin=Origin.ENVIRONMENT
            )


def _tool_rows() -> dict[tuple[str, str], str]:
    """(model pattern, backend name) -> client name, from both forms of TOOL_NAME_MAP."""
    rows: dict[tuple[str, str], str] = {}
    for name, value in settings.TOOL_NAME_MAP.items():
        if isinstance(value, str):
            rows["*", name] = value
        else:
            rows.update({(name, backend_name): client for backend_name, client in value.items()})
    return rows


def _tool_names() -> None:
    wanted = _tool_rows()
    for row in ToolNameMap.objects.all():
        client_name = wanted.pop((row.model_pattern, row.backend_name), None)
        if row.origin == Origin.OPERATOR:
            continue
        if client_name is None:
            row.delete()
        elif row.client_name != client_name:
            row.client_name = client_name
            row.save()
    for (pattern, backend_name), client_name in wanted.items():
        ToolNameMap.objects.create(
            model_pattern=pattern,
            backend_name=backend_name,
            client_name=client_name,
            origin=Origin.ENVIRONMENT,
        )
