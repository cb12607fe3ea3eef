"""Voice states on the wire (protocol.md §4.6)."""

from __future__ import annotations

from tocsin.model.voice import VoiceState
from tocsin.model.wire.times import Body, optional_timestamp


def voice_state(v: VoiceState, *, gone: bool = False, guild: bool = True) -> Body:
    """Render a voice state without its member: in no channel when it is `gone`; GUILD_CREATE names no guild in it."""
    body: Body = {"guild_id": str(v.guild_id)} if guild else {}
    return body | {
        "channel_id": None if gone else str(v.channel_id),
        "user_id": str(v.user_id),
        "session_id": v.session_id,
        "deaf": v.deaf,
        "mute": v.mute,
        "self_deaf": v.self_deaf,
        "self_mute": v.self_mute,
        "self_stream": v.self_stream,
        "self_video": v.self_video,
        "suppress": v.suppress,
        "request_to_speak_timestamp": optional_timestamp(v.requested_at),
    }
