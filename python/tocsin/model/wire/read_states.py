"""Read states on the wire (protocol.md §3.4, §3.5)."""

from __future__ import annotations

from tocsin.model.entities import ReadState
from tocsin.model.wire.times import Body, timestamp


def read_state(state: ReadState) -> Body:
    """Render an entry of READY's `read_state`."""
    return {
        "id": str(state.channel_id),
        "last_message_id": str(state.last_message_id),
        "mention_count": state.mention_count,
        "last_pin_timestamp": timestamp(state.last_pin_timestamp),
        "version": state.version,
    }


def message_ack(state: ReadState, *, manual: bool) -> Body:
    """Render MESSAGE_ACK's `d`; only a manual one says the count."""
    body: Body = {
        "channel_id": str(state.channel_id),
        "message_id": str(state.last_message_id),
        "version": state.version,
        "flags": None,
        "last_viewed": None,
    }
    return body | {"manual": True, "mention_count": state.mention_count} if manual else body


def channel_pins_ack(state: ReadState) -> Body:
    """Render CHANNEL_PINS_ACK's `d`."""
    return {
        "channel_id": str(state.channel_id),
        "timestamp": timestamp(state.last_pin_timestamp),
        "version": state.version,
    }
