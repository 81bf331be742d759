"""The managed settings of one caller: what fits what it may use, and what its teams say. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.client_settings.canonical import canonical, checksum
from bridge.client_settings.merging import merged
from bridge.client_settings.variables import ClientSetup, Variable, permission_mode, signed_in

_NAMESPACE = uuid.UUID("6f0d3f6c-3a55-4d0b-9e43-0b6a1f0c6c55")


@dataclass(frozen=True, slots=True)
class Policy:
    """What `/managed/settings` answers.

    uuid      whose it is: the same for all keys of a person
    checksum  of the settings, as a client computes it
    """

    uuid: str
    checksum: str
    settings: Mapping[str, Any]

    @property
    def tag(self) -> str:
        """The entity tag."""
        return f'"{self.checksum}"'

    def body(self) -> str:
        """JSON, the settings in the very form that was hashed."""
        settings = canonical(self.settings)
        return f'{{"uuid":"{self.uuid}","checksum":"{self.checksum}","settings":{settings}}}'


def policy(
    owner: str,
    connection: ClientSetup,
    teams: Iterable[Mapping[str, Any]],
    signals: Collection[str] = (),
) -> Policy:
    """The policy of an owner, such as `person 7`. `teams`: their settings, the weakest first.

    `signals`: what of its telemetry is forwarded (metrics, logs, traces).
    """
    settings = merged([general(connection), {"env": _telemetry(signals)}, *teams])
    return Policy(str(uuid.uuid5(_NAMESPACE, owner)), checksum(settings), settings)


def general(connection: ClientSetup) -> dict[str, Any]:
    """What everybody gets who may use this model."""
    document = document_of(connection, signed_in(connection))
    return document if connection.is_placeholder else document | {"model": connection.model}


def _telemetry(signals: Collection[str]) -> dict[str, str]:
    """A client that is signed in sends it to the gateway, whatever address stands elsewhere."""
    if not signals:
        return {}
    exporters = {
        f"OTEL_{signal.upper()}_EXPORTER": "otlp" if signal in signals else "none"
        for signal in ("metrics", "logs", "traces")
    }
    protocol = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}  # without it nothing is sent
    return {"CLAUDE_CODE_ENABLE_TELEMETRY": "1", **exporters, **protocol}


def document_of(connection: ClientSetup, variables: Iterable[Variable]) -> dict[str, Any]:
    """These variables, and the mode to start in, as settings."""
    document: dict[str, Any] = {"env": {each.name: each.value for each in variables}}
    if mode := permission_mode(connection):
        document["permissions"] = {"defaultMode": mode}
    return document
