"""Spans as a collector gets them: decoded from OTLP, and printed as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.fakes.collector import Collector

PATH = "/v1/traces"


@dataclass(slots=True)
class SeenSpan:
    """One span; ids in hexadecimal, `parent` is "" for a root, times in nanoseconds."""

    name: str
    trace: str
    id: str
    parent: str
    kind: str
    begin: int
    end: int
    has_failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    state: str
    children: list[SeenSpan] = field(default_factory=list)

    def named(self, name: str) -> SeenSpan:
        """The one child of this name."""
        (found,) = (child for child in self.children if child.name == name)
        return found

    def outline(self) -> Any:
        """Names alone, children in the order in which they began."""
        return {self.name: [child.outline() for child in self.children]}

    def everything(self) -> Iterator[SeenSpan]:
        yield self
        for child in self.children:
            yield from child.everything()


def received(collector: Collector) -> list[SeenSpan]:
    """Every span that came, in no order."""
    found = []
    for exported in list(collector.received):
        assert exported.path == PATH
        assert exported.headers["content-type"] == "application/x-protobuf"
        request = ExportTraceServiceRequest.FromString(exported.body)
        for group in request.resource_spans:
            resource = _plain(group.resource.attributes)
            for scope in group.scope_spans:
                found += [_seen(span, resource) for span in scope.spans]
    return found


def roots(collector: Collector) -> list[SeenSpan]:
    """Spans whose parent did not come, with what is below them, in the order of their begin."""
    spans = sorted(received(collector), key=lambda span: (span.begin, span.end))
    by_id = {span.id: span for span in spans}
    for span in spans:
        if span.parent in by_id:
            by_id[span.parent].children.append(span)
    return [span for span in spans if span.parent not in by_id]


def printed(spans: Sequence[SeenSpan], depth: int = 0) -> str:
    """The tree, one line for each span, as docs/how-to/observe.md has it."""
    lines = []
    for span in spans:
        took = (span.end - span.begin) / 1e6
        name = f"{'  ' * depth}{span.name}"
        failed = " failed" if span.has_failed else ""
        lines.append(f"{name:<36}{took:8.1f} ms  {span.kind}{failed}")
        lines += [printed(span.children, depth + 1)] if span.children else []
    return "\n".join(lines)


def _seen(span: Span, resource: dict[str, Any]) -> SeenSpan:
    return SeenSpan(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        begin=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        has_failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=_plain(span.attributes),
        resource=resource,
        state=span.trace_state,
    )


def _plain(attributes: Sequence[KeyValue]) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> Any:
    if value.HasField("array_value"):
        return [_value(each) for each in value.array_value.values]
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
