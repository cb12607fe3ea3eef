"""Routes of threads and of who is in them (protocol.md §8.9). A thread is changed and deleted as a channel."""

from __future__ import annotations

from litestar import Response, delete, get, post, put

from tocsin_api.request import (
    ApiRequest,
    answer_json,
    audit_reason,
    no_content,
    path_id,
    query_bool,
    query_id,
    query_int,
    query_time,
    read_body,
    services,
)
from tocsin_api.routes.channels import CHANNEL
from tocsin_api.routes.messages import MESSAGE
from tocsin_api.schemas.threads import ThreadIn

THREADS = CHANNEL + "/threads"
MEMBERS = CHANNEL + "/thread-members"
OWN = MEMBERS + "/@me"
MEMBER = MEMBERS + "/{user_id:str}"


@post(MESSAGE + "/threads", status_code=201, opt={"body": ThreadIn}, summary="Start a thread from a message")
async def create_thread_from_message(request: ApiRequest) -> Response[bytes]:
    """Needs CREATE_PUBLIC_THREADS and SEND_MESSAGES. The thread takes the message's id."""
    audit_reason(request)
    channel_id, message_id = path_id(request, "channel_id"), path_id(request, "message_id")
    changes = (await read_body(request, ThreadIn)).changes()
    made = await services(request).threads.create_from_message(request.user, channel_id, message_id, changes)
    return answer_json(made, 201)


@post(THREADS, status_code=201, opt={"body": ThreadIn}, summary="Start a thread without a message")
async def create_thread(request: ApiRequest) -> Response[bytes]:
    """Private unless `type` is 11. Needs CREATE_PRIVATE_THREADS, or CREATE_PUBLIC_THREADS and SEND_MESSAGES."""
    audit_reason(request)
    channel_id = path_id(request, "channel_id")
    changes = (await read_body(request, ThreadIn)).changes()
    return answer_json(await services(request).threads.create(request.user, channel_id, changes), 201)


@get("/guilds/{guild_id:str}/threads/active", summary="List a guild's active threads")
async def list_active_threads(request: ApiRequest) -> Response[bytes]:
    """Those that the caller may view."""
    return answer_json(await services(request).threads.active(request.user, path_id(request, "guild_id")))


@get(THREADS + "/archived/public", summary="List archived public threads")
async def list_archived_public(request: ApiRequest) -> Response[bytes]:
    """The latest archived first, with `before` (a time) and `limit` 1 to 100 (50). Needs READ_MESSAGE_HISTORY."""
    return await _archived(request, private=False)


@get(THREADS + "/archived/private", summary="List archived private threads")
async def list_archived_private(request: ApiRequest) -> Response[bytes]:
    """As the public ones; needs MANAGE_THREADS too."""
    return await _archived(request, private=True)


async def _archived(request: ApiRequest, *, private: bool) -> Response[bytes]:
    page = await services(request).threads.archived(
        request.user,
        path_id(request, "channel_id"),
        private=private,
        before_ms=query_time(request, "before"),
        limit=query_int(request, "limit", 50, 1, 100),
    )
    return answer_json(page)


@get(CHANNEL + "/users/@me/threads/archived/private", summary="List archived private threads one is in")
async def list_joined_private(request: ApiRequest) -> Response[bytes]:
    """By falling id, with `before` (an id) and `limit` 1 to 100 (50). Needs READ_MESSAGE_HISTORY."""
    page = await services(request).threads.archived(
        request.user,
        path_id(request, "channel_id"),
        private=True,
        joined=True,
        before_id=query_id(request, "before"),
        limit=query_int(request, "limit", 50, 1, 100),
    )
    return answer_json(page)


@put(OWN, status_code=204, summary="Join a thread")
async def join_thread(request: ApiRequest) -> Response[None]:
    """One that the caller may view and that is not archived."""
    await services(request).thread_members.join(request.user, path_id(request, "channel_id"))
    return no_content()


@delete(OWN, status_code=204, summary="Leave a thread")
async def leave_thread(request: ApiRequest) -> Response[None]:
    """One that is not archived."""
    await services(request).thread_members.leave(request.user, path_id(request, "channel_id"))
    return no_content()


@put(MEMBER, status_code=204, summary="Bring somebody into a thread")
async def add_thread_member(request: ApiRequest) -> Response[None]:
    """Needs SEND_MESSAGES_IN_THREADS; a private thread may say that only its creator and MANAGE_THREADS do."""
    user_id = path_id(request, "user_id")
    await services(request).thread_members.add(request.user, path_id(request, "channel_id"), user_id)
    return no_content()


@delete(MEMBER, status_code=204, summary="Take somebody out of a thread")
async def remove_thread_member(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_THREADS, or to have made the private thread."""
    user_id = path_id(request, "user_id")
    await services(request).thread_members.remove(request.user, path_id(request, "channel_id"), user_id)
    return no_content()


@get(OWN, summary="Get one's place in a thread")
async def get_own_thread_member(request: ApiRequest) -> Response[bytes]:
    """404 for who is not in it. With `with_member`, with the guild's member."""
    return await _member(request, request.user.id)


@get(MEMBER, summary="Get somebody's place in a thread")
async def get_thread_member(request: ApiRequest) -> Response[bytes]:
    """As one's own."""
    return await _member(request, path_id(request, "user_id"))


async def _member(request: ApiRequest, user_id: int) -> Response[bytes]:
    place = await services(request).thread_members.get(
        request.user, path_id(request, "channel_id"), user_id, with_member=query_bool(request, "with_member")
    )
    return answer_json(place)


@get(MEMBERS, summary="List who is in a thread")
async def list_thread_members(request: ApiRequest) -> Response[bytes]:
    """All; `with_member` by pages, `after` an id and `limit` 1 to 100. Bots need the GUILD_MEMBERS intent."""
    page = await services(request).thread_members.list_of(
        request.user,
        path_id(request, "channel_id"),
        with_member=query_bool(request, "with_member"),
        after=query_id(request, "after"),
        limit=query_int(request, "limit", 100, 1, 100),
    )
    return answer_json(page)


HANDLERS: list[object] = [
    create_thread_from_message,
    create_thread,
    list_active_threads,
    list_archived_public,
    list_archived_private,
    list_joined_private,
    join_thread,
    leave_thread,
    add_thread_member,
    remove_thread_member,
    get_own_thread_member,
    get_thread_member,
    list_thread_members,
]
