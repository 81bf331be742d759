"""What this process learnt from answers: habits of backends, bytes per token, and which models'
tool calls their backend reads itself.

Requests read and write memory only. `learned_rows` keeps the habits in step with their rows, so
that every process knows them and an operator can see, change and forget them. What is new serves
the next request at once, before its row is written.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bridge.routing.types import BackendConfig, LearntRow, Target
from bridge.translation import facts as habits
from bridge.translation.facts import Fact
from bridge.translation.profiles import ModelFacts
from bridge.translation.tokens import BYTES_PER_TOKEN

OF_THE_SERVER = frozenset({Fact(habits.REFUSES, "stream_options")})
"""Facts of a whole server, whatever the model; and every `FAMILY` is."""
ONLY_ONCE = frozenset({habits.THINKING})
"""What helps one request and says nothing of the next."""
WEIGHT = 0.2
"""Of a new report against those before."""
RANGE = (1.0, 12.0)
SMALLEST_SAMPLE = 400
"""Bytes of prompt below which a chat template's own tokens would spoil the ratio."""
MOST_FACTS = 200
"""Of one model: a backend that refuses another field each time does not fill the memory."""


@dataclass(frozen=True, slots=True)
class NewFact:
    """A fact that has no row yet, and the sentence that taught it."""

    backend: BackendConfig
    model: str
    fact: Fact
    sentence: str


@dataclass(slots=True)
class LearnedFacts:
    """new  what is to be stored;  helped  how often a row was of use since it was last written
    on_trial  rows that the next request does without;  outlived  rows that are not true any more"""

    new: list[NewFact] = field(default_factory=list)
    helped: Counter[int] = field(default_factory=Counter)
    on_trial: set[int] = field(default_factory=set)
    outlived: set[int] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _fresh: dict[tuple[str, str], frozenset[Fact]] = field(default_factory=dict)
    _ratios: dict[tuple[str, str], float] = field(default_factory=dict)
    _native: set[tuple[str, str]] = field(default_factory=set)

    def applied(self, target: Target, also: Iterable[Fact] = ()) -> ModelFacts:
        """The model's facts with what was learnt, and with `also` what is to be tried."""
        backend, model = target.backend, target.model
        known = frozenset(row.fact for row in self._rows(backend, model))
        for name in ("", model):
            known = habits.added(known, tuple(self._fresh.get((backend.name, name), ())))
        known = habits.added(known | target.facts.learnt, tuple(also))
        native = (backend.name, model) in self._native
        if not known and not native:
            return target.facts
        return replace(target.facts, learnt=known, calls_natively=native)

    def _rows(self, backend: BackendConfig, model: str) -> list[LearntRow]:
        rows = (*backend.learnt.get("", ()), *backend.learnt.get(model, ()))
        return [row for row in rows if row.id not in self.outlived]

    def learn(self, target: Target, facts: Iterable[Fact], sentence: str) -> None:
        """A request went through with these facts respected, and not before."""
        for fact in facts:
            if fact.what == habits.FAMILY and not target.learns_family:
                continue
            whole = fact in OF_THE_SERVER or fact.what == habits.FAMILY
            model = "" if whole else target.model
            key = (target.backend.name, model)
            fresh = self._fresh.get(key, frozenset())
            known = fresh | {row.fact for row in self._rows(target.backend, model)}
            if fact.what in ONLY_ONCE or fact in known or len(known) >= MOST_FACTS:
                continue
            self._fresh[key] = habits.added(fresh, (fact,))
            self.new.append(NewFact(target.backend, model, fact, sentence))
            self.changed.set()

    def stored(self, facts: Iterable[NewFact]) -> None:
        """These have rows now, which the snapshot shows."""
        for new in facts:
            key = (new.backend.name, new.model)
            self._fresh[key] = self._fresh.get(key, frozenset()) - {new.fact}

    def trial(self, target: Target, facts: Iterable[Fact]) -> LearntRow | None:
        """Of the facts that a request respects, the one that is to be tried without."""
        if not self.on_trial:
            return None
        rows = self._rows(target.backend, target.model)
        used = frozenset(facts)
        return next((row for row in rows if row.id in self.on_trial and row.fact in used), None)

    def tried(self, row: LearntRow, still_true: bool) -> None:
        """The trial is over; a fact that is not true any more is forgotten."""
        if row.id in self.on_trial:
            self.on_trial.discard(row.id)
            if not still_true:
                self.outlived.add(row.id)
                self.changed.set()

    def count(self, target: Target, facts: Iterable[Fact]) -> None:
        """A request that respected these facts was answered."""
        used = frozenset(facts)
        for row in self._rows(target.backend, target.model):
            if row.fact in used:
                self.helped[row.id] += 1

    def called_natively(self, target: Target) -> None:
        """An answer carried a tool call that the backend had read itself."""
        self._native.add((target.backend.name, target.model))

    def bytes_per_token(self, target: Target) -> float:
        return self.ratio(target.backend.name, target.model) or BYTES_PER_TOKEN

    def ratio(self, backend: str, model: str) -> float | None:
        """Bytes of prompt per token; None where no reply has reported its tokens."""
        return self._ratios.get((backend, model))

    def counted(self, target: Target, text_bytes: int, prompt_tokens: int) -> None:
        """A backend reported the tokens of a prompt of that many bytes."""
        if text_bytes < SMALLEST_SAMPLE or prompt_tokens < 1:
            return
        low, high = RANGE
        seen = min(high, max(low, text_bytes / prompt_tokens))
        key = (target.backend.name, target.model)
        known = self._ratios.get(key)
        self._ratios[key] = seen if known is None else known + WEIGHT * (seen - known)
