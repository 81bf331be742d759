"""The environment's configuration as rows, written at every start to match it.

Rows of operators are never touched, and win where both say something about the same name: an
operator who edits the admin expects to be obeyed until the row is deleted again. So it is when an
operator takes over a row of the environment.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import transaction

from bridge.models import AliasTarget, Backend, DiscoveredModel, ModelAlias, Origin, ToolNameMap
from bridge.models.changes import recorded
from bridge.routing.addresses import base_url

logger = logging.getLogger(__name__)

MAIN = "main"
CREDENTIAL = "env:CHUTES_API_KEY"
ACTOR = "environment"


@transaction.atomic
def apply() -> None:
    """Make the environment's rows what the environment says now."""
    with recorded(ACTOR):
        backend = _backend()
        if backend is None:
            ModelAlias.objects.filter(origin=Origin.ENVIRONMENT).delete()
        else:
            _aliases(backend)
        _tool_names()


def _backend() -> Backend | None:
    """The backend that the environment's aliases belong to: its own, else the first there is."""
    row: Backend | None = Backend.objects.filter(origin=Origin.ENVIRONMENT).first()
    if not settings.BACKEND_URL:
        return _without(row)
    if taken_over := Backend.objects.filter(name=MAIN, origin=Origin.OPERATOR).first():
        if taken_over.url != base_url(settings.BACKEND_URL):
            logger.warning("BACKEND_URL is not used: backend %s is an operator's", MAIN)
        return taken_over
    row, wanted = row or Backend(name=MAIN, origin=Origin.ENVIRONMENT), _wanted()
    if row.pk is None or any(getattr(row, name) != value for name, value in wanted.items()):
        if row.pk and row.url != wanted["url"]:
            DiscoveredModel.objects.filter(backend=row).delete()
        for name, value in wanted.items():
            setattr(row, name, value)
        row.save()
    return row


def own_backend() -> Backend | None:
    """The environment's backend as it would be, not stored; None where it names none."""
    return Backend(name=MAIN, **_wanted()) if settings.BACKEND_URL else None


def _wanted() -> dict[str, Any]:
    """What the environment says of its backend, by column."""
    return {
        "url": base_url(settings.BACKEND_URL),
        "family": settings.BACKEND_DIALECT,
        "credential": CREDENTIAL if settings.CHUTES_API_KEY else "",
        "enabled": True,
        "timeout_seconds": max(1, round(settings.BACKEND_TIMEOUT_SECS)),
    }


def _without(own: Backend | None) -> Backend | None:
    """No BACKEND_URL: its row is kept, since aliases may lead to it, and rests."""
    if own is not None and own.enabled:
        own.enabled = False
        own.save()
    first: Backend | None = Backend.objects.filter(enabled=True).first()
    return first


def _aliases(backend: Backend) -> None:
    wanted: dict[str, str] = settings.MODEL_MAP
    taken = set(ModelAlias.objects.filter(origin=Origin.OPERATOR).values_list("pattern", flat=True))
    for row in ModelAlias.objects.filter(origin=Origin.ENVIRONMENT):
        model = wanted.get(row.pattern)
        if model is None:
            row.delete()
        else:
            _one_target(row, backend, model)
        taken.add(row.pattern)
    for pattern, model in wanted.items():
        if pattern not in taken:
            made = ModelAlias.objects.create(pattern=pattern, origin=Origin.ENVIRONMENT)
            _one_target(made, backend, model)


def _one_target(alias: ModelAlias, backend: Backend, model: str) -> None:
    if [(t.backend_id, t.model) for t in alias.targets.all()] != [(backend.pk, model)]:
        alias.targets.all().delete()
        AliasTarget.objects.create(alias=alias, backend=backend, model=model)


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
