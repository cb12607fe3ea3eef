"""Schemas of acks (protocol.md §8.5)."""

from __future__ import annotations

from msgspec import Struct

from tocsin.errors import InvalidForm
from tocsin.service.read_states import Ack
from tocsin_api.request import Snowflake

MAX_BULK = 100
MAX_COUNT = 2**31 - 1
CHANNEL = 0
"""The only type of read state that this server keeps."""


class MessageAck(Struct):
    """Body of POST …/ack. `token` is from older servers and means nothing; `mention_count` counts if `manual`."""

    token: str | None = None
    manual: bool | None = None
    mention_count: int | None = None

    def count(self) -> int:
        """Return the unread mentions that it names."""
        count = self.mention_count or 0
        if not 0 <= count <= MAX_COUNT:
            raise InvalidForm.field("mention_count", "NUMBER_TYPE_MAX", f"Must be between 0 and {MAX_COUNT}.")
        return count


class BulkEntry(Struct):
    """One channel of POST /read-states/ack-bulk."""

    channel_id: Snowflake
    message_id: Snowflake
    read_state_type: int = CHANNEL


class BulkAck(Struct):
    """Body of POST /read-states/ack-bulk."""

    read_states: list[BulkEntry]

    def acks(self) -> list[Ack]:
        """Return those of channels."""
        if len(self.read_states) > MAX_BULK:
            raise InvalidForm.field("read_states", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_BULK} or fewer in length.")
        return [Ack(each.channel_id, each.message_id) for each in self.read_states if each.read_state_type == CHANNEL]
