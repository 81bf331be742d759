"""Rows -> what is probed, and findings -> the model's row. Blocking: the database is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.utils import timezone

from bridge.configuration.snapshot import backend_of
from bridge.models import Backend, DiscoveredModel
from bridge.probe.check import Finding, Subject, known_facts
from bridge.routing.types import BackendConfig
from bridge.translation.profiles import PROFILES, ModelFacts, for_model

MAX_NAME = 300
COLUMNS = ("probed", "evidence", "probed_at")


class ProbeError(Exception):
    """Why there is no probe, or no end of it, in words for an operator."""


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """One model of one backend. `key` is what the backend gets to see."""

    backend: BackendConfig
    subject: Subject
    key: str = field(repr=False)


def resolve_target(row: Backend, model: str, key: str = "") -> ProbeTarget:
    """What is to be probed; `key` goes before the backend's own. Raises ProbeError.

    Of the model only its list entry counts: earlier probes are to be found out anew.
    """
    if not 0 < len(model) <= MAX_NAME:
        raise ProbeError(f"model: expected a name of 1 to {MAX_NAME} characters")
    try:
        backend = backend_of(row)
    except ValueError:
        raise ProbeError(f"The key of backend {row.name} cannot be read; enter it again") from None
    row_of_model = row.models.filter(name=model).first()
    facts = ModelFacts(model)
    if row_of_model is not None:
        facts = replace(facts, context=row_of_model.context, max_output=row_of_model.max_output)
    family = PROFILES.get(row_of_model.family if row_of_model else "", backend.profile)
    return ProbeTarget(backend, Subject(model, for_model(family, model), facts), key or backend.key)


@transaction.atomic
def store(backend_id: int, model: str, findings: Sequence[Finding]) -> None:
    """Write a finished probe into the model's row, which is made if the list had none."""
    row, _ = DiscoveredModel.objects.get_or_create(
        backend_id=backend_id, name=model, defaults={"listed": False}
    )
    row.probed = known_facts(findings)
    row.evidence = [finding.document() for finding in findings]
    row.probed_at = timezone.now()
    row.save(update_fields=COLUMNS)
