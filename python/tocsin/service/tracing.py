"""Tracing: what a message went through and when, of a sample of messages, without a word of what they say.

A trace's id follows from the message's id, and so does whether it is in the sample. Who publishes the message decides,
and says so by one bit of the event, for which the core of each node notes the times of its stages. Traces are made in
some slots of time only, so that all other requests pay for a look at the clock and no more. In those slots, the greater
the reach, the fewer are traced: all to 10 members, 10 % to 100, 1 % to 1,000, 0.1 % to 10,000 and more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from time import time_ns
from typing import NamedTuple, Protocol

import msgspec

from tocsin.model.event import Event
from tocsin.model.snowflake import snowflake_ms

ALWAYS = 10
"""A reach up to which every message is in the sample."""
RAREST = 0.001
SLOT_MS = 100
AHEAD_MS = SLOT_MS // 2
"""How long before and after a slot requests are looked at: the ids of their messages may fall into it."""

_SPREAD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


ROOT = "message"
"""The span that those of the stages are under."""
_NO_FACTS: Mapping[str, int] = {}


class Span(NamedTuple):
    """A stage, and the span it is part of. Times in Unix ns."""

    stage: str
    start_ns: int
    end_ns: int
    facts: Mapping[str, int] = _NO_FACTS
    under: str = ROOT


Passage = tuple[bytes, int, int, tuple[int, int, int, int, int], tuple[int, int] | None]
"""What a traced event went through in the core: as `_core.pyi` has it."""


class Sink(Protocol):
    """Where spans go; must not block."""

    def take(self, message_id: int, spans: Sequence[Span]) -> None:
        """Take stages of one message."""
        ...


class Marking(Protocol):
    """The bus, as far as it marks events for traces."""

    sampled: Callable[[Event], bool] | None

    def publish(self, events: Sequence[Event]) -> None:
        """Take committed events in commit order."""
        ...


class Steps:
    """What one request has gone through so far."""

    __slots__ = ("began_ns", "marks", "message_id", "reach")

    def __init__(self) -> None:
        self.began_ns = time_ns()
        self.marks: list[tuple[str, int]] = []
        self.message_id = 0
        self.reach = 0


STEPS: ContextVar[Steps | None] = ContextVar("tocsin_steps", default=None)
"""The request that this task serves, while traces are made."""


def mark(stage: str) -> None:
    """Say that a stage of the request under way has ended, and the next begins."""
    steps = STEPS.get()
    if steps is not None:
        steps.marks.append((stage, time_ns()))


def concerns(message_id: int, reach: int) -> None:
    """Say which message the request under way makes, and how many members may read it."""
    steps = STEPS.get()
    if steps is not None:
        steps.message_id, steps.reach = message_id, reach


def in_slot(unix_ms: int, per_mille: int) -> bool:
    """Return whether traces are made at that time: in `per_mille` of the slots, which no pattern picks."""
    return ((unix_ms // SLOT_MS * _SPREAD) & _MASK) * 1000 < per_mille << 64


def in_sample(message_id: int, reach: int, per_mille: int) -> bool:
    """Return whether a message is traced; the same in every process that knows its reach."""
    if not in_slot(snowflake_ms(message_id), per_mille):
        return False
    share = max(RAREST, min(1.0, ALWAYS / max(reach, 1)))
    return ((message_id * _SPREAD) & _MASK) < share * (1 << 64)


class _Ref(msgspec.Struct):
    id: str


_decode_ref = msgspec.json.Decoder(_Ref).decode


class Tracing:
    """Makes spans of sampled messages.

    Args:
        sink: where they go.
        per_mille: in how many of the slots, 0 to 1000.
        reach_of: returns how many members a guild has, 0 when that is not at hand.
    """

    __slots__ = ("_half", "_near", "_per_mille", "_published", "_reach_of", "_sink")

    def __init__(self, sink: Sink, per_mille: int, reach_of: Callable[[int], int]) -> None:
        self._sink = sink
        self._per_mille = per_mille
        self._reach_of = reach_of
        self._half = 0
        self._near = False
        self._published: list[int] = []

    def begin(self) -> Steps | None:
        """Return what to note a request's steps in, or None when it will not be traced."""
        return Steps() if self._is_near() else None

    def _is_near(self) -> bool:
        """Return whether ids made about now may fall into a slot of traces."""
        half = time_ns() // (AHEAD_MS * 1_000_000)
        if half != self._half:
            # The next slot from half a slot before it, the last one until half a slot after.
            at = range(half - 1, half + 2)
            self._half, self._near = half, any(in_slot(each * AHEAD_MS, self._per_mille) for each in at)
        return self._near

    def end(self, steps: Steps, status: int) -> None:
        """Make the spans of a request that was answered."""
        message_id = steps.message_id
        if not message_id or not in_sample(message_id, steps.reach, self._per_mille):
            return
        now, began = time_ns(), steps.began_ns
        facts = {"tocsin.message_id": message_id, "tocsin.reach": steps.reach, "http.response.status_code": status}
        spans = [Span(ROOT, began, now, facts, "")]
        start = began
        for stage, end in (*steps.marks, ("answer", now)):
            spans.append(Span(stage, start, end, _NO_FACTS, "post" if stage in _OF_POST else ROOT))
            if stage == "policy":
                spans.append(Span("post", began, end))
            start = end
        self._sink.take(message_id, spans)

    def _sampled(self, event: Event) -> bool:
        """Return whether an event that is being published is a message of the sample."""
        if event.name != "MESSAGE_CREATE":
            return False
        message_id = int(_decode_ref(event.body).id)
        reach = self._reach_of(event.guild_id) if event.guild_id else len(event.users)
        if not reach or not in_sample(message_id, reach, self._per_mille):
            return False
        self._published.append(message_id)
        return True

    def publishing(self, bus: Marking) -> Callable[[Sequence[Event]], None]:
        """Return the bus's `publish`, which marks each message of the sample, and makes a span of it."""
        publish = bus.publish

        def traced(events: Sequence[Event]) -> None:
            if not self._is_near():
                publish(events)
                return
            bus.sampled = self._sampled
            start = time_ns()
            try:
                publish(events)
            finally:
                bus.sampled = None
            end = time_ns()
            for message_id in self._published:
                self._sink.take(message_id, [Span("publish", start, end)])
            self._published.clear()

        return traced


_OF_POST = frozenset({"http", "policy"})


def stages_of(passage: Passage) -> tuple[int, list[Span]]:
    """Return the message and its stages in a node's core: in order, for whom, given to sessions, written."""
    body, receivers, workers, (arrived, ordered, handed, begun, given), writes = passage
    message_id = int(_decode_ref(body).id)
    facts = {"tocsin.receivers": receivers, "tocsin.workers": workers}
    spans = [
        Span("dispatcher", arrived, ordered, {"tocsin.message_id": message_id}),
        Span("audience", ordered, handed),
        Span("fan-out", begun, given, facts),
    ]
    if writes is not None:
        spans.append(Span("socket", *writes))
    return message_id, spans
