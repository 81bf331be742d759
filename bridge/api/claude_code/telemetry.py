"""POST /v1/metrics, /v1/logs and /v1/traces: exports of OpenTelemetry over HTTP. Pure.

Each good one is answered by the empty success of its form, whether it is forwarded or not: a client
whose export is refused logs an error at each flush. Its body is not read here.
"""

from __future__ import annotations

from bridge.telemetry.forwarding import Export, Signal

MOST_BYTES = 4 * 1024 * 1024
"""Of one export, decoded; exporters send a few hundred kilobytes."""
JSON_TYPE, PROTOBUF_TYPE = "application/json", "application/x-protobuf"
_EMPTY = {JSON_TYPE: b"{}", PROTOBUF_TYPE: b""}


def export_of(path: str, content_type: str, body: bytes) -> Export:
    """The export that came to this path."""
    is_json = content_type.partition(";")[0].strip().lower() == JSON_TYPE
    return Export(Signal(path.rpartition("/")[2]), JSON_TYPE if is_json else PROTOBUF_TYPE, body)


def answer(export: Export) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body: the form is that of the request."""
    return 200, {"content-type": export.content_type}, _EMPTY[export.content_type]
