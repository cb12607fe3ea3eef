"""Routes of what people gave, under /content: files, images of emojis, pictures of users, guilds and groups.

No token is needed, as with Discord's CDN: a file's URL has a secret in it.

Whatever the bytes are, a browser is told not to guess their type, and to give a page among them no rights.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get

from tocsin.errors import NotFound, unknown
from tocsin.service.images import sniff
from tocsin_api.request import parse_id, services

OPEN = {"auth": False, "rate_limit": False}
SHOWN = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "audio/mpeg", "audio/ogg", "video/mp4", "video/webm"}
)
"""What a browser may show by itself. Everything else is a download of no type."""

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@get("/content/emojis/{file:str}", opt=OPEN, summary="Get an emoji's image")
async def get_emoji_image(request: Request[Any, Any, Any]) -> Response[bytes]:
    """`ID.png`, with whatever extension: the image as it was uploaded."""
    emoji_id = parse_id(str(request.path_params["file"]).partition(".")[0], "emoji_id")
    return _image(await services(request).emojis.image(emoji_id), "emoji")


def _image(data: bytes, noun: str) -> Response[bytes]:
    image = sniff(data)
    if image is None:
        raise unknown(noun)
    headers = {**SAFE, "Content-Disposition": "inline", "Cache-Control": "public, max-age=86400"}
    return Response(data, headers=headers, media_type=f"image/{image.kind}")


@get("/content/channel-icons/{channel_id:str}/{file:str}", opt=OPEN, summary="Get a group DM's icon")
async def get_group_icon(request: Request[Any, Any, Any]) -> Response[bytes]:
    """`ICON.png`, with whatever extension: the image as it was uploaded, while the group has it."""
    channel_id, name = _picture(request, "channel_id")
    return _image(await services(request).group_dms.icons.image(channel_id, name), "channel")


@get("/content/avatars/{user_id:str}/{file:str}", opt=OPEN, summary="Get a user's or a webhook's avatar")
async def get_avatar(request: Request[Any, Any, Any]) -> Response[bytes]:
    """`AVATAR.png`, with whatever extension: the image as it was uploaded, while its owner has it."""
    owner_id, name = _picture(request, "user_id")
    try:
        return _image(await services(request).users.picture(owner_id, "avatar", name), "user")
    except NotFound:
        # Users first: they are many, and known without asking the store.
        data = await services(request).webhooks.avatars.image(owner_id, name)
        if data is None:
            raise
        return _image(data, "webhook")


@get("/content/banners/{user_id:str}/{file:str}", opt=OPEN, summary="Get a user's or a guild's banner")
async def get_banner(request: Request[Any, Any, Any]) -> Response[bytes]:
    """`BANNER.png`, as avatars are; the id is a user's or, as on Discord's CDN, a guild's."""
    owner_id, name = _picture(request, "user_id")
    try:
        return _image(await services(request).guilds.picture(owner_id, "banner", name), "guild")
    except NotFound:
        return _image(await services(request).users.picture(owner_id, "banner", name), "user")


@get("/content/icons/{guild_id:str}/{file:str}", opt=OPEN, summary="Get a guild's icon")
async def get_icon(request: Request[Any, Any, Any]) -> Response[bytes]:
    """`ICON.png`, with whatever extension: the image as it was uploaded, while the guild has it."""
    guild_id, name = _picture(request, "guild_id")
    return _image(await services(request).guilds.picture(guild_id, "icon", name), "guild")


@get("/content/splashes/{guild_id:str}/{file:str}", opt=OPEN, summary="Get a guild's splash")
async def get_splash(request: Request[Any, Any, Any]) -> Response[bytes]:
    """`SPLASH.png`, as icons are."""
    guild_id, name = _picture(request, "guild_id")
    return _image(await services(request).guilds.picture(guild_id, "splash", name), "guild")


@get("/content/discovery-splashes/{guild_id:str}/{file:str}", opt=OPEN, summary="Get a guild's discovery splash")
async def get_discovery_splash(request: Request[Any, Any, Any]) -> Response[bytes]:
    """`SPLASH.png`, as icons are."""
    guild_id, name = _picture(request, "guild_id")
    return _image(await services(request).guilds.picture(guild_id, "discovery_splash", name), "guild")


def _picture(request: Request[Any, Any, Any], owner: str) -> tuple[int, str]:
    return parse_id(str(request.path_params[owner]), owner), str(request.path_params["file"]).partition(".")[0]


@get("/content/attachments/{channel_id:str}/{attachment_id:str}/{filename:str}", opt=OPEN, summary="Get a file")
async def get_attachment(request: Request[Any, Any, Any]) -> Response[bytes]:
    """To whoever has the whole URL, `key` included, while the message is there."""
    params = request.path_params
    found, data = await services(request).attachments.file(
        parse_id(str(params["channel_id"]), "channel_id"),
        parse_id(str(params["attachment_id"]), "attachment_id"),
        str(params["filename"]),
        request.query_params.get("key", ""),
    )
    harmless = found.content_type in SHOWN
    headers = {
        **SAFE,
        "Content-Disposition": f"{'inline' if harmless else 'attachment'}; filename*=UTF-8''{quote(found.filename)}",
        "Cache-Control": "private, max-age=3600",
    }
    return Response(data, headers=headers, media_type=found.content_type if harmless else "application/octet-stream")


HANDLERS = [
    get_emoji_image,
    get_group_icon,
    get_avatar,
    get_banner,
    get_icon,
    get_splash,
    get_discovery_splash,
    get_attachment,
]
