"""Routes of /guilds/{id}/emojis (protocol.md §8.7). The images are served by `routes/content.py`."""

from __future__ import annotations

from litestar import Response, delete, get, patch, post

from tocsin_api.request import ApiRequest, answer_json, audit_reason, no_content, path_id, read_body, services
from tocsin_api.schemas.emojis import EmojiCreate, EmojiEdit

EMOJIS = "/guilds/{guild_id:str}/emojis"
EMOJI = EMOJIS + "/{emoji_id:str}"


@get(EMOJIS, summary="List a guild's emojis")
async def list_emojis(request: ApiRequest) -> Response[bytes]:
    """Who made them is shown to those who may make some."""
    return answer_json(await services(request).emojis.list_of(request.user, path_id(request, "guild_id")))


@get(EMOJI, summary="Get an emoji")
async def get_emoji(request: ApiRequest) -> Response[bytes]:
    """Get one emoji."""
    guild_id, emoji_id = path_id(request, "guild_id"), path_id(request, "emoji_id")
    return answer_json(await services(request).emojis.get(request.user, guild_id, emoji_id))


@post(EMOJIS, status_code=201, opt={"body": EmojiCreate}, summary="Make an emoji")
async def create_emoji(request: ApiRequest) -> Response[bytes]:
    """Needs CREATE_GUILD_EXPRESSIONS or MANAGE_GUILD_EXPRESSIONS. The image is a data URI of at most 256 KiB."""
    audit_reason(request)
    body = await read_body(request, EmojiCreate)
    made = await services(request).emojis.create(
        request.user,
        path_id(request, "guild_id"),
        body.name,
        body.image,
        tuple(int(each) for each in body.roles or ()),
    )
    return answer_json(made, 201)


@patch(EMOJI, opt={"body": EmojiEdit}, summary="Change an emoji")
async def edit_emoji(request: ApiRequest) -> Response[bytes]:
    """Others' emojis need MANAGE_GUILD_EXPRESSIONS."""
    audit_reason(request)
    guild_id, emoji_id = path_id(request, "guild_id"), path_id(request, "emoji_id")
    body = await read_body(request, EmojiEdit)
    return answer_json(await services(request).emojis.update(request.user, guild_id, emoji_id, body.changes()))


@delete(EMOJI, status_code=204, summary="Delete an emoji")
async def delete_emoji(request: ApiRequest) -> Response[None]:
    """Others' emojis need MANAGE_GUILD_EXPRESSIONS."""
    audit_reason(request)
    guild_id, emoji_id = path_id(request, "guild_id"), path_id(request, "emoji_id")
    await services(request).emojis.delete(request.user, guild_id, emoji_id)
    return no_content()


HANDLERS: list[object] = [list_emojis, get_emoji, create_emoji, edit_emoji, delete_emoji]
