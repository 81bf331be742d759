"""What a model can do, who says so, and what showed it. Pure but for the row's type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.models import DiscoveredModel
from dashboard.display import formatting
from dashboard.display.cells import StateCell

LABELS = {
    "context": "Context window",
    "max_output": "Longest answer",
    "tools": "Tools",
    "vision": "Images",
    "reasoning": "Thinking",
}
_VERDICTS = {True: StateCell("works", "good"), False: StateCell("does not", "bad")}
_UNKNOWN = StateCell("not reported", "quiet")


@dataclass(frozen=True, slots=True)
class CapabilityFact:
    """`source`: whose answer counts, "" where nobody knows."""

    label: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class CapabilityFinding:
    """One check of the probe, and what showed its result."""

    title: str
    state: StateCell
    evidence: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One model of one backend."""

    row: DiscoveredModel
    facts: Sequence[CapabilityFact]
    findings: Sequence[CapabilityFinding]
    probed_at: datetime | None

    @property
    def works(self) -> int:
        return sum(finding.state.word == "works" for finding in self.findings)

    @property
    def command(self) -> str:
        """What probes it."""
        return f"manage.py probe {self.row.backend.name} {self.row.name}"


def capabilities(row: DiscoveredModel) -> Capabilities:
    findings = [
        CapabilityFinding(
            str(check.get("title", "")),
            _VERDICTS.get(check.get("works"), _UNKNOWN),
            str(check.get("evidence", "")),
        )
        for check in row.evidence
    ]
    return Capabilities(row, [_fact(row, name) for name in LABELS], findings, row.probed_at)


def _fact(row: DiscoveredModel, name: str) -> CapabilityFact:
    sources = (
        ("set by an operator", getattr(row, f"{name}_override")),
        ("found by the probe", row.probed.get(name)),
        ("its list", getattr(row, name)),
    )
    source, value = next(((w, v) for w, v in sources if v is not None), ("", None))
    return CapabilityFact(LABELS[name], _shown(value), source)


def _shown(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{formatting.tokens(value).text} tokens"
