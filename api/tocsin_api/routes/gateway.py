"""Routes that tell where the gateway is (protocol.md §1.8), and two fixed lists that libraries ask for at login."""

from __future__ import annotations

from litestar import Response, get

from tocsin_api.auth import NO_AUTH, bots_only
from tocsin_api.request import ApiRequest, answer, answer_json, services


@get("/gateway", opt=NO_AUTH, summary="Get the gateway's URL")
async def get_gateway(request: ApiRequest) -> Response[bytes]:
    """Scheme, host and port only: libraries append the query themselves (clients/README.md §1.17)."""
    return answer_json({"url": request.app.state.gateway_url()})


@get("/gateway/bot", guards=[bots_only], summary="Get the gateway's URL and how to start sessions")
async def get_gateway_bot(request: ApiRequest) -> Response[bytes]:
    """With the recommended number of shards and what is left of today's session starts."""
    found = services(request)
    guilds = len(await found.context.store.guild_ids_of(request.user.id))
    per_shard = found.context.settings.max_guilds_per_shard or guilds or 1
    limit = await found.session_starts.left(request.user.id)
    body = {
        "url": request.app.state.gateway_url(),
        "shards": max(1, -(-guilds // per_shard)),
        "session_start_limit": limit._asdict(),
    }
    return answer_json(body)


@get(["/soundboard-default-sounds", "/voice/regions"], summary="Empty lists")
async def empty_list(request: ApiRequest) -> Response[bytes]:
    """This server has no default sounds and no voice regions."""
    return answer(b"[]")


HANDLERS = [get_gateway, get_gateway_bot, empty_list]
