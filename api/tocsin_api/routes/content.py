"""Routes of what people gave, under /content: images of emojis. No token is needed, as with Discord's CDN.

Whatever the bytes are, a browser is told not to guess their type, and to give a page among them no rights.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from tocsin.errors import unknown
from tocsin.service.images import sniff
from tocsin_api.request import parse_id, services

OPEN = {"auth": False, "rate_limit": False}
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@get("/content/emojis/{file:str}", opt=OPEN, summary="Get an emoji's image")
async def get_emoji_image(request: Request[Any, Any, Any]) -> Response[bytes]:
    """`ID.png`, with whatever extension: the image as it was uploaded."""
    emoji_id = parse_id(str(request.path_params["file"]).partition(".")[0], "emoji_id")
    data = await services(request).emojis.image(emoji_id)
    image = sniff(data)
    if image is None:
        raise unknown("emoji")
    headers = {**SAFE, "Content-Disposition": "inline", "Cache-Control": "public, max-age=86400"}
    return Response(data, headers=headers, media_type=f"image/{image.kind}")


HANDLERS = [get_emoji_image]
