"""Routes of /guilds/{id}/voice-states (protocol.md §8.7)."""

from __future__ import annotations

from litestar import Response, get

from tocsin_api.request import ApiRequest, answer_json, path_id, services

VOICE_STATES = "/guilds/{guild_id:str}/voice-states"


@get(VOICE_STATES + "/@me", summary="Get the caller's voice state")
async def get_own_voice_state(request: ApiRequest) -> Response[bytes]:
    """404 10065 for one who is in no voice channel of the guild."""
    return answer_json(await services(request).voice.get(request.user, path_id(request, "guild_id"), request.user.id))


@get(VOICE_STATES + "/{user_id:str}", summary="Get a member's voice state")
async def get_voice_state(request: ApiRequest) -> Response[bytes]:
    """404 10065 also where the caller may not view the channel."""
    guild_id, user_id = path_id(request, "guild_id"), path_id(request, "user_id")
    return answer_json(await services(request).voice.get(request.user, guild_id, user_id))


HANDLERS: list[object] = [get_own_voice_state, get_voice_state]
