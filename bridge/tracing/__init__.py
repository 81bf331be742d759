"""Traces of requests for the operator's own collector: spans, made of each request's record.

Nothing here runs, and OpenTelemetry is not imported, unless OTEL_EXPORTER_OTLP_ENDPOINT is set.
What clients export of themselves is another thing: `bridge/telemetry`.
"""
