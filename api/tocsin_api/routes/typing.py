"""Route of /channels/{id}/typing (protocol.md §8.5)."""

from __future__ import annotations

from litestar import Response, post

from tocsin_api.request import ApiRequest, no_content, path_id, services


@post("/channels/{channel_id:str}/typing", status_code=204, opt={"bucket": "typing"}, summary="Start typing")
async def start_typing(request: ApiRequest) -> Response[None]:
    """Tell the channel that the caller types."""
    await services(request).typing.start(request.user, path_id(request, "channel_id"))
    return no_content()


HANDLERS = [start_typing]
