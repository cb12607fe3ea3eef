"""Routes of /guilds/{id}/auto-moderation/rules."""

from __future__ import annotations

from litestar import Response, delete, get, patch, post

from tocsin_api.request import ApiRequest, answer_json, audit_reason, no_content, path_id, read_body, services
from tocsin_api.schemas.auto_moderation import RuleEdit, RuleIn

RULES = "/guilds/{guild_id:str}/auto-moderation/rules"
RULE = RULES + "/{rule_id:str}"


@get(RULES, summary="List a guild's rules of automatic moderation")
async def list_rules(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_GUILD."""
    return answer_json(await services(request).automod.list_of(request.user, path_id(request, "guild_id")))


@get(RULE, summary="Get a rule of automatic moderation")
async def get_rule(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_GUILD."""
    guild_id, rule_id = path_id(request, "guild_id"), path_id(request, "rule_id")
    return answer_json(await services(request).automod.get(request.user, guild_id, rule_id))


@post(RULES, status_code=200, opt={"body": RuleIn}, summary="Make a rule of automatic moderation")
async def create_rule(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_GUILD, and MODERATE_MEMBERS for a timeout. Trigger types 1 (keyword), 3 (spam), 5 (mentions)."""
    audit_reason(request)
    body = await read_body(request, RuleIn)
    guild_id = path_id(request, "guild_id")
    return answer_json(await services(request).automod.create(request.user, guild_id, body.changes()))


@patch(RULE, opt={"body": RuleEdit}, summary="Change a rule of automatic moderation")
async def update_rule(request: ApiRequest) -> Response[bytes]:
    """Needs what making it needs."""
    audit_reason(request)
    body = await read_body(request, RuleEdit)
    guild_id, rule_id = path_id(request, "guild_id"), path_id(request, "rule_id")
    return answer_json(await services(request).automod.update(request.user, guild_id, rule_id, body.changes()))


@delete(RULE, status_code=204, summary="Delete a rule of automatic moderation")
async def delete_rule(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_GUILD."""
    audit_reason(request)
    await services(request).automod.delete(request.user, path_id(request, "guild_id"), path_id(request, "rule_id"))
    return no_content()


HANDLERS: list[object] = [list_rules, get_rule, create_rule, update_rule, delete_rule]
