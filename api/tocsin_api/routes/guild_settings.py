"""Routes of /users/@me/guilds/{id}/settings, for people (protocol.md §3.1)."""

from __future__ import annotations

from litestar import Response, get, patch

from tocsin_api.auth import people_only
from tocsin_api.request import ApiRequest, answer_json, path_id, read_body, services
from tocsin_api.schemas.guild_settings import GuildSettingsEdit

SETTINGS = "/users/@me/guilds/{guild_id:str}/settings"


@get(SETTINGS, guards=[people_only], summary="Get the caller's settings of a guild")
async def get_guild_settings(request: ApiRequest) -> Response[bytes]:
    """With defaults where nothing was set."""
    return answer_json(await services(request).guild_settings.get(request.user, path_id(request, "guild_id")))


@patch(SETTINGS, guards=[people_only], opt={"body": GuildSettingsEdit}, summary="Change the caller's guild settings")
async def edit_guild_settings(request: ApiRequest) -> Response[bytes]:
    """Change what the body names."""
    guild_id = path_id(request, "guild_id")
    changes = (await read_body(request, GuildSettingsEdit)).changes()
    return answer_json(await services(request).guild_settings.update(request.user, guild_id, changes))


HANDLERS: list[object] = [get_guild_settings, edit_guild_settings]
