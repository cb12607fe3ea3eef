"""OtlpSink: spans to an OpenTelemetry collector over OTLP/HTTP, in batches, from a thread of its own.

The one file that knows OpenTelemetry, which `pip install tocsin[otel]` brings. A collector that is slow or away costs
spans, never a message: the queue is bounded and what does not fit is dropped.
"""

from __future__ import annotations

from hashlib import blake2b

from tocsin import __version__
from tocsin.config import Settings
from tocsin.errors import ConfigError
from tocsin.service.tracing import Span

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
except ImportError as error:
    raise ConfigError(f"trace_endpoint: traces need `pip install tocsin[otel]` ({error})") from None

QUEUE = 4096
BATCH = 512
EVERY_MS = 1000
_SCOPE = InstrumentationScope("tocsin", __version__)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtlpSink:
    """Implements `service.tracing.Sink`."""

    def __init__(self, settings: Settings, role: str) -> None:
        self._node = settings.node_id
        self._resource = Resource(
            {
                "service.name": "tocsin",
                "service.version": __version__,
                "service.instance.id": settings.node_id,
                "tocsin.role": role,
            }
        )
        exporter = OTLPSpanExporter(endpoint=settings.trace_endpoint, timeout=5)
        self._processor = BatchSpanProcessor(
            exporter, max_queue_size=QUEUE, schedule_delay_millis=EVERY_MS, max_export_batch_size=BATCH
        )

    def root(self, message_id: int, span: Span, facts: dict[str, int]) -> None:
        """Take the span that the others of a message are under."""
        self._take(_context(message_id, "message"), None, span, facts, SpanKind.SERVER)

    def stage(self, message_id: int, span: Span, facts: dict[str, int]) -> None:
        """Take one stage of a message."""
        own = _context(message_id, f"{span.stage} {self._node}")
        self._take(own, _context(message_id, "message"), span, facts, SpanKind.INTERNAL)

    def _take(
        self, own: SpanContext, parent: SpanContext | None, span: Span, facts: dict[str, int], kind: SpanKind
    ) -> None:
        self._processor.on_end(
            ReadableSpan(
                name=span.stage,
                context=own,
                parent=parent,
                resource=self._resource,
                attributes=facts,
                kind=kind,
                start_time=span.start_ns,
                end_time=span.end_ns,
                instrumentation_scope=_SCOPE,
            )
        )

    def close(self) -> None:
        """Send what waits, for a few seconds at most, and end. Blocks."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]


def _context(message_id: int, name: str) -> SpanContext:
    """Return ids that every process makes alike: of the message, and of one span in its trace."""
    octets = message_id.to_bytes(8, "big")
    trace_id = int.from_bytes(blake2b(octets, digest_size=16, person=b"tocsin trace").digest(), "big")
    span_id = int.from_bytes(blake2b(octets + name.encode(), digest_size=8, person=b"tocsin span").digest(), "big")
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)
