"""Routes of /channels/{id} and /guilds/{id}/channels (protocol.md §8.6)."""

from __future__ import annotations

from litestar import Response, delete, get, patch, post, put

from tocsin_api.request import ApiRequest, answer_json, audit_reason, no_content, path_id, read_body, services
from tocsin_api.schemas.channels import ChannelIn, ChannelPosition, OverwriteIn

CHANNEL = "/channels/{channel_id:str}"
OVERWRITE = CHANNEL + "/permissions/{target_id:str}"
CHANNELS = "/guilds/{guild_id:str}/channels"


@get(CHANNEL, summary="Get a channel")
async def get_channel(request: ApiRequest) -> Response[bytes]:
    """Get a channel the caller may view, or a DM of theirs."""
    return answer_json(await services(request).channels.get(request.user, path_id(request, "channel_id")))


@patch(CHANNEL, opt={"body": ChannelIn}, summary="Change a channel")
async def edit_channel(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_CHANNELS, and MANAGE_ROLES for overwrites; a group DM is changed by whoever is in it."""
    audit_reason(request)
    channel_id = path_id(request, "channel_id")
    body = await read_body(request, ChannelIn)
    groups = services(request).group_dms
    if await groups.has(channel_id):
        return answer_json(await groups.update(request.user, channel_id, body.group_changes()))
    return answer_json(await services(request).channels.update(request.user, channel_id, body.changes()))


@delete(CHANNEL, status_code=200, summary="Delete a channel")
async def delete_channel(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_CHANNELS; a DM is closed for the caller, a group DM left."""
    audit_reason(request)
    return answer_json(await services(request).channels.delete(request.user, path_id(request, "channel_id")))


@put(OVERWRITE, status_code=204, opt={"body": OverwriteIn}, summary="Set an overwrite")
async def put_overwrite(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_ROLES in the channel; bits the caller has."""
    audit_reason(request)
    channel_id, target_id = path_id(request, "channel_id"), path_id(request, "target_id")
    body = await read_body(request, OverwriteIn)
    await services(request).channels.put_overwrite(request.user, channel_id, body.value(target_id))
    return no_content()


@delete(OVERWRITE, status_code=204, summary="Delete an overwrite")
async def delete_overwrite(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_ROLES in the channel."""
    audit_reason(request)
    channel_id, target_id = path_id(request, "channel_id"), path_id(request, "target_id")
    await services(request).channels.delete_overwrite(request.user, channel_id, target_id)
    return no_content()


@get(CHANNELS, summary="List a guild's channels")
async def list_channels(request: ApiRequest) -> Response[bytes]:
    """Those that the caller may view."""
    return answer_json(await services(request).channels.list_of(request.user, path_id(request, "guild_id")))


@post(CHANNELS, status_code=201, opt={"body": ChannelIn}, summary="Make a channel")
async def create_channel(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_CHANNELS."""
    audit_reason(request)
    guild_id = path_id(request, "guild_id")
    body = await read_body(request, ChannelIn)
    made = await services(request).channels.create(request.user, guild_id, body.changes(making=True))
    return answer_json(made, 201)


@patch(CHANNELS, status_code=204, opt={"body": list[ChannelPosition]}, summary="Move channels")
async def move_channels(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_CHANNELS; at most one channel changes its parent."""
    audit_reason(request)
    body = await read_body(request, list[ChannelPosition])
    moves = [each.move() for each in body]
    await services(request).channels.move(request.user, path_id(request, "guild_id"), moves)
    return no_content()


HANDLERS: list[object] = [
    get_channel,
    edit_channel,
    delete_channel,
    put_overwrite,
    delete_overwrite,
    list_channels,
    create_channel,
    move_channels,
]
