"""Routes of invites: /channels/{id}/invites, /guilds/{id}/invites, /invites/{code} (protocol.md §8.6, §8.8)."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post

from tocsin_api.auth import NO_AUTH, people_only
from tocsin_api.request import ApiRequest, answer_json, audit_reason, path_id, query_bool, read_body, services
from tocsin_api.schemas.invites import InviteCreate

IN_CHANNEL = "/channels/{channel_id:str}/invites"
INVITE = "/invites/{code:str}"


@post(IN_CHANNEL, status_code=200, opt={"body": InviteCreate}, summary="Make an invite")
async def create_invite(request: ApiRequest) -> Response[bytes]:
    """Needs CREATE_INSTANT_INVITE. Lives a day unless `max_age` says otherwise."""
    audit_reason(request)
    channel_id = path_id(request, "channel_id")
    body = await read_body(request, InviteCreate)
    return answer_json(await services(request).invites.create(request.user, channel_id, **body.options()))


@get(IN_CHANNEL, summary="List a channel's invites")
async def list_channel_invites(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_CHANNELS."""
    return answer_json(await services(request).invites.list_in_channel(request.user, path_id(request, "channel_id")))


@get("/guilds/{guild_id:str}/invites", summary="List a guild's invites")
async def list_guild_invites(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_GUILD or VIEW_AUDIT_LOG; those to channels in sight."""
    return answer_json(await services(request).invites.list_in_guild(request.user, path_id(request, "guild_id")))


@get(INVITE, opt=NO_AUTH, summary="Get an invite")
async def get_invite(request: Request[Any, Any, Any]) -> Response[bytes]:
    """To whoever has the code; `with_counts` adds how many members there are and how many are online."""
    code, with_counts = str(request.path_params["code"]), query_bool(request, "with_counts")
    return answer_json(await services(request).invites.get(code, with_counts=with_counts))


@post(INVITE, status_code=200, guards=[people_only], summary="Accept an invite")
async def accept_invite(request: ApiRequest) -> Response[bytes]:
    """People only."""
    return answer_json(await services(request).invites.accept(request.user, str(request.path_params["code"])))


@delete(INVITE, status_code=200, summary="Revoke an invite")
async def delete_invite(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_CHANNELS in its channel, or MANAGE_GUILD."""
    audit_reason(request)
    return answer_json(await services(request).invites.delete(request.user, str(request.path_params["code"])))


HANDLERS: list[object] = [
    create_invite,
    list_channel_invites,
    list_guild_invites,
    get_invite,
    accept_invite,
    delete_invite,
]
