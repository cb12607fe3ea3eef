"""VoiceState: where in voice a member is (protocol.md §4.6). In memory only: it ends with its session."""

from __future__ import annotations

import msgspec


class VoiceState(msgspec.Struct, frozen=True, kw_only=True):
    """One per user and guild. `session_id` is the gateway session's; `deaf` and `mute` are the guild's doing.

    `requested_at` is when they asked to speak on a stage, in Unix ms.
    """

    guild_id: int
    user_id: int
    channel_id: int
    session_id: str
    deaf: bool = False
    mute: bool = False
    self_deaf: bool = False
    self_mute: bool = False
    self_stream: bool = False
    self_video: bool = False
    suppress: bool = False
    requested_at: int | None = None
