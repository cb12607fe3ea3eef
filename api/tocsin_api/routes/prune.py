"""Routes of /guilds/{id}/prune (protocol.md §8.7)."""

from __future__ import annotations

from litestar import Response, get, post

from tocsin.service.prune import DAYS, MAX_DAYS, MIN_DAYS
from tocsin_api.request import (
    ApiRequest,
    answer_json,
    audit_reason,
    parse_id,
    path_id,
    query_int,
    read_body,
    services,
)
from tocsin_api.schemas.prune import PruneIn

PRUNE = "/guilds/{guild_id:str}/prune"


def _ids(text: str) -> list[int]:
    return [parse_id(each.strip(), "include_roles") for each in text.split(",") if each.strip()]


@get(PRUNE, summary="Count who would be pruned")
async def count_prune(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_GUILD and KICK_MEMBERS. `days` 1 to 30 (7); `include_roles` with commas between."""
    days = query_int(request, "days", DAYS, MIN_DAYS, MAX_DAYS)
    roles = [each for text in request.query_params.getall("include_roles", []) for each in _ids(text)]
    count = await services(request).prune.count(request.user, path_id(request, "guild_id"), days, roles)
    return answer_json({"pruned": count})


@post(PRUNE, status_code=200, opt={"body": PruneIn}, summary="Remove inactive members")
async def prune(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_GUILD and KICK_MEMBERS. `pruned` is null when `compute_prune_count` is false."""
    audit_reason(request)
    body = await read_body(request, PruneIn)
    given = body.include_roles or []
    roles = _ids(given) if isinstance(given, str) else [int(each) for each in given]
    count = await services(request).prune.prune(request.user, path_id(request, "guild_id"), body.checked_days(), roles)
    return answer_json({"pruned": None if body.compute_prune_count is False else count})


HANDLERS: list[object] = [count_prune, prune]
