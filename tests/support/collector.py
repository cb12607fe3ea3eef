"""Collector: what an OpenTelemetry collector is to tocsin: takes OTLP over HTTP and keeps it, octets and spans.

What comes is read by OpenTelemetry's own schema, and refused if anything in it is not in that.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from google.protobuf import json_format  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE_S = 30.0


class Taken(NamedTuple):
    """A span as it came."""

    name: str
    node: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start_ns: int
    end_ns: int
    facts: dict[str, Any]


class Collector:
    """`url` is what `--trace-endpoint` takes."""

    def __init__(self) -> None:
        self.octets = b""
        self.spans: list[Taken] = []
        self._more = threading.Condition()
        self.url = ""

    def take(self, body: bytes) -> None:
        """Keep one export."""
        sent = json.loads(body)
        for span in (s for group in sent["resourceSpans"] for scope in group["scopeSpans"] for s in scope["spans"]):
            # OTLP has ids in hex where protobuf's JSON has base64; all else is protobuf's.
            for name in {"traceId", "spanId", "parentSpanId"} & span.keys():
                span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
        request = json_format.ParseDict(sent, ExportTraceServiceRequest())
        with self._more:
            self.octets += body
            for group in request.resource_spans:
                about = {each.key: each.value.string_value for each in group.resource.attributes}
                for span in (span for scope in group.scope_spans for span in scope.spans):
                    facts = {each.key: each.value.int_value for each in span.attributes}
                    times = (span.start_time_unix_nano, span.end_time_unix_nano)
                    ids = (span.trace_id, span.span_id, span.parent_span_id)
                    self.spans.append(Taken(span.name, about["service.instance.id"], *ids, *times, facts))
            self._more.notify_all()

    def wait(self, count: int) -> list[Taken]:
        """Return the spans once there are so many."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.spans) >= count, PATIENCE_S), self.spans
            return list(self.spans)


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector for a `with` block."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
