"""Routes of /applications/{id}/commands and /applications/{id}/guilds/{id}/commands (protocol.md §8.9)."""

from __future__ import annotations

from typing import Any

from litestar import Response, delete, get, patch, post, put

from tocsin_api.request import ApiRequest, answer_json, no_content, path_id, read_body, services

EVERYWHERE = "/applications/{application_id:str}/commands"
IN_GUILD = "/applications/{application_id:str}/guilds/{guild_id:str}/commands"
ONE = "/{command_id:str}"
Raw = dict[str, Any]


def _place(request: ApiRequest) -> tuple[int, int]:
    guild_id = path_id(request, "guild_id") if "guild_id" in request.path_params else 0
    return path_id(request, "application_id"), guild_id


@get([EVERYWHERE, IN_GUILD], summary="List an application's commands")
async def list_commands(request: ApiRequest) -> Response[bytes]:
    """For the application's bot alone."""
    return answer_json(await services(request).commands.list_of(request.user, *_place(request)))


@get([EVERYWHERE + ONE, IN_GUILD + ONE], summary="Get a command")
async def get_command(request: ApiRequest) -> Response[bytes]:
    """For the application's bot alone."""
    command_id = path_id(request, "command_id")
    return answer_json(await services(request).commands.get(request.user, *_place(request), command_id))


@post([EVERYWHERE, IN_GUILD], status_code=201, summary="Register a command")
async def register_command(request: ApiRequest) -> Response[bytes]:
    """200 where it takes the place of one of its type and name."""
    raw = await read_body(request, Raw)
    command, new = await services(request).commands.register(request.user, *_place(request), raw)
    return answer_json(command, 201 if new else 200)


@put([EVERYWHERE, IN_GUILD], status_code=200, summary="Replace all commands")
async def replace_commands(request: ApiRequest) -> Response[bytes]:
    """Those that are not named are removed."""
    raws = await read_body(request, list[Raw])
    return answer_json(await services(request).commands.replace(request.user, *_place(request), raws))


@patch([EVERYWHERE + ONE, IN_GUILD + ONE], summary="Change a command")
async def edit_command(request: ApiRequest) -> Response[bytes]:
    """A missing key leaves a thing as it is."""
    raw, command_id = await read_body(request, Raw), path_id(request, "command_id")
    return answer_json(await services(request).commands.update(request.user, *_place(request), command_id, raw))


@delete([EVERYWHERE + ONE, IN_GUILD + ONE], status_code=204, summary="Remove a command")
async def delete_command(request: ApiRequest) -> Response[None]:
    """For the application's bot alone."""
    await services(request).commands.delete(request.user, *_place(request), path_id(request, "command_id"))
    return no_content()


@get("/guilds/{guild_id:str}/application-command-index", summary="List the commands of a guild's bots")
async def command_index(request: ApiRequest) -> Response[bytes]:
    """For members: what they may use."""
    return answer_json(await services(request).commands.index(request.user, path_id(request, "guild_id")))


HANDLERS: list[object] = [
    command_index,
    list_commands,
    get_command,
    register_command,
    replace_commands,
    edit_command,
    delete_command,
]
