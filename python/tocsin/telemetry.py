"""OtlpSink: spans to an OpenTelemetry collector over OTLP/HTTP as JSON, in batches, from a thread of its own.

All work on a span but noting its times is done there. A collector that is slow or away costs spans, never a message:
the queue is bounded, what does not fit and what is not taken is dropped and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import blake2b
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import msgspec
import structlog

from tocsin import __version__
from tocsin.config import Settings
from tocsin.figures import family
from tocsin.service.tracing import ROOT, Passage, Span, stages_of

QUEUE = 4096
"""Most messages whose spans wait."""
BATCH = 256
"""Most messages of one request."""
EVERY_S = 1.0
TIMEOUT_S = 5.0
_SERVER, _INTERNAL = 2, 1  # SpanKind

log = structlog.get_logger("tocsin.telemetry")


class _Value(msgspec.Struct, rename="camel", omit_defaults=True):
    string_value: str = ""
    int_value: str = ""


class _Fact(msgspec.Struct):
    key: str
    value: _Value


class _Span(msgspec.Struct, rename="camel", omit_defaults=True):
    """A span as OTLP's JSON has it: ids in hex, numbers of 64 bits as text."""

    trace_id: str
    span_id: str
    name: str
    kind: int
    start_time_unix_nano: str
    end_time_unix_nano: str
    parent_span_id: str = ""
    attributes: list[_Fact] = []


class OtlpSink:
    """Implements `service.tracing.Sink`.

    Args:
        settings: the node's; `trace_endpoint` is where to.
        role: what of a node this process is.
        passages: takes what traced events went through in the core. Called on the sink's thread.
    """

    def __init__(self, settings: Settings, role: str, passages: Callable[[], Sequence[Passage]]) -> None:
        self._node = settings.node_id
        self._passages = passages
        self._queue: deque[tuple[int, Sequence[Span]]] = deque()
        self._salts: dict[str, int] = {}
        self._url = urlsplit(settings.trace_endpoint)
        self._link: HTTPConnection | None = None
        self._away = False
        self.sent = self.failed = self.dropped = 0
        about = {
            "service.name": "tocsin",
            "service.version": __version__,
            "service.instance.id": settings.node_id,
            "tocsin.role": role,
        }
        facts = [_Fact(key, _Value(string_value=value)) for key, value in about.items()]
        scope = {"name": "tocsin", "version": __version__}
        frame = {"resourceSpans": [{"resource": {"attributes": facts}, "scopeSpans": [{"scope": scope, "spans": []}]}]}
        self._before, self._after = msgspec.json.encode(frame).split(b"[]", 1)
        self._encode = msgspec.json.Encoder().encode
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tocsin-traces", daemon=True)
        self._thread.start()

    def take(self, message_id: int, spans: Sequence[Span]) -> None:
        """Take stages of one message."""
        if len(self._queue) < QUEUE:
            self._queue.append((message_id, spans))
        else:
            self.dropped += len(spans)

    def gather(self) -> None:
        """Take what the core has noted by now."""
        for passage in self._passages():
            self.take(*stages_of(passage))

    def text(self) -> str:
        """Return what became of the spans in Prometheus' text format."""
        name = "tocsin_trace_spans_total"
        outcomes = (("sent", self.sent), ("failed", self.failed), ("dropped", self.dropped))
        lines = [f'{name}{{outcome="{outcome}"}} {count}' for outcome, count in outcomes]
        return family(name, "counter", "Spans of traces by what became of them", lines)

    def close(self) -> None:
        """Send what waits, for a few seconds at most, and end. Blocks."""
        self._ended.set()
        self._thread.join()

    # -- its thread

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(EVERY_S)
            try:
                self._export()
            except Exception:
                log.exception("traces not sent")
        if self._link is not None:
            self._link.close()

    def _export(self) -> None:
        self.gather()
        waiting = [self._queue.popleft() for _ in range(len(self._queue))]
        for start in range(0, len(waiting), BATCH):
            spans = [span for message in waiting[start : start + BATCH] for span in self._spans(*message)]
            if self._send(self._before + self._encode(spans) + self._after):
                self.sent += len(spans)
            else:
                self.failed += len(spans)

    def _spans(self, message_id: int, stages: Sequence[Span]) -> list[_Span]:
        """Return the spans with ids that every process makes alike: of the message, and of one span in its trace."""
        digest = blake2b(message_id.to_bytes(8, "big"), digest_size=24, person=b"tocsin trace").digest()
        trace_id, base = digest[:16].hex(), int.from_bytes(digest[16:], "big")
        made = []
        for stage, start, end, facts, under in stages:
            made.append(
                _Span(
                    trace_id,
                    f"{base ^ self._salt(stage):016x}",
                    stage,
                    _INTERNAL if under else _SERVER,
                    str(start),
                    str(end),
                    f"{base ^ self._salt(under):016x}" if under else "",
                    [_Fact(key, _Value(int_value=str(value))) for key, value in facts.items()],
                )
            )
        return made

    def _salt(self, stage: str) -> int:
        """Return what makes a span's id of its trace's: of a stage of this node, or of the root, which all share."""
        salt = self._salts.get(stage)
        if salt is None:
            name = stage if stage == ROOT else f"{stage} {self._node}"
            octets = blake2b(name.encode(), digest_size=8, person=b"tocsin span").digest()
            salt = self._salts[stage] = int.from_bytes(octets, "big")
        return salt

    def _send(self, body: bytes) -> bool:
        """Post one request; return whether it was taken."""
        path = f"{self._url.path or '/'}?{self._url.query}" if self._url.query else self._url.path or "/"
        try:
            if self._link is None:
                kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
                self._link = kind(self._url.hostname or "", self._url.port, timeout=TIMEOUT_S)
            self._link.request("POST", path, body, {"Content-Type": "application/json"})
            answer = self._link.getresponse()
            answer.read()
            status = answer.status
        except (OSError, HTTPException) as error:
            if self._link is not None:
                self._link.close()
            self._link, status, why = None, 0, str(error)
        else:
            why = f"status {status}"
        taken = 200 <= status < 300
        if not taken and not self._away:
            log.warning("collector does not take traces", reason=why)
        self._away = not taken
        return taken
