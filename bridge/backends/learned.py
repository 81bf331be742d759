"""What this process learnt from answers: fields that a backend refuses, bytes per token, and which
models' tool calls their backend reads itself.

All of it lives in memory: a refused field costs one second try, an unlearnt ratio an estimate that
is a little off, and the first call of a backend's own is learnt with the first answer that has one.
What is refused also goes into the model's row.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bridge.routing.resolve import Target
from bridge.translation.profiles import ModelFacts
from bridge.translation.request.tokens import BYTES_PER_TOKEN

OF_THE_SERVER = frozenset({"stream_options"})
"""Fields that a whole server takes or refuses, whatever the model."""
WEIGHT = 0.2
"""Of a new report against those before."""
RANGE = (1.0, 12.0)
SMALLEST_SAMPLE = 400
"""Bytes of prompt below which a chat template's own tokens would spoil the ratio."""


@dataclass(slots=True)
class LearnedFacts:
    _refused: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    _ratios: dict[tuple[str, str], float] = field(default_factory=dict)
    _native: set[tuple[str, str]] = field(default_factory=set)

    def applied(self, target: Target) -> ModelFacts:
        """The model's facts with what was learnt since."""
        name = target.backend.name
        nothing = frozenset[str]()
        learnt = self._refused.get((name, ""), nothing)
        learnt |= self._refused.get((name, target.model), nothing)
        facts, native = target.facts, (name, target.model) in self._native
        if not learnt and not native:
            return facts
        return replace(facts, refused=facts.refused | learnt, calls_natively=native)

    def refused(self, target: Target, names: tuple[str, ...]) -> None:
        """A request went through without these fields, and not with them."""
        for name in names:
            model = "" if name in OF_THE_SERVER else target.model
            key = (target.backend.name, model)
            self._refused[key] = self._refused.get(key, frozenset()) | {name}

    def called_natively(self, target: Target) -> None:
        """An answer carried a tool call that the backend had read itself."""
        self._native.add((target.backend.name, target.model))

    def bytes_per_token(self, target: Target) -> float:
        return self._ratios.get((target.backend.name, target.model), BYTES_PER_TOKEN)

    def counted(self, target: Target, text_bytes: int, prompt_tokens: int) -> None:
        """A backend reported the tokens of a prompt of that many bytes."""
        if text_bytes < SMALLEST_SAMPLE or prompt_tokens < 1:
            return
        low, high = RANGE
        seen = min(high, max(low, text_bytes / prompt_tokens))
        key = (target.backend.name, target.model)
        known = self._ratios.get(key)
        self._ratios[key] = seen if known is None else known + WEIGHT * (seen - known)
