"""Rows -> one immutable snapshot of the configuration.

The data plane reads the snapshot and never the database. Each row is checked on its way in: one
that makes no sense (written past the forms, sealed under another SECRET_KEY) is reported as a
`Fault` and the last good value of it serves on, so that a bad row never takes down its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Prefetch

from bridge.configuration import callers
from bridge.configuration.callers import Callers
from bridge.configuration.row_faults import BROKEN, Fault, RowReader, fault_of
from bridge.keys import encryption
from bridge.keys.authentication import IssuedKey, Principal
from bridge.ledger.pricing import Prices, listed_rates, operator_price, price_list
from bridge.models import (
    AliasTarget,
    Backend,
    ConfigRow,
    ConfigVersion,
    DiscoveredModel,
    LearnedFact,
    ModelAlias,
    Origin,
    Price,
    ToolNameMap,
)
from bridge.models.backends import ENV
from bridge.routing.types import Alias, BackendConfig, LearntRow, Routes, ToolName, WeightedTarget
from bridge.translation.profiles import PROFILES, ModelFacts, Profile
from bridge.translation.request.overrides import Overrides

DEMO_NAME = "demo"
DEMO_URL = "demo://local/v1"
DEMO_MODEL = "demo/echo"
DEMO_CONTEXT = 200_000

NO_TARGET = "it has no target"
NOT_CONFIGURED = "is not configured correctly"

_HOSTS: tuple[tuple[str, str], ...] = (
    ("openrouter.ai", "openrouter"),
    ("api.deepseek.com", "deepseek"),
    ("chutes.ai", "chutes"),
    ("api.openai.com", "openai"),
    ("openai.azure.com", "azure"),
    ("services.ai.azure.com", "azure"),
    ("cognitiveservices.azure.com", "azure"),
    ("api.moonshot.", "moonshot"),
    ("api.kimi.com", "moonshot"),
    ("api.z.ai", "zai"),
    ("bigmodel.cn", "zai"),
    ("api.minimax", "minimax"),
    ("dashscope", "dashscope"),
    ("api.siliconflow.", "siliconflow"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral"),
    ("generativelanguage.googleapis.com", "gemini"),
    (":11434", "ollama"),
    (":1234", "lmstudio"),
)
"""What a base URL gives away about the family behind it."""

_OWNERS: dict[str, str] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llamacpp",
    "organization_owner": "lmstudio",
    "library": "ollama",
    "moonshot": "moonshot",
    "z.ai": "zai",
    "z-ai": "zai",
    "zhipuai": "zai",
    "minimax": "minimax",
    "mistralai": "mistral",
}
"""`owned_by` of model entries, in lower case -> family."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole configuration at one version. `keys` is by digest, ended ones included; `people`
    are those with keys, by number, as teams are. `sessions` is the version of the keys of sign-ins.
    """

    version: int = -1
    routes: Routes = field(default_factory=Routes)
    keys: Mapping[str, IssuedKey] = field(default_factory=dict)
    prices: Prices = field(default_factory=Prices)
    operator_key_in_use: bool = False
    faults: tuple[Fault, ...] = ()
    people: Mapping[int, Principal] = field(default_factory=dict)
    teams: Mapping[int, Principal] = field(default_factory=dict)
    sessions: int = -1

    @property
    def callers(self) -> Callers:
        return Callers(self.keys, self.people, self.teams)

    @property
    def is_demo(self) -> bool:
        return any(backend.is_demo for backend in self.routes.backends)


def read(last: Snapshot) -> Snapshot | None:
    """The snapshot, or None when `last` is of the current version. Raises DatabaseError."""
    version, sessions = ConfigVersion.both()
    if version != last.version:
        return build(version, last, sessions)
    return None if sessions == last.sessions else _with_sessions(sessions, last)


def _with_sessions(sessions: int, last: Snapshot) -> Snapshot:
    """The same configuration with the keys of sign-ins as they are."""
    reader = RowReader()
    calling = callers.with_sessions(last.callers, reader)
    known = tuple(dict.fromkeys((*last.faults, *reader.faults)))
    return replace(last, keys=calling.keys, people=calling.people, faults=known, sessions=sessions)


def build(version: int, last: Snapshot | None = None, sessions: int = -1) -> Snapshot:
    """One snapshot from the rows as they are; `last` has what serves on for broken ones."""
    last = last or Snapshot()
    reader = RowReader()
    found = routes(last, reader)
    calling = callers.read(last.callers, reader)
    in_use = any(backend.key for backend in found.backends)
    return Snapshot(
        version,
        found,
        calling.keys,
        _prices(reader),
        in_use,
        tuple(reader.faults),
        calling.people,
        calling.teams,
        sessions,
    )


def routes(last: Snapshot, reader: RowReader) -> Routes:
    """What routing reads, from the rows as they are; `reader` notes the broken ones."""
    backends = _backends(last, reader)
    if demo := not (backends or _is_configured()):
        backends = [_demo()]
    aliases = _aliases(last, reader)
    if demo:
        target = WeightedTarget(DEMO_NAME, DEMO_MODEL)
        aliases.append(Alias("claude-*", (target,)))
    tools = reader.read(ToolNameMap.objects.all(), _tool_name)
    return Routes(tuple(backends), tuple(aliases), tuple(tools), settings.AUTO_FIX_MODEL_CASE)


def _is_configured() -> bool:
    """Whether there is a backend, be it broken or switched off; one of the environment counts only
    while it is on."""
    return Backend.objects.exclude(origin=Origin.ENVIRONMENT, enabled=False).exists()


def current_routes() -> Routes:
    """What routing would read now. Broken rows are left out."""
    return routes(Snapshot(), RowReader())


def current_prices() -> Prices:
    """What prices are now. Broken rows are left out."""
    return _prices(RowReader())


# --- backends ---------------------------------------------------------------------------------


def _backends(last: Snapshot, reader: RowReader) -> list[BackendConfig]:
    models = _models(reader)
    known = {backend.id: backend for backend in last.routes.backends}

    def last_good(row: Backend) -> BackendConfig:
        return known.get(row.pk) or _broken(row, models.get(row.pk, []))

    learnt = _learnt(reader)

    def make(row: Backend) -> BackendConfig:
        return replace(backend_of(row, models.get(row.pk, [])), learnt=learnt.get(row.pk, {}))

    return reader.read(Backend.objects.filter(enabled=True), make, last_good)


def _models(reader: RowReader) -> dict[int, list[DiscoveredModel]]:
    """The readable rows, by backend. There may be hundreds: their columns are not checked."""
    models: dict[int, list[DiscoveredModel]] = {}
    for row in DiscoveredModel.objects.all():
        try:
            facts_of(row), family_of(row), dict(row.prices)
        except BROKEN as error:
            reader.faults.append(fault_of(row, error))
        else:
            models.setdefault(row.backend_id, []).append(row)
    return models


def _learnt(reader: RowReader) -> dict[int, dict[str, tuple[LearntRow, ...]]]:
    """What answers taught, by backend and model."""
    learnt: dict[int, dict[str, tuple[LearntRow, ...]]] = {}
    rows = LearnedFact.objects.select_related("backend")
    for row in reader.read(rows, lambda row: row):
        of_backend = learnt.setdefault(row.backend_id, {})
        known = of_backend.get(row.model, ())
        of_backend[row.model] = (*known, LearntRow(row.pk, row.fact))
    return learnt


def backend_of(row: Backend, models: list[DiscoveredModel] | None = None) -> BackendConfig:
    """A backend as the data plane knows it. Raises `UnsealError`, a ValueError."""
    rows = list(row.models.all()) if models is None else models
    facts = {model.name: facts_of(model) for model in rows}
    listed = {model.name: facts[model.name] for model in rows if model.listed}
    return BackendConfig(
        id=row.pk,
        name=row.name,
        url=row.url.rstrip("/"),
        profile=profile_of(row, rows),
        key=credential(row),
        auth_header=row.auth_header.lower(),
        timeout=float(row.timeout_seconds),
        models=listed or None,
        model_facts=facts,
        position=row.position,
        weight=row.weight,
        idle=float(row.idle_seconds) if row.idle_seconds else None,
        breaker=row.breaker_mode,
        prefers_own_cost=row.prefers_own_cost,
        sets_family=row.family in PROFILES,
    )


def _broken(row: Backend, models: list[DiscoveredModel]) -> BackendConfig:
    """A backend that cannot be called. It stays known, so that requests fail with the reason."""
    facts = {model.name: facts_of(model) for model in models if model.listed}
    return BackendConfig(
        row.pk, row.name, "", PROFILES["generic"], models=facts or None, broken=NOT_CONFIGURED
    )


def credential(row: Backend) -> str:
    """The operator's key for this backend, "" for none. Raises `UnsealError`."""
    if row.credential.startswith(ENV):
        return str(settings.BACKEND_SECRET(row.credential.removeprefix(ENV)))
    return encryption.unseal(row.credential, row.server) if row.credential else ""


def profile_of(backend: Backend, rows: list[DiscoveredModel]) -> Profile:
    """The family as configured, else from what the address and the model list give away."""
    if backend.family in PROFILES:
        return PROFILES[backend.family]
    address = backend.url.partition("://")[2]
    by_host = next((name for mark, name in _HOSTS if mark in address.split("/")[0]), None)
    owners = (family_of(row) for row in rows if row.listed)
    return PROFILES[by_host or next(filter(None, owners), None) or "generic"]


def family_of(row: DiscoveredModel) -> str | None:
    """What a model's entry gives away about the server."""
    return _OWNERS.get(str(row.entry.get("owned_by")).lower())


def facts_of(row: DiscoveredModel) -> ModelFacts:
    """What is known of a model, from all sources."""
    return ModelFacts(
        name=row.name,
        **{name: row.fact(name) for name in DiscoveredModel.FACTS},
        family=row.family,
        inline_thinking=row.inline_thinking,
        written_calls=row.written_calls,
        reasoning_turns=row.reasoning_turns,
        fixed=frozenset(name for name in row.FACTS if getattr(row, f"{name}_override") is not None),
    )


def _demo() -> BackendConfig:
    facts = ModelFacts(DEMO_MODEL, context=DEMO_CONTEXT, vision=True, tools=True, reasoning=True)
    return BackendConfig(0, DEMO_NAME, DEMO_URL, PROFILES["generic"], models={DEMO_MODEL: facts})


# --- the others -------------------------------------------------------------------------------


def _aliases(last: Snapshot, reader: RowReader) -> list[Alias]:
    targets = AliasTarget.objects.select_related("backend")
    rows = ModelAlias.objects.filter(enabled=True).prefetch_related(Prefetch("targets", targets))
    known = {alias.id: alias for alias in last.routes.aliases}
    return reader.read(rows, _alias, lambda row: known.get(row.pk))


def _alias(row: ModelAlias) -> Alias:
    targets: list[ConfigRow] = list(row.targets.all())
    if not targets:
        raise ValidationError(NO_TARGET)
    overrides = Overrides(
        row.thinking,
        row.temperature,
        row.max_tokens,
        row.system_prefix,
        row.thinking_when_absent,
        row.extra or {},
        row.safeguards,
    )
    return Alias(row.pattern, tuple(map(_choice, targets)), overrides, row.pk)


def _choice(target: Any) -> WeightedTarget:
    return WeightedTarget(
        target.backend.name, target.model, target.weight, target.position, target.conditions
    )


def _prices(reader: RowReader) -> Prices:
    priced = DiscoveredModel.objects.exclude(prices={}).select_related("backend")
    readable = (row for row in priced if isinstance(row.prices, dict))
    known = listed_rates((row.backend.name, row.name, row.prices) for row in readable)
    rows = Price.objects.select_related("backend")
    return price_list(reader.read(rows, operator_price), known)


def _tool_name(row: ToolNameMap) -> ToolName:
    return ToolName(row.backend_name, row.client_name, row.model_pattern)
