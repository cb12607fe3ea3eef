"""The route of /guilds/{id}/audit-logs (protocol.md §8.7)."""

from __future__ import annotations

from litestar import Response, get

from tocsin_api.request import ApiRequest, answer_json, path_id, query_id, query_int, services


@get("/guilds/{guild_id:str}/audit-logs", summary="List a guild's audit log")
async def list_audit_log(request: ApiRequest) -> Response[bytes]:
    """Needs VIEW_AUDIT_LOG. With `user_id`, `action_type`, `before`, `after` and `limit` 1 to 100 (50)."""
    page = await services(request).audit.list_of(
        request.user,
        path_id(request, "guild_id"),
        user_id=query_id(request, "user_id"),
        action_type=query_int(request, "action_type", 0, 0, 1 << 16),
        before=query_id(request, "before"),
        after=query_id(request, "after"),
        limit=query_int(request, "limit", 50, 1, 100),
    )
    return answer_json(page)


HANDLERS: list[object] = [list_audit_log]
