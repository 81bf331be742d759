"""The settings of one gateway process, as typed values.

`read` is the one place where the data plane reads Django's settings. Each part of the gateway gets
the dataclass that it needs; a field is named like its setting, in lower case. The settings
themselves are described in docs/reference/settings.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from django.conf import settings


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How one request is relayed: waits, second tries, translation."""

    max_in_flight: int
    headers_grace: float
    first_chunk_grace: float
    ping_interval: float
    finish_grace: float
    idle_timeout: float
    proxy_backoff_on_429: bool
    proxy_max_retry_on_429: int
    proxy_max_retry_after: float
    images_on_text_model: str
    strict_tool_pairing: bool
    honour_thinking_display: bool
    text_tool_calls: bool
    pdf_text_extraction: bool
    server_tools: str
    safeguards: str
    judge_seconds: float
    exact_token_counts: bool
    count_tokens_rpm: int
    client_addresses: str
    budget_unreadable: str
    budget_advice: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """How backends are called, left alone, and asked for their models."""

    backend_connect_timeout: float
    breaker_failures: int
    breaker_seconds: float
    rate_limit_rest_max: float
    discovery_interval: float
    discovery_min_interval: float
    backend_no_proxy: list[str]
    backend_proxy: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Which keys are taken, and what is done with them."""

    chutes_auth_style: str
    require_gateway_key: str
    host: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Where usage records wait, and how long they are kept."""

    data_dir: Path
    spool_max_bytes: int
    usage_retention_days: int
    samples_max_bytes: int


@dataclass(frozen=True, slots=True)
class BodySettings:
    """Bodies of requests: what they may hold, and how long they may take."""

    max_messages: int
    max_content_bytes: int
    max_json_depth: int
    max_body_bytes: int
    max_body_memory: int
    body_idle_timeout: float


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Clients' connections: how many, how long, and how long the last ones may take."""

    max_connections: int
    max_connections_per_address: int
    header_timeout: float
    write_timeout: float
    max_body_bytes: int
    drain_seconds: float
    drain_delay_seconds: float


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Whom requests may be addressed to and come from, and who may read the metrics."""

    allowed_hosts: list[str]
    cors_origins: list[str]
    trust_forwarded_proto: bool
    trusted_proxies: list[IPv4Network | IPv6Network]
    base_path: str
    metrics_access: str
    metrics_by: list[str]
    metrics_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClaudeCodeSettings:
    """What Claude Code is handed beside answers."""

    managed_settings: bool


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Where exports of clients go: "" for nowhere, and which signals (metrics, logs, traces)."""

    otlp_forward_url: str
    otlp_forward_signals: list[str]
    otlp_forward_headers: list[tuple[str, str]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Where traces of requests go: "" for nowhere, and which of them."""

    otel_exporter_otlp_endpoint: str
    otel_exporter_otlp_headers: list[tuple[str, str]] = field(repr=False)
    otel_service_name: str
    otel_traces_sampler: str
    otel_traces_sampler_arg: float


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """All of them. `version` is the gateway's own, `redis_url` "" for a process on its own."""

    relay: RelaySettings
    backends: BackendSettings
    keys: KeySettings
    ledger: LedgerSettings
    bodies: BodySettings
    connections: ConnectionSettings
    access: AccessSettings
    claude_code: ClaudeCodeSettings
    telemetry: TelemetrySettings
    tracing: TracingSettings
    workers: int
    version: str
    redis_url: str = field(repr=False)


def read() -> ProcessSettings:
    """The settings of this process, from Django's."""
    return ProcessSettings(
        relay=RelaySettings(**_values(RelaySettings)),
        backends=BackendSettings(**_values(BackendSettings)),
        keys=KeySettings(**_values(KeySettings)),
        ledger=LedgerSettings(**_values(LedgerSettings)),
        bodies=BodySettings(**_values(BodySettings)),
        connections=ConnectionSettings(**_values(ConnectionSettings)),
        access=AccessSettings(**_values(AccessSettings)),
        claude_code=ClaudeCodeSettings(**_values(ClaudeCodeSettings)),
        telemetry=TelemetrySettings(**_values(TelemetrySettings)),
        tracing=TracingSettings(**_values(TracingSettings)),
        workers=settings.WORKERS,
        version=settings.VERSION,
        redis_url=settings.REDIS_URL,
    )


def _values(section: type[Any]) -> Mapping[str, Any]:
    return {each.name: getattr(settings, each.name.upper()) for each in fields(section)}
