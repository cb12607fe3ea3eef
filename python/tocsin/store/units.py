"""Units: the commits that wait for a writer, and what both writers do with them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tocsin.model.event import Event, Scope
from tocsin.store import sql
from tocsin.store.base import Op

stored_event = msgspec.msgpack.Encoder(enc_hook=sql.plain).encode
"""Returns the octets of an event in the outbox."""

NEXT_SEQ = (
    "INSERT INTO scope_seq (scope_kind, scope_id, seq) VALUES (?, ?, ?) "
    "ON CONFLICT (scope_kind, scope_id) DO UPDATE SET seq = scope_seq.seq + excluded.seq RETURNING seq"
)
"""Takes the next so many numbers of a scope, and returns the last of them."""

OUTBOX = "INSERT INTO outbox (scope_kind, scope_id, seq, event, created_at) VALUES (?, ?, ?, ?, ?)"


class Unit(NamedTuple):
    """A commit that waits."""

    ops: Sequence[Op]
    events: Sequence[Event]
    done: asyncio.Future[list[Event]]


Outcome = tuple[Unit, list[Event] | Exception]


def scopes_of(units: Sequence[Unit]) -> list[tuple[Scope, int]]:
    """Return the scopes of the units' events with how many of each, in one order for every writer."""
    return sorted(Counter(event.scope for unit in units for event in unit.events).items())


def numbered(
    units: Sequence[Unit], before: Mapping[Scope, int], now_ms: int
) -> tuple[list[list[Event]], list[tuple[Any, ...]]]:
    """Return each unit's events, numbered from what their scopes had before, and the parameters of `OUTBOX`."""
    last = dict(before)
    written: list[list[Event]] = []
    outbox: list[tuple[Any, ...]] = []
    for unit in units:
        events = []
        for event in unit.events:
            scope = event.scope
            last[scope] = seq = last[scope] + 1
            one = msgspec.structs.replace(event, seq=seq)
            outbox.append((*scope, seq, stored_event(one), now_ms))
            events.append(one)
        written.append(events)
    return written, outbox


def finish(outcomes: Sequence[Outcome], on_commit: Callable[[list[Event]], None]) -> None:
    """Tell what was written, in its order, then let the callers resume."""
    committed = [event for _, outcome in outcomes if isinstance(outcome, list) for event in outcome]
    try:
        if committed:
            on_commit(committed)
    finally:
        for unit, outcome in outcomes:
            if unit.done.done():
                continue  # its caller was cancelled
            if isinstance(outcome, list):
                unit.done.set_result(outcome)
            else:
                unit.done.set_exception(outcome)
