"""Routes of /channels/{id}/messages/{id}/reactions (protocol.md §8.4)."""

from __future__ import annotations

from litestar import Response, delete, get, put

from tocsin_api.request import ApiRequest, answer_json, no_content, path_id, query_id, query_int, services
from tocsin_api.routes.messages import MESSAGE

REACTIONS = MESSAGE + "/reactions"
EMOJI = REACTIONS + "/{emoji:str}"
OWN = EMOJI + "/@me"
REACT = "reactions.own"
CLEAR = "reactions.clear"


def _where(request: ApiRequest) -> tuple[int, int]:
    return path_id(request, "channel_id"), path_id(request, "message_id")


@put(OWN, status_code=204, opt={"bucket": REACT}, summary="React to a message")
async def add_reaction(request: ApiRequest) -> Response[None]:
    """The emoji is Unicode's, or `name:id`. Needs READ_MESSAGE_HISTORY, and ADD_REACTIONS for a new emoji."""
    await services(request).reactions.add(request.user, *_where(request), request.path_params["emoji"])
    return no_content()


@delete(OWN, status_code=204, opt={"bucket": REACT}, summary="Take one's reaction away")
async def remove_own_reaction(request: ApiRequest) -> Response[None]:
    """No change when it is not there."""
    reactions = services(request).reactions
    await reactions.remove(request.user, *_where(request), request.path_params["emoji"], request.user.id)
    return no_content()


@delete(EMOJI + "/{user_id:str}", status_code=204, opt={"bucket": CLEAR}, summary="Take a user's reaction away")
async def remove_reaction(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_MESSAGES."""
    user_id = path_id(request, "user_id")
    await services(request).reactions.remove(request.user, *_where(request), request.path_params["emoji"], user_id)
    return no_content()


@get(EMOJI, opt={"bucket": "reactions.list"}, summary="List who reacted")
async def list_reactions(request: ApiRequest) -> Response[bytes]:
    """By rising user id, with `after` and `limit` 1 to 100 (25). Needs READ_MESSAGE_HISTORY."""
    page = await services(request).reactions.users(
        request.user,
        *_where(request),
        request.path_params["emoji"],
        after=query_id(request, "after"),
        limit=query_int(request, "limit", 25, 1, 100),
    )
    return answer_json(page)


@delete(EMOJI, status_code=204, opt={"bucket": CLEAR}, summary="Take all reactions with an emoji away")
async def clear_emoji(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_MESSAGES."""
    await services(request).reactions.clear(request.user, *_where(request), request.path_params["emoji"])
    return no_content()


@delete(REACTIONS, status_code=204, opt={"bucket": CLEAR}, summary="Take all reactions away")
async def clear_reactions(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_MESSAGES."""
    await services(request).reactions.clear(request.user, *_where(request))
    return no_content()


HANDLERS: list[object] = [
    add_reaction,
    remove_own_reaction,
    remove_reaction,
    list_reactions,
    clear_emoji,
    clear_reactions,
]
