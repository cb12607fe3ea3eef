"""Routes of /guilds/{id}/voice-states (protocol.md §8.7)."""

from __future__ import annotations

from litestar import Response, get, patch

from tocsin_api.request import ApiRequest, answer_json, no_content, path_id, read_body, services
from tocsin_api.schemas.voice import OwnVoiceStateIn, VoiceStateIn

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


@patch(
    VOICE_STATES + "/@me",
    status_code=204,
    opt={"body": OwnVoiceStateIn},
    summary="Change the caller's place on a stage",
)
async def edit_own_voice_state(request: ApiRequest) -> Response[None]:
    """MUTE_MEMBERS to speak, REQUEST_TO_SPEAK to ask for it."""
    guild_id = path_id(request, "guild_id")
    changes = (await read_body(request, OwnVoiceStateIn)).changes()
    await services(request).voice.speak(request.user, guild_id, request.user.id, changes)
    return no_content()


@patch(
    VOICE_STATES + "/{user_id:str}",
    status_code=204,
    opt={"body": VoiceStateIn},
    summary="Change a member's place on a stage",
)
async def edit_voice_state(request: ApiRequest) -> Response[None]:
    """Needs MUTE_MEMBERS in the stage."""
    guild_id, user_id = path_id(request, "guild_id"), path_id(request, "user_id")
    await services(request).voice.speak(
        request.user, guild_id, user_id, (await read_body(request, VoiceStateIn)).changes()
    )
    return no_content()


HANDLERS: list[object] = [get_own_voice_state, get_voice_state, edit_own_voice_state, edit_voice_state]
