"""`manage.py probe BACKEND MODEL`: find out what a model really does, and store it."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from contextlib import aclosing
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bridge.backends.client import BackendClient
from bridge.management import key_option
from bridge.models import Backend
from bridge.probe.check import Finding, known_facts
from bridge.probe.run import ProbeProgress, run
from bridge.probe.target import ProbeError, ProbeTarget, resolve_target, store

WORDS = {True: "yes", False: "no", None: "?"}
BAR = 24


class Command(BaseCommand):
    help = "Send about two dozen tiny requests to a model, find out what works, and store it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("backend", help="name of the backend, as in the admin")
        parser.add_argument("model", help="name of the model, as the backend spells it")
        key_option.add_to(parser)

    def handle(self, *args: Any, backend: str, model: str, **options: Any) -> None:
        row = _row(backend)
        try:
            target = resolve_target(row, model, key_option.value_of(options["key_env"]))
            self.stdout.write(f"Probing {model} of {row.name} ({target.subject.profile.name})")
            findings = asyncio.run(self._findings(target))
        except ProbeError as problem:
            raise CommandError(str(problem)) from None
        store(row.pk, model, findings)
        self.stdout.write(f"\n{table(findings)}\n\n{summary(findings)}")

    async def _findings(self, target: ProbeTarget) -> list[Finding]:
        findings = []
        async with (
            aclosing(BackendClient(settings.BACKEND_CONNECT_TIMEOUT)) as upstream,
            aclosing(run(upstream, target)) as steps,
        ):
            async for step in steps:
                findings.append(step.finding)
                self.stdout.write(progress_line(step))
                self.stdout.flush()
        return findings


def _row(name: str) -> Backend:
    row: Backend | None = Backend.objects.filter(name=name).first()
    if row is None:
        known = ", ".join(Backend.objects.values_list("name", flat=True))
        raise CommandError(f"backend: no {name!r} is configured; there is {known or 'none at all'}")
    return row


def progress_line(step: ProbeProgress) -> str:
    filled = BAR * step.done // step.total
    bar = "#" * filled + "." * (BAR - filled)
    return f"[{bar}] {step.done:2}/{step.total} {step.finding.title}: {WORDS[step.finding.works]}"


def table(findings: list[Finding]) -> str:
    """One row for each finding: what, whether, why."""
    width = max(len(finding.title) for finding in findings)
    rows = ((f.title.ljust(width), WORDS[f.works].ljust(3), f.evidence) for f in findings)
    return "\n".join("  ".join(row) for row in rows)


def summary(findings: list[Finding]) -> str:
    """The facts that were proven, as they go into the model's row."""
    facts = known_facts(findings)
    facts_text = ", ".join(f"{name} {WORDS.get(value, value)}" for name, value in facts.items())
    return f"Stored: {facts_text or 'no facts, only the evidence above'}"
